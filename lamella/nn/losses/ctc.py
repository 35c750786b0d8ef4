"""Connectionist temporal classification: a sequence of labels against more frames, whatever their alignment."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.frontend.state import is_tracing
from lamella.nn.losses.loss import LOSSES, LossFunctionWrapper

BLANK = 0


def check_labels(y_true: np.ndarray, prediction_shape: tuple[int | None, ...], **_: Any) -> None:
    """Every label must lie in [0, classes).

    Raises:
        ValueError: one does not; gives its value and place.

    Example:
        >>> check_labels(np.array([[1, 5]]), (None, 4, 3))
        Traceback (most recent call last):
        ValueError: Label 5 at (0, 1) is not in [0, 3). 0 is the blank and fills up shorter sequences.
    """
    classes, labels = prediction_shape[-1], np.asarray(y_true)
    bad = np.argwhere((labels < 0) | (labels >= classes)) if classes is not None else np.empty((0, 2))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        raise ValueError(f"Label {labels[place]} at {place} is not in [0, {classes}). 0 is the blank and fills up "
                         "shorter sequences.")


@LOSSES.register()
def ctc(y_true: Any, y_pred: Any) -> Tensor:
    """−ln of the sum of the probabilities of all alignments of the labels with the frames: `ops.ctc_loss`.

    Args:
        y_true: labels, int (n, L), filled up with 0; their number is that of the labels that are not 0.
        y_pred: logits, (n, frames, classes); class 0 is the blank. All frames count.

    Returns:
        (n,).

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: a label out of range, in eager use (`fit` looks at all targets beforehand).

    Source:
        Graves et al. 2006, "Connectionist temporal classification".

    Example:
        >>> round(float(ctc([[1]], [[[0.0, 0.0], [0.0, 0.0]]])[0]), 4)
        0.2877
    """
    y_pred = ops.convert_to_tensor(y_pred)
    labels = ops.cast(ops.convert_to_tensor(y_true), "int32")
    if len(labels.shape) != 2 or len(y_pred.shape) != 3 or labels.shape[0] != y_pred.shape[0]:
        raise ShapeError(f"ctc needs labels (n, length) and logits (n, frames, classes), received "
                         f"{tuple(labels.shape)} and {tuple(y_pred.shape)}.")
    if not is_tracing():
        check_labels(np.asarray(labels), tuple(y_pred.shape))
    length = ops.sum(ops.cast(ops.not_equal(labels, BLANK), "int32"), axis=1)
    return ops.ctc_loss(labels, y_pred, length, ops.full_like(length, y_pred.shape[1]), mask_index=BLANK)


ctc.integer_targets = True  # type: ignore[attr-defined]
ctc.check_targets = check_labels  # type: ignore[attr-defined]


@LOSSES.register()
class CTC(LossFunctionWrapper):
    """`ctc`, reduced.

    Args:
        reduction, name, dtype: of `Loss`.

    Example:
        >>> round(float(CTC()([[1]], [[[0.0, 0.0], [0.0, 0.0]]])), 4)
        0.2877
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "ctc",
                 dtype: Any = None) -> None:
        super().__init__(ctc, reduction, name, dtype)
