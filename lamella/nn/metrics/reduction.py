"""Running sums and means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.ir.types import wide
from lamella.nn.losses.loss import LOSSES
from lamella.nn.losses.reduction import fit_weights, mask_weights
from lamella.nn.masks import get_mask
from lamella.nn.metrics.metric import METRICS, Metric
from lamella.nn.registry import Registry, checked_config
from lamella.ops.attention import both

# Metric functions that are no losses; strings name the classes in METRICS.
FUNCTIONS = Registry("keras.metrics", "metric function")


def samplewise(values: Any, sample_weight: Any, reduce: Callable[..., Tensor],
               dtype: str) -> tuple[Tensor, Tensor | None]:
    """Weighted values and their weights, both reduced to one number per sample.

    Args:
        values: (batch, ...).
        sample_weight: None, or weights whose axes are the first axes of the values. Values are reduced over the axes
            that the weights lack, multiplied, and both reduced over what is left beside the batch.
        reduce: `ops.mean` or `ops.sum`.
        dtype: of the result.

    Raises:
        ShapeError: the weights do not fit.
    """
    values = ops.cast(ops.convert_to_tensor(values), dtype)
    weights = None
    if sample_weight is not None:
        weights = ops.cast(ops.convert_to_tensor(sample_weight), dtype)
        fitted = fit_weights(weights, tuple(values.shape))
        rank = min(len(weights.shape), len(values.shape))
        values = _reduce_from(values, rank, reduce)
        weights = ops.broadcast_to(ops.reshape(fitted, fitted.shape[:rank]), values.shape)
        values = values * weights
        weights = _reduce_from(weights, 1, reduce)
    return _reduce_from(values, 1, reduce), weights


def _reduce_from(x: Tensor, rank: int, reduce: Callable[..., Tensor]) -> Tensor:
    return reduce(x, axis=tuple(range(rank, len(x.shape)))) if len(x.shape) > rank else x


def _total(values: Tensor) -> Tensor:
    """The sum of a batch, at least in float32, as an addend of the float64 state: nothing is lost over an epoch."""
    return ops.cast(ops.sum(ops.cast(values, wide(values.dtype))), "float64")


@METRICS.register()
class Sum(Metric):
    """Σ v w over all batches.

    Args:
        name, dtype: of `Metric`.

    Example:
        >>> total = Sum()
        >>> total.update_state([1.0, 3.0], sample_weight=[1.0, 0.5])
        >>> float(total.result())
        2.5
    """

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable(dtype="float64", name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values, _ = samplewise(values, sample_weight, ops.sum, self.dtype)
        self.total.assign_add(_total(values))

    def result(self) -> Tensor:
        return ops.cast(self.total, self.dtype)


@METRICS.register()
class Mean(Metric):
    """Σ v w / Σ w over all batches, 0 without any. Values of several axes are first averaged per sample.

    Args:
        name, dtype: of `Metric`.

    Example:
        >>> mean = Mean()
        >>> mean.update_state([1.0, 3.0])
        >>> mean.update_state([8.0], sample_weight=[2.0])
        >>> float(mean.result())
        5.0
    """

    def __init__(self, name: str = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable(dtype="float64", name="total")
        self.count = self.add_variable(dtype="float64", name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            values: (batch, ...), or a scalar, which counts as one sample.
            sample_weight: weights whose axes are the first axes of the values.

        Raises:
            ShapeError: the weights do not fit.
        """
        values, weights = samplewise(values, sample_weight, ops.mean, self.dtype)
        self.total.assign_add(_total(values))
        if weights is not None:
            self.count.assign_add(_total(weights))
        else:
            self.count.assign_add(float(values.shape[0]) if len(values.shape) else 1.0)

    def result(self) -> Tensor:
        return ops.cast(ops.divide_no_nan(self.total, self.count), self.dtype)


@METRICS.register()
class MeanMetricWrapper(Mean):
    """The `Mean` of a function of per-sample values; a mask on the predictions or on the values takes places out of it.

    Args:
        fn: `fn(y_true, y_pred, **kwargs)`.
        name, dtype: of `Metric`.
        **kwargs: passed on to the function.

    Example:
        >>> metric = MeanMetricWrapper(lambda t, p: ops.abs(ops.convert_to_tensor(t) - p), name="distance")
        >>> float(metric([1.0, 2.0], ops.convert_to_tensor([3.0, 2.0])))
        1.0
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name or str(getattr(fn, "__name__", "metric")), dtype)
        self._fn = fn
        self._fn_kwargs = kwargs
        self._direction = type(self)._direction or getattr(fn, "_direction", None)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add a batch.

        Args:
            y_true: targets.
            y_pred: predictions.
            sample_weight: weights whose axes are the first axes of the function's values.
        """
        values = ops.convert_to_tensor(self._fn(y_true, y_pred, **self._fn_kwargs))
        mask = both(get_mask(y_pred), get_mask(values))
        if mask is not None:
            kept = mask_weights(mask, tuple(values.shape), self.dtype, "sum")
            if sample_weight is not None:
                weights = ops.cast(ops.convert_to_tensor(sample_weight), self.dtype)
                kept = kept * fit_weights(weights, tuple(values.shape))
            sample_weight = kept
        super().update_state(values, sample_weight)

    def check_targets(self, y_true: Any, prediction_shape: tuple[int | None, ...]) -> None:
        check = getattr(self._fn, "check_targets", None)
        if check is not None:
            check(y_true, prediction_shape, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        own = {"fn": FUNCTIONS.serialize(self._fn)} if type(self) is MeanMetricWrapper else {}
        return {**own, **super().get_config(), **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        config = dict(config)
        if "fn" in config:
            known = FUNCTIONS if config["fn"] in FUNCTIONS.objects else LOSSES
            config["fn"] = known.get(config["fn"])
        return checked_config(cls, config)
