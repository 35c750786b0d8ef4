"""From what users write in `metrics=[...]` to metric objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lamella.errors import did_you_mean
from lamella.nn import metrics

# Names whose metric depends on the shapes of targets and predictions.
_BY_SHAPE = {
    "accuracy": ("BinaryAccuracy", "SparseCategoricalAccuracy", "CategoricalAccuracy"),
    "crossentropy": ("BinaryCrossentropy", "SparseCategoricalCrossentropy", "CategoricalCrossentropy"),
}
_SHORT = {"acc": "accuracy", "ce": "crossentropy"}


@dataclass
class BoundMetric:
    """A metric with its name in the logs and its output."""

    name: str
    output: int
    metric: Any
    weighted: bool


@dataclass
class MetricRequest:
    """What the user asked for: `name` in the logs, and the metric, or which family is to be resolved by shapes."""

    name: str
    metric: Any = None
    family: str | None = None

    def resolve(self, y: Any, y_pred: Any) -> Any:
        """The metric object.

        "accuracy" is, as in Keras: binary if the last axis of y_pred has size 1; sparse categorical if y has fewer axes than
        y_pred or its last axis has size 1; else categorical.

        Args:
            y, y_pred: anything with a `shape`.
        """
        if self.family is None:
            return self.metric
        binary, sparse, categorical = _BY_SHAPE[self.family]
        shape, pred_shape = tuple(y.shape), tuple(y_pred.shape)
        if pred_shape[-1:] == (1,):
            chosen = binary
        elif len(shape) < len(pred_shape) or shape[-1:] == (1,):
            chosen = sparse
        else:
            chosen = categorical
        return getattr(metrics, chosen)(name=self.name)


def metric_request(item: Any) -> MetricRequest:
    """Check one entry of `metrics=`.

    Raises:
        ValueError: an unknown name; the message offers the closest ones.
        TypeError: neither name, function nor metric.
    """
    if isinstance(item, str):
        plain = _SHORT.get(item.lower(), item.lower())
        if plain in _BY_SHAPE:
            return MetricRequest(item, family=plain)
        try:
            found = metrics.get(item)
        except ValueError as error:
            raise ValueError(f"Unknown metric {item!r}. {did_you_mean(item, _known_names())}") from error
        return MetricRequest(item, _as_metric(found, item))
    if isinstance(item, metrics.Metric):
        return MetricRequest(item.name, item)
    found = metrics.get(item)
    name = getattr(found, "__name__", None) or getattr(found, "name", None) or type(found).__name__
    return MetricRequest(name, _as_metric(found, name))


def _as_metric(found: Any, name: str) -> Any:
    return found if isinstance(found, metrics.Metric) else metrics.MeanMetricWrapper(found, name=name)


def _known_names() -> list[str]:
    return sorted({*_BY_SHAPE, *_SHORT, *(name for name in metrics.METRICS.objects if name.islower())})
