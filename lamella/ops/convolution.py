"""Convolutions, each of them one contraction (`lamella.ir.conv_specs`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, convert_to_tensor
from lamella.frontend.arithmetic import to_floats
from lamella.ir import grouped_conv_spec
from lamella.ops.shaping import reshape
from lamella.ops.windows import is_channels_first, padding_mode, per_axis, windows


def conv(inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: str | None = None,
         dilation_rate: Any = 1) -> Tensor:
    """Convolution without turning the kernel: out[n, o, f] = sum over k, c of x[n, stride o + dilation k - low, c]
    kernel[k, c, f].

    If the kernel has fewer channels than the inputs, the channels form groups of that size, and so do the filters.

    Args:
        inputs: (n, *spatial, channels), or (n, channels, *spatial) for "channels_first"; 1 to 3 spatial axes.
        kernel: (*window, channels of a group, filters).
        strides: step between windows, one int or one per spatial axis.
        padding: "valid", "same", or "causal" (one spatial axis: zeros only before).
        data_format: "channels_last" (default) or "channels_first".
        dilation_rate: step between the elements of a window.

    Raises:
        ShapeError: ranks or channels don't fit, or the window is larger than the inputs.
        ValueError: unknown padding or format, or strides and dilation both above 1.

    Example:
        >>> conv([[[1.0], [2.0], [3.0]]], [[[1.0]], [[1.0]]]).numpy().tolist()
        [[[3.0], [5.0]]]
    """
    x, kernel = _operands("conv", inputs, kernel)
    channels, taken, filters = _channels(x, data_format), kernel.shape[-2], kernel.shape[-1]
    if not taken or channels % taken:
        raise ShapeError(f"conv: the kernel of shape {kernel.shape} takes {taken} channels, the inputs of shape "
                         f"{x.shape} have {channels}, which is not a multiple.")
    groups = channels // taken
    if filters % groups:
        raise ShapeError(f"conv: {filters} filters don't divide into {groups} groups (inputs {x.shape}, kernel "
                         f"{kernel.shape}).")
    kernel = reshape(kernel, (*kernel.shape[:-1], groups, filters // groups))
    return _convolve(x, kernel, strides, padding, data_format, dilation_rate)


def depthwise_conv(inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: str | None = None,
                   dilation_rate: Any = 1) -> Tensor:
    """Each channel convolved by itself: out[n, o, c m] = sum over k of x[n, stride o + dilation k - low, c] kernel[k,
    c, m], with all m of a channel side by side.

    Args:
        inputs: (n, *spatial, channels), or (n, channels, *spatial) for "channels_first".
        kernel: (*window, channels, multiplier).
        strides, padding, data_format, dilation_rate: see `conv`.

    Raises:
        ShapeError: ranks or channels don't fit, or the window is larger than the inputs.

    Example:
        >>> depthwise_conv([[[1.0, 10.0], [2.0, 20.0]]], [[[1.0], [2.0]], [[1.0], [1.0]]]).numpy().tolist()
        [[[3.0, 40.0]]]
    """
    x, kernel = _operands("depthwise_conv", inputs, kernel)
    if kernel.shape[-2] != _channels(x, data_format):
        raise ShapeError(f"depthwise_conv: the kernel of shape {kernel.shape} is for {kernel.shape[-2]} channels, the "
                         f"inputs of shape {x.shape} have {_channels(x, data_format)}.")
    kernel = reshape(kernel, (*kernel.shape[:-2], 1, *kernel.shape[-2:]))
    return _convolve(x, kernel, strides, padding, data_format, dilation_rate)


def separable_conv(inputs: Any, depthwise_kernel: Any, pointwise_kernel: Any, strides: Any = 1, padding: str = "valid",
                   data_format: str | None = None, dilation_rate: Any = 1) -> Tensor:
    """`depthwise_conv`, then a `conv` of window 1.

    Args:
        inputs: (n, *spatial, channels), or (n, channels, *spatial) for "channels_first".
        depthwise_kernel: (*window, channels, multiplier).
        pointwise_kernel: (1, ..., channels times multiplier, filters).
        strides, padding, data_format, dilation_rate: of the depthwise part, see `conv`.

    Raises:
        ShapeError: ranks or channels don't fit, or the window is larger than the inputs.
    """
    x = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(x, pointwise_kernel, 1, "valid", data_format)


def conv_transpose(inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", output_padding: Any = None,
                   data_format: str | None = None, dilation_rate: Any = 1) -> Tensor:
    """The transpose (gradient) of a convolution: every element adds its multiple of the kernel to the output.

    out[n, stride i + dilation k - low, f] += x[n, i, c] kernel[k, f, c], written as a plain convolution of the inputs
    with stride - 1 zeros between their elements.

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
    x, kernel = _operands("conv_transpose", inputs, kernel)
    d, first = x.ndim - 2, is_channels_first(data_format)
    if kernel.shape[-1] != _channels(x, data_format):
        raise ShapeError(f"conv_transpose: the kernel of shape {kernel.shape} takes {kernel.shape[-1]} channels, the "
                         f"inputs of shape {x.shape} have {_channels(x, data_format)}.")
    strides, dilation = per_axis(strides, d, "strides"), per_axis(dilation_rate, d, "dilation_rate")
    pads = transpose_padding(kernel.shape[:d], strides, padding, output_padding, dilation)
    at = 2 if first else 1
    spread = _spread(x, at, strides)
    sizes = [n + low + high - (k - 1) * r for n, (low, high), k, r in
             zip(spread.shape[at : at + d], pads, kernel.shape[:d], dilation, strict=True)]
    kernel = reshape(kernel, (*kernel.shape[:d], 1, *kernel.shape[d:]))
    return _contract(spread, kernel, [1] * d, [low for low, _ in pads], sizes, dilation, first, transposed=True)


def transpose_padding(window: Sequence[int], strides: Sequence[int], padding: str, output_padding: Any,
                      dilation: Sequence[int]) -> list[tuple[int, int]]:
    """Zeros before and behind the spread inputs of a transposed convolution, per spatial axis.

    Source: the windows of the convolution that it transposes; the halves of "same" as in Keras 3.
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


def _operands(name: str, inputs: Any, kernel: Any) -> tuple[Tensor, Tensor]:
    x, kernel = (t._tensor() for t in to_floats(convert_to_tensor(inputs), convert_to_tensor(kernel)))
    if not 3 <= x.ndim <= 5 or kernel.ndim != x.ndim:
        raise ShapeError(f"{name} takes inputs with 1 to 3 spatial axes beside batch and channels, and a kernel with "
                         f"as many axes; received {x.shape} and {kernel.shape}.")
    return x, kernel


def _channels(x: Tensor, data_format: str | None) -> int:
    return x.shape[1 if is_channels_first(data_format) else -1]


def _spread(x: Tensor, at: int, strides: Sequence[int]) -> Tensor:
    """Zeros between the elements of the spatial axes, which start at `at`."""
    if all(s == 1 for s in strides):
        return x
    none = (0,) * x.ndim
    interior = tuple(strides[a - at] - 1 if at <= a < at + len(strides) else 0 for a in range(x.ndim))
    return bind("pad", x, convert_to_tensor(0, x.dtype), low=none, high=none, interior=interior)


def _convolve(x: Tensor, kernel: Tensor, strides: Any, padding: str, data_format: str | None,
              dilation_rate: Any) -> Tensor:
    """x with the kernel (*window, channels, groups, filters)."""
    d, first = x.ndim - 2, is_channels_first(data_format)
    strides, dilation = per_axis(strides, d, "strides"), per_axis(dilation_rate, d, "dilation_rate")
    if max(strides) > 1 and max(dilation) > 1:
        raise ValueError(f"strides {strides} and dilation_rate {dilation} can't both be above 1.")
    spatial = x.shape[2:] if first else x.shape[1:-1]
    lie = windows(spatial, kernel.shape[:d], strides, padding_mode(padding, causal=d == 1), dilation)
    return _contract(x, kernel, strides, lie.low, lie.out, dilation, first)


def _contract(x: Tensor, kernel: Tensor, strides: Sequence[int], low: Sequence[int], out: Sequence[int],
              dilation: Sequence[int], first: bool, transposed: bool = False) -> Tensor:
    """Split the channels into groups, contract, join the filters of the groups."""
    groups, d = kernel.shape[-3 if transposed else -2], x.ndim - 2
    if first:
        split = (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    else:
        split = (*x.shape[:-1], groups, x.shape[-1] // groups)
    spec = grouped_conv_spec(split, kernel.shape, strides, low, out, dilation, first, transposed)
    y = bind("contract", reshape(x, split), kernel, spec=spec)
    sizes = y.shape
    filters = math.prod(sizes[1:3] if first else sizes[-2:])
    return reshape(y, (sizes[0], filters, *sizes[3:]) if first else (*sizes[: d + 1], filters))
