"""Maxima and means of windows."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, cast, convert_to_tensor, custom_gradient
from lamella.frontend.arithmetic import to_floats
from lamella.ir import ContractSpec
from lamella.ir.primitives.contract import Affine
from lamella.ir.types import is_float
from lamella.ops.shaping import reshape
from lamella.ops.windows import Windows, is_channels_first, padding_mode, per_axis, windows

# Up to this size the search for the first maximum is written out, one kernel for the whole window; above, axis by axis.
_WRITTEN_OUT = 16


def max_pool(inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid",
             data_format: str | None = None) -> Tensor:
    """The largest element of each window: out[n, o, c] = max over k of x[n, stride o + k - low, c].

    The whole gradient goes to the first maximum of a window, in row-major order; NaN counts as largest. "same" pads
    with elements below all others.

    Args:
        inputs: (n, *spatial, channels), or (n, channels, *spatial) for "channels_first"; 1 to 3 spatial axes.
        pool_size: size of the window, one int or one per spatial axis.
        strides: step between windows; None is `pool_size`.
        padding: "valid" or "same".
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ShapeError: another number of axes, or the window is larger than the inputs.
        ValueError: unknown padding or format.

    Example:
        >>> max_pool([[[1.0], [3.0], [2.0], [0.0]]], 2).numpy().ravel().tolist()
        [3.0, 2.0]
    """
    x, window, strides, lie, at = _arguments("max_pool", inputs, pool_size, strides, padding, data_format)
    if not lie.padded and window == strides:
        return _max_of_blocks(x, window, lie.out, at)
    x = _padded(x, lie, at)
    for axis in reversed(range(len(window))):  # last axis first: the first maximum in a row, then the first such row
        x = _max_along(x, at + axis, window[axis], strides[axis], lie.out[axis])
    return x


def average_pool(inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid",
                 data_format: str | None = None) -> Tensor:
    """The mean of each window; elements in the padding don't count.

    Args:
        inputs: (n, *spatial, channels), or (n, channels, *spatial) for "channels_first"; 1 to 3 spatial axes.
        pool_size, strides, padding, data_format: see `max_pool`.

    Raises:
        ShapeError: another number of axes, or the window is larger than the inputs.
        ValueError: unknown padding or format.

    Example:
        >>> average_pool([[[1.0], [3.0], [5.0]]], 2, 2, "same").numpy().ravel().tolist()
        [2.0, 5.0]
    """
    x, window, strides, lie, at = _arguments("average_pool", inputs, pool_size, strides, padding, data_format)
    (x,) = (t._tensor() for t in to_floats(x))
    if not lie.padded and window == strides:
        inside = tuple(at + 2 * i + 1 for i in range(len(window)))
        return bind("reduce_sum", _blocks(x, window, lie.out, at), axes=inside) * (1.0 / math.prod(window))
    ones = bind("broadcast", convert_to_tensor(1, x.dtype), shape=window)
    total = bind("contract", x, ones, spec=_window_spec(x.shape, at, window, strides, lie))
    if not lie.padded:
        return total * (1.0 / math.prod(window))
    share = 1.0 / _counts(x.shape[at : at + len(window)], window, strides, lie)
    return total * convert_to_tensor(share.reshape(share.shape + (1,) * (x.ndim - at - len(window))), x.dtype)


def _arguments(name: str, inputs: Any, pool_size: Any, strides: Any, padding: str,
               data_format: str | None) -> tuple[Tensor, tuple[int, ...], tuple[int, ...], Windows, int]:
    """The inputs, window and strides per axis, how the windows lie, and the first spatial axis."""
    x = convert_to_tensor(inputs)
    if not 3 <= x.ndim <= 5:
        raise ShapeError(f"{name} takes inputs with 1 to 3 spatial axes beside batch and channels, received shape "
                         f"{x.shape}.")
    d, at = x.ndim - 2, 2 if is_channels_first(data_format) else 1
    window = per_axis(pool_size, d, "pool_size")
    steps = window if strides is None else per_axis(strides, d, "strides")
    return x, window, steps, windows(x.shape[at : at + d], window, steps, padding_mode(padding)), at


def _lowest(dtype: str) -> Any:
    if is_float(dtype):
        return -math.inf
    return False if dtype == "bool" else np.iinfo(dtype).min


def _padded(x: Tensor, lie: Windows, at: int) -> Tensor:
    if not lie.padded:
        return x
    before, behind = (0,) * at, (0,) * (x.ndim - at - len(lie.low))
    return bind("pad", x, cast(_lowest(x.dtype), x.dtype), low=(*before, *lie.low, *behind),
                high=(*before, *lie.high, *behind), interior=(0,) * x.ndim)


def _part(x: Tensor, axis: int, start: int, stop: int, step: int = 1) -> Tensor:
    """A slice of one axis."""
    def put(value: int, others: Sequence[int]) -> tuple[int, ...]:
        return tuple(value if a == axis else n for a, n in enumerate(others))
    return bind("slice", x, start=put(start, (0,) * x.ndim), stop=put(stop, x.shape), stride=put(step, (1,) * x.ndim))


def _above(x: Tensor, best: Tensor) -> Tensor:
    """Whether x replaces the best so far: not if they are equal, so that the first of several maxima stays."""
    above = bind("gt", x, best)
    return bind("logical_or", above, bind("ne", x, x)) if is_float(x.dtype) else above


def _max_along(x: Tensor, axis: int, window: int, stride: int, out: int) -> Tensor:
    """Windows that overlap, along one axis: the running maximum of shifted slices."""
    parts = (_part(x, axis, j, j + (out - 1) * stride + 1, stride) for j in range(window))
    return functools.reduce(lambda best, part: bind("select", _above(part, best), part, best), parts)


def _blocks(x: Tensor, window: Sequence[int], out: Sequence[int], at: int) -> Tensor:
    """Windows side by side: each spatial axis split into (windows, elements of a window), the rest cut off."""
    for axis, (k, n) in enumerate(zip(window, out, strict=True), at):
        if x.shape[axis] != k * n:
            x = _part(x, axis, 0, k * n)
    pairs = itertools.chain.from_iterable(zip(out, window, strict=True))
    return reshape(x, (*x.shape[:at], *pairs, *x.shape[at + len(window) :]))


def _max_of_blocks(x: Tensor, window: Sequence[int], out: Sequence[int], at: int) -> Tensor:
    """The maxima of windows side by side, with their positions: the gradient is one comparison per element, nothing is added up."""
    if math.prod(window) <= _WRITTEN_OUT:
        return _written_out(x, window=tuple(window), out=tuple(out), at=at)
    x = _blocks(x, window, out, at)
    inside = tuple(at + 2 * i + 1 for i in range(len(window)))
    for axis in reversed(inside):
        values = x if is_float(x.dtype) else cast(x, "int32")
        place = reshape(bind("argmax", bind("stop_gradient", values), axis=axis), _ones_at(x.shape, (axis,)))
        x = reshape(_chosen(x, place, axis), _ones_at(x.shape, (axis,)))
    return reshape(x, tuple(n for a, n in enumerate(x.shape) if a not in inside))


@custom_gradient
def _written_out(x: Tensor, window: tuple[int, ...], out: tuple[int, ...], at: int) -> tuple[Tensor, Any]:
    """Small windows: the running maximum of slices is the value; where it was found is needed for the gradient only."""
    best, place = None, None
    for number, where in enumerate(itertools.product(*map(range, window))):
        part = x
        for axis, (i, k, n) in enumerate(zip(where, window, out, strict=True), at):
            part = _part(part, axis, i, i + k * (n - 1) + 1, k)
        if best is None or place is None:
            best, place = part, bind("broadcast", cast(0, "int32"), shape=part.shape)
            continue
        above = _above(part, best)
        best, place = bind("select", above, part, best), bind("select", above, cast(number, "int32"), place)
    assert best is not None and place is not None
    after, found = x.shape[at + len(window):], place

    def gradient(g: Tensor) -> Tensor:
        apart = (*x.shape[:at], *itertools.chain.from_iterable((n, 1) for n in out), *after)
        numbers = _numbers(math.prod(window), (1,) * at + tuple(itertools.chain.from_iterable((1, k) for k in window)) + (1,) * len(after))
        blocks = bind("select", bind("eq", numbers, reshape(found, apart)), reshape(g, apart), cast(0, g.dtype))
        whole = reshape(blocks, (*x.shape[:at], *(n * k for n, k in zip(out, window, strict=True)), *after))
        high = tuple(n - m for n, m in zip(x.shape, whole.shape, strict=True))
        return bind("pad", whole, cast(0, g.dtype), low=(0,) * x.ndim, high=high, interior=(0,) * x.ndim) if any(high) else whole

    return best, gradient


def _ones_at(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(1 if a in axes else n for a, n in enumerate(shape))


def _numbers(n: int, shape: tuple[int, ...]) -> Tensor:
    """0 to n - 1, int32, as an array of a shape."""
    return reshape(bind("iota", shape=(n,), axis=0, dtype="int32"), shape)


def _chosen(x: Tensor, place: Tensor, axis: int) -> Tensor:
    """The element at `place` along an axis."""
    numbers = _numbers(x.shape[axis], tuple(n if a == axis else 1 for a, n in enumerate(x.shape)))
    kept = bind("select", bind("eq", numbers, place), x, cast(0, x.dtype))
    return bind("reduce_sum" if x.dtype != "bool" else "reduce_max", kept, axes=(axis,))


def _window_spec(shape: Sequence[int], at: int, window: Sequence[int], strides: Sequence[int],
                 lie: Windows) -> ContractSpec:
    """The contraction with a kernel that has no channels: all axes but the spatial ones stay as they are."""
    rank, d = len(shape), len(window)
    sizes = (*shape[:at], *lie.out, *shape[at + d :])

    def axis(*terms: tuple[int, int], offset: int = 0) -> Affine:
        return Affine(tuple(dict(terms).get(a, 0) for a in range(rank + d)), offset)

    x_map = tuple(axis((a, strides[a - at]), (rank + a - at, 1), offset=-lie.low[a - at]) if at <= a < at + d
                  else axis((a, 1)) for a in range(rank))
    return ContractSpec(sizes, tuple(window), (x_map, tuple(axis((rank + i, 1)) for i in range(d))))


def _counts(sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], lie: Windows) -> np.ndarray:
    """How many real elements each window has."""
    total = np.ones(())
    for n, k, s, out, low in zip(sizes, window, strides, lie.out, lie.low, strict=True):
        start = np.arange(out) * s - low
        total = np.multiply.outer(total, np.minimum(start + k, n) - np.maximum(start, 0))
    return total
