"""Quantiles: elements at given places of the sorted ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lamella.errors import did_you_mean
from lamella.frontend import Tensor, cast, convert_to_tensor
from lamella.frontend.arithmetic import to_floats
from lamella.ops.axes import kept_shape, many_axes
from lamella.ops.elementwise import ceil, floor, maximum
from lamella.ops.indexed import take_along_axis
from lamella.ops.logic import isnan, where
from lamella.ops.reduction import sum
from lamella.ops.shaping import broadcast_to, expand_dims, moveaxis, reshape
from lamella.ops.sorting import sort

# The value between the elements below and above a place, from both and the place's fraction.
_METHODS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "linear": lambda low, high, w: low * (1.0 - w) + high * w,
    "lower": lambda low, high, w: low,
    "higher": lambda low, high, w: high,
    "midpoint": lambda low, high, w: (low + high) * 0.5,
    "nearest": lambda low, high, w: where(w < 0.5, low, high),
}


def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """The value at place q (n - 1) of the n sorted elements; NaN if there is a NaN.

    Args:
        x: tensor; integers become floats.
        q: probabilities, a number or a vector; a vector's results lie along a new first axis.
        axis: one or several axes; None takes all elements together.
        method: between two elements: "linear" (by the fraction of the place), "lower", "higher", "midpoint" or "nearest".
        keepdims: whether reduced axes stay with size 1.

    Raises:
        ValueError: another method.

    Example:
        >>> quantile([4.0, 1.0, 3.0, 2.0], [0.0, 0.5]).numpy()
        array([1. , 2.5], dtype=float32)
    """
    return _quantile(x, q, axis, method, keepdims, skip_nan=False)


def nanquantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """As `quantile`, of what isn't NaN; NaN if there is nothing."""
    return _quantile(x, q, axis, method, keepdims, skip_nan=True)


def percentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """quantile(x, q / 100)."""
    return quantile(x, convert_to_tensor(q) / 100, axis, method, keepdims)


def nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """nanquantile(x, q / 100)."""
    return nanquantile(x, convert_to_tensor(q) / 100, axis, method, keepdims)


def median(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The middle element of the sorted ones, or the mean of the two in the middle."""
    (x,) = to_floats(x)
    return quantile(x, cast(0.5, x.dtype), axis, "midpoint", keepdims)


def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """As `median`, of what isn't NaN; NaN if there is nothing."""
    (x,) = to_floats(x)
    return nanquantile(x, cast(0.5, x.dtype), axis, "midpoint", keepdims)


def _quantile(x: Any, q: Any, axis: Any, method: str, keepdims: bool, skip_nan: bool) -> Tensor:
    if method not in _METHODS:
        raise ValueError(f"Unknown method {method!r}. {did_you_mean(method, _METHODS)}")
    x, q = to_floats(convert_to_tensor(x), convert_to_tensor(q))
    axes = many_axes(axis, x.ndim)
    rest = [a for a in range(x.ndim) if a not in axes]
    rows = reshape(moveaxis(x, rest, tuple(range(len(rest)))), (*(x.shape[a] for a in rest), -1))
    ordered, lead = sort(rows), rows.shape[:-1]  # NaN last
    number = _numbers(ordered) if skip_nan else convert_to_tensor(rows.shape[-1], "int32")
    last = cast(number - 1, x.dtype)
    place = broadcast_to(reshape(q, (-1,)) * maximum(expand_dims(last, -1), 0), (*lead, q.size))
    low, high = (take_along_axis(ordered, cast(part, "int32"), -1) for part in (floor(place), ceil(place)))
    result = _METHODS[method](low, high, place - floor(place))
    missing = number == 0 if skip_nan else isnan(ordered[..., -1])
    result = moveaxis(where(expand_dims(missing, -1), math.nan, result), -1, 0)
    return reshape(result, q.shape + (kept_shape(x.shape, axes) if keepdims else lead))


def _numbers(x: Tensor) -> Tensor:
    """How many elements of each row aren't NaN."""
    return sum(cast(x == x, "int32"), -1)
