"""What EarlyStopping and ReduceLROnPlateau share: a watched name in the logs and the direction in which it improves."""

from __future__ import annotations

import math
import warnings
from typing import Any

from lamella.callbacks.callback import Callback, Logs
from lamella.errors import did_you_mean

_DOWN = (
    "loss",
    "error",
    "mse",
    "mae",
    "mape",
    "msle",
    "rmse",
    "crossentropy",
    "divergence",
    "poisson",
    "hinge",
    "logcosh",
)
_UP = (
    "acc",
    "auc",
    "precision",
    "recall",
    "score",
    "iou",
    "positives",
    "negatives",
    "sensitivity",
    "specificity",
    "similarity",
    "correlation",
)


class MonitorCallback(Callback):
    """Base of callbacks that watch one value.

    The direction is settled before training starts: `mode`, else the compiled metric's own direction, else the log's
    name (`..._loss`, `..._accuracy`, ...), so that a name that can't be judged fails in `on_train_begin` and not an
    epoch later.
    NaN is worse than every number.

    Args:
        monitor: name in the logs.
        mode: `"min"`, `"max"` or `"auto"`.
        min_delta: smallest change that counts as an improvement.

    Raises:
        ValueError: unknown mode; at `on_train_begin`, a monitor whose direction is unknown.
    """

    def __init__(self, monitor: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be 'min', 'max' or 'auto', received {mode!r}.")
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self._sign = {"min": -1.0, "max": 1.0}.get(mode, 0.0)
        self._warned = False

    def resolve(self) -> None:
        """Settle the direction and warn about a name that the logs will not have."""
        expected: list[str] = self.params.get("metrics") or []
        self._warned = bool(expected) and self.monitor not in expected and self.monitor != "learning_rate"
        if self._warned:
            warnings.warn(
                f"{type(self).__name__} monitors {self.monitor!r}, which this fit does not log. "
                f"{did_you_mean(self.monitor, expected)}",
                stacklevel=6,
            )
        if not self._sign:
            self._sign = self._direction()

    def improved(self, current: float, best: float | None) -> bool:
        """Whether `current` beats `best` by more than `min_delta`; the first number always does.

        min: `current + min_delta < best`; max: `current - min_delta > best`.
        """
        if math.isnan(current):
            return False
        return best is None or (current - best) * self._sign > self.min_delta

    def current(self, logs: Logs | None) -> float | None:
        """The watched value, or None, with a warning the first time."""
        value = (logs or {}).get(self.monitor)
        if value is None and not self._warned:
            self._warned = True
            warnings.warn(
                f"{type(self).__name__}: {self.monitor!r} is not in the logs of this epoch; they have "
                f"{', '.join(logs or {}) or 'nothing'}.",
                stacklevel=4,
            )
        return None if value is None else float(value)

    def _direction(self) -> float:
        name = self.monitor.removeprefix("val_")
        sign = _metric_direction(self.model, name)
        if sign is None:
            words = name.lower()
            sign = -1.0 if any(w in words for w in _DOWN) else 1.0 if any(w in words for w in _UP) else None
        if sign is None:
            raise ValueError(
                f"{type(self).__name__} can't tell whether {self.monitor!r} should rise or fall: "
                "pass mode='min' or mode='max'."
            )
        return sign


def _metric_direction(model: Any, name: str) -> float | None:
    for metric in getattr(model, "metrics", []):
        if metric.name == name or name.endswith(f"_{metric.name}"):
            return {"up": 1.0, "down": -1.0}.get(getattr(metric, "_direction", None) or "")
    return None
