"""Counts of right and wrong decisions, and what follows from them: Precision and Recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor, Variable
from lamella.nn.dtype_policy import number_dtype
from lamella.nn.losses.reduction import align_ranks, fit_weights
from lamella.nn.metrics.metric import METRICS, Metric

_MINUS_INFINITY = -1e10  # Keras' score of what is not among the top k, and its threshold with top_k


def check_thresholds(thresholds: Any, default: float = 0.5) -> list[float]:
    """One threshold or several as a list of floats in [0, 1].

    Raises:
        ValueError: one is not in [0, 1].

    Example:
        >>> check_thresholds(None), check_thresholds([0.25, 0.75])
        ([0.5], [0.25, 0.75])
    """
    if thresholds is None:
        return [default]
    values = list(thresholds) if isinstance(thresholds, Sequence) else [thresholds]
    if not values or any(isinstance(v, bool) or not isinstance(v, (int, float)) or not 0 <= v <= 1 for v in values):
        raise ValueError(f"thresholds must be numbers in [0, 1], received {thresholds!r}.")
    return [float(value) for value in values]


def keep_top_k(scores: Tensor, k: int) -> Tensor:
    """Scores with all but the k largest of the last axis set to −1e10; of ties the first ones stay.

    Example:
        >>> keep_top_k(ops.convert_to_tensor([3.0, 1.0, 2.0]), 2).numpy().tolist()
        [3.0, -10000000000.0, 2.0]
    """
    _, places = ops.top_k(scores, k)
    kept = ops.sum(ops.one_hot(places, scores.shape[-1], dtype=scores.dtype), axis=-2)
    return scores * kept + _MINUS_INFINITY * (1.0 - kept)


def aligned(name: str, y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Targets and predictions as floats of equal shape.

    Raises:
        ShapeError: the shapes differ; names the metric.

    Example:
        >>> [x.shape for x in aligned("auc", [1, 0], [[0.5], [0.25]])]
        [(2, 1), (2, 1)]
    """
    true, pred = (ops.cast(ops.convert_to_tensor(x), number_dtype()) for x in (y_true, y_pred))
    shapes = tuple(true.shape), tuple(pred.shape)
    true, pred = align_ranks(true, pred)
    if tuple(true.shape) != tuple(pred.shape):
        raise ShapeError(f"Metric {name!r} needs targets of the shape of the predictions, received {shapes[0]} and "
                         f"{shapes[1]}.")
    return true, pred


def full_weights(sample_weight: Any, shape: tuple[int, ...]) -> Tensor | None:
    """Sample weights as floats of the full shape of the predictions.

    Raises:
        ShapeError: they do not fit.

    Example:
        >>> full_weights([1.0, 2.0], (2, 2)).numpy().tolist()
        [[1.0, 1.0], [2.0, 2.0]]
    """
    if sample_weight is None:
        return None
    weights = ops.cast(ops.convert_to_tensor(sample_weight), number_dtype())
    return ops.broadcast_to(fit_weights(weights, shape), shape)


class ConfusionMetric(Metric):
    """Base: weighted counts of true/false positives/negatives per threshold; p > threshold is a positive prediction.

    Counts are float64: float32 stops counting at 2^24. Any non-zero target is positive. Several columns are pooled
    (micro average) unless `class_id` picks one.
    """

    _direction: str | None = None

    def __init__(self, counts: Sequence[str], thresholds: Any, top_k: int | None, class_id: int | None,
                 name: str | None, dtype: Any) -> None:
        super().__init__(dtype, name)
        self.init_thresholds = thresholds
        self.top_k, self.class_id = top_k, class_id
        self.thresholds = check_thresholds(thresholds, 0.5 if top_k is None else _MINUS_INFINITY)
        self._counts: dict[str, Variable] = {
            count: self.add_variable((len(self.thresholds),), dtype="float64", name=count) for count in counts
        }

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: targets, 0 or not 0.
            y_pred: predictions of the same shape.
            sample_weight: weights whose axes are the first axes of the predictions.

        Raises:
            ShapeError: the shapes do not fit.
        """
        y_pred, y_true, weights = self._prepared(y_true, y_pred, sample_weight)
        # A single threshold is a number of the graph, so that metrics of equal thresholds share their comparisons.
        thresholds = self.thresholds[0] if len(self.thresholds) == 1 else np.reshape(self.thresholds, (-1, 1))
        above = ops.expand_dims(y_pred, 0) > ops.convert_to_tensor(thresholds, y_pred.dtype)
        positive = ops.expand_dims(y_true != 0, 0)
        cells = {
            "true_positives": lambda: ops.logical_and(positive, above),
            "false_positives": lambda: ops.logical_and(ops.logical_not(positive), above),
            "false_negatives": lambda: ops.logical_and(positive, ops.logical_not(above)),
            "true_negatives": lambda: ops.logical_not(ops.logical_or(positive, above)),
        }
        for count, variable in self._counts.items():
            hits = ops.cast(cells[count](), "float32")
            number = ops.sum(hits if weights is None else hits * weights, axis=1)
            variable.assign_add(ops.cast(number, "float64"))

    def _prepared(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Tensor, Tensor, Tensor | None]:
        """Predictions, targets and weights as flat vectors, after `top_k` and `class_id`."""
        y_true, y_pred = aligned(self.name, y_true, y_pred)
        if self.top_k is not None:
            y_pred = keep_top_k(y_pred, self.top_k)
        if self.class_id is not None:
            if len(y_pred.shape) < 2 or not 0 <= self.class_id < y_pred.shape[-1]:
                raise ShapeError(f"Metric {self.name!r} looks at class {self.class_id}, but the predictions have the "
                                 f"shape {tuple(y_pred.shape)}.")
            y_true, y_pred = (x[..., self.class_id:self.class_id + 1] for x in (y_true, y_pred))
        weights = full_weights(sample_weight, tuple(y_pred.shape))
        weights = None if weights is None else ops.reshape(weights, (1, -1))
        return ops.reshape(y_pred, (-1,)), ops.reshape(y_true, (-1,)), weights

    def _shown(self, values: Any) -> Tensor:
        values = ops.cast(ops.convert_to_tensor(values), self.dtype)
        return values[0] if len(self.thresholds) == 1 else values

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.init_thresholds}


class _Count(ConfusionMetric):
    _count: str

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__([self._count], thresholds, None, None, name, dtype)

    def result(self) -> Tensor:
        return self._shown(self._counts[self._count])


@METRICS.register()
class TruePositives(_Count):
    """Weighted number of p > threshold with t ≠ 0.

    Args:
        thresholds: a number in [0, 1], 0.5 by default, or a list, which gives a vector.
        name, dtype: of `Metric`.

    Raises:
        ValueError: a threshold outside of [0, 1].

    Example:
        >>> float(TruePositives()([1, 1, 0, 0], [0.9, 0.1, 0.9, 0.1]))
        1.0
    """

    _count = "true_positives"


@METRICS.register()
class TrueNegatives(_Count):
    """Weighted number of p ≤ threshold with t = 0; arguments as `TruePositives`.

    Example:
        >>> float(TrueNegatives()([1, 1, 0, 0], [0.9, 0.1, 0.9, 0.1]))
        1.0
    """

    _count = "true_negatives"


@METRICS.register()
class FalsePositives(_Count):
    """Weighted number of p > threshold with t = 0; arguments as `TruePositives`.

    Example:
        >>> float(FalsePositives()([1, 1, 0, 0], [0.9, 0.1, 0.9, 0.1]))
        1.0
    """

    _count = "false_positives"


@METRICS.register()
class FalseNegatives(_Count):
    """Weighted number of p ≤ threshold with t ≠ 0; arguments as `TruePositives`.

    Example:
        >>> float(FalseNegatives()([1, 1, 0, 0], [0.9, 0.1, 0.9, 0.1]))
        1.0
    """

    _count = "false_negatives"


class _Rate(ConfusionMetric):
    """true_positives / (true_positives + the other count); 0 if both are 0."""

    _direction = "up"
    _other: str

    def __init__(self, thresholds: Any = None, top_k: int | None = None, class_id: int | None = None,
                 name: str | None = None, dtype: Any = None) -> None:
        super().__init__(["true_positives", self._other], thresholds, top_k, class_id, name, dtype)

    def result(self) -> Tensor:
        right, wrong = self._counts["true_positives"], self._counts[self._other]
        return self._shown(ops.divide_no_nan(right, ops.add(right, wrong)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "top_k": self.top_k, "class_id": self.class_id}


@METRICS.register()
class Precision(_Rate):
    """TP / (TP + FP): the share of positive predictions that are right; 0 without any.

    Args:
        thresholds: a number in [0, 1], 0.5 by default, or a list, which gives a vector.
        top_k: only the k largest predictions of a row can be positive.
        class_id: column to look at; all are pooled by default.
        name, dtype: of `Metric`.

    Raises:
        ValueError: a threshold outside of [0, 1].

    Example:
        >>> float(Precision()([1, 1, 0, 0], [0.9, 0.9, 0.9, 0.9]))
        0.5
    """

    _other = "false_positives"


@METRICS.register()
class Recall(_Rate):
    """TP / (TP + FN): the share of positive targets that are found; 0 without any. Arguments as `Precision`.

    Example:
        >>> float(Recall()([1, 1, 0, 0], [0.9, 0.1, 0.9, 0.9]))
        0.5
    """

    _other = "false_negatives"
