"""Normalizations: over a batch, a sample, a vector."""

from __future__ import annotations

from typing import Any

from lamella.frontend import Tensor, convert_to_tensor
from lamella.frontend.arithmetic import to_floats
from lamella.ops.axes import many_axes, one_axis
from lamella.ops.elementwise import absolute, maximum, rsqrt, square
from lamella.ops.reduction import mean, sum, var
from lamella.ops.shaping import reshape
from lamella.settings import settings


def normalize(x: Any, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> Tensor:
    """x / max(|x|_order, epsilon) over `axis`; for order 2: x rsqrt(max(sum x^2, epsilon^2))."""
    (x,) = to_floats(x)
    small = settings.epsilon if epsilon is None else epsilon
    if order == 2:
        return x * rsqrt(maximum(sum(square(x), axis, True), small**2))
    size = sum(absolute(x) ** order, axis, True) ** (1.0 / order)
    return x / maximum(size, small)


def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Tensor:
    """(x - mean) rsqrt(variance + epsilon) scale + offset; the vectors lie along `axis`."""
    x = convert_to_tensor(x)
    shape = tuple(n if a == one_axis(axis, x.ndim) else 1 for a, n in enumerate(x.shape))
    factor = rsqrt(reshape(variance, shape) + epsilon)
    if scale is not None:
        factor = factor * reshape(scale, shape)
    out = (x - reshape(mean, shape)) * factor
    return out if offset is None else out + reshape(offset, shape)


def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, **kwargs: Any
) -> Tensor:
    """(x - mean) rsqrt(variance + epsilon) gamma + beta, with mean and variance over `axis` of each sample."""
    if kwargs:
        raise TypeError(f"layer_normalization got unexpected arguments {sorted(kwargs)}.")
    (x,) = to_floats(x)
    small = settings.epsilon if epsilon is None else epsilon
    out = (x - mean(x, axis, True)) * rsqrt(var(x, axis, True) + small)
    shape = tuple(n if a in many_axes(axis, x.ndim) else 1 for a, n in enumerate(x.shape))
    out = out if gamma is None else out * reshape(gamma, shape)
    return out if beta is None else out + reshape(beta, shape)


def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Tensor:
    """x rsqrt(mean(x^2) + epsilon) scale, with the mean over `axis`."""
    (x,) = to_floats(x)
    small = settings.epsilon if epsilon is None else epsilon
    out = x * rsqrt(mean(square(x), axis, True) + small)
    return out if scale is None else out * scale
