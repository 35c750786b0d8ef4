"""The coefficient of determination."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor, Variable
from lamella.nn.metrics.confusion import aligned, full_weights
from lamella.nn.metrics.metric import METRICS, Metric
from lamella.nn.metrics.moments import Moments

_AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


@METRICS.register()
class R2Score(Metric):
    """1 − Σw(t − p)² / Σw(t − t̄)² per column: 1 is perfect, 0 is as good as the mean of the targets.

    A column of constant targets has the value 1 if it is predicted exactly, else 0 (Keras: NaN, 0). With k regressors
    the adjusted score 1 − (1 − R²)(n − 1)/(n − k − 1) of n samples, or R² where n ≤ k + 1. (Keras counts each column
    as a sample of its own.)

    Args:
        class_aggregation: "uniform_average", "variance_weighted_average", or None for one value per column.
        num_regressors: k; 0 for the plain score.
        name, dtype: of `Metric`.

    Raises:
        ValueError: an unknown aggregation or a negative number of regressors.

    Example:
        >>> round(float(R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]])), 4)
        0.5714
    """

    _direction = "up"

    def __init__(self, class_aggregation: str | None = "uniform_average", num_regressors: int = 0,
                 name: str | None = "r2_score", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        if class_aggregation not in _AGGREGATIONS:
            raise ValueError(f"class_aggregation must be one of {_AGGREGATIONS}, received {class_aggregation!r}.")
        if isinstance(num_regressors, bool) or not isinstance(num_regressors, int) or num_regressors < 0:
            raise ValueError(f"num_regressors must be an int >= 0, received {num_regressors!r}.")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self.num_samples = self.add_variable((), dtype="float64", name="num_samples")
        self._moments: Moments | None = None
        self._residual: Variable | None = None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: targets, (batch, columns), or (batch,) for predictions (batch, 1).
            y_pred: predictions.
            sample_weight: (batch,) or (batch, columns).

        Raises:
            ShapeError: the shapes do not fit.
        """
        true, pred = aligned(self.name, y_true, y_pred)
        shape = tuple(pred.shape)
        if len(shape) != 2:
            raise ShapeError(f"Metric {self.name!r} needs predictions (batch, columns), received {shape}.")
        if self._moments is None:
            self._moments = Moments(self.add_variable, shape[1])
            self._residual = self.add_variable((shape[1],), dtype="float64", name="residual")
        assert self._residual is not None
        weights = full_weights(sample_weight, shape)
        self._moments.update(true, pred, weights)
        square = ops.square(ops.cast(true, "float64") - ops.cast(pred, "float64"))
        square = square if weights is None else square * ops.cast(weights, "float64")
        self._residual.assign_add(ops.sum(square, axis=0))
        self.num_samples.assign_add(float(shape[0]))

    def result(self) -> Tensor:
        if self._moments is None or self._residual is None:
            return ops.zeros((), self.dtype)
        residual, total = self._residual.value(), self._moments.variables[3].value()
        constant = ops.equal(total, 0.0)
        exact = ops.cast(ops.equal(residual, 0.0), "float64")
        score = ops.where(constant, exact, 1.0 - residual / ops.where(constant, ops.ones_like(total), total))
        if self.class_aggregation == "uniform_average":
            score = ops.mean(score)
        elif self.class_aggregation == "variance_weighted_average":
            score = ops.divide_no_nan(ops.sum(score * total), ops.sum(total))
        if self.num_regressors:
            rest = self.num_samples - float(self.num_regressors) - 1.0
            enough = rest > 0
            adjusted = 1.0 - (1.0 - score) * (self.num_samples - 1.0) / ops.where(enough, rest, ops.ones_like(rest))
            score = ops.where(enough, adjusted, score)
        return ops.cast(score, self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "class_aggregation": self.class_aggregation,
                "num_regressors": self.num_regressors}
