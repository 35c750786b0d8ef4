"""Reductions and running sums that skip NaN; see `reduction.py`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lamella.frontend import Tensor, cast, convert_to_tensor
from lamella.frontend.arithmetic import to_floats
from lamella.ir.types import is_float
from lamella.ops.elementwise import divide, equal, sqrt, square, subtract
from lamella.ops.logic import isnan, where
from lamella.ops.reduction import any, argmax, argmin, cumprod, cumsum, max, min, prod, sum


def _filled(x: Any, value: float) -> Tensor:
    """x with `value` in place of NaN."""
    x = convert_to_tensor(x)
    return where(isnan(x), value, x) if is_float(x.dtype) else x


def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The sum of what isn't NaN."""
    return sum(_filled(x, 0.0), axis, keepdims)


def nanprod(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The product of what isn't NaN."""
    return prod(_filled(x, 1.0), axis, keepdims)


def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """Running sums along `axis` (None: of the flattened tensor), with 0 in place of NaN."""
    return cumsum(_filled(x, 0.0), axis, dtype)


def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """Running products along `axis` (None: of the flattened tensor), with 1 in place of NaN."""
    return cumprod(_filled(x, 1.0), axis, dtype)


def _count(x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    return sum(cast(equal(x, x), x.dtype), axis, keepdims)


def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The mean of what isn't NaN; NaN if there is nothing."""
    (x,) = to_floats(x)
    return divide(nansum(x, axis, keepdims), _count(x, axis, keepdims))


def nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The population variance of what isn't NaN; NaN if there is nothing."""
    (x,) = to_floats(x)
    deviation = subtract(x, nanmean(x, axis, True))
    return divide(nansum(square(deviation), axis, keepdims), _count(x, axis, keepdims))


def nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """sqrt(nanvar(x))."""
    return sqrt(nanvar(x, axis, keepdims))


def nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The largest of what isn't NaN; NaN if there is nothing."""
    return _nan_extremum(max, x, -math.inf, axis, keepdims)


def nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The smallest of what isn't NaN; NaN if there is nothing."""
    return _nan_extremum(min, x, math.inf, axis, keepdims)


def _nan_extremum(extremum: Callable[..., Tensor], x: Any, neutral: float, axis: Any, keepdims: bool) -> Tensor:
    x = convert_to_tensor(x)
    out = extremum(_filled(x, neutral), axis, keepdims)
    return where(any(equal(x, x), axis, keepdims), out, math.nan) if is_float(x.dtype) else out


def nanargmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Position of the first largest element that isn't NaN, int32; -1 if there is nothing but NaN."""
    return _nan_position(argmax, x, -math.inf, axis, keepdims)


def nanargmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Position of the first smallest element that isn't NaN, int32; -1 if there is nothing but NaN."""
    return _nan_position(argmin, x, math.inf, axis, keepdims)


def _nan_position(position: Callable[..., Tensor], x: Any, neutral: float, axis: int | None, keepdims: bool) -> Tensor:
    x = convert_to_tensor(x)
    out = position(_filled(x, neutral), axis, keepdims)
    return where(any(equal(x, x), axis, keepdims), out, -1) if is_float(x.dtype) else out
