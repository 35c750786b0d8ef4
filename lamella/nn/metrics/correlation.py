"""Correlation of predictions with targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.dtype_policy import number_dtype
from lamella.nn.losses.reduction import mask_weights, same_shape
from lamella.nn.masks import get_mask
from lamella.nn.metrics.confusion import full_weights
from lamella.nn.metrics.metric import METRICS
from lamella.nn.metrics.moments import Moments
from lamella.nn.metrics.reduction import FUNCTIONS, MeanMetricWrapper
from lamella.settings import settings


def _centred(y_true: Any, y_pred: Any, name: str, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """Deviations of t and of p from their means, and the difference of the means."""
    y_true, y_pred = same_shape(name, y_true, y_pred)
    mean_t, mean_p = (ops.mean(x, axis=axis, keepdims=True) for x in (y_true, y_pred))
    return y_true - mean_t, y_pred - mean_p, ops.squeeze(mean_t - mean_p, axis)


@FUNCTIONS.register()
def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Σ(t − t̄)(p − p̄) / √(Σ(t − t̄)² Σ(p − p̄)²) along `axis`; 0 where t or p is constant (Keras: NaN).

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> pearson_correlation([[0.0, 1.0, 2.0]], [[1.0, 3.0, 5.0]]).numpy().round(4).tolist()
        [1.0]
    """
    t, p, _ = _centred(y_true, y_pred, "pearson_correlation", axis)
    scale = ops.sqrt(ops.sum(ops.square(t), axis=axis)) * ops.sqrt(ops.sum(ops.square(p), axis=axis))
    return ops.divide_no_nan(ops.sum(t * p, axis=axis), scale)


@FUNCTIONS.register()
def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """2 cov / (σt² + σp² + (t̄ − p̄)² + ε) along `axis`, ε = 1e-7.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> concordance_correlation([[0.0, 1.0, 2.0]], [[0.0, 1.0, 2.0]]).numpy().round(4).tolist()
        [1.0]
    """
    t, p, apart = _centred(y_true, y_pred, "concordance_correlation", axis)
    spread = ops.mean(ops.square(t), axis=axis) + ops.mean(ops.square(p), axis=axis) + ops.square(apart)
    return 2.0 * ops.mean(t * p, axis=axis) / (spread + settings.epsilon)


pearson_correlation._direction = concordance_correlation._direction = "up"  # type: ignore[attr-defined]


class _Correlation(MeanMetricWrapper):
    """Base: per row where rows have several values; over all samples of all batches, per column, where not."""

    _direction = "up"

    def __init__(self, fn: Callable[..., Tensor], name: str, dtype: Any, axis: int) -> None:
        super().__init__(fn, name, dtype, axis=axis)
        self.axis = axis
        self._moments: Moments | None = None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add a batch.

        Args:
            y_true: targets.
            y_pred: predictions of the same shape.
            sample_weight: weights whose axes are the first axes of the predictions.

        Raises:
            ShapeError: the shapes do not fit.
        """
        mask = get_mask(y_pred)
        true, pred = same_shape(self.name, y_true, y_pred)
        shape = tuple(pred.shape)
        axis = self.axis % max(1, len(shape))
        single = not shape or shape[axis] == 1
        if axis > 0 and not single:
            super().update_state(y_true, y_pred, sample_weight)
            return
        weights = full_weights(sample_weight, shape)
        if mask is not None:
            kept = ops.broadcast_to(mask_weights(mask, shape, number_dtype(), "sum"), shape)
            weights = kept if weights is None else weights * kept
        rows = (-1, 1) if single or len(shape) == 1 else (shape[0], -1)
        true, pred = ops.reshape(true, rows), ops.reshape(pred, rows)
        if self._moments is None:
            self._moments = Moments(self.add_variable, pred.shape[1])
        self._moments.update(true, pred, None if weights is None else ops.reshape(weights, rows))

    def result(self) -> Tensor:
        if self._moments is None:
            return super().result()
        return ops.cast(ops.mean(self._over_samples(*(v.value() for v in self._moments.variables))), self.dtype)

    def _over_samples(self, count: Tensor, mean_t: Tensor, mean_p: Tensor, tt: Tensor, pp: Tensor,
                      tp: Tensor) -> Tensor:
        raise NotImplementedError


@METRICS.register()
class PearsonCorrelation(_Correlation):
    """The correlation r of predictions with targets, in [−1, 1]; 0 where one of them is constant.

    Rows of several values: r along `axis`, averaged over rows, as in Keras. Otherwise, for (n,), for (n, 1) and for
    `axis=0`: r over all samples of all batches, averaged over columns (Keras: NaN, or an average of batches).

    Args:
        name, dtype: of `Metric`.
        axis: see above.

    Example:
        >>> metric = PearsonCorrelation()
        >>> metric.update_state([[0.0], [1.0]], [[0.0], [2.0]])
        >>> round(float(metric([[2.0]], [[4.0]])), 4)
        1.0
    """

    def __init__(self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(pearson_correlation, name, dtype, axis)

    def _over_samples(self, count: Tensor, mean_t: Tensor, mean_p: Tensor, tt: Tensor, pp: Tensor,
                      tp: Tensor) -> Tensor:
        return ops.divide_no_nan(tp, ops.sqrt(tt) * ops.sqrt(pp))


@METRICS.register()
class ConcordanceCorrelation(_Correlation):
    """Lin's concordance 2 cov / (σt² + σp² + (t̄ − p̄)² + ε), which also sees shifts and scales.

    Over rows or over all samples, as in `PearsonCorrelation`.

    Args:
        name, dtype, axis: as `PearsonCorrelation`.

    Source:
        Lin 1989, "A concordance correlation coefficient to evaluate reproducibility".

    Example:
        >>> round(float(ConcordanceCorrelation()([[0.0], [1.0], [2.0]], [[0.0], [1.0], [2.0]])), 4)
        1.0
    """

    def __init__(self, name: str = "concordance_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(concordance_correlation, name, dtype, axis)

    def _over_samples(self, count: Tensor, mean_t: Tensor, mean_p: Tensor, tt: Tensor, pp: Tensor,
                      tp: Tensor) -> Tensor:
        spread = tt + pp + count * (ops.square(mean_t - mean_p) + settings.epsilon)
        return ops.divide_no_nan(2.0 * tp, spread)
