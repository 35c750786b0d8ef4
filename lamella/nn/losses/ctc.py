"""Connectionist temporal classification: a sequence of labels against more frames, whatever their alignment."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.frontend.state import is_tracing
from lamella.ir.types import wide
from lamella.nn.losses.loss import LOSSES, LossFunctionWrapper

BLANK = 0
_LOG_ZERO = -1e5  # finite, so that impossible alignments have a large loss and gradients without NaN


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


def _with_blanks(labels: Tensor) -> Tensor:
    """(n, L) labels as (n, 2 L + 1): a blank before, between and after."""
    n, length = labels.shape
    pairs = ops.reshape(ops.stack([ops.zeros_like(labels), labels], axis=-1), (n, 2 * length))
    return ops.concatenate([pairs, ops.zeros((n, 1), dtype=labels.dtype)], axis=1)


def _shifted(x: Tensor, by: int) -> Tensor:
    """x[:, s − by], with probability 0 before the start."""
    return ops.pad(x[:, :-by], ((0, 0), (by, 0)), constant_values=_LOG_ZERO)


def _final(alpha: Tensor, length: Tensor) -> Tensor:
    """ln of the probability of ending in the last label or in the blank after it."""
    n, states = alpha.shape
    number = ops.expand_dims(ops.arange(states, dtype="int32"), 0)
    end = ops.expand_dims(2 * length, 1)
    last = ops.logical_or(ops.equal(number, end), ops.equal(number, end - 1))
    return ops.logsumexp(ops.where(last, alpha, ops.full_like(alpha, _LOG_ZERO)), axis=1)


@LOSSES.register()
def ctc(y_true: Any, y_pred: Any) -> Tensor:
    """−ln of the sum of the probabilities of all alignments of the labels with the frames.

    αₜ[s] = ln pₜ(s) + lse(αₜ₋₁[s], αₜ₋₁[s − 1], αₜ₋₁[s − 2]), the last only onto a label that differs from the one
    before; a loop over the frames, in float32 or wider.
    Labels that cannot be aligned (too many for the frames) have a loss of about 1e5 instead of infinity.

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
    logits = ops.cast(y_pred, wide(y_pred.dtype))
    length = ops.sum(ops.cast(ops.not_equal(labels, BLANK), "int32"), axis=1)
    states = _with_blanks(labels)
    one_hot = ops.one_hot(states, logits.shape[-1], dtype=logits.dtype)
    scores = ops.einsum("ntc,nsc->tns", ops.log_softmax(logits, axis=-1), one_hot)
    before = ops.pad(states[:, :-2], ((0, 0), (2, 0)), constant_values=BLANK)
    skip = ops.logical_and(ops.not_equal(states, BLANK), ops.not_equal(states, before))
    never = ops.full_like(scores[0], _LOG_ZERO)
    start = ops.expand_dims(ops.arange(states.shape[1], dtype="int32"), 0) < 2

    def frame(alpha: Tensor, score: Tensor) -> tuple[Tensor, None]:
        onward = ops.logaddexp(alpha, _shifted(alpha, 1))
        jump = ops.where(skip, _shifted(alpha, 2), never)
        return score + ops.logaddexp(onward, jump), None

    alpha, _ = ops.scan(frame, ops.where(start, scores[0], never), scores[1:])
    return ops.cast(-_final(alpha, length), y_pred.dtype)


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
