"""Special functions as compositions, for sampling and for `lamella.ops`."""

from __future__ import annotations

import math
from typing import Any

from lamella.frontend.arithmetic import add, multiply, subtract, to_floats
from lamella.frontend.binding import bind, cast
from lamella.frontend.tensor import Tensor

# Giles, "Approximating the erfinv function", GPU Computing Gems 2, 2011: polynomials in w = -log(1 - x^2),
# highest power first.
_CENTRE = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_TAIL = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)
_SPLIT = 5.0
_TWO_OVER_SQRT_PI = 1.1283791670955126
_NEWTON_STEPS = 2  # from 1e-7 relative to float64's rounding


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    result: Any = coefficients[0]
    for c in coefficients[1:]:
        result = add(multiply(x, result), c)
    return result


def erfinv(x: Any) -> Tensor:
    """The inverse of erf on (-1, 1): y with erf(y) = x; +-infinity at +-1, NaN beyond.

    Example:
        >>> round(float(erfinv(0.5)), 6)
        0.476936
    """
    (x,) = to_floats(x)
    small = x if x.dtype in ("float32", "float64") else cast(x, "float32")
    # log1p(-x * x) loses the digits of 1 - |x|; the product of both factors keeps them.
    w = bind("neg", add(bind("log1p", bind("neg", small)), bind("log1p", small)))
    tail = subtract(bind("sqrt", bind("max", w, _like(w, _SPLIT))), 3.0)
    centre = bind("lt", w, _like(w, _SPLIT))
    series = bind(
        "select",
        centre,
        _polynomial(_CENTRE, subtract(bind("min", w, _like(w, _SPLIT)), 2.5)),
        _polynomial(_TAIL, tail),
    )
    y = multiply(series, small)
    if x.dtype == "float64":
        for _ in range(_NEWTON_STEPS):
            slope = multiply(bind("exp", bind("neg", multiply(y, y))), _TWO_OVER_SQRT_PI)
            y = subtract(y, bind("div", subtract(bind("erf", y), small), slope))
    edge = bind("eq", bind("abs", small), _like(small, 1.0))
    infinite = bind("select", bind("lt", small, _like(small, 0.0)), _like(small, -math.inf), _like(small, math.inf))
    return cast(bind("select", edge, infinite, y), x.dtype)


def _like(x: Tensor, value: float) -> Tensor:
    return cast(value, x.dtype)
