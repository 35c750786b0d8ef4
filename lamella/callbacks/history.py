"""The record of a fit."""

from __future__ import annotations

from typing import Any

from lamella.callbacks.callback import Callback, Logs


class History(Callback):
    """Keeps the logs of every epoch; `fit` adds one by itself and returns it.

    Attributes:
        epoch: indexes of the epochs.
        history: name to list of values, loss first.

    Source: keras.callbacks.History.

    Example:
        >>> history = History()
        >>> history.on_train_begin()
        >>> history.on_epoch_end(0, {"loss": 0.5})
        >>> history.history
        {'loss': [0.5]}
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
