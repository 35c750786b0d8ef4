"""Scalar factors of an update, computed once per step in float32 or wider."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.frontend import Tensor, Variable
from lamella.ir.types import wide


def step_number(iterations: Variable, dtype: str) -> Tensor:
    """t = iterations + 1: 1 at the first update; at least float32, for half precision would lose 1 − β.

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


def adam_rate(learning_rate: Any, beta_1: float, beta_2: float, step: Tensor) -> Tensor:
    """α = lr √(1 − β₂ᵗ) / (1 − β₁ᵗ), in the dtype of the step number.

    Example:
        >>> round(float(adam_rate(0.1, 0.9, 0.9, ops.convert_to_tensor(1.0))), 6)
        0.316228
    """
    return (ops.cast(learning_rate, step.dtype) * ops.sqrt(ops.convert_to_tensor(bias_correction(beta_2, step)))
            / bias_correction(beta_1, step))
