"""The learning rate of an optimizer: a variable, a schedule or a function."""

from __future__ import annotations

from typing import Any

from lamella.frontend import Variable
from lamella.nn.dtype_policy import number_dtype
from lamella.nn.optimizers.checks import number
from lamella.nn.optimizers.schedules import SCHEDULES, LearningRateSchedule


class HasLearningRate:
    """The part of `Optimizer` that keeps the learning rate. `_iterations` counts the calls of `apply`."""

    name: str
    _iterations: Variable
    _learning_rate: Any

    @property
    def _kind(self) -> str:
        return type(self).__name__

    def _make_learning_rate(self, value: Any) -> Any:
        if isinstance(value, dict):
            value = SCHEDULES.deserialize(value)
        if isinstance(value, (LearningRateSchedule, Variable)) or callable(value):
            return value
        rate = number("learning_rate", value, self._kind)
        return Variable(rate, trainable=False, dtype=number_dtype(), name="learning_rate")

    @property
    def learning_rate(self) -> Any:
        """The variable that the compiled step reads, or the present value of a schedule or function.

        A function takes no argument. A compiled step calls it while it is traced: what it computes from variables
        follows them, a plain number stays.
        """
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate(self._iterations)
        if isinstance(self._learning_rate, Variable):
            return self._learning_rate
        return self._learning_rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        """Set it, also while training; a number for an optimizer with a schedule is an error, as in Keras.

        Raises:
            TypeError: the optimizer follows a schedule.
            ValueError: no finite number >= 0.
        """
        if isinstance(value, LearningRateSchedule) or (callable(value) and not isinstance(value, Variable)):
            self._learning_rate = value
        elif not isinstance(self._learning_rate, Variable):
            raise TypeError(f"The learning rate of {self.name!r} follows {type(self._learning_rate).__name__} and "
                            "cannot be set to a number. Make the optimizer with a number to set it later.")
        else:
            plain = value.item() if hasattr(value, "item") else value
            self._learning_rate.assign(number("learning_rate", plain, self._kind))

    lr = learning_rate

    def _learning_rate_config(self) -> Any:
        """The learning rate as configs hold it."""
        rate = self._learning_rate
        if isinstance(rate, Variable):
            return float(rate.numpy())
        return SCHEDULES.serialize(rate) if isinstance(rate, LearningRateSchedule) else float(rate())
