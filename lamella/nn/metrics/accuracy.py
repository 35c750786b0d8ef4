"""Accuracies: the share of predictions that are right."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.losses.reduction import align_ranks
from lamella.nn.metrics.metric import METRICS
from lamella.nn.metrics.reduction import FUNCTIONS, MeanMetricWrapper
from lamella.nn.numbers import number


def _accuracy(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Larger is better, for callbacks that must know; saved wrappers find the function by its name."""
    function._direction = "up"  # type: ignore[attr-defined]
    return FUNCTIONS.register()(function)


def _aligned(name: str, y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    y_true, y_pred = align_ranks(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ShapeError(f"{name} needs targets of the shape of the predictions, received {tuple(y_true.shape)} and "
                         f"{tuple(y_pred.shape)}.")
    return y_true, y_pred


@_accuracy
def accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where t = p exactly, else 0.

    Example:
        >>> accuracy([1.0, 2.0], [1.0, 3.0]).numpy().tolist()
        [1.0, 0.0]
    """
    y_true, y_pred = _aligned("accuracy", y_true, y_pred)
    return ops.cast(ops.equal(ops.cast(y_true, y_pred.dtype), y_pred), "float32")


@_accuracy
def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """1 where (p > threshold) = t, else 0.

    Example:
        >>> binary_accuracy([1.0, 0.0], [0.75, 0.75]).numpy().tolist()
        [1.0, 0.0]
    """
    y_true, y_pred = _aligned("binary_accuracy", y_true, y_pred)
    return ops.cast(ops.equal(y_true, ops.cast(y_pred > threshold, y_true.dtype)), "float32")


def _warn_of_other_numbers(y_true: Any, prediction_shape: Any, **_: Any) -> None:
    """Targets that are neither 0 nor 1 are never hit: a metric of 0 that says nothing."""
    targets = np.asarray(y_true)
    other = (targets != 0) & (targets != 1)
    if other.any():
        place = tuple(int(i) for i in np.argwhere(other)[0])
        warnings.warn(f"binary_accuracy counts hits of 0 and 1, and target {targets[place]} at {place} is neither. For "
                      "numbers take a metric such as 'mae' or 'r2_score'.", stacklevel=2)


binary_accuracy.check_targets = _warn_of_other_numbers  # type: ignore[attr-defined]


def _right_class(classes: Tensor, y_pred: Tensor) -> Tensor:
    """1 where the largest prediction is that of the class; a row with NaN counts as wrong (Keras: as class 0)."""
    total = ops.sum(y_pred, axis=-1)
    right = ops.equal(classes, ops.argmax(y_pred, axis=-1))
    return ops.cast(ops.logical_and(right, ops.equal(total, total)), "float32")


@_accuracy
def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where argmax t = argmax p over the last axis (the first maximum), else 0.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> categorical_accuracy([[0, 1], [1, 0]], [[0.25, 0.75], [0.25, 0.75]]).numpy().tolist()
        [1.0, 0.0]
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ShapeError(f"categorical_accuracy needs one-hot targets of the shape {tuple(y_pred.shape)} of the "
                         f"predictions, received {tuple(y_true.shape)}. For class numbers use "
                         "sparse_categorical_accuracy.")
    return _right_class(ops.argmax(y_true, axis=-1), y_pred)


def _class_numbers(name: str, y_true: Any, shape: tuple[int, ...]) -> Tensor:
    y_true = ops.convert_to_tensor(y_true)
    have = tuple(y_true.shape)
    if have == (*shape[:-1], 1):
        y_true = ops.reshape(y_true, shape[:-1])
    elif have != shape[:-1]:
        raise ShapeError(f"{name} needs class numbers of shape {shape[:-1]} for predictions of shape {shape}, "
                         f"received {have}.")
    return ops.cast(y_true, "int32")


@_accuracy
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the class number t = argmax p over the last axis (the first maximum), else 0.

    Args:
        y_true: class numbers, (...) or (..., 1).
        y_pred: predictions, (..., classes).

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> sparse_categorical_accuracy([1, 0], [[0.25, 0.75], [0.25, 0.75]]).numpy().tolist()
        [1.0, 0.0]
    """
    y_pred = ops.convert_to_tensor(y_pred)
    return _right_class(_class_numbers("sparse_categorical_accuracy", y_true, tuple(y_pred.shape)), y_pred)


def _in_top_k(classes: Tensor, y_pred: Tensor, k: int) -> Tensor:
    """1 where fewer than k predictions are larger than that of the class: ties with the k-th count as in."""
    one_hot = ops.one_hot(classes, y_pred.shape[-1], dtype=y_pred.dtype)
    own = ops.sum(ops.where(one_hot > 0, y_pred, ops.zeros_like(y_pred)), axis=-1, keepdims=True)
    larger = ops.sum(ops.cast(y_pred > own, "float32"), axis=-1)
    # Comparisons with NaN and infinity are never true, and an out-of-range class has no prediction of its own.
    known = ops.logical_and(ops.sum(one_hot, axis=-1) > 0, ops.isfinite(ops.squeeze(own, -1)))
    return ops.cast(ops.logical_and(larger < k, known), "float32")


@_accuracy
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """1 where the class of the largest t is among the k largest p, else 0.

    Example:
        >>> top_k_categorical_accuracy([[0, 0, 1]], [[0.5, 0.25, 0.25]], k=2).numpy().tolist()
        [1.0]
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ShapeError(f"top_k_categorical_accuracy needs one-hot targets of the shape {tuple(y_pred.shape)} of the "
                         f"predictions, received {tuple(y_true.shape)}. For class numbers use "
                         "sparse_top_k_categorical_accuracy.")
    return _in_top_k(ops.argmax(y_true, axis=-1), y_pred, k)


@_accuracy
def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Tensor:
    """1 where the class number t is among the k largest p, else 0.

    Args:
        y_true: class numbers, (...) or (..., 1).
        y_pred: predictions, (..., classes); with `from_sorted_ids` class numbers, the best first.
        k: how many count.
        from_sorted_ids: see `y_pred`.

    Example:
        >>> sparse_top_k_categorical_accuracy([2], [[0.5, 0.25, 0.25]], k=2).numpy().tolist()
        [1.0]
    """
    y_pred = ops.convert_to_tensor(y_pred)
    classes = _class_numbers("sparse_top_k_categorical_accuracy", y_true, tuple(y_pred.shape))
    if not from_sorted_ids:
        return _in_top_k(classes, y_pred, k)
    hits = ops.equal(ops.expand_dims(ops.cast(classes, y_pred.dtype), -1), y_pred[..., :k])
    return ops.cast(ops.any(hits, axis=-1), "float32")


@METRICS.register()
class Accuracy(MeanMetricWrapper):
    """Mean of `accuracy`.

    Example:
        >>> float(Accuracy()([1.0, 2.0], [1.0, 3.0]))
        0.5
    """

    _direction = "up"

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)


@METRICS.register()
class BinaryAccuracy(MeanMetricWrapper):
    """Mean of `binary_accuracy`.

    Args:
        threshold: predictions above count as 1.
        name, dtype: of `Metric`.

    Raises:
        ValueError: a threshold that is no number in [0, 1].

    Example:
        >>> float(BinaryAccuracy()([1.0, 0.0], [0.75, 0.75]))
        0.5
    """

    _direction = "up"

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
            raise ValueError(f"threshold of BinaryAccuracy must be a number in [0, 1], received {threshold!r}.")
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


@METRICS.register()
class CategoricalAccuracy(MeanMetricWrapper):
    """Mean of `categorical_accuracy`.

    Example:
        >>> float(CategoricalAccuracy()([[0, 1], [1, 0]], [[0.25, 0.75], [0.25, 0.75]]))
        0.5
    """

    _direction = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


@METRICS.register()
class SparseCategoricalAccuracy(MeanMetricWrapper):
    """Mean of `sparse_categorical_accuracy`.

    Example:
        >>> float(SparseCategoricalAccuracy()([1, 0], [[0.25, 0.75], [0.25, 0.75]]))
        0.5
    """

    _direction = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


@METRICS.register()
class TopKCategoricalAccuracy(MeanMetricWrapper):
    """Mean of `top_k_categorical_accuracy`.

    Example:
        >>> float(TopKCategoricalAccuracy(k=2)([[0, 0, 1]], [[0.5, 0.25, 0.25]]))
        1.0
    """

    _direction = "up"

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=int(number("k", k, "TopKCategoricalAccuracy", 1)))


@METRICS.register()
class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """Mean of `sparse_top_k_categorical_accuracy`.

    Example:
        >>> float(SparseTopKCategoricalAccuracy(k=2)([2], [[0.5, 0.25, 0.25]]))
        1.0
    """

    _direction = "up"

    def __init__(self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy", dtype: Any = None,
                 from_sorted_ids: bool = False) -> None:
        k = int(number("k", k, "SparseTopKCategoricalAccuracy", 1))
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)
