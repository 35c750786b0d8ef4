"""Hinge losses, divergences and the Poisson loss."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.losses.loss import LOSSES, LossFunctionWrapper
from lamella.nn.losses.reduction import same_shape
from lamella.nn.losses.targets import check_signs, within
from lamella.settings import settings


def plus_minus(y_true: Tensor) -> Tensor:
    """Targets of 0 and 1 as −1 and 1, but only if the whole batch holds nothing else, as in Keras.

    Example:
        >>> plus_minus(ops.convert_to_tensor([0.0, 1.0])).numpy().tolist()
        [-1.0, 1.0]
    """
    binary = ops.all(ops.logical_or(ops.equal(y_true, 0), ops.equal(y_true, 1)))
    return ops.where(binary, 2.0 * y_true - 1.0, y_true)


@LOSSES.register()
def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """mean max(1 − t p, 0) over the last axis, t = ±1 (see `plus_minus`).

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        Per-sample values, the shape without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> hinge([[1.0, -1.0]], [[0.5, 0.5]]).numpy().tolist()
        [1.0]
    """
    y_true, y_pred = same_shape("hinge", y_true, y_pred)
    return ops.mean(ops.maximum(1.0 - plus_minus(y_true) * y_pred, 0.0), axis=-1)


hinge.check_targets = check_signs  # type: ignore[attr-defined]


@LOSSES.register()
def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """mean max(1 − t p, 0)² over the last axis, t = ±1 (see `plus_minus`).

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        Per-sample values, the shape without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> squared_hinge([[1.0, -1.0]], [[0.5, 0.5]]).numpy().tolist()
        [1.25]
    """
    y_true, y_pred = same_shape("squared_hinge", y_true, y_pred)
    return ops.mean(ops.square(ops.maximum(1.0 - plus_minus(y_true) * y_pred, 0.0)), axis=-1)


squared_hinge.check_targets = check_signs  # type: ignore[attr-defined]


@LOSSES.register()
def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """max(max((1 − t) p) − Σ t p + 1, 0) over the last axis.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        Per-sample values, the shape without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> categorical_hinge([[0.0, 1.0]], [[0.5, 0.75]]).numpy().tolist()
        [0.75]
    """
    y_true, y_pred = same_shape("categorical_hinge", y_true, y_pred)
    right = ops.sum(y_true * y_pred, axis=-1)
    wrong = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)


categorical_hinge.check_targets = within(0, 1)  # type: ignore[attr-defined]


@LOSSES.register("kld", "KLD")
def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """Σ t ln(t / p) over the last axis, both clipped to [ε, 1], ε = 1e-7.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        Per-sample values, the shape without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> kl_divergence([[0.5, 0.5]], [[0.5, 0.5]]).numpy().tolist()
        [0.0]
    """
    y_true, y_pred = same_shape("kl_divergence", y_true, y_pred)
    y_true, y_pred = (ops.clip(x, settings.epsilon, 1.0) for x in (y_true, y_pred))
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


kl_divergence.check_targets = within(0, 1)  # type: ignore[attr-defined]


@LOSSES.register()
def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """mean (p − t ln(p + ε)) over the last axis, ε = 1e-7; NaN for p < −ε.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        Per-sample values, the shape without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> poisson([[0.0, 0.0]], [[1.0, 3.0]]).numpy().tolist()
        [2.0]
    """
    y_true, y_pred = same_shape("poisson", y_true, y_pred)
    return ops.mean(y_pred - y_true * ops.log(y_pred + settings.epsilon), axis=-1)


poisson.check_targets = within(0, math.inf)  # type: ignore[attr-defined]


@LOSSES.register()
class Hinge(LossFunctionWrapper):
    """`hinge`, reduced.

    Args:
        reduction, name, dtype: of `Loss`.

    Example:
        >>> float(Hinge()([[1.0, -1.0]], [[0.5, 0.5]]))
        1.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "hinge",
                 dtype: Any = None) -> None:
        super().__init__(hinge, reduction, name, dtype)


@LOSSES.register()
class SquaredHinge(LossFunctionWrapper):
    """`squared_hinge`, reduced.

    Args:
        reduction, name, dtype: of `Loss`.

    Example:
        >>> float(SquaredHinge()([[1.0, -1.0]], [[0.5, 0.5]]))
        1.25
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "squared_hinge",
                 dtype: Any = None) -> None:
        super().__init__(squared_hinge, reduction, name, dtype)


@LOSSES.register()
class CategoricalHinge(LossFunctionWrapper):
    """`categorical_hinge`, reduced.

    Args:
        reduction, name, dtype: of `Loss`.

    Example:
        >>> float(CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.75]]))
        0.75
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "categorical_hinge",
                 dtype: Any = None) -> None:
        super().__init__(categorical_hinge, reduction, name, dtype)


@LOSSES.register()
class KLDivergence(LossFunctionWrapper):
    """`kl_divergence`, reduced.

    Args:
        reduction, name, dtype: of `Loss`.

    Example:
        >>> float(KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]]))
        0.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "kl_divergence",
                 dtype: Any = None) -> None:
        super().__init__(kl_divergence, reduction, name, dtype)


@LOSSES.register()
class Poisson(LossFunctionWrapper):
    """`poisson`, reduced.

    Args:
        reduction, name, dtype: of `Loss`.

    Example:
        >>> float(Poisson()([[0.0, 0.0]], [[1.0, 3.0]]))
        2.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "poisson",
                 dtype: Any = None) -> None:
        super().__init__(poisson, reduction, name, dtype)


kld = KLD = kl_divergence
