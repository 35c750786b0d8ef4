"""The base of the schedules and their registry."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.dtype_policy import number_dtype
from lamella.nn.optimizers.checks import number
from lamella.nn.registry import Registry, checked_config

SCHEDULES = Registry("keras.optimizers.schedules", "learning rate schedule")


class LearningRateSchedule:
    """Base of all schedules: `schedule(step)` is the learning rate of step 0, 1, ...

    Example:
        >>> class Half(LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.5 / (ops.cast(step, "float32") + 1.0)
        >>> float(Half()(1))
        0.25
    """

    def __call__(self, step: Any) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define __call__.")

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(f"{type(self).__name__} does not define get_config().")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        return checked_config(cls, config)


class Decay(LearningRateSchedule):
    """Shared: an initial rate, a number of steps > 0 and a name."""

    def __init__(self, initial_learning_rate: float, decay_steps: float, name: str | None) -> None:
        kind = type(self).__name__
        self.initial_learning_rate = number("initial_learning_rate", initial_learning_rate, kind)
        if number("decay_steps", decay_steps, kind) == 0:
            raise ValueError(f"decay_steps of {kind} must be > 0, received {decay_steps!r}.")
        self.decay_steps = decay_steps
        self.name = name or kind

    def fraction(self, step: Any) -> Tensor:
        return ops.cast(ops.convert_to_tensor(step), number_dtype()) / float(self.decay_steps)

    def get_config(self) -> dict[str, Any]:
        return {"initial_learning_rate": self.initial_learning_rate, "decay_steps": self.decay_steps, "name": self.name}
