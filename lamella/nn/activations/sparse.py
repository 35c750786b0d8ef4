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
    """max(x − τ, 0) along `axis`, with τ such that the sum is 1: `ops.sparsemax`.

    Args:
        x: scores.
        axis: along which the values add up to 1.

    Source:
        Martins and Astudillo 2016, arXiv:1602.02068.

    Example:
        >>> sparsemax(ops.convert_to_tensor([1.0, 0.5, -1.0])).numpy().tolist()
        [0.75, 0.25, 0.0]
    """
    return ops.sparsemax(x, axis=axis)
