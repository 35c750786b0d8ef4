"""A learning rate per epoch from a function."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable
from typing import Any

from lamella.callbacks.callback import Callback, Logs


class LearningRateScheduler(Callback):
    """Sets the optimizer's learning rate before each epoch: `lr = schedule(epoch, lr)`, or `schedule(epoch)`.

    Args:
        schedule: function of the epoch (from 0) and, if it takes two arguments, the present rate; returns a number.
        verbose: 1 prints each new rate.

    Raises:
        TypeError: the schedule returned no number. An error inside the schedule is never swallowed: how many arguments
            it takes is read from its signature.

    Source: keras.callbacks.LearningRateScheduler.

    Example:
        >>> LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)).schedule(1)
        0.05
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose
        self._takes_rate = _takes_two(schedule)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        rate = self.schedule(epoch, float(optimizer.learning_rate)) if self._takes_rate else self.schedule(epoch)
        if not isinstance(rate, numbers.Real) and not (
            hasattr(rate, "__float__") and getattr(rate, "shape", None) == ()
        ):
            raise TypeError(f"The schedule must return a number, returned {rate!r} for epoch {epoch}.")
        optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {float(rate)}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    return True
