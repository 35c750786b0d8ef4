"""Clipping of gradients."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from lamella import ops
from lamella.frontend import Tensor
from lamella.ir.types import wide


def by_norm(gradient: Tensor, limit: float) -> Tensor:
    """g · c / max(‖g‖, c): at most the norm c, else unchanged.

    Example:
        >>> by_norm(ops.convert_to_tensor([3.0, 4.0]), 1.0).numpy().round(4).tolist()
        [0.6000000238418579, 0.800000011920929]
    """
    norm = ops.sqrt(_square_sum(gradient))
    return gradient * ops.cast(limit / ops.maximum(norm, limit), gradient.dtype)


def _square_sum(gradient: Tensor) -> Tensor:
    return ops.sum(ops.square(ops.cast(gradient, wide(gradient.dtype))))


def by_global_norm(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    """All gradients times c · min(1/N, 1/c), N the norm of all of them together.

    If N is not finite, all gradients become 0. (Keras makes every weight NaN.)

    Example:
        >>> [g.numpy().round(4).tolist() for g in by_global_norm([ops.convert_to_tensor([3.0]),
        ...                                                       ops.convert_to_tensor([4.0])], 1.0)]
        [[0.6000000238418579], [0.800000011920929]]
    """
    norm = ops.sqrt(functools.reduce(ops.add, map(_square_sum, gradients)))
    scale = limit / ops.maximum(norm, limit)
    return [ops.where(ops.isfinite(norm), g * ops.cast(scale, g.dtype), ops.zeros_like(g)) for g in gradients]


def by_value(gradient: Tensor, limit: float) -> Tensor:
    """g cut at ±c.

    Example:
        >>> by_value(ops.convert_to_tensor([3.0, -0.5]), 1.0).numpy().tolist()
        [1.0, -0.5]
    """
    return ops.clip(gradient, -limit, limit)
