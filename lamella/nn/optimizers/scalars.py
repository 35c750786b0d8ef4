"""Scalar factors of an update, computed once per step in float32 or wider."""

from __future__ import annotations

import math

from lamella import ops
from lamella.frontend import Tensor, Variable


def wide(dtype: str) -> str:
    """The dtype for scalars of a variable: half precision would lose 1 − β.

    Example:
        >>> wide("bfloat16"), wide("float64")
        ('float32', 'float64')
    """
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def step_number(iterations: Variable, dtype: str) -> Tensor:
    """t = iterations + 1: 1 at the first update.

    Example:
        >>> float(step_number(Variable(0), "float32"))
        1.0
    """
    return ops.cast(iterations + 1, wide(dtype))


def bias_correction(beta: float, step: Tensor) -> Tensor | float:
    """1 − βᵗ as −expm1(t ln β), which keeps all digits for β near 1.

    Example:
        >>> round(float(bias_correction(0.9, ops.convert_to_tensor(2.0))), 6)
        0.19
    """
    return -ops.expm1(step * math.log(beta)) if beta > 0 else 1.0
