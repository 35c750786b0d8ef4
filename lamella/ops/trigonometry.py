"""Circular and hyperbolic functions and their inverses. Integers become floats first."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes

from lamella.frontend import Tensor, bind, convert_to_tensor
from lamella.frontend.arithmetic import to_floats
from lamella.ops.elementwise import (
    absolute,
    add,
    cos,
    divide,
    equal,
    exp,
    expm1,
    greater,
    less,
    log,
    log1p,
    minimum,
    multiply,
    negative,
    sin,
    sqrt,
    subtract,
)
from lamella.ops.logic import where

LOG_TWO = math.log(2)


def tan(x: Any) -> Tensor:
    """sin(x) / cos(x)."""
    return divide(sin(x), cos(x))


def arcsin(x: Any) -> Tensor:
    """The angle in [-pi/2, pi/2] whose sine is x; NaN beyond 1."""
    return bind("asin", *to_floats(x))


def arccos(x: Any) -> Tensor:
    """The angle in [0, pi] whose cosine is x; NaN beyond 1."""
    return bind("acos", *to_floats(x))


def arctan(x: Any) -> Tensor:
    """The angle in [-pi/2, pi/2] whose tangent is x."""
    (x,) = to_floats(x)
    return bind("atan2", x, convert_to_tensor(1, x.dtype))


def arctan2(x1: Any, x2: Any) -> Tensor:
    """The angle in [-pi, pi] of the point with coordinates (x2, x1). Its gradient at the origin is NaN.

    Example:
        >>> arctan2([1.0, 0.0], [0.0, -1.0]).numpy()
        array([1.5707964, 3.1415927], dtype=float32)
    """
    return bind("atan2", *to_floats(x1, x2))


def _mirrored(function: Callable[[Tensor], Tensor], x: Any) -> Tensor:
    """An odd function from its right half. |x| would do, but for its gradient at 0."""
    (x,) = to_floats(x)
    left = less(x, 0.0)
    result = function(where(left, negative(x), x))
    return where(left, negative(result), result)


def sinh(x: Any) -> Tensor:
    """(e^x - e^-x) / 2: on the right (u + u / (u + 1)) / 2 with u = e^x - 1, which is exact near 0; from 30 on (e^(x/2))^2 / 2."""

    def right(x: Tensor) -> Tensor:
        u, root = expm1(minimum(x, 30.0)), exp(multiply(x, 0.5))
        return where(x > 30.0, multiply(root, multiply(root, 0.5)), multiply(add(u, divide(u, add(u, 1.0))), 0.5))

    return _mirrored(right, x)


def cosh(x: Any) -> Tensor:
    """(e^x + e^-x) / 2 from e^(x/2), which overflows later."""
    (x,) = to_floats(x)
    root = exp(multiply(x, 0.5))
    return add(multiply(root, multiply(root, 0.5)), divide(divide(0.5, root), root))


def _square_overflows(x: Tensor) -> Tensor:
    """Where x^2 is far beyond 1, so that x^2 + 1 need not be computed."""
    return greater(x, float(ml_dtypes.finfo(x.dtype).max) ** 0.5 / 4)


def arcsinh(x: Any) -> Tensor:
    """log(x + sqrt(1 + x^2)): on the right log1p(x + x^2 / (1 + sqrt(1 + x^2))), and log(2 x) where the square overflows."""

    def right(x: Tensor) -> Tensor:
        huge = _square_overflows(x)
        near = where(huge, 1.0, x)
        square = multiply(near, near)
        inner = log1p(add(near, divide(square, add(sqrt(add(square, 1.0)), 1.0))))
        return where(huge, add(log(where(huge, x, 1.0)), LOG_TWO), inner)

    return _mirrored(right, x)


def arccosh(x: Any) -> Tensor:
    """log1p(t + sqrt(t) sqrt(t + 2)), t = x - 1, and log(2 x) where the square overflows; NaN below 1."""
    (x,) = to_floats(x)
    huge = _square_overflows(x)
    t = subtract(where(huge, 2.0, x), 1.0)
    inner = log1p(add(t, multiply(sqrt(t), sqrt(add(t, 2.0)))))
    return where(huge, add(log(where(huge, x, 1.0)), LOG_TWO), inner)


def arctanh(x: Any) -> Tensor:
    """(log(1 + x) - log(1 - x)) / 2."""
    (x,) = to_floats(x)
    return multiply(subtract(log1p(x), log1p(negative(x))), 0.5)


def sinc(x: Any) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0."""
    (x,) = to_floats(x)
    zero = equal(x, 0.0)
    angle = multiply(where(zero, 1.0, x), math.pi)
    return where(zero, 1.0, divide(sin(angle), angle))


def hypot(x1: Any, x2: Any) -> Tensor:
    """sqrt(x1^2 + x2^2) without overflow: the larger one times sqrt(1 + ratio^2)."""
    x, y = (absolute(v) for v in to_floats(x1, x2))
    swap = less(x, y)
    large, small = where(swap, y, x), where(swap, x, y)
    ratio = divide(small, where(equal(large, 0.0), 1.0, large))
    return multiply(large, sqrt(add(multiply(ratio, ratio), 1.0)))


def deg2rad(x: Any) -> Tensor:
    """x pi / 180."""
    (x,) = to_floats(x)
    return multiply(x, math.pi / 180)


def rad2deg(x: Any) -> Tensor:
    """x 180 / pi."""
    (x,) = to_floats(x)
    return multiply(x, 180 / math.pi)
