"""RMSprop."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor, Variable
from lamella.nn.optimizers.checks import flag, number
from lamella.nn.optimizers.optimizer import OPTIMIZERS, Optimizer


@OPTIMIZERS.register()
class RMSprop(Optimizer):
    """s ← ρ s + (1 − ρ) g²; v ← v − lr g / √(s + ε).

    With `centered`, a ← ρ a + (1 − ρ) g and s − a² stands in for s; with momentum μ, m ← μ m + step, v ← v − m. ε is
    inside of the root, as in Keras.

    Args:
        learning_rate: number, schedule or function.
        rho: ρ in [0, 1].
        momentum: μ in [0, 1].
        epsilon: ε.
        centered: see the formula.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        Hinton 2012, Neural networks for machine learning, lecture 6.

    Example:
        >>> import numpy as np
        >>> v = Variable(np.float32(1.0), name="v")
        >>> RMSprop(0.1, rho=0.0).apply([ops.convert_to_tensor(2.0)], [v])
        >>> round(float(v), 6)
        0.9
    """

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-7,
                 centered: bool = False, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho = number("rho", rho, self._kind, 0.0, 1.0)
        self.momentum = number("momentum", momentum, self._kind, 0.0, 1.0)
        self.epsilon = number("epsilon", epsilon, self._kind)
        self.centered = flag("centered", centered, self._kind)
        momentums = (("momentum",),) if self.momentum else ()
        self.slot_groups = (("velocity",), *momentums, *((("average_gradient",),) if self.centered else ()))

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        velocity = self._mean(variable, "velocity", ops.square(gradient))
        denominator = velocity + self.epsilon
        if self.centered:
            denominator = denominator - ops.square(self._mean(variable, "average_gradient", gradient))
        step = gradient * ops.cast(learning_rate, variable.dtype) / ops.sqrt(denominator)
        if self.momentum:
            slot = self.slot(variable, "momentum")
            step = slot * self.momentum + step
            slot.assign(step)
        variable.assign(variable - step)

    def _mean(self, variable: Variable, name: str, value: Tensor) -> Tensor:
        slot = self.slot(variable, name)
        mean = slot * self.rho + value * (1.0 - self.rho)
        slot.assign(mean)
        return mean

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon,
                "centered": self.centered}
