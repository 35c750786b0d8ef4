"""Finiteness, logic, choice and shifts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lamella.frontend import Tensor, bind, convert_to_tensor, promote
from lamella.frontend.arithmetic import equal, greater, less, numeric
from lamella.ir.types import is_float


def isfinite(x: Any) -> Tensor:
    """Neither infinite nor NaN."""
    x = convert_to_tensor(x)
    return bind("is_finite", x) if is_float(x.dtype) else bind("eq", x, x)


def isnan(x: Any) -> Tensor:
    """x != x."""
    x = convert_to_tensor(x)
    return bind("ne", x, x)


def isinf(x: Any) -> Tensor:
    """Infinite, of either sign."""
    x = convert_to_tensor(x)
    return equal(bind("abs", x), math.inf) if is_float(x.dtype) else bind("ne", x, x)


def isposinf(x: Any) -> Tensor:
    """x = +infinity."""
    return logical_and(isinf(x), greater(x, 0))


def isneginf(x: Any) -> Tensor:
    """x = -infinity."""
    return logical_and(isinf(x), less(x, 0))


def to_bool(x: Any) -> Tensor:
    """x != 0."""
    x = convert_to_tensor(x)
    return x if x.dtype == "bool" else bind("ne", x, convert_to_tensor(0, x.dtype))


def logical_and(x1: Any, x2: Any) -> Tensor:
    """Both are nonzero."""
    return bind("logical_and", to_bool(x1), to_bool(x2))


def logical_or(x1: Any, x2: Any) -> Tensor:
    """At least one is nonzero."""
    return bind("logical_or", to_bool(x1), to_bool(x2))


def logical_xor(x1: Any, x2: Any) -> Tensor:
    """Exactly one is nonzero."""
    return bind("ne", to_bool(x1), to_bool(x2))


def logical_not(x: Any) -> Tensor:
    """x = 0."""
    return bind("logical_not", to_bool(x))


def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """x1 where the condition holds, else x2. The gradient of the side not chosen is 0, unless its own derivative
    isn't finite.

    With the condition alone, outside of traces: the positions where it holds, as `nonzero`.
    """
    if x1 is None and x2 is None:
        return tuple(convert_to_tensor(i, "int32") for i in convert_to_tensor(condition).numpy().nonzero())
    return bind("select", to_bool(condition), *promote(x1, x2))


def _shift(primitive: str, doc: str) -> Callable[[Any, Any], Tensor]:
    def function(x: Any, y: Any) -> Tensor:
        return bind(primitive, *numeric(*promote(x, y)))

    function.__doc__ = doc
    return function


left_shift = bitwise_left_shift = _shift("shift_left", "x * 2^y on integers.")
right_shift = bitwise_right_shift = _shift("shift_right", "floor(x / 2^y) on integers.")
