"""Optimizers, with the names and arguments of `keras.optimizers`."""

from __future__ import annotations

from typing import Any

from lamella.nn.optimizers import schedules
from lamella.nn.optimizers.adam import Adam, Adamax, AdamW, Nadam
from lamella.nn.optimizers.adaptive import Adadelta, Adagrad, Lion
from lamella.nn.optimizers.optimizer import OPTIMIZERS, Optimizer
from lamella.nn.optimizers.rmsprop import RMSprop
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
    "OPTIMIZERS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Nadam", "Optimizer", "RMSprop",
    "deserialize", "get", "schedules", "serialize",
]
