"""Huber, log-cosh and cosine losses."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.losses.loss import LOSSES, LossFunctionWrapper
from lamella.nn.losses.reduction import same_shape
from lamella.nn.numbers import number
from lamella.settings import settings


@LOSSES.register()
def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """mean of ½ e² where |e| ≤ δ, else δ |e| − ½ δ², e = p − t, over the last axis.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.
        delta: δ, where the parabola becomes a line.

    Returns:
        Per-sample values, the shape without the last axis.

    Raises:
        ShapeError: the shapes differ.
        ValueError: δ is negative or not finite.

    Example:
        >>> huber([[0.0, 0.0]], [[1.0, 3.0]]).numpy().tolist()
        [1.5]
    """
    number("delta", delta, "huber")
    y_true, y_pred = same_shape("huber", y_true, y_pred)
    error = y_pred - y_true
    size = ops.abs(error)
    return ops.mean(ops.where(size <= delta, 0.5 * ops.square(error), delta * size - 0.5 * delta * delta), axis=-1)


@LOSSES.register("logcosh")
def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """mean ln cosh(p − t) over the last axis, as x + softplus(−2 x) − ln 2.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        Per-sample values, the shape without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> log_cosh([[1.0]], [[1.0]]).numpy().tolist()
        [0.0]
    """
    y_true, y_pred = same_shape("log_cosh", y_true, y_pred)
    error = y_pred - y_true
    return ops.mean(error + ops.softplus(error * -2.0) - math.log(2.0), axis=-1)


@LOSSES.register()
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """−Σ t̂ p̂ along `axis`, x̂ = x · min(1/‖x‖, 1/ε), ε = 1e-7: −1 is best; zero vectors give 0.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.
        axis: of the vectors.

    Returns:
        Per-sample values, the shape without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> cosine_similarity([[0.0, 2.0]], [[0.0, 3.0]]).numpy().round(5).tolist()
        [-1.0]
    """
    y_true, y_pred = same_shape("cosine_similarity", y_true, y_pred)
    return -ops.sum(_unit(y_true, axis) * _unit(y_pred, axis), axis=axis)


def _unit(x: Tensor, axis: int) -> Tensor:
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.minimum(ops.rsqrt(ops.maximum(squares, 1e-36)), 1.0 / settings.epsilon)


@LOSSES.register()
class LogCosh(LossFunctionWrapper):
    """`log_cosh`, reduced.

    Args:
        reduction, name, dtype: of `Loss`.

    Example:
        >>> float(LogCosh()([[1.0]], [[1.0]]))
        0.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "log_cosh",
                 dtype: Any = None) -> None:
        super().__init__(log_cosh, reduction, name, dtype)


@LOSSES.register()
class Huber(LossFunctionWrapper):
    """`huber`, reduced.

    Args:
        delta: of the function.
        reduction, name, dtype: of `Loss`.

    Raises:
        ValueError: δ is negative or not finite.

    Example:
        >>> float(Huber()([[0.0, 0.0]], [[1.0, 3.0]]))
        1.5
    """

    def __init__(self, delta: float = 1.0, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "huber_loss", dtype: Any = None) -> None:
        super().__init__(huber, reduction, name, dtype, delta=number("delta", delta, "Huber"))


@LOSSES.register()
class CosineSimilarity(LossFunctionWrapper):
    """`cosine_similarity`, reduced.

    Args:
        axis: of the function.
        reduction, name, dtype: of `Loss`.

    Example:
        >>> round(float(CosineSimilarity()([[0.0, 2.0]], [[0.0, 3.0]])), 5)
        -1.0
    """

    def __init__(self, axis: int = -1, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "cosine_similarity", dtype: Any = None) -> None:
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)


logcosh = log_cosh
