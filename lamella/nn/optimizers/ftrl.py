"""Follow the regularized leader."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor, Variable
from lamella.nn.optimizers.checks import number
from lamella.nn.optimizers.optimizer import OPTIMIZERS, Optimizer


@OPTIMIZERS.register()
class Ftrl(Optimizer):
    """G = g + 2 shrinkage v; n' = n + g²; z ← z + G − (n'^−p − n^−p) / lr · v; v ← (clip(z, ±l1) − z) / q,

    q = n'^−p / lr + 2 l2 + β / lr, p the learning rate power; v = 0 where q = 0.

    Args:
        learning_rate: number, schedule or function; > 0.
        learning_rate_power: p ≤ 0.
        initial_accumulator_value: first value of n.
        l1_regularization_strength, l2_regularization_strength: l1 and l2.
        l2_shrinkage_regularization_strength: shrinkage, an l2 penalty on the gradient only.
        beta: β.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        McMahan et al. 2013, "Ad click prediction: a view from the trenches".

    Example:
        >>> import numpy as np
        >>> v = Variable(np.float32(0.0), name="v")
        >>> Ftrl(0.1, initial_accumulator_value=0.0).apply([ops.convert_to_tensor(2.0)], [v])
        >>> round(float(v), 6)
        -0.1
    """

    slot_groups = (("accumulator", "linear"),)

    def __init__(self, learning_rate: Any = 0.001, learning_rate_power: float = -0.5,
                 initial_accumulator_value: float = 0.1, l1_regularization_strength: float = 0.0,
                 l2_regularization_strength: float = 0.0, l2_shrinkage_regularization_strength: float = 0.0,
                 beta: float = 0.0, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.learning_rate_power = number("learning_rate_power", learning_rate_power, self._kind, -float("inf"), 0.0)
        self.initial_accumulator_value = number("initial_accumulator_value", initial_accumulator_value, self._kind)
        self.l1_regularization_strength = number("l1_regularization_strength", l1_regularization_strength, self._kind)
        self.l2_regularization_strength = number("l2_regularization_strength", l2_regularization_strength, self._kind)
        self.l2_shrinkage_regularization_strength = number(
            "l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength, self._kind)
        self.beta = number("beta", beta, self._kind)

    def initial_slot_value(self, name: str) -> float:
        return self.initial_accumulator_value if name == "accumulator" else 0.0

    def _power(self, accumulator: Any) -> Tensor:
        if self.learning_rate_power == -0.5:
            return ops.sqrt(accumulator)
        return ops.power(accumulator, -self.learning_rate_power)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        accumulator, linear = self.slot(variable, "accumulator"), self.slot(variable, "linear")
        total = accumulator + ops.square(gradient)
        power = self._power(total)
        shrunk = gradient + (2.0 * self.l2_shrinkage_regularization_strength) * variable
        z = linear + shrunk - (power - self._power(accumulator)) / rate * variable
        q = power / rate + 2.0 * self.l2_regularization_strength + self.beta / rate
        limit = self.l1_regularization_strength
        accumulator.assign(total)
        linear.assign(z)
        variable.assign(ops.divide_no_nan(ops.clip(z, -limit, limit) - z, q))

    def get_config(self) -> dict[str, Any]:
        names = ("learning_rate_power", "initial_accumulator_value", "l1_regularization_strength",
                 "l2_regularization_strength", "l2_shrinkage_regularization_strength", "beta")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
