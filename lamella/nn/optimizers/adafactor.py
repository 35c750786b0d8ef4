"""Adafactor: second moments of a matrix from those of its rows and columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella import ops
from lamella.frontend import Tensor, Variable
from lamella.nn.optimizers.checks import flag, number
from lamella.nn.optimizers.optimizer import OPTIMIZERS, Optimizer
from lamella.nn.optimizers.scalars import step_number


def _rms(x: Any) -> Tensor:
    return ops.sqrt(ops.mean(ops.square(x)))


@OPTIMIZERS.register()
class Adafactor(Optimizer):
    """α = max(ε₂, rms(v)) · min(lr, 1/√t); u = g / √V; v ← v − α u / max(1, rms(u) / clip_threshold).

    V of vectors: V ← β V + (1 − β)(g² + ε₁), β = 1 − t^beta_2_decay. V of matrices (the last two axes of more):
    (r / mean r) ⊗ c with r and c such averages of the means of rows and columns. V of matrices is not stored: memory
    for rows and columns is all that is needed. (Keras stores it too; the state is otherwise the same.)

    Args:
        learning_rate: number, schedule or function.
        beta_2_decay: exponent of the decay, ≤ 0.
        epsilon_1, epsilon_2: ε₁ and ε₂.
        clip_threshold: largest rms of u, > 0.
        relative_step: whether a number as learning rate is capped at 1/√t before all else.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        Shazeer and Stern 2018, arXiv:1804.04235.

    Example:
        >>> v = Variable(np.ones((2, 3), np.float32), name="v")
        >>> adafactor = Adafactor(0.1)
        >>> adafactor.apply([np.ones((2, 3), np.float32)], [v])
        >>> round(float(v.numpy()[0, 0]), 5), [s.shape for s in adafactor.variables[2:]]
        (0.9, [(2,), (3,)])
    """

    slot_groups = (("r", "c", "velocity"),)

    def __init__(self, learning_rate: Any = 0.001, beta_2_decay: float = -0.8, epsilon_1: float = 1e-30,
                 epsilon_2: float = 1e-3, clip_threshold: float = 1.0, relative_step: bool = True,
                 **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_2_decay = number("beta_2_decay", beta_2_decay, self._kind, -float("inf"), 0.0)
        self.epsilon_1 = number("epsilon_1", epsilon_1, self._kind)
        self.epsilon_2 = number("epsilon_2", epsilon_2, self._kind)
        self.clip_threshold = number("clip_threshold", clip_threshold, self._kind)
        if not self.clip_threshold:
            raise ValueError(f"clip_threshold of {self._kind} must be > 0, received {clip_threshold!r}.")
        self.relative_step = flag("relative_step", relative_step, self._kind)

    def slot_names(self, variable: Variable) -> list[str]:
        return ["r", "c"] if len(variable.shape) >= 2 else ["velocity"]

    def initial_slot(self, variable: Variable, name: str) -> np.ndarray:
        shape = variable.shape
        return np.zeros({"r": shape[:-1], "c": (*shape[:-2], *shape[-1:])}.get(name, shape))

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        dtype = variable.dtype
        step = step_number(self.iterations, dtype)
        rate = ops.cast(learning_rate, step.dtype)
        if self.relative_step and isinstance(self._learning_rate, Variable):
            rate = ops.minimum(rate, ops.rsqrt(step))
        rho = ops.cast(ops.minimum(rate, ops.rsqrt(step)), dtype)
        alpha = ops.maximum(_rms(variable), self.epsilon_2) * rho
        beta = ops.cast(1.0 - ops.power(step, self.beta_2_decay), dtype)
        update = gradient / ops.sqrt(self._second_moment(variable, ops.square(gradient) + self.epsilon_1, beta))
        variable.assign(variable - alpha * update / ops.maximum(_rms(update) / self.clip_threshold, 1.0))

    def _second_moment(self, variable: Variable, square: Tensor, beta: Tensor) -> Tensor:
        if len(variable.shape) < 2:
            return self._mean(variable, "velocity", square, beta)
        rows = self._mean(variable, "r", ops.mean(square, axis=-1), beta)
        columns = self._mean(variable, "c", ops.mean(square, axis=-2), beta)
        rows = rows / ops.mean(rows, axis=-1, keepdims=True)
        return ops.expand_dims(rows, -1) * ops.expand_dims(columns, -2)

    def _mean(self, variable: Variable, name: str, value: Tensor, beta: Tensor) -> Tensor:
        slot = self.slot(variable, name)
        mean = slot * beta + value * (1.0 - beta)
        slot.assign(mean)
        return mean

    def get_config(self) -> dict[str, Any]:
        names = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
