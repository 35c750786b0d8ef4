"""What the strings of `compile(metrics=[...])` mean for a given model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.nn import losses
from lamella.nn.metrics.accuracy import BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy
from lamella.nn.metrics.entropy_metrics import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from lamella.nn.metrics.metric import METRICS, Metric
from lamella.nn.metrics.reduction import MeanMetricWrapper

_ACCURACIES = {"binary": BinaryAccuracy, "sparse": SparseCategoricalAccuracy, "categorical": CategoricalAccuracy}
_ENTROPIES = {"binary": BinaryCrossentropy, "sparse": SparseCategoricalCrossentropy,
              "categorical": CategoricalCrossentropy}
_BY_NAME: dict[str, Any] = {"accuracy": _ACCURACIES, "acc": _ACCURACIES, "crossentropy": _ENTROPIES, "ce": _ENTROPIES}
_BINARY_LOSSES = ("binary_crossentropy", "binary_focal_crossentropy", "hinge", "squared_hinge")


def target_kind(y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None], loss: Any = None) -> str:
    """"binary", "sparse" or "categorical", from shapes as Keras decides it, and from the loss where shapes mislead.

    Keras: last size of the predictions 1: binary; targets of lower rank or of last size 1: sparse; else categorical. It
    calls (n, k) sigmoid outputs trained with binary crossentropy categorical; here the loss decides: binary.

    Args:
        y_true_shape, y_pred_shape: of a batch.
        loss: the compiled loss of this output: a name, a function or a `Loss`; None follows the shapes alone.

    Example:
        >>> target_kind((None,), (None, 10)), target_kind((None, 5), (None, 5), "binary_crossentropy")
        ('sparse', 'binary')
    """
    if y_pred_shape and y_pred_shape[-1] == 1:
        return "binary"
    if len(y_true_shape) < len(y_pred_shape) or (y_true_shape and y_true_shape[-1] == 1):
        return "sparse"
    return "binary" if _function_name(loss) in _BINARY_LOSSES else "categorical"


def _function_name(loss: Any) -> str:
    if loss is None:
        return ""
    if isinstance(loss, str):
        loss = losses.get(loss)
    fn = loss.fn if isinstance(loss, losses.LossFunctionWrapper) else loss
    return getattr(fn, "__name__", type(fn).__name__)


def known(identifier: Any) -> bool:
    """Check a metric argument when `compile` is called, before any shape is known.

    Returns:
        True if the meaning of the argument depends on shapes ("accuracy", "crossentropy").

    Raises:
        ValueError: an unknown name; the message offers the closest ones.
        TypeError: no metric, name, config or function.

    Example:
        >>> known("acc"), known("mse")
        (True, False)
    """
    if isinstance(identifier, str) and identifier.lower() in _BY_NAME:
        return True
    METRICS.get(identifier)
    return False


def as_metric(identifier: Any, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None],
              loss: Any = None) -> Metric:
    """What `compile(metrics=[...])` accepts, as a metric whose name is that of its log entry.

    A string gives the name it is written as ("acc" logs `acc`), a function its `__name__`, an instance its own.

    Args:
        identifier: a name, a config, a metric, or a function of per-sample values.
        y_true_shape, y_pred_shape: of a batch; they say what "accuracy" and "crossentropy" mean.
        loss: the compiled loss of this output; see `target_kind`.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> metric = as_metric("acc", (None, 10), (None, 10))
        >>> type(metric).__name__, metric.name
        ('CategoricalAccuracy', 'acc')
    """
    if isinstance(identifier, str) and identifier.lower() in _BY_NAME:
        cls = _BY_NAME[identifier.lower()][target_kind(y_true_shape, y_pred_shape, loss)]
        return cls(name=identifier)
    metric = METRICS.get(identifier)
    if not isinstance(metric, Metric):
        metric = MeanMetricWrapper(metric)
    if isinstance(identifier, str):
        metric.name = identifier
    return metric
