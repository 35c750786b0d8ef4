"""Counts of positives above each of many thresholds, at the price of one pass over the predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lamella import ops
from lamella.frontend import Tensor
from lamella.settings import settings


class Counts(NamedTuple):
    """Weighted numbers of samples per threshold, (thresholds,) or (thresholds, labels), float64."""

    true_positives: Tensor
    false_positives: Tensor
    true_negatives: Tensor
    false_negatives: Tensor


def even_thresholds(number: int) -> list[float]:
    """0, 1/(N − 1), ..., 1.

    Example:
        >>> even_thresholds(3)
        [0.0, 0.5, 1.0]
    """
    return [i / (number - 1) for i in range(number)]


def are_even(thresholds: Sequence[float]) -> bool:
    """Whether thresholds are those of `even_thresholds`, up to ε = 1e-7.

    Example:
        >>> are_even([0.0, 0.5, 1.0]), are_even([0.0, 0.4, 1.0])
        (True, False)
    """
    n = len(thresholds)
    return n > 2 and bool(np.allclose(thresholds, even_thresholds(n), rtol=0, atol=settings.epsilon))


def _sums_from_above(weights: Tensor, positive: Tensor, places: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """For each of `number` places and each column, Σ of the weights whose place is at least that one: of positives, of others."""
    columns = weights.shape[1]
    row = places + ops.where(positive, 0, number)
    flat = row * columns + ops.expand_dims(ops.arange(columns, dtype="int32"), 0)
    sums = ops.segment_sum(ops.reshape(weights, (-1,)), ops.reshape(flat, (-1,)), 2 * number * columns)
    sums = ops.flip(ops.reshape(sums, (2, number, columns)), axis=1)
    above = ops.flip(ops.cumsum(sums, axis=1), axis=1)
    return above[0], above[1]


def _place(y_pred: Tensor, thresholds: Sequence[float], even: bool) -> Tensor:
    """The number of the highest threshold that is below p, as int32; at least 0."""
    n = len(thresholds)
    if even:
        place = ops.ceil(ops.clip(y_pred, 0.0, 1.0) * float(n - 1)) - 1.0
        return ops.cast(ops.maximum(place, 0.0), "int32")
    limits = ops.reshape(ops.convert_to_tensor(thresholds, y_pred.dtype), (n, *(1,) * len(y_pred.shape)))
    return ops.sum(ops.cast(ops.expand_dims(y_pred, 0) > limits, "int32"), axis=0)


def count(y_true: Tensor, y_pred: Tensor, weights: Tensor | None, thresholds: Sequence[float], even: bool) -> Counts:
    """The four counts for p > threshold, from predictions and targets (samples, columns); any t ≠ 0 is positive.

    Args:
        y_true, y_pred: (samples, columns), floats.
        weights: of the same shape, or None.
        thresholds: rising.
        even: whether they are those of `even_thresholds`; then the place of a prediction is computed, and 0 counts as
            above the first threshold, as in Keras.

    Example:
        >>> one = ops.ones((1, 1))
        >>> count(one, one * 0.7, None, [0.0, 0.5, 1.0], True).true_positives.numpy().ravel().tolist()
        [1.0, 1.0, 0.0]
    """
    weights = ops.ones(y_pred.shape, "float64") if weights is None else ops.cast(weights, "float64")
    n, place = len(thresholds), _place(y_pred, thresholds, even)
    positive = y_true != 0
    first = 0 if even else 1  # without even thresholds, a place of 0 means below all of them
    hits, alarms = (sums[first:] for sums in _sums_from_above(weights, positive, place, n + first))
    positives, negatives = (ops.sum(ops.where(kind, weights, 0.0), axis=0, keepdims=True)
                            for kind in (positive, ops.logical_not(positive)))
    return Counts(hits, alarms, negatives - alarms, positives - hits)


def ratio(part: Any, rest: Any) -> Tensor:
    """part / (part + rest), 0 where both are 0.

    Example:
        >>> float(ratio(ops.convert_to_tensor(1.0), ops.convert_to_tensor(3.0)))
        0.25
    """
    part, rest = ops.convert_to_tensor(part), ops.convert_to_tensor(rest)
    return ops.divide_no_nan(part, part + rest)
