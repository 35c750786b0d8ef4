"""Losses as metrics: the mean of their per-sample values over all samples."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn import losses
from lamella.nn.losses.reduction import same_shape
from lamella.nn.metrics.metric import METRICS
from lamella.nn.metrics.reduction import Mean, MeanMetricWrapper


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Σ t̂ p̂ along `axis`: 1 is best (the loss of this name has the opposite sign).

    Example:
        >>> cosine_similarity([[0.0, 2.0]], [[0.0, 3.0]]).numpy().round(5).tolist()
        [1.0]
    """
    return -losses.cosine_similarity(y_true, y_pred, axis)


@METRICS.register("mse", "MSE")
class MeanSquaredError(MeanMetricWrapper):
    """Mean of `losses.mean_squared_error`.

    Args:
        name, dtype: of `Metric`.

    Example:
        >>> float(MeanSquaredError()([[1.0, 2.0]], [[2.0, 4.0]]))
        2.5
    """

    _direction = "down"

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


@METRICS.register("mae", "MAE")
class MeanAbsoluteError(MeanMetricWrapper):
    """Mean of `losses.mean_absolute_error`.

    Args:
        name, dtype: of `Metric`.

    Example:
        >>> float(MeanAbsoluteError()([[1.0, 2.0]], [[2.0, 4.0]]))
        1.5
    """

    _direction = "down"

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


@METRICS.register("mape", "MAPE")
class MeanAbsolutePercentageError(MeanMetricWrapper):
    """Mean of `losses.mean_absolute_percentage_error`.

    Args:
        name, dtype: of `Metric`.

    Example:
        >>> float(MeanAbsolutePercentageError()([[1.0, 2.0]], [[2.0, 4.0]]))
        100.0
    """

    _direction = "down"

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


@METRICS.register("msle", "MSLE")
class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """Mean of `losses.mean_squared_logarithmic_error`.

    Args:
        name, dtype: of `Metric`.

    Example:
        >>> float(MeanSquaredLogarithmicError()([[1.0]], [[1.0]]))
        0.0
    """

    _direction = "down"

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


@METRICS.register("log_cosh_error")
class LogCoshError(MeanMetricWrapper):
    """Mean of `losses.log_cosh`.

    Args:
        name, dtype: of `Metric`.

    Example:
        >>> float(LogCoshError()([[1.0]], [[1.0]]))
        0.0
    """

    _direction = "down"

    def __init__(self, name: str = "logcosh", dtype: Any = None) -> None:
        super().__init__(losses.log_cosh, name, dtype)


@METRICS.register()
class Hinge(MeanMetricWrapper):
    """Mean of `losses.hinge`.

    Args:
        name, dtype: of `Metric`.

    Example:
        >>> float(Hinge()([[1.0, -1.0]], [[0.5, 0.5]]))
        1.0
    """

    _direction = "down"

    def __init__(self, name: str = "hinge", dtype: Any = None) -> None:
        super().__init__(losses.hinge, name, dtype)


@METRICS.register()
class SquaredHinge(MeanMetricWrapper):
    """Mean of `losses.squared_hinge`.

    Args:
        name, dtype: of `Metric`.

    Example:
        >>> float(SquaredHinge()([[1.0, -1.0]], [[0.5, 0.5]]))
        1.25
    """

    _direction = "down"

    def __init__(self, name: str = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(losses.squared_hinge, name, dtype)


@METRICS.register()
class CategoricalHinge(MeanMetricWrapper):
    """Mean of `losses.categorical_hinge`.

    Args:
        name, dtype: of `Metric`.

    Example:
        >>> float(CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.75]]))
        0.75
    """

    _direction = "down"

    def __init__(self, name: str = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(losses.categorical_hinge, name, dtype)


@METRICS.register("kld", "KLD")
class KLDivergence(MeanMetricWrapper):
    """Mean of `losses.kl_divergence`.

    Args:
        name, dtype: of `Metric`.

    Example:
        >>> float(KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]]))
        0.0
    """

    _direction = "down"

    def __init__(self, name: str = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(losses.kl_divergence, name, dtype)


@METRICS.register()
class Poisson(MeanMetricWrapper):
    """Mean of `losses.poisson`.

    Args:
        name, dtype: of `Metric`.

    Example:
        >>> float(Poisson()([[0.0, 0.0]], [[1.0, 3.0]]))
        2.0
    """

    _direction = "down"

    def __init__(self, name: str = "poisson", dtype: Any = None) -> None:
        super().__init__(losses.poisson, name, dtype)


@METRICS.register()
class CosineSimilarity(MeanMetricWrapper):
    """Mean of `cosine_similarity`.

    Args:
        name, dtype: of `Metric`.
        axis: of the function.

    Example:
        >>> round(float(CosineSimilarity()([[0.0, 2.0]], [[0.0, 3.0]])), 5)
        1.0
    """

    _direction = "up"

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None,
                 axis: int = -1) -> None:
        super().__init__(cosine_similarity, name, dtype, axis=axis)


@METRICS.register("rmse")
class RootMeanSquaredError(Mean):
    """√ of the mean of (p − t)² over all elements; one root at the end.

    Args:
        name, dtype: of `Metric`.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> float(RootMeanSquaredError()([[0.0, 0.0]], [[3.0, 3.0]]))
        3.0
    """

    _direction = "down"

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add a batch; see `Mean.update_state`."""
        y_true, y_pred = same_shape(self.name, y_true, y_pred)
        super().update_state(ops.square(y_pred - y_true), sample_weight)

    def result(self) -> Tensor:
        return ops.sqrt(super().result())
