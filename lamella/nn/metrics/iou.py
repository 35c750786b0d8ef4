"""Intersection over union of predicted and true classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.dtype_policy import number_dtype
from lamella.nn.losses.reduction import fit_weights
from lamella.nn.metrics.metric import METRICS, Metric
from lamella.settings import settings


@METRICS.register()
class IoU(Metric):
    """The mean of TP / (TP + FP + FN + ε) over the target classes that occur, ε = 1e-7; 0 if none does.

    Counts are float64, so weights count in full; Keras' are integers, which cut float weights off.

    Args:
        num_classes: number of classes.
        target_class_ids: the classes that are averaged.
        name, dtype: of `Metric`.
        ignore_class: targets of this class do not count.
        sparse_y_true, sparse_y_pred: whether they are class numbers; else the largest value on `axis` is the class.
        axis: see above.

    Raises:
        ValueError: a class number out of range.

    Example:
        >>> float(IoU(2, [0])([0, 0, 1, 1], [0, 1, 0, 1])).__round__(4)
        0.3333
    """

    _direction = "up"

    def __init__(self, num_classes: int, target_class_ids: Sequence[int], name: str | None = None, dtype: Any = None,
                 ignore_class: int | None = None, sparse_y_true: bool = True, sparse_y_pred: bool = True,
                 axis: int = -1) -> None:
        super().__init__(None if _is_integer(dtype) else dtype, name)
        self.num_classes, self.target_class_ids = num_classes, [int(c) for c in target_class_ids]
        bad = [c for c in self.target_class_ids if not 0 <= c < num_classes]
        if bad or not self.target_class_ids:
            raise ValueError(f"target_class_ids of {type(self).__name__} must be in [0, {num_classes}), received "
                             f"{list(target_class_ids)!r}.")
        self.ignore_class, self.axis = ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self.total_cm = self.add_variable((num_classes, num_classes), dtype="float64", name="total_confusion_matrix")

    def _classes(self, values: Any, sparse: bool) -> Tensor:
        values = ops.convert_to_tensor(values)
        return ops.cast(values if sparse else ops.argmax(values, axis=self.axis), "int32")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch; classes out of range do not count.

        Args:
            y_true, y_pred: class numbers of equal size, or scores; see the class.
            sample_weight: weights whose axes are the first axes of the class numbers.

        Raises:
            ShapeError: the shapes do not fit.
        """
        true, pred = self._classes(y_true, self.sparse_y_true), self._classes(y_pred, self.sparse_y_pred)
        if np.prod(true.shape, dtype=int) != np.prod(pred.shape, dtype=int):
            raise ShapeError(f"Metric {self.name!r} needs as many targets as predictions, received the shapes "
                             f"{tuple(true.shape)} and {tuple(pred.shape)} of classes.")
        n, shape = self.num_classes, tuple(true.shape)
        counted = [ops.logical_and(c >= 0, c < n) for c in (true, ops.reshape(pred, shape))]
        kept = ops.logical_and(*counted)
        if self.ignore_class is not None:
            kept = ops.logical_and(kept, ops.not_equal(true, self.ignore_class))
        weights = ops.cast(kept, "float64")
        if sample_weight is not None:
            weights = weights * fit_weights(ops.cast(ops.convert_to_tensor(sample_weight), "float64"), shape)
        cell = ops.where(kept, true * n + ops.reshape(pred, shape), ops.zeros_like(true))
        counts = ops.segment_sum(ops.reshape(weights, (-1,)), ops.reshape(cell, (-1,)), n * n)
        self.total_cm.assign_add(ops.reshape(counts, (n, n)))

    def result(self) -> Tensor:
        matrix = self.total_cm.value()
        right = ops.sum(matrix * ops.eye(self.num_classes, dtype="float64"), axis=0)
        union = ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1) - right
        wanted = np.zeros(self.num_classes)
        np.add.at(wanted, self.target_class_ids, 1.0)
        occurs = ops.cast(union > 1e-9, "float64") * ops.convert_to_tensor(wanted)
        value = ops.sum(occurs * right / (union + settings.epsilon)) / (ops.sum(occurs) + settings.epsilon)
        return ops.cast(value, self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes, "target_class_ids": self.target_class_ids,
                "ignore_class": self.ignore_class, "sparse_y_true": self.sparse_y_true,
                "sparse_y_pred": self.sparse_y_pred, "axis": self.axis}


def _is_integer(dtype: Any) -> bool:
    """Keras' configs say "int", the dtype of its counts."""
    return "int" in str(getattr(dtype, "name", dtype))


def _without(config: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in names}


@METRICS.register()
class BinaryIoU(IoU):
    """`IoU` of two classes: p ≥ threshold is class 1.

    Args:
        target_class_ids: of (0, 1).
        threshold: a number in [0, 1].
        name, dtype: of `Metric`.

    Raises:
        ValueError: a class number or threshold out of range.

    Example:
        >>> round(float(BinaryIoU()([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])), 4)
        0.5833
    """

    def __init__(self, target_class_ids: Sequence[int] = (0, 1), threshold: float = 0.5, name: str | None = None,
                 dtype: Any = None) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
            raise ValueError(f"threshold of BinaryIoU must be a number in [0, 1], received {threshold!r}.")
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch; see `IoU.update_state`."""
        positive = ops.cast(ops.convert_to_tensor(y_pred), number_dtype()) >= self.threshold
        super().update_state(y_true, ops.cast(positive, "int32"), sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = _without(super().get_config(), "num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")
        return {**config, "threshold": self.threshold}


@METRICS.register()
class MeanIoU(IoU):
    """`IoU` of all classes.

    Args:
        num_classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis: as `IoU`.

    Example:
        >>> round(float(MeanIoU(2)([0, 0, 1, 1], [0, 1, 0, 1])), 4)
        0.3333
    """

    def __init__(self, num_classes: int, name: str | None = None, dtype: Any = None, ignore_class: int | None = None,
                 sparse_y_true: bool = True, sparse_y_pred: bool = True, axis: int = -1) -> None:
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return _without(super().get_config(), "target_class_ids")


@METRICS.register()
class OneHotIoU(IoU):
    """`IoU` for one-hot targets.

    Args:
        num_classes, target_class_ids, name, dtype, ignore_class, sparse_y_pred, axis: as `IoU`.

    Raises:
        ValueError: a class number out of range.

    Example:
        >>> round(float(OneHotIoU(2, [0])([[1, 0], [0, 1]], [[0.9, 0.1], [0.8, 0.2]])), 4)
        0.5
    """

    def __init__(self, num_classes: int, target_class_ids: Sequence[int], name: str | None = None, dtype: Any = None,
                 ignore_class: int | None = None, sparse_y_pred: bool = False, axis: int = -1) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return _without(super().get_config(), "sparse_y_true")


@METRICS.register()
class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` for one-hot targets.

    Args:
        num_classes, name, dtype, ignore_class, sparse_y_pred, axis: as `IoU`.

    Example:
        >>> round(float(OneHotMeanIoU(2)([[1, 0], [0, 1]], [[0.9, 0.1], [0.8, 0.2]])), 4)
        0.25
    """

    def __init__(self, num_classes: int, name: str | None = None, dtype: Any = None, ignore_class: int | None = None,
                 sparse_y_pred: bool = False, axis: int = -1) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return _without(super().get_config(), "sparse_y_true")
