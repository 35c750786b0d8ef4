"""Crossentropies: categorical, sparse categorical, binary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.frontend.state import is_tracing
from lamella.nn.losses.loss import LOSSES, LossFunctionWrapper
from lamella.nn.losses.reduction import same_shape
from lamella.nn.losses.targets import raise_where, within
from lamella.nn.masks import set_mask
from lamella.settings import settings

BINARY_HINT = "For class numbers use sparse_categorical_crossentropy, for -1 and 1 a hinge loss."


def check_smoothing(value: Any) -> float:
    """`value` as a float in [0, 1].

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"label_smoothing must be a number in [0, 1], received {value!r}.")
    return float(value)


def log_probabilities(y_pred: Tensor, from_logits: bool, axis: int) -> Tensor:
    """ln p: log-softmax of logits, or ln clip(p / Σp, ε, 1 − ε), which is finite for p of exactly 0 and 1."""
    if from_logits:
        return ops.log_softmax(y_pred, axis=axis)
    p = y_pred / ops.sum(y_pred, axis=axis, keepdims=True)
    return ops.log(ops.clip(p, settings.epsilon, 1.0 - settings.epsilon))


def one_hot_targets(y_true: Any, y_pred: Any, name: str) -> tuple[Tensor, Tensor]:
    """Targets in the dtype of the predictions, which must have their shape.

    Raises:
        ShapeError: they have not; for class numbers it names the fitting loss.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(ops.convert_to_tensor(y_true), y_pred.dtype)
    have, want = tuple(y_true.shape), tuple(y_pred.shape)
    if have != want:
        numbers = have == want[:-1] or have == (*want[:-1], 1)
        hint = (f" These look like class numbers: use sparse_categorical_crossentropy, or one_hot(y, {want[-1]})."
                if want and numbers else "")
        raise ShapeError(f"{name} needs one-hot targets of the shape {want} of the predictions, "
                         f"received {have}.{hint}")
    return y_true, y_pred


@LOSSES.register()
def categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0,
                             axis: int = -1) -> Tensor:
    """−Σ t ln p over the classes.

    From probabilities p is normalised to sum 1 and clipped to [ε, 1 − ε], ε = 1e-7; from logits: their softmax.
    Smoothing s: t ← t (1 − s) + s / classes.

    Args:
        y_true: one-hot (or soft) targets, (..., classes).
        y_pred: predictions of the same shape.
        from_logits: whether predictions are logits.
        label_smoothing: s in [0, 1].
        axis: the class axis.

    Returns:
        Per-sample values, the shape without the class axis.

    Raises:
        ShapeError: the shapes differ; for class numbers it names the fitting loss.

    Example:
        >>> values = categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        >>> round(float(values[0]), 4)
        0.6931
    """
    y_true, y_pred = one_hot_targets(y_true, y_pred, "categorical_crossentropy")
    if label_smoothing:
        smoothing = check_smoothing(label_smoothing)
        y_true = y_true * (1.0 - smoothing) + smoothing / y_true.shape[-1]
    return -ops.sum(y_true * log_probabilities(y_pred, from_logits, axis), axis=axis)


categorical_crossentropy.check_targets = within(0, math.inf)  # type: ignore[attr-defined]


def class_numbers(y_true: Any, shape: tuple[int, ...], axis: int) -> Tensor:
    """Targets as integers of the shape of the predictions without the class axis.

    Raises:
        ShapeError: they have another shape; for one-hot targets it names the fitting loss.
    """
    y_true = ops.convert_to_tensor(y_true)
    have, want = tuple(y_true.shape), shape[:axis] + shape[axis + 1:]
    if have == shape[:axis] + (1,) + shape[axis + 1:]:
        y_true = ops.reshape(y_true, want)
    elif have != want:
        hint = " These look like one-hot targets: use categorical_crossentropy." if have == shape else ""
        raise ShapeError(f"sparse_categorical_crossentropy needs class numbers of shape {want} for predictions of "
                         f"shape {shape}, received {have}.{hint}")
    return y_true if "int" in y_true.dtype else ops.cast(y_true, "int32")


def check_class_numbers(y_true: np.ndarray, prediction_shape: tuple[int | None, ...],
                        ignore_class: int | None = None, axis: int = -1, **_: Any) -> None:
    """Every class number must be whole and lie in [0, classes), or be `ignore_class`. (Keras counts others as loss 0.)

    Raises:
        ValueError: one does not; gives its value and place.

    Example:
        >>> check_class_numbers(np.array([0, 5]), (None, 3))
        Traceback (most recent call last):
        ValueError: Class number 5 at (1,) is not in [0, 3) (1 such targets). The model predicts 3 classes.
    """
    classes = prediction_shape[axis]
    numbers = np.asarray(y_true)
    if classes is None or not numbers.size:
        return
    counted = np.ones(numbers.shape, bool) if ignore_class is None else numbers != ignore_class
    outside = ~((numbers >= 0) & (numbers < classes))
    raise_where(counted & outside, numbers, f"is not in [0, {classes})", f"The model predicts {classes} classes.",
                "Class number")
    if numbers.dtype.kind not in "iub":
        raise_where(counted & (numbers % 1 != 0), numbers, "is no whole number", "Classes are 0, 1, 2, ...",
                    "Class number")


@LOSSES.register()
def sparse_categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False,
                                    ignore_class: int | None = None, axis: int = -1) -> Tensor:
    """−ln p of the true class; see `categorical_crossentropy` for p.

    Args:
        y_true: class numbers, (...) or (..., 1).
        y_pred: predictions, (..., classes).
        from_logits: whether predictions are logits.
        ignore_class: targets of this number have the value 0 and are masked out of means.
        axis: the class axis.

    Returns:
        Per-sample values, the shape without the class axis.

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: a class number out of range, in eager use (`fit` looks at all targets beforehand).

    Example:
        >>> values = sparse_categorical_crossentropy([1], [[0.5, 0.5]])
        >>> round(float(values[0]), 4)
        0.6931
    """
    y_pred = ops.convert_to_tensor(y_pred)
    axis %= len(y_pred.shape)
    classes = class_numbers(y_true, tuple(y_pred.shape), axis)
    if not is_tracing():
        check_class_numbers(np.asarray(classes), tuple(y_pred.shape), ignore_class, axis)
    valid = None
    if ignore_class is not None:
        valid = ops.not_equal(classes, ignore_class)
        classes = ops.where(valid, classes, ops.zeros_like(classes))
    one_hot = ops.one_hot(classes, y_pred.shape[axis], axis=axis, dtype=y_pred.dtype)
    values = -ops.sum(one_hot * log_probabilities(y_pred, from_logits, axis), axis=axis)
    if valid is not None:
        values = ops.where(valid, values, ops.zeros_like(values))
        set_mask(values, valid)
    return values


sparse_categorical_crossentropy.integer_targets = True  # type: ignore[attr-defined]
sparse_categorical_crossentropy.check_targets = check_class_numbers  # type: ignore[attr-defined]


def binary_values(y_true: Tensor, y_pred: Tensor, from_logits: bool) -> Tensor:
    """−t ln p − (1 − t) ln(1 − p), element by element."""
    if from_logits:
        # −ln σ(z) = max(−z, 0) + ln(1 + e^−|z|): no overflow, and no loss of digits for either target.
        tail = ops.log1p(ops.exp(-ops.abs(y_pred)))
        return y_true * (ops.maximum(-y_pred, 0) + tail) + (1.0 - y_true) * (ops.maximum(y_pred, 0) + tail)
    p = ops.clip(y_pred, settings.epsilon, 1.0 - settings.epsilon)
    return -(y_true * ops.log(p) + (1.0 - y_true) * ops.log(1.0 - p))


@LOSSES.register("bce", "BCE")
def binary_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0,
                        axis: int = -1) -> Tensor:
    """The mean of −t ln p − (1 − t) ln(1 − p) over `axis`.

    Probabilities are clipped to [ε, 1 − ε], ε = 1e-7; from logits p = σ(z). Smoothing s: t ← t (1 − s) + s / 2.

    Args:
        y_true: targets in [0, 1].
        y_pred: predictions of the same shape.
        from_logits: whether predictions are logits.
        label_smoothing: s in [0, 1].
        axis: over which the mean is taken.

    Returns:
        Per-sample values, the shape without `axis`.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> values = binary_crossentropy([[1.0]], [[0.5]])
        >>> round(float(values[0]), 4)
        0.6931
    """
    y_true, y_pred = same_shape("binary_crossentropy", y_true, y_pred)
    if label_smoothing:
        smoothing = check_smoothing(label_smoothing)
        y_true = y_true * (1.0 - smoothing) + 0.5 * smoothing
    return ops.mean(binary_values(y_true, y_pred, from_logits), axis=axis)


binary_crossentropy.check_targets = within(0, 1, BINARY_HINT)  # type: ignore[attr-defined]


@LOSSES.register()
class CategoricalCrossentropy(LossFunctionWrapper):
    """`categorical_crossentropy`, reduced.

    Args:
        from_logits, label_smoothing, axis: of the function.
        reduction, name, dtype: of `Loss`.

    Raises:
        ValueError: a smoothing outside of [0, 1].

    Example:
        >>> round(float(CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.6931
    """

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str | None = "sum_over_batch_size", name: str | None = "categorical_crossentropy",
                 dtype: Any = None) -> None:
        super().__init__(categorical_crossentropy, reduction, name, dtype, from_logits=from_logits,
                         label_smoothing=check_smoothing(label_smoothing), axis=axis)


@LOSSES.register()
class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """`sparse_categorical_crossentropy`, reduced.

    Args:
        from_logits, ignore_class, axis: of the function.
        reduction, name, dtype: of `Loss`.

    Example:
        >>> round(float(SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])), 4)
        0.6931
    """

    def __init__(self, from_logits: bool = False, ignore_class: int | None = None,
                 reduction: str | None = "sum_over_batch_size", axis: int = -1,
                 name: str | None = "sparse_categorical_crossentropy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_crossentropy, reduction, name, dtype, from_logits=from_logits,
                         ignore_class=ignore_class, axis=axis)


@LOSSES.register()
class BinaryCrossentropy(LossFunctionWrapper):
    """`binary_crossentropy`, reduced.

    Args:
        from_logits, label_smoothing, axis: of the function.
        reduction, name, dtype: of `Loss`.

    Raises:
        ValueError: a smoothing outside of [0, 1].

    Example:
        >>> round(float(BinaryCrossentropy()([[1.0]], [[0.5]])), 4)
        0.6931
    """

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str | None = "sum_over_batch_size", name: str | None = "binary_crossentropy",
                 dtype: Any = None) -> None:
        super().__init__(binary_crossentropy, reduction, name, dtype, from_logits=from_logits,
                         label_smoothing=check_smoothing(label_smoothing), axis=axis)
