"""Stop when a watched value no longer improves."""

from __future__ import annotations

from typing import Any

from lamella.callbacks.callback import Logs
from lamella.callbacks.monitor import MonitorCallback


class EarlyStopping(MonitorCallback):
    """Stops after `patience` epochs without improvement.

    Each epoch from `start_from_epoch` on: `wait += 1`; on an improvement the value becomes the best and, if there is no
    baseline or it beats the baseline, `wait = 0`; otherwise training stops once `wait >= patience`.

    Args:
        monitor: name in the logs.
        min_delta: smallest change that counts as an improvement.
        patience: epochs without improvement before stopping; 0 stops at the first one, epoch 0 included.
        verbose: 1 prints when it acts.
        mode: `"min"`, `"max"` or `"auto"`.
        baseline: value that has to be beaten for `wait` to restart.
        restore_best_weights: put back the weights of the best epoch at the end, also after a run that was not stopped.
        start_from_epoch: epochs before this one are ignored.

    Raises:
        ValueError: at `on_train_begin`, if "auto" can't tell the direction of the monitor.

    Source: keras.callbacks.EarlyStopping, but NaN is worse than any number and names are resolved before training.

    Example:
        >>> stop = EarlyStopping("loss", patience=2)
        >>> stop.on_train_begin()
        >>> stop.improved(0.5, 0.6), stop.improved(float("nan"), None)
        (True, False)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._reset()

    def _reset(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best: float | None = None
        self.best_weights: list[Any] | None = None
        self.best_epoch = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._reset()
        self.resolve()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        current = self.current(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.improved(current, self.best):
            self._keep(epoch, current)
        elif self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _keep(self, epoch: int, current: float) -> None:
        self.best, self.best_epoch = current, epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()
        if self.baseline is None or self.improved(current, self.baseline):
            self.wait = 0

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
