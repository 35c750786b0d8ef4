"""One rate at the threshold where another rate is large enough."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor, Variable
from lamella.nn.metrics.buckets import Counts, count, even_thresholds, ratio
from lamella.nn.metrics.confusion import aligned, full_weights
from lamella.nn.metrics.metric import METRICS, Metric


class _OperatingPoint(Metric):
    """Base: counts at even thresholds; `result` is the best wanted rate where the other is at least the target."""

    _direction = "up"
    _target: str  # the argument and attribute that holds the target

    def __init__(self, value: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any) -> None:
        super().__init__(dtype, name)
        kind = type(self).__name__
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ValueError(f"{self._target} of {kind} must be a number in [0, 1], received {value!r}.")
        if isinstance(num_thresholds, bool) or not isinstance(num_thresholds, int) or num_thresholds < 1:
            raise ValueError(f"num_thresholds of {kind} must be an int > 0, received {num_thresholds!r}.")
        setattr(self, self._target, value)
        self.class_id, self.num_thresholds = class_id, num_thresholds
        self.thresholds = [0.5] if num_thresholds == 1 else even_thresholds(num_thresholds)
        self._counts: list[Variable] = [
            self.add_variable((num_thresholds,), dtype="float64", name=name) for name in Counts._fields]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: targets, 0 or not 0.
            y_pred: predictions of the same shape.
            sample_weight: weights whose axes are the first axes of the predictions.

        Raises:
            ShapeError: the shapes do not fit.
        """
        y_true, y_pred = aligned(self.name, y_true, y_pred)
        weights = full_weights(sample_weight, tuple(y_pred.shape))
        if self.class_id is not None:
            if len(y_pred.shape) < 2 or not 0 <= self.class_id < y_pred.shape[-1]:
                raise ShapeError(f"Metric {self.name!r} looks at class {self.class_id}, but the predictions have the "
                                 f"shape {tuple(y_pred.shape)}.")
            y_true, y_pred = y_true[..., self.class_id], y_pred[..., self.class_id]
            weights = None if weights is None else weights[..., self.class_id]
        y_true, y_pred = ops.reshape(y_true, (-1, 1)), ops.reshape(y_pred, (-1, 1))
        weights = None if weights is None else ops.reshape(weights, (-1, 1))
        counts = count(y_true, y_pred, weights, self.thresholds, self.num_thresholds > 1)
        for variable, value in zip(self._counts, counts, strict=True):
            variable.assign_add(ops.reshape(value, variable.shape))

    def _rates(self, counts: Counts) -> tuple[Tensor, Tensor]:
        """(the rate with the target, the wanted rate)."""
        raise NotImplementedError

    def result(self) -> Tensor:
        bound, wanted = self._rates(Counts(*(v.value() for v in self._counts)))
        # The rates are quotients of whole numbers: compared in float32, as Keras does, 3/5 reaches the target 0.6.
        enough = ops.cast(bound, "float32") >= getattr(self, self._target)
        return ops.cast(ops.max(ops.where(enough, wanted, ops.zeros_like(wanted))), self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "class_id": self.class_id, "num_thresholds": self.num_thresholds,
                self._target: getattr(self, self._target)}


def _sensitivity(counts: Counts) -> Tensor:
    return ratio(counts.true_positives, counts.false_negatives)


def _specificity(counts: Counts) -> Tensor:
    return ratio(counts.true_negatives, counts.false_positives)


def _precision(counts: Counts) -> Tensor:
    return ratio(counts.true_positives, counts.false_positives)


@METRICS.register()
class SensitivityAtSpecificity(_OperatingPoint):
    """The largest TP / (TP + FN) over thresholds where TN / (TN + FP) ≥ specificity; 0 if there is none.

    Args:
        specificity: the target in [0, 1].
        num_thresholds: even steps in [0, 1]; 1 means 0.5 alone.
        class_id: column to look at; all are pooled by default.
        name, dtype: of `Metric`.

    Raises:
        ValueError: a target outside of [0, 1] or no threshold.

    Example:
        >>> float(SensitivityAtSpecificity(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
        0.5
    """

    _target = "specificity"

    def __init__(self, specificity: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: Any = None) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def _rates(self, counts: Counts) -> tuple[Tensor, Tensor]:
        return _specificity(counts), _sensitivity(counts)


@METRICS.register()
class SpecificityAtSensitivity(_OperatingPoint):
    """The largest TN / (TN + FP) over thresholds where TP / (TP + FN) ≥ sensitivity; 0 if there is none.

    Args:
        sensitivity: the target in [0, 1].
        num_thresholds, class_id, name, dtype: as `SensitivityAtSpecificity`.

    Raises:
        ValueError: a target outside of [0, 1] or no threshold.

    Example:
        >>> round(float(SpecificityAtSensitivity(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8])), 4)
        0.6667
    """

    _target = "sensitivity"

    def __init__(self, sensitivity: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: Any = None) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def _rates(self, counts: Counts) -> tuple[Tensor, Tensor]:
        return _sensitivity(counts), _specificity(counts)


@METRICS.register()
class PrecisionAtRecall(_OperatingPoint):
    """The largest TP / (TP + FP) over thresholds where TP / (TP + FN) ≥ recall; 0 if there is none.

    Args:
        recall: the target in [0, 1].
        num_thresholds, class_id, name, dtype: as `SensitivityAtSpecificity`.

    Raises:
        ValueError: a target outside of [0, 1] or no threshold.

    Example:
        >>> float(PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
        0.5
    """

    _target = "recall"

    def __init__(self, recall: float, num_thresholds: int = 200, class_id: int | None = None, name: str | None = None,
                 dtype: Any = None) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def _rates(self, counts: Counts) -> tuple[Tensor, Tensor]:
        return _sensitivity(counts), _precision(counts)


@METRICS.register()
class RecallAtPrecision(_OperatingPoint):
    """The largest TP / (TP + FN) over thresholds where TP / (TP + FP) ≥ precision; 0 if there is none.

    Args:
        precision: the target in [0, 1].
        num_thresholds, class_id, name, dtype: as `SensitivityAtSpecificity`.

    Raises:
        ValueError: a target outside of [0, 1] or no threshold.

    Example:
        >>> float(RecallAtPrecision(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
        1.0
    """

    _target = "precision"

    def __init__(self, precision: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: Any = None) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def _rates(self, counts: Counts) -> tuple[Tensor, Tensor]:
        return _precision(counts), _sensitivity(counts)
