"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor, Variable
from lamella.nn.optimizers.checks import flag, number
from lamella.nn.optimizers.optimizer import OPTIMIZERS, Optimizer


@OPTIMIZERS.register()
class SGD(Optimizer):
    """v ← v − lr g; with momentum μ: m ← μ m − lr g, then v ← v + m, or v ← v + μ m − lr g (nesterov).

    Args:
        learning_rate: number, schedule or function.
        momentum: μ in [0, 1); ints are accepted.
        nesterov: see the formula.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        Sutskever et al. 2013; Keras' form, with the learning rate inside of m.

    Example:
        >>> import numpy as np
        >>> v = Variable(np.float32(1.0), name="v")
        >>> SGD(0.5).apply([ops.convert_to_tensor(1.0)], [v])
        >>> float(v)
        0.5
    """

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.momentum = number("momentum", momentum, self._kind, 0.0, 1.0)
        self.nesterov = flag("nesterov", nesterov, self._kind)
        self.slot_groups = (("momentum",),) if self.momentum else ()

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        step = gradient * ops.cast(learning_rate, variable.dtype)
        if not self.momentum:
            variable.assign(variable - step)
            return
        slot = self.slot(variable, "momentum")
        momentum = slot * self.momentum - step
        slot.assign(momentum)
        variable.assign(variable + (momentum * self.momentum - step if self.nesterov else momentum))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
