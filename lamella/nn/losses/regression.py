"""Losses for numbers: squared, absolute, percentage, logarithmic."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.losses.loss import LOSSES, LossFunctionWrapper
from lamella.nn.losses.reduction import same_shape
from lamella.nn.losses.targets import within
from lamella.settings import settings


@LOSSES.register("mse", "MSE")
def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """mean (t − p)² over the last axis.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        Per-sample values, the shape without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> mean_squared_error([[1.0, 2.0]], [[2.0, 4.0]]).numpy().tolist()
        [2.5]
    """
    y_true, y_pred = same_shape("mean_squared_error", y_true, y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


@LOSSES.register("mae", "MAE")
def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """mean |t − p| over the last axis.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        Per-sample values, the shape without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> mean_absolute_error([[1.0, 2.0]], [[2.0, 4.0]]).numpy().tolist()
        [1.5]
    """
    y_true, y_pred = same_shape("mean_absolute_error", y_true, y_pred)
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


@LOSSES.register("mape", "MAPE")
def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """100 · mean |t − p| / max(|t|, ε) over the last axis, ε = 1e-7.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        Per-sample values, the shape without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> mean_absolute_percentage_error([[1.0, 2.0]], [[2.0, 4.0]]).numpy().tolist()
        [100.0]
    """
    y_true, y_pred = same_shape("mean_absolute_percentage_error", y_true, y_pred)
    scale = ops.maximum(ops.abs(y_true), settings.epsilon)
    return 100.0 * ops.mean(ops.abs((y_true - y_pred) / scale), axis=-1)


@LOSSES.register("msle", "MSLE")
def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """mean (ln(max(p, ε) + 1) − ln(max(t, ε) + 1))² over the last axis, ε = 1e-7: negative values count as 0.

    Args:
        y_true: targets.
        y_pred: predictions of the same shape.

    Returns:
        Per-sample values, the shape without the last axis.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> mean_squared_logarithmic_error([[1.0]], [[1.0]]).numpy().tolist()
        [0.0]
    """
    y_true, y_pred = same_shape("mean_squared_logarithmic_error", y_true, y_pred)
    log_true, log_pred = (ops.log(ops.maximum(x, settings.epsilon) + 1.0) for x in (y_true, y_pred))
    return ops.mean(ops.square(log_pred - log_true), axis=-1)


mean_squared_logarithmic_error.check_targets = within(0, math.inf)  # type: ignore[attr-defined]


@LOSSES.register()
class MeanSquaredError(LossFunctionWrapper):
    """`mean_squared_error`, reduced.

    Args:
        reduction, name, dtype: of `Loss`.

    Example:
        >>> float(MeanSquaredError()([[1.0, 2.0]], [[2.0, 4.0]]))
        2.5
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "mean_squared_error",
                 dtype: Any = None) -> None:
        super().__init__(mean_squared_error, reduction, name, dtype)


@LOSSES.register()
class MeanAbsoluteError(LossFunctionWrapper):
    """`mean_absolute_error`, reduced.

    Args:
        reduction, name, dtype: of `Loss`.

    Example:
        >>> float(MeanAbsoluteError()([[1.0, 2.0]], [[2.0, 4.0]]))
        1.5
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "mean_absolute_error",
                 dtype: Any = None) -> None:
        super().__init__(mean_absolute_error, reduction, name, dtype)


@LOSSES.register()
class MeanAbsolutePercentageError(LossFunctionWrapper):
    """`mean_absolute_percentage_error`, reduced.

    Args:
        reduction, name, dtype: of `Loss`.

    Example:
        >>> float(MeanAbsolutePercentageError()([[1.0, 2.0]], [[2.0, 4.0]]))
        100.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


@LOSSES.register()
class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """`mean_squared_logarithmic_error`, reduced.

    Args:
        reduction, name, dtype: of `Loss`.

    Example:
        >>> float(MeanSquaredLogarithmicError()([[1.0]], [[1.0]]))
        0.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
