"""Adagrad, Adadelta and Lion."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor, Variable
from lamella.nn.optimizers.checks import number
from lamella.nn.optimizers.optimizer import OPTIMIZERS, Optimizer


@OPTIMIZERS.register()
class Adagrad(Optimizer):
    """s ← s + g²; v ← v − lr g / √(s + ε).

    Args:
        learning_rate: number, schedule or function.
        initial_accumulator_value: first value of s.
        epsilon: ε.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        Duchi et al. 2011.

    Example:
        >>> import numpy as np
        >>> v = Variable(np.float32(1.0), name="v")
        >>> Adagrad(0.1, initial_accumulator_value=0.0).apply([ops.convert_to_tensor(2.0)], [v])
        >>> round(float(v), 6)
        0.9
    """

    slot_groups = (("accumulator",),)

    def __init__(self, learning_rate: Any = 0.001, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7,
                 **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value = number("initial_accumulator_value", initial_accumulator_value, self._kind)
        self.epsilon = number("epsilon", epsilon, self._kind)

    def initial_slot_value(self, name: str) -> float:
        return self.initial_accumulator_value

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        slot = self.slot(variable, "accumulator")
        total = slot + ops.square(gradient)
        slot.assign(total)
        rate = ops.cast(learning_rate, variable.dtype)
        variable.assign(variable - gradient * rate / ops.sqrt(total + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "initial_accumulator_value": self.initial_accumulator_value,
                "epsilon": self.epsilon}


@OPTIMIZERS.register()
class Adadelta(Optimizer):
    """s ← ρ s + (1 − ρ) g²; d = √(u + ε) / √(s + ε) · g; u ← ρ u + (1 − ρ) d²; v ← v − lr d.

    Args:
        learning_rate: number, schedule or function.
        rho: ρ in [0, 1].
        epsilon: ε.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        Zeiler 2012, arXiv:1212.5701.

    Example:
        >>> import numpy as np
        >>> v = Variable(np.float32(1.0), name="v")
        >>> Adadelta(1.0, rho=0.0, epsilon=1.0).apply([ops.convert_to_tensor(0.0)], [v])
        >>> float(v)
        1.0
    """

    slot_groups = (("accumulated_grad", "accumulated_delta_var"),)

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho = number("rho", rho, self._kind, 0.0, 1.0)
        self.epsilon = number("epsilon", epsilon, self._kind)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        grads, deltas = self.slot(variable, "accumulated_grad"), self.slot(variable, "accumulated_delta_var")
        squares = grads * self.rho + ops.square(gradient) * (1.0 - self.rho)
        delta = gradient * ops.sqrt(deltas + self.epsilon) / ops.sqrt(squares + self.epsilon)
        grads.assign(squares)
        deltas.assign(deltas * self.rho + ops.square(delta) * (1.0 - self.rho))
        variable.assign(variable - delta * ops.cast(learning_rate, variable.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}


@OPTIMIZERS.register()
class Lion(Optimizer):
    """v ← v − lr sign(β₁ m + (1 − β₁) g); then m ← β₂ m + (1 − β₂) g.

    Args:
        learning_rate: number, schedule or function.
        beta_1, beta_2: β₁ in (0, 1] and β₂ in [0, 1].
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        Chen et al. 2023, arXiv:2302.06675.

    Example:
        >>> import numpy as np
        >>> v = Variable(np.float32(1.0), name="v")
        >>> Lion(0.5).apply([ops.convert_to_tensor(2.0)], [v])
        >>> float(v)
        0.5
    """

    slot_groups = (("momentum",),)

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = number("beta_1", beta_1, self._kind, 0.0, 1.0)
        self.beta_2 = number("beta_2", beta_2, self._kind, 0.0, 1.0)
        if self.beta_1 == 0:
            raise ValueError(f"beta_1 of {self._kind} must be in (0, 1], received {beta_1!r}.")

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        slot = self.slot(variable, "momentum")
        direction = ops.sign(slot * self.beta_1 + gradient * (1.0 - self.beta_1))
        variable.assign(variable - direction * ops.cast(learning_rate, variable.dtype))
        slot.assign(slot * self.beta_2 + gradient * (1.0 - self.beta_2))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2}
