"""Elementwise functions: arithmetic, comparison, exponentials, sine and cosine, rounding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes

from lamella.frontend import Tensor, bind, cast, convert_to_tensor, promote
from lamella.frontend.arithmetic import absolute as absolute
from lamella.frontend.arithmetic import add as add
from lamella.frontend.arithmetic import bitwise_and as bitwise_and
from lamella.frontend.arithmetic import bitwise_not as bitwise_not
from lamella.frontend.arithmetic import bitwise_or as bitwise_or
from lamella.frontend.arithmetic import bitwise_xor as bitwise_xor
from lamella.frontend.arithmetic import divide as divide
from lamella.frontend.arithmetic import equal as equal
from lamella.frontend.arithmetic import floor_divide as floor_divide
from lamella.frontend.arithmetic import greater as greater
from lamella.frontend.arithmetic import greater_equal as greater_equal
from lamella.frontend.arithmetic import less as less
from lamella.frontend.arithmetic import less_equal as less_equal
from lamella.frontend.arithmetic import maximum as maximum
from lamella.frontend.arithmetic import minimum as minimum
from lamella.frontend.arithmetic import mod as mod
from lamella.frontend.arithmetic import multiply as multiply
from lamella.frontend.arithmetic import negative as negative
from lamella.frontend.arithmetic import not_equal as not_equal
from lamella.frontend.arithmetic import numeric, to_floats
from lamella.frontend.arithmetic import power as power
from lamella.frontend.arithmetic import subtract as subtract
from lamella.frontend.special import erfinv as erfinv
from lamella.ir.types import is_float
from lamella.ops.logic import isnan, isneginf, isposinf, where

true_divide, bitwise_invert = divide, bitwise_not
Unary = Callable[[Any], Tensor]


def _unary(primitive: str, doc: str) -> Unary:
    def function(x: Any) -> Tensor:
        return bind(primitive, *to_floats(x))

    function.__name__ = function.__qualname__ = primitive
    function.__doc__ = f"{doc} Integers become floats first."
    return function


exp = _unary("exp", "e^x.")
expm1 = _unary("expm1", "e^x - 1, exact to rounding near 0.")
log = _unary("log", "The natural logarithm.")
log1p = _unary("log1p", "log(1 + x), exact to rounding near 0.")
sqrt = _unary("sqrt", "The square root.")
rsqrt = _unary("rsqrt", "1 / sqrt(x).")
sin = _unary("sin", "The sine of x in radians.")
cos = _unary("cos", "The cosine of x in radians.")
tanh = _unary("tanh", "(e^x - e^-x) / (e^x + e^-x).")
erf = _unary("erf", "2/sqrt(pi) times the integral of e^(-t^2) from 0 to x.")
erfc = _unary("erfc", "1 - erf(x), exact to rounding for large x too.")


def square(x: Any) -> Tensor:
    """x * x."""
    (x,) = numeric(convert_to_tensor(x))
    return multiply(x, x)


def reciprocal(x: Any) -> Tensor:
    """1 / x."""
    return divide(1.0, x)


def exp2(x: Any) -> Tensor:
    """2^x = e^(x log 2)."""
    return exp(multiply(*_floats(x, math.log(2))))


def log2(x: Any) -> Tensor:
    """log(x) / log(2)."""
    return multiply(log(x), 1 / math.log(2))


def log10(x: Any) -> Tensor:
    """log(x) / log(10)."""
    return multiply(log(x), 1 / math.log(10))


def _floats(x: Any, constant: float) -> tuple[Tensor, float]:
    (x,) = to_floats(x)
    return x, constant


def logaddexp(x1: Any, x2: Any) -> Tensor:
    """log(e^x1 + e^x2) = m + log1p(e^-|x1 - x2|), m the larger one; infinities are kept."""
    x, y = to_floats(x1, x2)
    larger, distance = maximum(x, y), subtract(x, y)
    result = add(larger, log1p(exp(negative(absolute(distance)))))
    return where(isnan(distance), add(x, y), result)  # inf - inf: equal infinities, or a NaN


def logaddexp2(x1: Any, x2: Any) -> Tensor:
    """log2(2^x1 + 2^x2)."""
    x, y = to_floats(x1, x2)
    scale = math.log(2)
    return multiply(logaddexp(multiply(x, scale), multiply(y, scale)), 1 / scale)


def divide_no_nan(x1: Any, x2: Any) -> Tensor:
    """x1 / x2, and 0 where x2 is 0."""
    x, y = to_floats(x1, x2)
    zero = equal(y, 0.0)
    return where(zero, 0.0, divide(x, where(zero, 1.0, y)))


def fmod(x1: Any, x2: Any) -> Tensor:
    """x1 - x2 * trunc(x1 / x2): the remainder has the sign of x1."""
    x, y = numeric(*promote(x1, x2))
    rest = mod(absolute(x), absolute(y))
    return where(less(x, convert_to_tensor(0, x.dtype)), negative(rest), rest)


def sign(x: Any) -> Tensor:
    """-1, 0 or 1; NaN stays NaN. Gradient 0."""
    x = convert_to_tensor(x)
    if x.dtype == "bool":
        return x
    one, zero = convert_to_tensor(1, x.dtype), convert_to_tensor(0, x.dtype)
    up = bind("select", bind("gt", x, zero), one, zero)
    if x.dtype.startswith("uint"):
        return up
    signs = bind("select", bind("lt", x, zero), negative(one), up)
    return bind("select", isnan(x), bind("stop_gradient", x), signs) if is_float(x.dtype) else signs


def _rounding(primitive: str, doc: str) -> Unary:
    def function(x: Any) -> Tensor:
        x = convert_to_tensor(x)
        return bind(primitive, x if is_float(x.dtype) else to_floats(x)[0])

    function.__name__ = function.__qualname__ = primitive
    function.__doc__ = f"{doc} Integers become floats. Gradient 0."
    return function


floor = _rounding("floor", "The largest integer not above x.")
ceil = _rounding("ceil", "The smallest integer not below x.")


def round(x: Any, decimals: int = 0) -> Tensor:
    """The nearest multiple of 10^-decimals, halves to the even one. Gradient 0."""
    x = convert_to_tensor(x)
    if not is_float(x.dtype):
        if decimals >= 0:
            return cast(x, "int32") if x.dtype == "bool" else x
        return cast(round(cast(x, "float64"), decimals), x.dtype)
    if decimals == 0:
        return bind("round", x)
    return divide(bind("round", multiply(x, 10.0**decimals)), 10.0**decimals)


def trunc(x: Any) -> Tensor:
    """x without its fraction: rounded towards 0."""
    x = convert_to_tensor(x)
    return where(less(x, 0.0), ceil(x), floor(x)) if is_float(x.dtype) else x


def clip(x: Any, x_min: Any, x_max: Any) -> Tensor:
    """min(max(x, x_min), x_max). Gradient 0 outside, 1/2 on a bound."""
    return minimum(maximum(x, x_min), x_max)


def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """NaN and infinities replaced; None is the largest (smallest) finite number of the dtype."""
    x = convert_to_tensor(x)
    if not is_float(x.dtype):
        return x
    info = ml_dtypes.finfo(x.dtype)
    x = where(isposinf(x), float(info.max) if posinf is None else posinf, x)
    x = where(isneginf(x), float(info.min) if neginf is None else neginf, x)
    return where(isnan(x), nan, x)
