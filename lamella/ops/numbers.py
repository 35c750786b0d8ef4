"""Functions of single numbers beside arithmetic: signs, extrema that skip NaN, divisors, the exponents and neighbours of floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from lamella.errors import DTypeError
from lamella.frontend import Tensor, bind, cast, convert_to_tensor, promote
from lamella.frontend.arithmetic import to_floats
from lamella.frontend.looping import loop
from lamella.ir.types import UNSIGNED, is_float, is_int
from lamella.ops.elementwise import absolute, add, clip, divide, exp, floor_divide, less, maximum, minimum, multiply, sqrt, subtract
from lamella.ops.logic import isnan, where

_BITS = {"float16": 16, "bfloat16": 16, "float32": 32, "float64": 64}


def cbrt(x: Any) -> Tensor:
    """The real cube root. Integers become floats first."""
    return bind("cbrt", *to_floats(x))


def fabs(x: Any) -> Tensor:
    """|x| as a float."""
    return absolute(*to_floats(x))


def signbit(x: Any) -> Tensor:
    """Whether the sign bit is set: x < 0, -0 or a negative NaN."""
    x = convert_to_tensor(x)
    if not is_float(x.dtype):
        return less(x, convert_to_tensor(0, x.dtype))
    return less(bind("bitcast", x, dtype=f"int{_BITS[x.dtype]}"), 0)


def heaviside(x1: Any, x2: Any) -> Tensor:
    """0 for x1 < 0, x2 for x1 = 0, 1 for x1 > 0; NaN stays NaN. Gradient 0 towards x1."""
    x, y = to_floats(x1, x2)
    step = where(less(x, 0.0), 0.0, where(x > 0.0, 1.0, y))
    return where(isnan(x), bind("stop_gradient", x), step)


def fmax(x1: Any, x2: Any) -> Tensor:
    """The larger of x1 and x2; if one is NaN, the other."""
    return _skipping_nan(maximum, x1, x2)


def fmin(x1: Any, x2: Any) -> Tensor:
    """The smaller of x1 and x2; if one is NaN, the other."""
    return _skipping_nan(minimum, x1, x2)


def _skipping_nan(choose: Callable[[Any, Any], Tensor], x1: Any, x2: Any) -> Tensor:
    x, y = promote(x1, x2)
    return where(isnan(x), y, where(isnan(y), x, choose(x, y)))


def _integers(name: str, x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    x, y = promote(x1, x2)
    if not is_int(x.dtype):
        raise DTypeError(f"{name} takes integers, received {x.dtype}.")
    shape = np.broadcast_shapes(x.shape, y.shape)
    x, y = (absolute(v) for v in (x, y))
    return bind("broadcast", x, shape=shape), bind("broadcast", y, shape=shape)


def gcd(x1: Any, x2: Any) -> Tensor:
    """The greatest common divisor of |x1| and |x2|, by Euclid's algorithm; gcd(x, 0) = |x|.

    Example:
        >>> gcd([12, 7], [18, 0]).numpy()
        array([6, 7], dtype=int32)
    """
    x, y = _integers("gcd", x1, x2)
    width = 8 * np.dtype(x.dtype).itemsize
    steps = math.ceil(width / math.log2((1 + math.sqrt(5)) / 2)) + 1  # consecutive Fibonacci numbers take the most

    def step(_: Tensor, a: Tensor, b: Tensor) -> list[Tensor]:
        return [where(b == 0, a, b), bind("rem", a, b)]

    return loop(0, steps, step, [x, y], "gcd")[0]


def lcm(x1: Any, x2: Any) -> Tensor:
    """The least common multiple, |x1| / gcd(x1, x2) * |x2|; 0 where either is 0."""
    x, y = _integers("lcm", x1, x2)
    return multiply(floor_divide(x, maximum(gcd(x, y), convert_to_tensor(1, x.dtype))), y)


def ldexp(x1: Any, x2: Any) -> Tensor:
    """x1 * 2^x2 for integers x2, in four steps, so that no power of two overflows.

    Raises:
        DTypeError: x2 isn't integer.
    """
    (x,), exponent = to_floats(x1), convert_to_tensor(x2)
    if not is_int(exponent.dtype):
        raise DTypeError(f"ldexp needs integer exponents, received {exponent.dtype}.")
    work = x.dtype if x.dtype == "float64" else "float32"
    integer, bias, mantissa = ("int64", 1023, 52) if work == "float64" else ("int32", 127, 23)
    most = 2 * bias + mantissa  # takes the smallest number beyond the largest
    if exponent.dtype in UNSIGNED:
        exponent = minimum(exponent, min(most, np.iinfo(exponent.dtype).max))
    exponent = clip(cast(exponent, integer), -most, most)
    quarter = bind("shift_right", exponent, convert_to_tensor(2, integer))
    scales = [_power_of_two(e, work, bias, mantissa) for e in (quarter, subtract(exponent, multiply(quarter, 3)))]
    result = multiply(cast(x, work), scales[1])
    for _ in range(3):
        result = multiply(result, scales[0])
    return cast(result, x.dtype)


def _power_of_two(exponent: Tensor, dtype: str, bias: int, mantissa: int) -> Tensor:
    bits = bind("shift_left", add(exponent, bias), convert_to_tensor(mantissa, exponent.dtype))
    return bind("bitcast", bits, dtype=dtype)


def nextafter(x1: Any, x2: Any) -> Tensor:
    """The float next to x1 in the direction of x2. Gradient 0."""
    x, y = (bind("stop_gradient", v) for v in to_floats(x1, x2))
    integer = f"int{_BITS[x.dtype]}"
    bits = bind("bitcast", x, dtype=integer)
    away = (x < y) == (x > 0)  # from 0: the bits of a larger magnitude are a larger integer
    moved = bind("bitcast", where(away, bits + 1, bits - 1), dtype=x.dtype)
    tiny = bind("bitcast", convert_to_tensor(1, integer), dtype=x.dtype)
    moved = where(x == 0, where(less(y, 0.0), -tiny, tiny), moved)
    return where(x == y, y, where(isnan(x + y), x + y, moved))


def i0(x: Any) -> Tensor:
    """The modified Bessel function I0(x) = mean over t of e^(x cos t), as e^|x| times a Chebyshev series: in |x| up to 8, beyond
    in 1 / |x|.

    Example:
        >>> round(float(i0(1.0)), 5)
        1.26607
    """
    (x,) = to_floats(x)
    wide = x if x.dtype == "float64" else cast(x, "float32")
    size = where(wide < 0, -wide, wide)  # |x|, but for the second derivative at 0
    near, far = (_significant(c, size.dtype) for c in _i0_series())
    inner = _clenshaw(near, minimum(size, _I0_SPLIT) * (2 / _I0_SPLIT) - 1.0)
    beyond = maximum(size, _I0_SPLIT)
    outer = divide(_clenshaw(far, divide(2 * _I0_SPLIT, beyond) - 1.0), sqrt(beyond))
    return cast(multiply(exp(size), where(size < _I0_SPLIT, inner, outer)), x.dtype)


_I0_SPLIT = 8.0


@cache
def _i0_series() -> tuple[np.ndarray, np.ndarray]:
    """Chebyshev coefficients of e^-x I0(x) over 2 x / 8 - 1, and of sqrt(x) e^-x I0(x) over 16 / x - 1."""
    waves = np.cos(np.linspace(0, np.pi, 8192, endpoint=False) + np.pi / 16384) - 1

    def scaled(x: np.ndarray) -> np.ndarray:  # midpoints: exact to rounding, for the integrand is periodic
        return np.exp(x[:, None] * waves).mean(1)

    def far(t: np.ndarray) -> np.ndarray:
        x = 2 * _I0_SPLIT / (t + 1)
        return np.sqrt(x) * scaled(x)

    interpolate = np.polynomial.chebyshev.chebinterpolate
    return interpolate(lambda t: scaled((t + 1) * _I0_SPLIT / 2), 32), interpolate(far, 32)


def _significant(coefficients: np.ndarray, dtype: str) -> list[float]:
    least = float(ml_dtypes.finfo(dtype).eps) / 32
    return coefficients[: int(np.flatnonzero(np.abs(coefficients) > least)[-1]) + 1].tolist()


def _clenshaw(coefficients: list[float], t: Tensor) -> Tensor:
    """The sum of coefficients[k] T_k(t)."""
    later, last = t * 0.0, t * 0.0
    twice = t + t
    for c in coefficients[:0:-1]:
        last, later = twice * last - later + c, last
    return t * last - later + coefficients[0]
