"""How per-sample values, weights and masks become one number."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


def check_reduction(reduction: str | None) -> str | None:
    """`reduction` itself if it is known.

    Raises:
        ValueError: it is not.

    Example:
        >>> check_reduction("sum")
        'sum'
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"Unknown reduction {reduction!r}. Known: {', '.join(map(repr, REDUCTIONS))}.")
    return reduction


def align_ranks(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Make two ranks equal where they differ by one and the longer shape ends in 1.

    (n,) against (n, 1) becomes (n, 1); otherwise the longer one loses its last axis.

    Example:
        >>> [t.shape for t in align_ranks(ops.ones((3,)), ops.ones((3, 1)))]
        [(3, 1), (3, 1)]
    """
    a, b = tuple(x.shape), tuple(y.shape)
    if len(a) == len(b) + 1 and a[-1] == 1:
        return (x, ops.reshape(y, (*b, 1))) if len(b) == 1 else (ops.reshape(x, a[:-1]), y)
    if len(b) == len(a) + 1 and b[-1] == 1:
        y, x = align_ranks(y, x)
    return x, y


def same_shape(name: str, y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Targets in the dtype of the predictions, of equal shape after `align_ranks`.

    Keras broadcasts other shapes silently, (n, 1) against (n, k) for example, and gives a plausible but wrong number.

    Raises:
        ShapeError: the shapes differ; names the function.

    Example:
        >>> same_shape("mse", ops.ones((3, 1)), ops.ones((3, 2)))
        Traceback (most recent call last):
        lamella.errors.ShapeError: mse needs targets of the shape of the predictions, received (3, 1) and (3, 2).
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(ops.convert_to_tensor(y_true), y_pred.dtype)
    shapes = tuple(y_true.shape), tuple(y_pred.shape)
    y_true, y_pred = align_ranks(y_true, y_pred)
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ShapeError(f"{name} needs targets of the shape of the predictions, received {shapes[0]} and {shapes[1]}.")
    return y_true, y_pred


def fit_weights(weights: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Weights as a tensor that broadcasts to values of `shape`, aligned from the left: (n,) fits (n, t) as (n, 1).

    Raises:
        ShapeError: they do not fit.

    Example:
        >>> fit_weights(ops.ones((3,)), (3, 3)).shape
        (3, 1)
    """
    have = tuple(weights.shape)
    if len(have) > len(shape) and have[len(shape):] == (1,) * (len(have) - len(shape)):
        have = have[:len(shape)]
    padded = have + (1,) * (len(shape) - len(have))
    if len(padded) != len(shape) or any(w not in (1, n) for w, n in zip(padded, shape, strict=True)):
        raise ShapeError(f"Sample weights of shape {tuple(weights.shape)} do not fit values of shape {shape}: "
                         "their axes must equal the first axes of the values.")
    return ops.reshape(weights, padded)


def mask_weights(mask: Any, shape: tuple[int, ...], dtype: str, reduction: str | None) -> Tensor:
    """A mask as weights of 0 and 1; for means, scaled so that Σ value · weight / count is the mean of what is kept."""
    kept = fit_weights(ops.cast(mask, dtype), shape)
    if reduction not in ("mean", "sum_over_batch_size"):
        return kept
    return kept * ops.divide_no_nan(ops.convert_to_tensor(float(math.prod(kept.shape)), dtype), ops.sum(kept))


def reduce_weighted(values: Any, sample_weight: Any = None, mask: Any = None,
                    reduction: str | None = "sum_over_batch_size", dtype: str | None = None) -> Tensor:
    """Per-sample values to the number that is minimised.

    =============================  =====================================================================================
    sum_over_batch_size, mean      Σ v w / (number of values); with a mask the mean over what is kept, 0 if nothing is
    mean_with_sample_weight        Σ v w m / Σ w m
    sum                            Σ v w m
    none, None                     v w m
    =============================  =====================================================================================

    Args:
        values: (batch, ...); scalars are returned as they are, times the weight.
        sample_weight: weights whose axes are the first axes of the values.
        mask: bool, as the weights.
        reduction: see the table.
        dtype: of the computation; that of the values by default.

    Raises:
        ShapeError: weights or mask do not fit.

    Example:
        >>> float(reduce_weighted(ops.convert_to_tensor([1.0, 3.0]), ops.convert_to_tensor([0.0, 1.0])))
        1.5
    """
    check_reduction(reduction)
    values = ops.convert_to_tensor(values) if dtype is None else ops.cast(ops.convert_to_tensor(values), dtype)
    shape = tuple(values.shape)
    weights = None
    if sample_weight is not None:
        weights = fit_weights(ops.cast(ops.convert_to_tensor(sample_weight), values.dtype), shape)
    if mask is not None:
        kept = mask_weights(mask, shape, values.dtype, reduction)
        weights = kept if weights is None else weights * kept
    if weights is not None:
        values = values * weights
    if reduction in ("none", None) or shape in ((), (0,)):
        return values
    total = ops.sum(values)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weights is not None:
        return ops.divide_no_nan(total, ops.sum(ops.broadcast_to(weights, shape)))
    return total / max(1, math.prod(shape))
