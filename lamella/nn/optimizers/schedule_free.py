"""AdamW that averages instead of decaying its learning rate."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella import ops
from lamella.frontend import Tensor, Variable
from lamella.nn.optimizers.adam import Moments
from lamella.nn.optimizers.checks import number
from lamella.nn.optimizers.optimizer import OPTIMIZERS
from lamella.nn.optimizers.scalars import bias_correction, step_number


@OPTIMIZERS.register()
class ScheduleFreeAdamW(Moments):
    """z' = z − lr g / (√(s / (1 − β₂ᵗ)) + ε); x' = (1 − 1/t) x + z' / t; v ← (1 − β₁) z' + β₁ x'.

    v = (1 − β₁) z + β₁ x at all times, so that x needs no memory; z starts as v. The model holds v, the point where
    gradients are taken, also when it is evaluated (as in Keras).

    Args:
        learning_rate: number, schedule or function.
        beta_1: β₁ in [0, 1), the weight of the average x.
        beta_2: β₂ in [0, 1), of the running mean s of g².
        epsilon: ε.
        warmup_steps: the learning rate rises linearly over so many steps.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        Defazio et al. 2024, arXiv:2405.15682.

    Example:
        >>> v = Variable(np.float32(1.0), name="v")
        >>> ScheduleFreeAdamW(0.1).apply([ops.convert_to_tensor(2.0)], [v])
        >>> round(float(v), 5)
        0.9
    """

    slot_groups = (("momentum", "velocity"),)

    def __init__(self, learning_rate: Any = 0.0025, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
                 warmup_steps: int = 0, **kwargs: Any) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        self.warmup_steps = int(number("warmup_steps", warmup_steps, self._kind))

    def initial_slot(self, variable: Variable, name: str) -> np.ndarray:
        return variable.numpy() if name == "momentum" else np.zeros(variable.shape)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        dtype = variable.dtype
        step = step_number(self.iterations, dtype)
        rate = ops.cast(learning_rate, step.dtype)
        if self.warmup_steps:
            rate = rate * ops.minimum(step / float(self.warmup_steps), 1.0)
        velocity = self._mean(variable, "velocity", ops.square(gradient), self.beta_2)
        scale = ops.sqrt(velocity / ops.cast(bias_correction(self.beta_2, step), dtype)) + self.epsilon
        slot = self.slot(variable, "momentum")
        z = slot - gradient * ops.cast(rate, dtype) / scale
        share = ops.cast(1.0 / step, dtype)
        average = (1.0 - share) * (variable - (1.0 - self.beta_1) * slot) + share * self.beta_1 * z  # β₁ x'
        slot.assign(z)
        variable.assign((1.0 - self.beta_1) * z + average)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "warmup_steps": self.warmup_steps}
