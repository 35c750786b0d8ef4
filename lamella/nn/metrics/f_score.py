"""F-scores: precision and recall in one number."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor, Variable
from lamella.nn.metrics.confusion import aligned, full_weights
from lamella.nn.metrics.metric import METRICS, Metric
from lamella.settings import settings

_AVERAGES = (None, "micro", "macro", "weighted")
_COUNTS = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")


def _check(argument: str, value: Any, high: float) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not 0 < value <= high:
        raise ValueError(f"{argument} must be a finite number in (0, {high}], received {value!r}.")


@METRICS.register()
class FBetaScore(Metric):
    """F = (1 + β²) P R / (β² P + R + ε), P = TP / (TP + FP + ε), R = TP / (TP + FN + ε), ε = 1e-7.

    "macro" is the mean over the classes that occur, in targets or in predictions; Keras counts a class that never
    occurs as 0. "weighted" weights classes by their number of targets, "micro" pools the counts of all classes.

    Args:
        average: None (one value per class), "micro", "macro" or "weighted".
        beta: β > 0.
        threshold: predictions above are positive; None: the largest of each row (ties all) are.
        name, dtype: of `Metric`.

    Raises:
        ValueError: an unknown average, β ≤ 0, or a threshold outside of (0, 1].

    Example:
        >>> score = FBetaScore(average="micro", beta=2.0, threshold=0.5)
        >>> round(float(score([[1, 1, 0]], [[0.9, 0.1, 0.9]])), 4)
        0.5
    """

    _direction = "up"

    def __init__(self, average: str | None = None, beta: float = 1.0, threshold: float | None = None,
                 name: str | None = "fbeta_score", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        if average not in _AVERAGES:
            raise ValueError(f"average must be one of {_AVERAGES}, received {average!r}.")
        _check("beta", beta, math.inf)
        if threshold is not None:
            _check("threshold", threshold, 1.0)
        self.average, self.beta, self.threshold = average, beta, threshold
        self._counts: list[Variable] = []

    def _positive(self, y_pred: Tensor) -> Tensor:
        if self.threshold is not None:
            return y_pred > self.threshold
        # A row of zeros predicts nothing.
        return ops.logical_and(y_pred >= ops.max(y_pred, axis=-1, keepdims=True), ops.abs(y_pred) > 1e-9)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: targets of 0 and 1, (batch, classes).
            y_pred: predictions of the same shape.
            sample_weight: (batch,) or (batch, classes).

        Raises:
            ShapeError: the shapes do not fit.
        """
        y_true, y_pred = aligned(self.name, y_true, y_pred)
        shape = tuple(y_pred.shape)
        if len(shape) != 2:
            raise ShapeError(f"Metric {self.name!r} needs predictions (batch, classes), received {shape}.")
        if not self._counts:
            size = () if self.average == "micro" else shape[1:]
            self._counts = [self.add_variable(size, dtype="float64", name=name) for name in _COUNTS]
        positive = ops.cast(self._positive(y_pred), "float32")
        weights = full_weights(sample_weight, shape)
        axis = None if self.average == "micro" else 0
        cells = (positive * y_true, positive * (1.0 - y_true), (1.0 - positive) * y_true, y_true)
        for variable, cell in zip(self._counts, cells, strict=True):
            values = cell if weights is None else cell * weights
            variable.assign_add(ops.cast(ops.sum(values, axis=axis), "float64"))

    def result(self) -> Tensor:
        if not self._counts:
            return ops.zeros((), self.dtype)
        right, wrong, missed, support = (v.value() for v in self._counts)
        epsilon, square = settings.epsilon, float(self.beta) ** 2
        precision, recall = right / (right + wrong + epsilon), right / (right + missed + epsilon)
        score = (1.0 + square) * precision * recall / (square * precision + recall + epsilon)
        if self.average == "weighted":
            score = ops.sum(score * support) / (ops.sum(support) + epsilon)
        elif self.average == "macro":
            occurs = ops.cast(right + wrong + missed > 0, "float64")
            score = ops.divide_no_nan(ops.sum(score * occurs), ops.sum(occurs))
        return ops.cast(score, self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "average": self.average, "beta": self.beta, "threshold": self.threshold}


@METRICS.register()
class F1Score(FBetaScore):
    """2 P R / (P + R + ε): `FBetaScore` with β = 1.

    Args:
        average, threshold, name, dtype: as `FBetaScore`.

    Raises:
        ValueError: an unknown average, or a threshold outside of (0, 1].

    Example:
        >>> round(float(F1Score(average="micro", threshold=0.5)([[1, 1, 0]], [[0.9, 0.1, 0.9]])), 4)
        0.5
    """

    def __init__(self, average: str | None = None, threshold: float | None = None, name: str | None = "f1_score",
                 dtype: Any = None) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config
