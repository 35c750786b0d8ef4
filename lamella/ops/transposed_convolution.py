"""Transposed convolutions, each of them one contraction (`lamella.ir.conv_specs`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, convert_to_tensor
from lamella.ir import transposed_conv_spec
from lamella.ops.convolution import channels_of, conv_operands
from lamella.ops.shaping import reshape
from lamella.ops.windows import is_channels_first, padding_mode, per_axis


def conv_transpose(inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", output_padding: Any = None,
                   data_format: str | None = None, dilation_rate: Any = 1) -> Tensor:
    """The transpose (gradient) of a convolution: out[n, stride i + dilation k - cut, f] += x[n, i, c] kernel[k, f, c].

    Every element of the inputs adds its multiple of the kernel to a window of the outputs. Computed for each residue
    of the output position modulo the stride, with the elements of the kernel that it meets.

    Args:
        inputs: (n, *spatial, channels), or (n, channels, *spatial) for "channels_first".
        kernel: (*window, filters, channels).
        strides: step of the windows in the output.
        padding: "valid" or "same" (n stride outputs).
        output_padding: elements more at the end, less than the stride; None for the default of `padding`.
        data_format, dilation_rate: see `conv`.

    Raises:
        ShapeError: ranks or channels don't fit.
        ValueError: unknown padding or format, or `output_padding` not below the stride.

    Example:
        >>> conv_transpose([[[1.0], [2.0]]], [[[1.0]], [[1.0]], [[1.0]]], strides=2).numpy().ravel().tolist()
        [1.0, 1.0, 3.0, 2.0, 2.0]
    """
    x, kernel = conv_operands("conv_transpose", inputs, kernel)
    d, first = x.ndim - 2, is_channels_first(data_format)
    if kernel.shape[-1] != channels_of(x, data_format):
        raise ShapeError(f"conv_transpose: the kernel of shape {kernel.shape} takes {kernel.shape[-1]} channels, the "
                         f"inputs of shape {x.shape} have {channels_of(x, data_format)}.")
    strides, dilation = per_axis(strides, d, "strides"), per_axis(dilation_rate, d, "dilation_rate")
    window, at = kernel.shape[:d], 2 if first else 1
    sizes = transposed_sizes(x.shape[at : at + d], window, strides, padding, output_padding, dilation)
    cuts = [(k - 1) * r - low for k, r, (low, _) in
            zip(window, dilation, transpose_padding(window, strides, padding, output_padding, dilation), strict=True)]
    if max(strides) > 1 and max(dilation) > 1:
        kernel, dilation = _dilated(kernel, dilation), (1,) * d
    kernel = _by_residue(kernel, strides)
    starts = [cut // s for cut, s in zip(cuts, strides, strict=True)]
    counts = [-(-(cut + n) // s) - start for cut, n, s, start in zip(cuts, sizes, strides, starts, strict=True)]
    spec = transposed_conv_spec(x.shape, kernel.shape, starts, counts, dilation, first)
    y = bind("contract", x, kernel, spec=spec)
    joined = [count * s for count, s in zip(counts, strides, strict=True)]
    filters = kernel.shape[-2]
    y = reshape(y, (x.shape[0], filters, *joined) if first else (x.shape[0], *joined, filters))
    before = [cut - start * s for cut, start, s in zip(cuts, starts, strides, strict=True)]
    return _window(y, at, before, sizes)


def transpose_padding(window: Sequence[int], strides: Sequence[int], padding: str, output_padding: Any,
                      dilation: Sequence[int]) -> list[tuple[int, int]]:
    """Zeros before and behind the inputs with stride - 1 zeros between them, per spatial axis, so that a plain
    convolution of stride 1 gives the outputs.

    Source: the windows of the convolution that is transposed; the halves of "same" as in Keras 3.
    """
    mode, count = padding_mode(padding), len(window)
    given = [None] * count if output_padding is None else per_axis(output_padding, count, "output_padding", least=0)
    if any(more is not None and more >= s for more, s in zip(given, strides, strict=True)):
        raise ValueError(f"output_padding must be below the strides {tuple(strides)}, received {output_padding!r}.")
    pads = []
    for k, s, more, r in zip(window, strides, given, dilation, strict=True):
        reach = (k - 1) * r + 1
        if mode == "valid":
            pads.append((reach - 1, reach - 1 + (max(reach, s) - reach if more is None else more)))
            continue
        total = s + reach - 2 if more is None else reach + reach % 2 - 2 + more
        low = min(-(-total // 2), reach - 1)
        pads.append((low, total - low))
    return pads


def transposed_sizes(sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: str,
                     output_padding: Any, dilation: Sequence[int]) -> tuple[int, ...]:
    """Output sizes: (n - 1) stride + 1 + padding - (k - 1) dilation per spatial axis."""
    pads = transpose_padding(window, strides, padding, output_padding, dilation)
    return tuple((n - 1) * s + 1 + low + high - (k - 1) * r
                 for n, s, (low, high), k, r in zip(sizes, strides, pads, window, dilation, strict=True))


def _dilated(kernel: Tensor, dilation: Sequence[int]) -> Tensor:
    """Zeros between the elements of the windows."""
    none, rest = (0,) * kernel.ndim, (0,) * (kernel.ndim - len(dilation))
    interior = (*(r - 1 for r in dilation), *rest)
    return bind("pad", kernel, convert_to_tensor(0, kernel.dtype), low=none, high=none, interior=interior)


def _by_residue(kernel: Tensor, strides: Sequence[int]) -> Tensor:
    """(*window, filters, channels) to (t1, s1, t2, s2, ..., filters, channels), zeros filling up the last t."""
    d = len(strides)
    taps = [-(-k // s) for k, s in zip(kernel.shape[:d], strides, strict=True)]
    full = [t * s for t, s in zip(taps, strides, strict=True)]
    pairs = [n for pair in zip(taps, strides, strict=True) for n in pair]
    return reshape(_window(kernel, 0, [0] * d, full), (*pairs, *kernel.shape[d:]))


def _window(x: Tensor, at: int, before: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """The part of the axes from `at` on that starts at `before` and has `sizes`, zeros where x ends earlier."""
    low, high = [0] * x.ndim, [0] * x.ndim
    for i, (start, n) in enumerate(zip(before, sizes, strict=True)):
        low[at + i], high[at + i] = -start, start + n - x.shape[at + i]
    if not any(low) and not any(high):
        return x
    zero = convert_to_tensor(0, x.dtype)
    return bind("pad", x, zero, low=tuple(low), high=tuple(high), interior=(0,) * x.ndim)
