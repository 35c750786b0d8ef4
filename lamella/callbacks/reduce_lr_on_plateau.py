"""Lower the learning rate when a watched value no longer improves."""

from __future__ import annotations

from lamella.callbacks.callback import Logs
from lamella.callbacks.monitor import MonitorCallback


class ReduceLROnPlateau(MonitorCallback):
    """After `patience` epochs without improvement: `lr = max(lr * factor, min_lr)`, then `cooldown` epochs of rest.

    Args:
        monitor: name in the logs.
        factor: less than 1.
        patience: epochs without improvement.
        verbose: 1 prints each reduction.
        mode: `"min"`, `"max"` or `"auto"`.
        min_delta: smallest change that counts as an improvement.
        cooldown: epochs after a reduction in which nothing is counted.
        min_lr: lower bound.

    Raises:
        ValueError: factor of 1 or more; at `on_train_begin`, a monitor whose direction is unknown.

    Source: keras.callbacks.ReduceLROnPlateau.

    Example:
        >>> ReduceLROnPlateau("loss", factor=0.5).factor
        0.5
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if factor >= 1.0:
            raise ValueError(f"factor must be less than 1, received {factor}.")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self._reset()

    def _reset(self) -> None:
        self.best: float | None = None
        self.cooldown_counter = 0
        self.wait = 0

    def in_cooldown(self) -> bool:
        return self.cooldown_counter > 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._reset()
        self.resolve()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        current = self.current(logs)
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improved(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        old = float(self.model.optimizer.learning_rate)
        if old <= self.min_lr:
            return
        new = max(old * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = new
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}.")
        self.cooldown_counter = self.cooldown
        self.wait = 0
