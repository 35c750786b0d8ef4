"""Adam with one step length per layer."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor, Variable
from lamella.nn.optimizers.adam import Moments
from lamella.nn.optimizers.optimizer import OPTIMIZERS
from lamella.nn.optimizers.scalars import bias_correction, step_number


@OPTIMIZERS.register()
class Lamb(Moments):
    """u = m̂ / (√ŝ + ε), m̂ = m / (1 − β₁ᵗ), ŝ = s / (1 − β₂ᵗ); v ← v − (‖v‖ / ‖u‖) lr u, m and s as in `Adam`.

    Where one of the norms is 0, their quotient counts as 1.

    Args:
        learning_rate: number, schedule or function.
        beta_1, beta_2: β₁ and β₂ in [0, 1).
        epsilon: ε.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        You et al. 2019, arXiv:1904.00962.

    Example:
        >>> import numpy as np
        >>> v = Variable(np.float32(2.0), name="v")
        >>> Lamb(0.1).apply([ops.convert_to_tensor(3.0)], [v])
        >>> round(float(v), 5)
        1.8
    """

    slot_groups = (("momentum", "velocity"),)

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7,
                 **kwargs: Any) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        dtype = variable.dtype
        step = step_number(self.iterations, dtype)
        first, second = (ops.cast(bias_correction(beta, step), dtype) for beta in (self.beta_1, self.beta_2))
        momentum = self._mean(variable, "momentum", gradient, self.beta_1)
        velocity = self._mean(variable, "velocity", ops.square(gradient), self.beta_2)
        update = momentum / first / (ops.sqrt(velocity / second) + self.epsilon)
        size, length = (ops.sqrt(ops.sum(ops.square(x))) for x in (variable, update))
        both = ops.logical_and(size > 0, length > 0)
        one = ops.ones_like(length)
        ratio = ops.where(both, size, one) / ops.where(both, length, one)
        variable.assign(variable - ratio * ops.cast(learning_rate, dtype) * update)
