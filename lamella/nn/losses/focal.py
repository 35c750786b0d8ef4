"""Focal crossentropies: easy samples, those predicted well, count less."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.losses.crossentropy import (
    BINARY_HINT,
    binary_values,
    check_smoothing,
    log_probabilities,
    one_hot_targets,
)
from lamella.nn.losses.loss import LOSSES, LossFunctionWrapper
from lamella.nn.losses.reduction import same_shape
from lamella.nn.losses.targets import within
from lamella.settings import settings


def check_focal(alpha: Any, gamma: Any, upper: float = math.inf) -> tuple[Any, float]:
    """α as a number (or a list of numbers) in [0, upper] and γ as a number >= 0.

    Raises:
        ValueError: they are not.

    Example:
        >>> check_focal([0.25, 0.75], 2)
        ([0.25, 0.75], 2.0)
    """
    several = isinstance(alpha, (Sequence, np.ndarray)) and not isinstance(alpha, str)
    values = [float(a) for a in alpha] if several else [alpha]
    for name, value, high in (*(("alpha", a, upper) for a in values), ("gamma", gamma, math.inf)):
        plain = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not plain or not 0 <= value <= high:
            raise ValueError(f"{name} must be a finite number in [0, {high}], received {value!r}.")
    return (values if several else float(alpha)), float(gamma)


def modulation(rest: Tensor, gamma: float) -> Tensor | float:
    """(1 − p)^γ from 1 − p, with finite gradients: for γ < 1 the slope at 1 − p = 0 would be infinite.

    Example:
        >>> modulation(ops.convert_to_tensor([0.5]), 2.0).numpy().tolist()
        [0.25]
    """
    if gamma == 0:
        return 1.0
    if gamma == 1:
        return rest
    if gamma == 2:
        return ops.square(rest)
    return ops.power(ops.maximum(rest, settings.epsilon) if gamma < 1 else rest, gamma)


@LOSSES.register()
def binary_focal_crossentropy(y_true: Any, y_pred: Any, apply_class_balancing: bool = False, alpha: float = 0.25,
                              gamma: float = 2.0, from_logits: bool = False, label_smoothing: float = 0.0,
                              axis: int = -1) -> Tensor:
    """The mean of w (1 − p_t)^γ b over `axis`: b of `binary_crossentropy`, p_t = t p + (1 − t)(1 − p).

    w = t α + (1 − t)(1 − α) with `apply_class_balancing`, else 1. From logits b and p = σ(z) are exact; Keras clips
    σ(z) to [ε, 1 − ε] first, so that its loss and gradient saturate for |z| > 16.

    Args:
        y_true: targets in [0, 1].
        y_pred: predictions of the same shape.
        apply_class_balancing: see above.
        alpha: weight of class 1, in [0, 1].
        gamma: γ >= 0; 0 is the plain crossentropy.
        from_logits: whether predictions are logits.
        label_smoothing: s in [0, 1]: t ← t (1 − s) + s / 2.
        axis: over which the mean is taken.

    Returns:
        Per-sample values, the shape without `axis`.

    Raises:
        ShapeError: the shapes differ.
        ValueError: α, γ or the smoothing is out of range.

    Source:
        Lin et al. 2017, arXiv:1708.02002.

    Example:
        >>> values = binary_focal_crossentropy([[1.0]], [[0.5]])
        >>> round(float(values[0]), 4)
        0.1733
    """
    y_true, y_pred = same_shape("binary_focal_crossentropy", y_true, y_pred)
    alpha, gamma = check_focal(alpha, gamma, 1.0)
    if label_smoothing:
        y_true = y_true * (1.0 - check_smoothing(label_smoothing)) + 0.5 * label_smoothing
    values = binary_values(y_true, y_pred, from_logits)
    p, q = (ops.sigmoid(y_pred), ops.sigmoid(-y_pred)) if from_logits else (y_pred, 1.0 - y_pred)
    values = values * modulation(y_true * q + (1.0 - y_true) * p, gamma)
    if apply_class_balancing:
        values = values * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return ops.mean(values, axis=axis)


binary_focal_crossentropy.check_targets = within(0, 1, BINARY_HINT)  # type: ignore[attr-defined]


@LOSSES.register()
def categorical_focal_crossentropy(y_true: Any, y_pred: Any, alpha: Any = 0.25, gamma: float = 2.0,
                                   from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1) -> Tensor:
    """−Σ α (1 − p)^γ t ln p over the classes; p as in `categorical_crossentropy`.

    From logits ln p is their exact log-softmax; Keras clips the softmax to [ε, 1 − ε] first.

    Args:
        y_true: one-hot (or soft) targets, (..., classes).
        y_pred: predictions of the same shape.
        alpha: α >= 0, a number, or one per class (classes on the last axis).
        gamma: γ >= 0; 0 is the plain crossentropy.
        from_logits: whether predictions are logits.
        label_smoothing: s in [0, 1]: t ← t (1 − s) + s / classes.
        axis: the class axis.

    Returns:
        Per-sample values, the shape without the class axis.

    Raises:
        ShapeError: the shapes differ; for class numbers it names the fitting loss.
        ValueError: α, γ or the smoothing is out of range.

    Source:
        Lin et al. 2017, arXiv:1708.02002.

    Example:
        >>> values = categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        >>> round(float(values[0]), 4)
        0.0433
    """
    y_true, y_pred = one_hot_targets(y_true, y_pred, "categorical_focal_crossentropy")
    alpha, gamma = check_focal(alpha, gamma)
    if label_smoothing:
        y_true = y_true * (1.0 - check_smoothing(label_smoothing)) + label_smoothing / y_true.shape[-1]
    log_p = log_probabilities(y_pred, from_logits, axis)
    values = y_true * log_p * modulation(-ops.expm1(log_p), gamma)
    return -ops.sum(values * ops.convert_to_tensor(alpha, y_pred.dtype), axis=axis)


categorical_focal_crossentropy.check_targets = within(0, math.inf)  # type: ignore[attr-defined]


@LOSSES.register()
class BinaryFocalCrossentropy(LossFunctionWrapper):
    """`binary_focal_crossentropy`, reduced.

    Args:
        apply_class_balancing, alpha, gamma, from_logits, label_smoothing, axis: of the function.
        reduction, name, dtype: of `Loss`.

    Raises:
        ValueError: α, γ or the smoothing is out of range.

    Example:
        >>> round(float(BinaryFocalCrossentropy()([[1.0]], [[0.5]])), 4)
        0.1733
    """

    def __init__(self, apply_class_balancing: bool = False, alpha: float = 0.25, gamma: float = 2.0,
                 from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str | None = "sum_over_batch_size", name: str | None = "binary_focal_crossentropy",
                 dtype: Any = None) -> None:
        alpha, gamma = check_focal(alpha, gamma, 1.0)
        super().__init__(binary_focal_crossentropy, reduction, name, dtype,
                         apply_class_balancing=apply_class_balancing, alpha=alpha, gamma=gamma,
                         from_logits=from_logits, label_smoothing=check_smoothing(label_smoothing), axis=axis)


@LOSSES.register()
class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """`categorical_focal_crossentropy`, reduced.

    Args:
        alpha, gamma, from_logits, label_smoothing, axis: of the function.
        reduction, name, dtype: of `Loss`.

    Raises:
        ValueError: α, γ or the smoothing is out of range.

    Example:
        >>> round(float(CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.0433
    """

    def __init__(self, alpha: Any = 0.25, gamma: float = 2.0, from_logits: bool = False,
                 label_smoothing: float = 0.0, axis: int = -1, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "categorical_focal_crossentropy", dtype: Any = None) -> None:
        alpha, gamma = check_focal(alpha, gamma)
        super().__init__(categorical_focal_crossentropy, reduction, name, dtype, alpha=alpha, gamma=gamma,
                         from_logits=from_logits, label_smoothing=check_smoothing(label_smoothing), axis=axis)
