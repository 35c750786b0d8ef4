"""Decays along a cosine, once or again and again."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.dtype_policy import number_dtype
from lamella.nn.optimizers.checks import number
from lamella.nn.optimizers.schedules.base import SCHEDULES, Decay, LearningRateSchedule


@SCHEDULES.register()
class CosineDecay(Decay):
    """base · ((1 − alpha) · ½ (1 + cos(π · step / decay_steps)) + alpha), after an optional linear warm-up.

    Args:
        initial_learning_rate: base, or the start of the warm-up.
        decay_steps: > 0, counted after the warm-up.
        alpha: share of the base that remains at the end.
        name: for configs.
        warmup_target: base, reached linearly from `initial_learning_rate`; None for no warm-up.
        warmup_steps: number of steps of the warm-up.

    Raises:
        ValueError: `decay_steps` is not > 0, or a number is not finite.

    Source:
        Loshchilov and Hutter 2016, arXiv:1608.03983.

    Example:
        >>> round(float(CosineDecay(1.0, 10)(5)), 6)
        0.5
    """

    def __init__(self, initial_learning_rate: float, decay_steps: float, alpha: float = 0.0, name: str | None = None,
                 warmup_target: float | None = None, warmup_steps: int = 0) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        kind = type(self).__name__
        self.alpha = number("alpha", alpha, kind)
        self.warmup_steps = int(number("warmup_steps", warmup_steps, kind))
        self.warmup_target = None if warmup_target is None else number("warmup_target", warmup_target, kind)

    def __call__(self, step: Any) -> Tensor:
        step = ops.cast(ops.convert_to_tensor(step), number_dtype())
        if self.warmup_target is None:
            return self._cosine(step, self.initial_learning_rate)
        cosine = self._cosine(step - float(self.warmup_steps), self.warmup_target)
        if not self.warmup_steps:
            return cosine
        slope = (self.warmup_target - self.initial_learning_rate) / self.warmup_steps
        return ops.where(step < self.warmup_steps, self.initial_learning_rate + slope * step, cosine)

    def _cosine(self, step: Tensor, base: float) -> Tensor:
        fraction = ops.clip(step / float(self.decay_steps), 0.0, 1.0)
        cosine = 0.5 * (1.0 + ops.cos(math.pi * fraction))
        return base * ((1.0 - self.alpha) * cosine + self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha, "warmup_target": self.warmup_target,
                "warmup_steps": self.warmup_steps}


@SCHEDULES.register()
class CosineDecayRestarts(LearningRateSchedule):
    """rate₀ · ((1 − alpha) · ½ mⁱ (1 + cos(π f)) + alpha), f from 0 to 1 in period i of length first_decay_steps · tⁱ.

    Args:
        initial_learning_rate: rate₀.
        first_decay_steps: length of the first period, > 0.
        t_mul: t, by which periods grow, > 0.
        m_mul: m, by which the amplitude changes from period to period.
        alpha: share of rate₀ that remains at the end of a period.
        name: for configs.

    Raises:
        ValueError: `first_decay_steps` or `t_mul` is not > 0, or a number is not finite.

    Source:
        Loshchilov and Hutter 2016, arXiv:1608.03983.

    Example:
        >>> schedule = CosineDecayRestarts(1.0, 10)
        >>> [round(float(schedule(step)), 4) for step in (0, 5, 10, 20, 30)]
        [1.0, 0.5, 1.0, 0.5, 1.0]
    """

    def __init__(self, initial_learning_rate: float, first_decay_steps: float, t_mul: float = 2.0, m_mul: float = 1.0,
                 alpha: float = 0.0, name: str | None = "SGDRDecay") -> None:
        kind = type(self).__name__
        self.initial_learning_rate = number("initial_learning_rate", initial_learning_rate, kind)
        self.t_mul, self.m_mul = number("t_mul", t_mul, kind), number("m_mul", m_mul, kind)
        for argument, value in (("first_decay_steps", first_decay_steps), ("t_mul", t_mul)):
            if number(argument, value, kind) == 0:
                raise ValueError(f"{argument} of {kind} must be > 0, received {value!r}.")
        self.first_decay_steps = first_decay_steps
        self.alpha, self.name = number("alpha", alpha, kind), name

    def _before(self, period: Tensor) -> Tensor:
        """All periods before this one, in units of the first: (1 − tⁱ) / (1 − t)."""
        t = self.t_mul
        return period if t == 1 else (1.0 - ops.power(ops.convert_to_tensor(t, period.dtype), period)) / (1.0 - t)

    def _period(self, time: Tensor) -> Tensor:
        """The number i of the period that holds `time`, in units of the first."""
        if self.t_mul == 1:
            return ops.floor(time)
        if self.t_mul < 1:  # The lengths add up to 1 / (1 − t); the last moment that has a period is just before.
            time = ops.minimum(time, (1.0 - 1e-6) / (1.0 - self.t_mul))
        guess = ops.floor(ops.log(1.0 - time * (1.0 - self.t_mul)) / math.log(self.t_mul))
        # The logarithm rounds: a restart would come one step late.
        return ops.where(time >= self._before(guess + 1.0), guess + 1.0, guess)

    def __call__(self, step: Any) -> Tensor:
        time = ops.cast(ops.convert_to_tensor(step), number_dtype()) / float(self.first_decay_steps)
        period = self._period(time)
        fraction = (time - self._before(period)) / ops.power(ops.convert_to_tensor(self.t_mul, number_dtype()), period)
        amplitude = ops.power(ops.convert_to_tensor(self.m_mul, number_dtype()), period)
        cosine = 0.5 * amplitude * (1.0 + ops.cos(math.pi * ops.clip(fraction, 0.0, 1.0)))
        return self.initial_learning_rate * ((1.0 - self.alpha) * cosine + self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {"initial_learning_rate": self.initial_learning_rate, "first_decay_steps": self.first_decay_steps,
                "t_mul": self.t_mul, "m_mul": self.m_mul, "alpha": self.alpha, "name": self.name}
