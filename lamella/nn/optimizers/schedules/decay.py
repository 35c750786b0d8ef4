"""Decays by a power, a quotient, a polynomial or in steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.dtype_policy import number_dtype
from lamella.nn.optimizers.checks import flag, number
from lamella.nn.optimizers.schedules.base import SCHEDULES, Decay, LearningRateSchedule


@SCHEDULES.register()
class ExponentialDecay(Decay):
    """rate₀ · decay_rate ^ (step / decay_steps).

    Args:
        initial_learning_rate: rate₀.
        decay_steps: > 0.
        decay_rate: factor per `decay_steps`.
        staircase: whether the exponent is rounded down.
        name: for configs.

    Raises:
        ValueError: `decay_steps` is not > 0, or a number is not finite.

    Example:
        >>> float(ExponentialDecay(1.0, 10, 0.25)(5))
        0.5
    """

    def __init__(self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False,
                 name: str | None = None) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_rate = number("decay_rate", decay_rate, type(self).__name__)
        self.staircase = flag("staircase", staircase, type(self).__name__)

    def __call__(self, step: Any) -> Tensor:
        exponent = self.fraction(step)
        exponent = ops.floor(exponent) if self.staircase else exponent
        return self.initial_learning_rate * ops.power(ops.convert_to_tensor(self.decay_rate, number_dtype()), exponent)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "decay_rate": self.decay_rate, "staircase": self.staircase}


@SCHEDULES.register()
class InverseTimeDecay(Decay):
    """rate₀ / (1 + decay_rate · step / decay_steps).

    Args:
        initial_learning_rate: rate₀.
        decay_steps: > 0.
        decay_rate: see the formula.
        staircase: whether step / decay_steps is rounded down.
        name: for configs.

    Raises:
        ValueError: `decay_steps` is not > 0, or a number is not finite.

    Example:
        >>> float(InverseTimeDecay(1.0, 10, 2.0)(5))
        0.5
    """

    def __init__(self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False,
                 name: str | None = None) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_rate = number("decay_rate", decay_rate, type(self).__name__)
        self.staircase = flag("staircase", staircase, type(self).__name__)

    def __call__(self, step: Any) -> Tensor:
        time = self.fraction(step)
        time = ops.floor(time) if self.staircase else time
        return self.initial_learning_rate / (1.0 + self.decay_rate * time)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "decay_rate": self.decay_rate, "staircase": self.staircase}


@SCHEDULES.register()
class PolynomialDecay(Decay):
    """(rate₀ − end) · (1 − min(step, decay_steps) / decay_steps) ^ power + end.

    Args:
        initial_learning_rate: rate₀.
        decay_steps: > 0.
        end_learning_rate: end.
        power: of the polynomial.
        cycle: whether it starts again, over the next multiple of `decay_steps`, once it has reached the end.
        name: for configs.

    Raises:
        ValueError: `decay_steps` is not > 0, or a number is not finite.

    Example:
        >>> float(PolynomialDecay(1.0, 10, 0.0)(5))
        0.5
    """

    def __init__(self, initial_learning_rate: float, decay_steps: float, end_learning_rate: float = 0.0001,
                 power: float = 1.0, cycle: bool = False, name: str | None = None) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.end_learning_rate = number("end_learning_rate", end_learning_rate, type(self).__name__)
        self.power = number("power", power, type(self).__name__)
        self.cycle = flag("cycle", cycle, type(self).__name__)

    def __call__(self, step: Any) -> Tensor:
        done = self.fraction(step)
        done = done / ops.maximum(ops.ceil(done), 1.0) if self.cycle else ops.minimum(done, 1.0)
        rest = ops.maximum(1.0 - done, 0.0)
        rest = rest if self.power == 1 else ops.power(rest, self.power)
        return (self.initial_learning_rate - self.end_learning_rate) * rest + self.end_learning_rate

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "end_learning_rate": self.end_learning_rate, "power": self.power,
                "cycle": self.cycle}


@SCHEDULES.register()
class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to and including step boundaries[i], the last value beyond.

    Args:
        boundaries: rising step numbers.
        values: one more than there are boundaries.
        name: for configs.

    Raises:
        ValueError: the lengths do not fit, boundaries do not rise, or a number is not finite.

    Example:
        >>> schedule = PiecewiseConstantDecay([10], [1.0, 0.5])
        >>> float(schedule(10)), float(schedule(11))
        (1.0, 0.5)
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float],
                 name: str | None = "PiecewiseConstant") -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(f"PiecewiseConstantDecay needs one more value than boundaries, received {len(values)} and "
                             f"{len(boundaries)}.")
        if any(low >= high for low, high in zip(boundaries, boundaries[1:], strict=False)):
            raise ValueError(f"The boundaries of PiecewiseConstantDecay must rise, received {list(boundaries)}.")
        self.boundaries = list(boundaries)
        self.values = [number("values", value, type(self).__name__) for value in values]
        self.name = name

    def __call__(self, step: Any) -> Tensor:
        step = ops.cast(ops.convert_to_tensor(step), number_dtype())
        rate = ops.convert_to_tensor(self.values[-1], number_dtype())
        for boundary, value in zip(reversed(self.boundaries), reversed(self.values[:-1]), strict=True):
            rate = ops.where(step <= float(boundary), ops.convert_to_tensor(value, number_dtype()), rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}
