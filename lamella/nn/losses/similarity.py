"""The circle loss: distances between embeddings of equal and of different classes."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.losses.loss import LOSSES, LossFunctionWrapper
from lamella.nn.masks import set_mask

_NEVER = -1e30  # a score that no maximum or sum of exponentials sees, with gradients of 0 instead of NaN


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} of the circle loss must be a finite number >= 0, received {value!r}.")
    return float(value)


def _labels(y_true: Any, embeddings: Tensor) -> Tensor:
    labels = ops.convert_to_tensor(y_true)
    n = embeddings.shape[0]
    if len(embeddings.shape) != 2 or tuple(labels.shape) not in ((n,), (n, 1)):
        raise ShapeError(f"circle needs embeddings (n, d) and class numbers (n,), received {tuple(embeddings.shape)} "
                         f"and {tuple(labels.shape)}.")
    return ops.cast(ops.reshape(labels, (n,)), "int32")


def _log_sum_exp(scores: Tensor, mask: Tensor) -> Tensor:
    return ops.logsumexp(ops.where(mask, scores, ops.full_like(scores, _NEVER)), axis=1)


@LOSSES.register()
def circle(y_true: Any, y_pred: Any, ref_labels: Any = None, ref_embeddings: Any = None, remove_diagonal: bool = True,
           gamma: float = 80, margin: float = 0.4) -> Tensor:
    """softplus(lse₊(−γ (m + d)(m − d)) + lse₋(γ max(1 + m − d, 0)(1 − m − d))), d = max(1 − P Rᵀ, 0).

    lse₊ and lse₋ are log-sum-exps over references of the same and of other classes. Samples without a positive or a
    negative have the value 0; samples with the value 0 are masked out of means.

    Args:
        y_true: class numbers, (n,) or (n, 1).
        y_pred: embeddings of norm 1, (n, d); the norm is not checked.
        ref_labels, ref_embeddings: references, (k,) and (k, d); the batch itself by default.
        remove_diagonal: whether a sample is no reference of itself; needs as many references as samples.
        gamma: γ, scale.
        margin: m.

    Returns:
        (n,).

    Raises:
        ShapeError: the shapes do not fit.

    Source:
        Sun et al. 2020, arXiv:2002.10857.

    Example:
        >>> values = circle([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> values.numpy().round(4).tolist()
        [0.0, 0.0, 0.0]
    """
    y_pred = ops.convert_to_tensor(y_pred)
    labels = _labels(y_true, y_pred)
    references = y_pred if ref_embeddings is None else ops.cast(ops.convert_to_tensor(ref_embeddings), y_pred.dtype)
    others = labels if ref_labels is None else _labels(ref_labels, references)
    distance = ops.maximum(1.0 - ops.matmul(y_pred, ops.transpose(references)), 0.0)
    same = ops.equal(ops.expand_dims(labels, 1), ops.expand_dims(others, 0))
    different = ops.logical_not(same)
    if remove_diagonal:
        same = ops.logical_and(same, ops.logical_not(ops.eye(same.shape[0], same.shape[1], dtype="bool")))
    near = -gamma * (margin + distance) * (margin - distance)
    far = gamma * ops.maximum(1.0 + margin - distance, 0.0) * (1.0 - margin - distance)
    values = ops.softplus(_log_sum_exp(near, same) + _log_sum_exp(far, different))
    set_mask(values, values > 0)
    return values


circle.integer_targets = True  # type: ignore[attr-defined]


@LOSSES.register()
class Circle(LossFunctionWrapper):
    """`circle` within each batch, reduced.

    Args:
        gamma, margin, remove_diagonal: of the function.
        reduction, name, dtype: of `Loss`.

    Raises:
        ValueError: γ or m is negative or not finite.

    Example:
        >>> round(float(Circle()([0, 0, 1], [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])), 3)
        94.4
    """

    def __init__(self, gamma: float = 80.0, margin: float = 0.4, remove_diagonal: bool = True,
                 reduction: str | None = "sum_over_batch_size", name: str | None = "circle", dtype: Any = None) -> None:
        super().__init__(circle, reduction, name, dtype, gamma=_positive("gamma", gamma),
                         margin=_positive("margin", margin), remove_diagonal=remove_diagonal)
