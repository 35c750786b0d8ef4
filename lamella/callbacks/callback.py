"""The base of all callbacks."""

from __future__ import annotations

from typing import Any

import numpy as np

Logs = dict[str, Any]


class Callback:
    """Hooks that do nothing. Override the ones you need.

    A subclass that overrides a batch hook makes `fit` return to Python after every step; all other hooks cost nothing
    while an epoch runs. `on_train_progress` is the cheap alternative: called ten times a second with all losses so far.

    Attributes:
        model: the model, set before training begins.
        params: dict with `verbose`, `epochs`, `steps` and `metrics` (the expected names in the logs, None if unknown).
        needs_step_logs: whether `on_train_progress` wants the metrics after every step, and not only the loss.

    Source: keras.callbacks.Callback; `on_train_progress` is Lamella's.

    Example:
        >>> class Print(Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(epoch, logs)
        >>> Print().on_epoch_end(0, {"loss": 1.0})
        0 {'loss': 1.0}
    """

    needs_step_logs = False

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self._model: Any = None

    @property
    def model(self) -> Any:
        return getattr(self, "_model", None)  # subclasses may forget super().__init__()

    def set_params(self, params: dict[str, Any]) -> None:
        """Receive `verbose`, `epochs`, `steps` and `metrics`."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Receive the model."""
        self._model = model

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Old name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Old name of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before epoch number `epoch` (from 0)."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After the epoch and its validation; `logs` may be extended for the callbacks that follow."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before training step number `batch` of the epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After training step number `batch`; `logs` holds the running results of the epoch."""
        self.on_batch_end(batch, logs)

    def on_train_progress(self, step: int, logs: dict[str, np.ndarray]) -> None:
        """While an epoch runs, about ten times a second, and once at its end.

        Setting `self.model.stop_training` here stops at the next step.

        Args:
            step: number of steps of this epoch that are done.
            logs: arrays with one value per step: `loss` is the loss of each batch; if a callback has set
                `needs_step_logs`, the metrics too, as running results of the epoch. Only the first `step` values count.
        """

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before evaluation step number `batch`."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After evaluation step number `batch`."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before prediction step number `batch`."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After prediction step number `batch`; `logs` has the outputs."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch, unless training failed."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation, also one inside `fit`."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After an evaluation."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After a prediction."""

    def close(self) -> None:
        """Release files and the terminal; called once at the end of every run, also after an error."""
