"""Reductions over axes. `axis` is None (all axes), an axis, or a tuple of axes; `keepdims` keeps reduced axes with
size 1.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, cast, convert_to_tensor
from lamella.frontend.arithmetic import bitwise_not, to_floats
from lamella.ir.types import is_float, wide
from lamella.ops.axes import kept_shape, many_axes, one_axis
from lamella.ops.elementwise import (
    add,
    divide,
    exp,
    log,
    maximum,
    minimum,
    multiply,
    square,
    subtract,
)
from lamella.ops.elementwise import sqrt as _sqrt
from lamella.ops.logic import isfinite, to_bool, where


def in_single(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function of one tensor that computes float16 and bfloat16 in float32 and rounds its result."""

    @functools.wraps(function)
    def wrapper(x: Any, *args: Any, **kwargs: Any) -> Tensor:
        (x,) = to_floats(x)
        return cast(function(cast(x, wide(x.dtype)), *args, **kwargs), x.dtype)

    return wrapper


def _reduce(name: str, x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    axes = many_axes(axis, x.ndim)
    out = bind(name, x, axes=axes) if axes else x
    return bind("reshape", out, shape=kept_shape(x.shape, axes)) if keepdims and axes else out


def _accumulated(x: Any, dtype: Any = None) -> Tensor:
    """Bools and small integers are summed as 32-bit integers."""
    x = convert_to_tensor(x)
    if dtype is not None:
        return cast(x, dtype)
    small = x.dtype in ("bool", "int8", "int16", "uint8", "uint16")
    return cast(x, "uint32" if x.dtype.startswith("uint") else "int32") if small else x


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The sum. Bools and small integers are summed as int32 (uint32), float16 and bfloat16 in float32.

    Example:
        >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=1).numpy()
        array([3., 7.], dtype=float32)
    """
    return _reduce("reduce_sum", _accumulated(x), axis, keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """The product; of float16 and bfloat16 in float32."""
    return _reduce("reduce_prod", _accumulated(x, dtype), axis, keepdims)


def _count(x: Tensor, axis: Any) -> int:
    return math.prod(x.shape[a] for a in many_axes(axis, x.ndim))


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """sum(x) / number of elements. Integers become floats; float16 and bfloat16 are averaged in float32."""
    (x,) = to_floats(x)
    return cast(divide(sum(cast(x, wide(x.dtype)), axis, keepdims), _divisor(_count(x, axis))), x.dtype)


def _divisor(count: int) -> float:
    """An empty mean is 0 / 0 = NaN."""
    return float(count)


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """mean((x - mean(x))^2), the population variance; of float16 and bfloat16 in float32."""
    (x,) = to_floats(x)
    values = cast(x, wide(x.dtype))
    return cast(mean(square(subtract(values, mean(values, axis, True))), axis, keepdims), x.dtype)


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """sqrt(var(x)), the population standard deviation."""
    return _sqrt(var(x, axis, keepdims))


def _extremum(name: str, x: Any, axis: Any, keepdims: bool, initial: Any) -> Tensor:
    x = convert_to_tensor(x)
    out = _reduce(name, x, axis, keepdims)
    if initial is None:
        return out
    return maximum(out, initial) if name == "reduce_max" else minimum(out, initial)


def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Tensor:
    """The largest element (and `initial`). Equal largest ones share the gradient."""
    return _extremum("reduce_max", x, axis, keepdims, initial)


def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Tensor:
    """The smallest element (and `initial`). Equal smallest ones share the gradient."""
    return _extremum("reduce_min", x, axis, keepdims, initial)


def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The same as `max`."""
    return max(x, axis, keepdims)


def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The same as `min`."""
    return min(x, axis, keepdims)


def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """max(x) - min(x)."""
    return subtract(max(x, axis, keepdims), min(x, axis, keepdims))


def _logical(name: str, x: Any, axis: Any, keepdims: bool) -> Tensor:
    """Of nothing, `all` is True and `any` False."""
    flags = to_bool(x)
    if _count(flags, axis) == 0:
        neutral = convert_to_tensor(name == "reduce_min")
        axes = many_axes(axis, flags.ndim)
        kept = (
            kept_shape(flags.shape, axes) if keepdims else tuple(n for i, n in enumerate(flags.shape) if i not in axes)
        )
        return bind("broadcast", neutral, shape=kept)
    return _reduce(name, flags, axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether at least one element is nonzero."""
    return _logical("reduce_max", x, axis, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether every element is nonzero."""
    return _logical("reduce_min", x, axis, keepdims)


def count_nonzero(x: Any, axis: Any = None) -> Tensor:
    """The number of nonzero elements, int32."""
    return sum(to_bool(x), axis)


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Position of the first largest element along `axis` (None: in the flattened tensor), int32."""
    x = convert_to_tensor(x)
    if axis is None:
        flat = bind("argmax", bind("reshape", x, shape=(x.size,)), axis=0)
        return bind("reshape", flat, shape=(1,) * x.ndim) if keepdims and x.ndim else flat
    axis = one_axis(axis, x.ndim)
    out = bind("argmax", x, axis=axis)
    return bind("reshape", out, shape=kept_shape(x.shape, (axis,))) if keepdims else out


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Position of the first smallest element along `axis` (None: in the flattened tensor), int32."""
    x = convert_to_tensor(x)
    return argmax(bind("neg", x) if is_float(x.dtype) else bitwise_not(x), axis, keepdims)


def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """Running sums along `axis` (None: of the flattened tensor), of float16 and bfloat16 in float32."""
    x = _accumulated(x, dtype) if dtype is not None or convert_to_tensor(x).dtype == "bool" else convert_to_tensor(x)
    if axis is None:
        x, axis = bind("reshape", x, shape=(x.size,)), 0
    return bind("cumsum", x, axis=one_axis(axis, x.ndim))


def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """Running products along `axis`, by doubling: in round k each element takes in the one 2^k before it."""
    x = _accumulated(x, dtype) if dtype is not None or convert_to_tensor(x).dtype == "bool" else convert_to_tensor(x)
    if axis is None:
        x, axis = bind("reshape", x, shape=(x.size,)), 0
    axis = one_axis(axis, x.ndim)
    n, step, one = x.shape[axis], 1, convert_to_tensor(1, x.dtype)
    zeros = (0,) * x.ndim
    while step < n:
        low = tuple(step if a == axis else 0 for a in range(x.ndim))
        shifted = bind("pad", x, one, low=low, high=tuple(-k for k in low), interior=zeros)
        x, step = multiply(x, shifted), 2 * step
    return x


@in_single
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """log(sum(e^x)) = m + log(sum(e^(x - m))), m the maximum, so that nothing overflows."""
    top = bind("stop_gradient", max(x, axis, True))
    top = where(isfinite(top), top, 0.0)
    out = add(log(sum(exp(subtract(x, top)), axis, True)), top)
    axes = many_axes(axis, x.ndim)
    return (
        out
        if keepdims or not axes
        else bind("reshape", out, shape=tuple(n for i, n in enumerate(x.shape) if i not in axes))
    )


def average(x: Any, axis: Any = None, weights: Any = None) -> Tensor:
    """sum(w x) / sum(w), or the mean without weights; one-dimensional weights lie along `axis`."""
    if weights is None:
        return mean(x, axis)
    x, w = to_floats(x, weights)
    if w.shape != x.shape:
        if w.ndim != 1 or axis is None or w.shape[0] != x.shape[one_axis(axis, x.ndim)]:
            raise ShapeError(f"weights of shape {w.shape} don't fit axis {axis} of shape {x.shape}.")
        along = one_axis(axis, x.ndim)
        w = bind("reshape", w, shape=tuple(n if i == along else 1 for i, n in enumerate(x.shape)))
    return divide(
        sum(multiply(x, w), axis), sum(bind("broadcast", w, shape=x.shape) if w.shape != x.shape else w, axis)
    )


def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> tuple[Tensor, Tensor]:
    """Mean and population variance."""
    if synchronized:
        raise NotImplementedError("moments(synchronized=True) needs several processes.")
    return mean(x, axes, keepdims), var(x, axes, keepdims)
