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
    x, kernel = conv_operands("conv", inputs, kernel)
    channels, taken, filters = channels_of(x, data_format), kernel.shape[-2], kernel.shape[-1]
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
    x, kernel = conv_operands("depthwise_conv", inputs, kernel)
    if kernel.shape[-2] != channels_of(x, data_format):
        raise ShapeError(f"depthwise_conv: the kernel of shape {kernel.shape} is for {kernel.shape[-2]} channels, the "
                         f"inputs of shape {x.shape} have {channels_of(x, data_format)}.")
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


def conv_operands(name: str, inputs: Any, kernel: Any) -> tuple[Tensor, Tensor]:
    x, kernel = (t._tensor() for t in to_floats(convert_to_tensor(inputs), convert_to_tensor(kernel)))
    if not 3 <= x.ndim <= 5 or kernel.ndim != x.ndim:
        raise ShapeError(f"{name} takes inputs with 1 to 3 spatial axes beside batch and channels, and a kernel with "
                         f"as many axes; received {x.shape} and {kernel.shape}.")
    return x, kernel


def channels_of(x: Tensor, data_format: str | None) -> int:
    return x.shape[1 if is_channels_first(data_format) else -1]


def _convolve(x: Tensor, kernel: Tensor, strides: Any, padding: str, data_format: str | None,
              dilation_rate: Any) -> Tensor:
    """x with the kernel (*window, channels, groups, filters)."""
    d, first = x.ndim - 2, is_channels_first(data_format)
    strides, dilation = per_axis(strides, d, "strides"), per_axis(dilation_rate, d, "dilation_rate")
    if max(strides) > 1 and max(dilation) > 1:
        raise ValueError(f"strides {strides} and dilation_rate {dilation} can't both be above 1.")
    spatial = x.shape[2:] if first else x.shape[1:-1]
    lie = windows(spatial, kernel.shape[:d], strides, padding_mode(padding, causal=d == 1), dilation)
    x, strides = _skipped(x, 2 if first else 1, kernel.shape[:d], strides, lie.out)
    return _contract(x, kernel, strides, lie.low, lie.out, dilation, first)


def _skipped(x: Tensor, at: int, window: Sequence[int], strides: Sequence[int],
             out: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Windows of one element: the positions between them are cut out first, so that the gradient's contraction does
    not meet their zeros. Returns the inputs and the strides that remain."""
    start, stop, step, rest = [0] * x.ndim, list(x.shape), [1] * x.ndim, list(strides)
    for i, (k, s, n) in enumerate(zip(window, strides, out, strict=True)):
        if k == 1 and s > 1 and n > 0:
            stop[at + i], step[at + i], rest[i] = (n - 1) * s + 1, s, 1
    if tuple(rest) == tuple(strides):
        return x, rest
    return bind("slice", x, start=tuple(start), stop=tuple(stop), stride=tuple(step)), rest


def _contract(x: Tensor, kernel: Tensor, strides: Sequence[int], low: Sequence[int], out: Sequence[int],
              dilation: Sequence[int], first: bool) -> Tensor:
    """Split the channels into groups, contract, join the filters of the groups."""
    groups, d = kernel.shape[-2], x.ndim - 2
    if first:
        split = (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    else:
        split = (*x.shape[:-1], groups, x.shape[-1] // groups)
    spec = grouped_conv_spec(split, kernel.shape, strides, low, out, dilation, first)
    y = bind("contract", reshape(x, split), kernel, spec=spec)
    sizes = y.shape
    filters = math.prod(sizes[1:3] if first else sizes[-2:])
    return reshape(y, (sizes[0], filters, *sizes[3:]) if first else (*sizes[: d + 1], filters))
