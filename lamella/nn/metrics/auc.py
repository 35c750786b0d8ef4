"""The area under a curve of confusion counts over thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import ShapeError, did_you_mean
from lamella.frontend import Tensor, Variable
from lamella.nn.metrics.areas import CURVES, SUMMATIONS, area
from lamella.nn.metrics.buckets import Counts, are_even, count, even_thresholds
from lamella.nn.metrics.confusion import aligned, check_thresholds, full_weights
from lamella.nn.metrics.metric import METRICS, Metric
from lamella.settings import settings


def _choice(argument: str, value: Any, known: Sequence[str]) -> str:
    text = str(getattr(value, "value", value))
    for name in known:
        if name.lower() == text.lower():
            return name
    raise ValueError(f"Unknown {argument} {value!r} of AUC. {did_you_mean(text, known)}")


@METRICS.register()
class AUC(Metric):
    """The area under the ROC, precision-recall or precision-recall-gain curve, from counts at many thresholds.

    An approximation of the rank statistic: with the default 200 thresholds it is poor where scores crowd into a few
    steps of 1/199. Predictions outside of [0, 1] count as the nearest bound. With targets of one class only, ROC is 0.
    Sums are kept in float64, so that any number of samples is counted exactly.

    Args:
        num_thresholds: > 1; 0 − ε, the steps of 1 / (num_thresholds − 1), and 1 + ε.
        curve: "ROC", "PR" or "PRGAIN".
        summation_method: "interpolation" (trapezoids; for PR Davis and Goadrich's interpolation), "minoring" or
            "majoring" (the lower or higher end of each step).
        name, dtype: of `Metric`.
        thresholds: numbers in [0, 1] instead of even steps.
        multi_label: one curve per column, then their mean; else all columns are pooled.
        num_labels: number of columns, with `multi_label`; found from the first batch by default.
        label_weights: weights of the columns.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: an unknown curve or method, a bad threshold, or arguments that do not fit together.

    Source:
        Davis and Goadrich 2006, "The relationship between precision-recall and ROC curves"; Flach and Kull 2015,
        "Precision-recall-gain curves".

    Example:
        >>> round(float(AUC(num_thresholds=3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])), 4)
        0.75
    """

    _direction = "up"

    def __init__(self, num_thresholds: int = 200, curve: str = "ROC", summation_method: str = "interpolation",
                 name: str | None = None, dtype: Any = None, thresholds: Any = None, multi_label: bool = False,
                 num_labels: int | None = None, label_weights: Any = None, from_logits: bool = False) -> None:
        super().__init__(dtype, name)
        self.curve = _choice("curve", curve, CURVES)
        self.summation_method = _choice("summation_method", summation_method, SUMMATIONS)
        if num_labels and not multi_label:
            raise ValueError("num_labels of AUC is for multi_label=True.")
        self.multi_label, self.num_labels, self.from_logits = multi_label, num_labels, from_logits
        self.label_weights = _label_weights(label_weights, num_labels)
        self._given = None if thresholds is None else sorted(check_thresholds(thresholds))
        if self._given is None and (isinstance(num_thresholds, bool) or num_thresholds <= 1):
            raise ValueError(f"num_thresholds of AUC must be an int > 1, received {num_thresholds!r}.")
        inner = even_thresholds(num_thresholds)[1:-1] if self._given is None else self._given
        self._even = are_even([0.0, *inner, 1.0])
        self.thresholds = [-settings.epsilon, *inner, 1.0 + settings.epsilon]
        self.num_thresholds = len(self.thresholds)
        self._counts: list[Variable] = []
        if not multi_label:
            self._build(1)
        elif num_labels:
            self._build(num_labels)

    def _build(self, columns: int) -> None:
        shape = (self.num_thresholds, columns) if self.multi_label else (self.num_thresholds,)
        self._counts = [self.add_variable(shape, dtype="float64", name=name) for name in Counts._fields]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: targets, 0 or not 0.
            y_pred: predictions of the same shape; (batch, labels) with `multi_label`.
            sample_weight: weights whose axes are the first axes of the predictions.

        Raises:
            ShapeError: the shapes do not fit.
        """
        y_true, y_pred = aligned(self.name, y_true, y_pred)
        shape = tuple(y_pred.shape)
        if self.multi_label and len(shape) != 2:
            raise ShapeError(f"Metric {self.name!r} with multi_label needs predictions (batch, labels), received "
                             f"{shape}.")
        if not self._counts:
            self._build(shape[1])
        weights = full_weights(sample_weight, shape)
        if self.label_weights is not None and not self.multi_label:
            per_label = ops.broadcast_to(ops.convert_to_tensor(self.label_weights, y_pred.dtype), shape)
            weights = per_label if weights is None else weights * per_label
        columns = shape[1] if self.multi_label else 1
        y_true, y_pred = ops.reshape(y_true, (-1, columns)), ops.reshape(y_pred, (-1, columns))
        weights = None if weights is None else ops.reshape(weights, (-1, columns))
        y_pred = ops.sigmoid(y_pred) if self.from_logits else y_pred
        for variable, value in zip(self._counts, count(y_true, y_pred, weights, self.thresholds, self._even),
                                   strict=True):
            variable.assign_add(ops.reshape(value, variable.shape))

    def result(self) -> Tensor:
        if not self._counts:
            return ops.zeros((), self.dtype)
        counts = Counts(*(ops.reshape(v, (self.num_thresholds, -1)) for v in self._counts))
        areas = area(counts, self.curve, self.summation_method)
        if self.label_weights is None or not self.multi_label:
            return ops.cast(ops.mean(areas), self.dtype)
        weights = ops.convert_to_tensor(np.asarray(self.label_weights, np.float64))
        return ops.cast(ops.divide_no_nan(ops.sum(areas * weights), ops.sum(weights)), self.dtype)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "num_thresholds": self.num_thresholds, "curve": self.curve,
                  "summation_method": self.summation_method, "multi_label": self.multi_label,
                  "num_labels": self.num_labels, "label_weights": self.label_weights,
                  "from_logits": self.from_logits}
        return config if self._given is None else {**config, "thresholds": self._given}


def _label_weights(weights: Any, num_labels: int | None) -> list[float] | None:
    if weights is None:
        return None
    values = [float(w) for w in weights]
    if not np.isfinite(values).all() or min(values) < 0 or (num_labels and len(values) != num_labels):
        raise ValueError(f"label_weights of AUC must be finite numbers >= 0, one per label, received {weights!r}.")
    return values
