"""Losses of overlap, for masks and segmentation: Dice and Tversky."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.losses.loss import LOSSES, LossFunctionWrapper
from lamella.nn.losses.reduction import same_shape
from lamella.settings import settings


def _share(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a finite number >= 0, received {value!r}.")
    return float(value)


@LOSSES.register()
def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Tensor:
    """1 − 2 Σ t p / (Σ t + Σ p + ε), ε = 1e-7; 1 if both are empty.

    Args:
        y_true: targets in [0, 1].
        y_pred: predictions of the same shape.
        axis: axes of the sums; None for all, which gives one number for the whole batch (and then no sample weights).

    Returns:
        The shape without `axis`.

    Raises:
        ShapeError: the shapes differ.

    Source:
        Milletari et al. 2016, arXiv:1606.04797.

    Example:
        >>> round(float(dice([[1.0, 0.0]], [[1.0, 1.0]])), 4)
        0.3333
    """
    y_true, y_pred = same_shape("dice", y_true, y_pred)
    both = ops.sum(y_true * y_pred, axis=axis)
    return 1.0 - 2.0 * both / (ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis) + settings.epsilon)


@LOSSES.register()
def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Tensor:
    """1 − Σ t p / (Σ t p + α Σ t (1 − p) + β Σ (1 − t) p + ε), ε = 1e-7.

    Args:
        y_true: targets in [0, 1].
        y_pred: predictions of the same shape.
        alpha: α, weight of what is missed (false negatives).
        beta: β, weight of what is predicted wrongly (false positives).
        axis: axes of the sums; None for all, which gives one number for the whole batch (and then no sample weights).

    Returns:
        The shape without `axis`.

    Raises:
        ShapeError: the shapes differ.
        ValueError: α or β is negative or not finite.

    Source:
        Salehi et al. 2017, arXiv:1706.05721.

    Example:
        >>> round(float(tversky([[1.0, 0.0]], [[1.0, 1.0]], beta=1.0)), 4)
        0.5
    """
    alpha, beta = _share("alpha", alpha), _share("beta", beta)
    y_true, y_pred = same_shape("tversky", y_true, y_pred)
    both = ops.sum(y_true * y_pred, axis=axis)
    missed = ops.sum(y_true * (1.0 - y_pred), axis=axis)
    wrong = ops.sum((1.0 - y_true) * y_pred, axis=axis)
    return 1.0 - both / (both + alpha * missed + beta * wrong + settings.epsilon)


@LOSSES.register()
class Dice(LossFunctionWrapper):
    """`dice`, reduced.

    Args:
        reduction, name, dtype: of `Loss`.
        axis: of the function.

    Example:
        >>> round(float(Dice()([[1.0, 0.0]], [[1.0, 1.0]])), 4)
        0.3333
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "dice", axis: Any = None,
                 dtype: Any = None) -> None:
        super().__init__(dice, reduction, name, dtype, axis=axis)


@LOSSES.register()
class Tversky(LossFunctionWrapper):
    """`tversky`, reduced.

    Args:
        alpha, beta, axis: of the function.
        reduction, name, dtype: of `Loss`.

    Raises:
        ValueError: α or β is negative or not finite.

    Example:
        >>> round(float(Tversky(beta=1.0)([[1.0, 0.0]], [[1.0, 1.0]])), 4)
        0.5
    """

    def __init__(self, alpha: float = 0.5, beta: float = 0.5, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "tversky", axis: Any = None, dtype: Any = None) -> None:
        super().__init__(tversky, reduction, name, dtype, alpha=_share("alpha", alpha), beta=_share("beta", beta),
                         axis=axis)
