"""Activations with exact zeros, and the gated linear unit."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.activations.registry import ACTIVATIONS


@ACTIVATIONS.register()
def sparse_plus(x: Any) -> Tensor:
    """0 for x ≤ −1, (x + 1)² / 4 for |x| < 1, x for x ≥ 1.

    Example:
        >>> sparse_plus(ops.convert_to_tensor([-2.0, 0.0, 3.0])).numpy().tolist()
        [0.0, 0.25, 3.0]
    """
    return ops.sparse_plus(x)


@ACTIVATIONS.register()
def sparse_sigmoid(x: Any) -> Tensor:
    """(x + 1) / 2 cut to [0, 1].

    Example:
        >>> sparse_sigmoid(ops.convert_to_tensor([-2.0, 0.0, 3.0])).numpy().tolist()
        [0.0, 0.5, 1.0]
    """
    return ops.sparse_sigmoid(x)


@ACTIVATIONS.register()
def glu(x: Any, axis: int = -1) -> Tensor:
    """The first half of the axis times σ of the second half. Source: arXiv:1612.08083.

    Raises:
        ValueError: the axis has an odd size.

    Example:
        >>> glu(ops.convert_to_tensor([2.0, 0.0])).numpy().tolist()
        [1.0]
    """
    x = ops.convert_to_tensor(x)
    if x.shape[axis] % 2:
        raise ValueError(f"glu needs an even size of axis {axis}, received the shape {tuple(x.shape)}.")
    return ops.glu(x, axis=axis)


@ACTIVATIONS.register()
def sparsemax(x: Any, axis: int = -1) -> Tensor:
    """max(x − τ, 0) along `axis`, with τ such that the sum is 1: the nearest point of the simplex.

    (Keras 3.15.1 takes a wrong τ where more than one value is kept: its values do not add up to 1.)

    Args:
        x: scores.
        axis: along which the values add up to 1.

    Source:
        Martins and Astudillo 2016, arXiv:1602.02068.

    Example:
        >>> sparsemax(ops.convert_to_tensor([1.0, 0.5, -1.0])).numpy().tolist()
        [0.75, 0.25, 0.0]
    """
    x = ops.convert_to_tensor(x)
    x = x - ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))  # the result is the same; digits of x are kept
    falling = -ops.sort(-ops.stop_gradient(x), axis=axis)
    sums = ops.cumsum(falling, axis=axis)
    count = ops.cumsum(ops.ones_like(falling), axis=axis)
    size = ops.sum(ops.cast(1.0 + count * falling > sums, x.dtype), axis=axis, keepdims=True)
    last = ops.cast(ops.equal(count, size), x.dtype)
    threshold = (ops.sum(sums * last, axis=axis, keepdims=True) - 1.0) / size
    # τ again, from the support alone: its gradient is that of the mean of what is kept, without one of sorting.
    inside = x > threshold
    kept = ops.cast(inside, x.dtype)
    tau = (ops.sum(x * kept, axis=axis, keepdims=True) - 1.0) / ops.sum(kept, axis=axis, keepdims=True)
    return ops.where(inside, x - tau, ops.zeros_like(x))
