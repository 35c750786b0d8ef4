"""Adam and its near relatives: AdamW, Adamax, Nadam."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.frontend import Tensor, Variable, init_scope, name_scope
from lamella.nn.dtype_policy import number_dtype
from lamella.nn.optimizers.checks import flag, number
from lamella.nn.optimizers.optimizer import OPTIMIZERS, Optimizer
from lamella.nn.optimizers.scalars import adam_rate, bias_correction, step_number


class Moments(Optimizer):
    """Shared: two decay rates, ε, and the running mean of a slot."""

    def __init__(self, learning_rate: Any, beta_1: float, beta_2: float, epsilon: float, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = number("beta_1", beta_1, self._kind, 0.0, 1.0, open_high=True)
        self.beta_2 = number("beta_2", beta_2, self._kind, 0.0, 1.0, open_high=True)
        self.epsilon = number("epsilon", epsilon, self._kind)

    def _mean(self, variable: Variable, name: str, value: Tensor, beta: float) -> Tensor:
        """slot ← slot + (value − slot)(1 − β); the new value."""
        slot = self.slot(variable, name)
        mean = slot + (value - slot) * (1.0 - beta)
        slot.assign(mean)
        return mean

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


@OPTIMIZERS.register()
class Adam(Moments):
    """m ← m + (g − m)(1 − β₁); s ← s + (g² − s)(1 − β₂); v ← v − α m / (√s + ε), α = lr √(1 − β₂ᵗ) / (1 − β₁ᵗ).

    ε is added to the uncorrected √s, as in Keras. With `amsgrad` the largest s so far stands in for s.

    Args:
        learning_rate: number, schedule or function.
        beta_1, beta_2: β₁ and β₂ in [0, 1).
        epsilon: ε.
        amsgrad: see above.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        Kingma and Ba 2014, arXiv:1412.6980; AMSGrad: Reddi et al. 2018.

    Example:
        >>> v = Variable(1.0, name="v")
        >>> Adam(0.1).apply([ops.convert_to_tensor(2.0)], [v])
        >>> round(float(v), 6)
        0.9
    """

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7,
                 amsgrad: bool = False, **kwargs: Any) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        self.amsgrad = flag("amsgrad", amsgrad, self._kind)
        self.slot_groups = (("momentum", "velocity"), *((("velocity_hat",),) if self.amsgrad else ()))

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        step = step_number(self.iterations, variable.dtype)
        alpha = adam_rate(learning_rate, self.beta_1, self.beta_2, step)
        momentum = self._mean(variable, "momentum", gradient, self.beta_1)
        velocity = self._mean(variable, "velocity", ops.square(gradient), self.beta_2)
        if self.amsgrad:
            largest = self.slot(variable, "velocity_hat")
            velocity = ops.maximum(largest, velocity)
            largest.assign(velocity)
        variable.assign(variable - momentum * ops.cast(alpha, variable.dtype) / (ops.sqrt(velocity) + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "amsgrad": self.amsgrad}


@OPTIMIZERS.register()
class AdamW(Adam):
    """`Adam` with decoupled weight decay: v ← v − v · wd · lr before each step.

    Args:
        learning_rate: number, schedule or function.
        weight_decay: wd.
        beta_1, beta_2, epsilon, amsgrad: as in `Adam`.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter, or no weight decay.

    Source:
        Loshchilov and Hutter 2017, arXiv:1711.05101.

    Example:
        >>> v = Variable(1.0, name="v")
        >>> AdamW(0.1, weight_decay=0.5).apply([ops.convert_to_tensor(0.0)], [v])
        >>> round(float(v), 6)
        0.95
    """

    def __init__(self, learning_rate: Any = 0.001, weight_decay: float = 0.004, beta_1: float = 0.9,
                 beta_2: float = 0.999, epsilon: float = 1e-7, amsgrad: bool = False, **kwargs: Any) -> None:
        if weight_decay is None:
            raise ValueError("AdamW needs a weight_decay; use Adam for none.")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **kwargs)


@OPTIMIZERS.register()
class Adamax(Moments):
    """m ← m + (g − m)(1 − β₁); u ← max(β₂ u, |g|); v ← v − lr m / ((1 − β₁ᵗ)(u + ε)).

    Args:
        learning_rate: number, schedule or function.
        beta_1, beta_2: β₁ and β₂ in [0, 1).
        epsilon: ε.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        Kingma and Ba 2014, arXiv:1412.6980, section 7.

    Example:
        >>> v = Variable(1.0, name="v")
        >>> Adamax(0.1).apply([ops.convert_to_tensor(2.0)], [v])
        >>> round(float(v), 6)
        0.9
    """

    slot_groups = (("momentum", "norm"),)

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7,
                 **kwargs: Any) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        step = step_number(self.iterations, variable.dtype)
        alpha = ops.cast(learning_rate, step.dtype) / bias_correction(self.beta_1, step)
        momentum = self._mean(variable, "momentum", gradient, self.beta_1)
        slot = self.slot(variable, "norm")
        norm = ops.maximum(slot * self.beta_2, ops.abs(gradient))
        slot.assign(norm)
        variable.assign(variable - momentum * ops.cast(alpha, variable.dtype) / (norm + self.epsilon))


@OPTIMIZERS.register()
class Nadam(Moments):
    """Adam with Nesterov momentum: μₜ = β₁ (1 − ½ · 0.96ᵗ), Πₜ = μ₁ ⋯ μₜ,

    v ← v − lr (μₜ₊₁ m / (1 − Πₜ₊₁) + (1 − μₜ) g / (1 − Πₜ)) / (√(s / (1 − β₂ᵗ)) + ε).

    Args:
        learning_rate: number, schedule or function.
        beta_1, beta_2: β₁ and β₂ in [0, 1).
        epsilon: ε.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        Dozat 2015, "Incorporating Nesterov momentum into Adam".

    Example:
        >>> Nadam().get_config()["beta_1"]
        0.9
    """

    slot_groups = (("momentum", "velocity"),)

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7,
                 **kwargs: Any) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        with init_scope(), name_scope(self.name):
            self._product = Variable(1.0, trainable=False, dtype=number_dtype(), name="momentum_product")
        self._extra.append(self._product)

    def _step(self, gradients: list[Tensor], variables: list[Variable]) -> None:
        product = self._product * self._momentum_at(step_number(self.iterations, self._product.dtype))
        super()._step(gradients, variables)
        self._product.assign(product)

    def _momentum_at(self, step: Tensor) -> Tensor:
        return self.beta_1 * (1.0 - 0.5 * ops.exp(step * math.log(0.96)))

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        dtype = variable.dtype
        step = step_number(self.iterations, dtype)
        now, after = self._momentum_at(step), self._momentum_at(step + 1.0)
        product = ops.cast(self._product, step.dtype) * now
        rate = ops.cast(learning_rate, step.dtype)
        momentum = self._mean(variable, "momentum", gradient, self.beta_1)
        velocity = self._mean(variable, "velocity", ops.square(gradient), self.beta_2)
        from_mean = ops.cast(rate * after / (1.0 - product * after), dtype)
        from_gradient = ops.cast(rate * (1.0 - now) / (1.0 - product), dtype)
        correction = ops.cast(bias_correction(self.beta_2, step), dtype)
        scale = ops.sqrt(velocity / correction) + self.epsilon
        variable.assign(variable - (momentum * from_mean + gradient * from_gradient) / scale)
