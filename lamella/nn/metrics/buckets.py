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


def _sums_from_above(values: Tensor, places: Tensor, number: int) -> Tensor:
    """For each of `number` places and each column: Σ of the values whose place is at least that one."""
    columns = values.shape[1]
    flat = ops.reshape(places * columns + ops.expand_dims(ops.arange(columns, dtype="int32"), 0), (-1,))
    sums = ops.segment_sum(ops.reshape(ops.cast(values, "float64"), (-1,)), flat, number * columns)
    return ops.flip(ops.cumsum(ops.flip(ops.reshape(sums, (number, columns)), axis=0), axis=0), axis=0)


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
    positive = ops.cast(y_true != 0, "float32")
    negative = 1.0 - positive
    if weights is not None:
        positive, negative = positive * weights, negative * weights
    n = len(thresholds)
    place = _place(y_pred, thresholds, even)
    above = []
    for values in (positive, negative):
        # A place of 0 without even thresholds means below all of them.
        sums = _sums_from_above(values, place, n if even else n + 1)
        above.append(sums if even else sums[1:])
    totals = [ops.sum(ops.cast(values, "float64"), axis=0, keepdims=True) for values in (positive, negative)]
    return Counts(above[0], above[1], totals[1] - above[1], totals[0] - above[0])


def ratio(part: Any, rest: Any) -> Tensor:
    """part / (part + rest), 0 where both are 0.

    Example:
        >>> float(ratio(ops.convert_to_tensor(1.0), ops.convert_to_tensor(3.0)))
        0.25
    """
    part, rest = ops.convert_to_tensor(part), ops.convert_to_tensor(rest)
    return ops.divide_no_nan(part, part + rest)
