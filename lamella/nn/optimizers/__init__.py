"""Optimizers, with the names and arguments of `keras.optimizers`."""

from __future__ import annotations

from typing import Any

from lamella.nn.optimizers import schedules
from lamella.nn.optimizers.adafactor import Adafactor
from lamella.nn.optimizers.adam import Adam, Adamax, AdamW, Nadam
from lamella.nn.optimizers.adaptive import Adadelta, Adagrad, Lion
from lamella.nn.optimizers.ftrl import Ftrl
from lamella.nn.optimizers.lamb import Lamb
from lamella.nn.optimizers.loss_scale import LossScaleOptimizer
from lamella.nn.optimizers.multi import MultiOptimizer, OptimizerMap
from lamella.nn.optimizers.muon import Muon
from lamella.nn.optimizers.optimizer import OPTIMIZERS, Optimizer
from lamella.nn.optimizers.rmsprop import RMSprop
from lamella.nn.optimizers.schedule_free import ScheduleFreeAdamW
from lamella.nn.optimizers.sgd import SGD


def get(identifier: Any) -> Any:
    """An optimizer from a name, a config or an instance; None stays None.

    Raises:
        ValueError: an unknown name; the message offers the closest ones.
        TypeError: something else.

    Example:
        >>> get("adamm")
        Traceback (most recent call last):
        ValueError: Unknown optimizer 'adamm'. Did you mean 'adam'...
    """
    optimizer = OPTIMIZERS.get(identifier)
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise TypeError(f"Expected an optimizer as a name, a config or an object, received {identifier!r}.")
    return optimizer


serialize, deserialize = OPTIMIZERS.serialize, OPTIMIZERS.deserialize

__all__ = [
    "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "LossScaleOptimizer",
    "MultiOptimizer", "Muon", "Nadam", "OPTIMIZERS", "Optimizer", "OptimizerMap", "RMSprop", "SGD", "ScheduleFreeAdamW",
    "deserialize", "get", "schedules", "serialize",
]
