"""Activations that keep large positive values: linear, ReLU and its relatives."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.activations.registry import ACTIVATIONS


@ACTIVATIONS.register()
def linear(x: Any) -> Tensor:
    """x itself.

    Example:
        >>> linear(ops.convert_to_tensor([1.5])).numpy().tolist()
        [1.5]
    """
    return x


@ACTIVATIONS.register()
def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """x above the threshold, negative_slope · (x − threshold) below; the positive part is capped at max_value.

    Args:
        x: tensor of any shape.
        negative_slope: slope below the threshold.
        max_value: cap of the positive part, None for no cap.
        threshold: where the positive part starts.

    Example:
        >>> relu(ops.convert_to_tensor([-2.0, 1.0, 7.0]), max_value=6.0).numpy().tolist()
        [0.0, 1.0, 6.0]
    """
    x = ops.convert_to_tensor(x)
    positive = ops.where(x > threshold, x, 0) if threshold else ops.relu(x)
    if max_value is not None:
        positive = ops.clip(positive, 0.0, max_value)
    if not negative_slope:
        return positive
    return positive - negative_slope * ops.relu(threshold - x if threshold else -x)


@ACTIVATIONS.register()
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """x if x > 0 else negative_slope · x. (The layer `LeakyReLU` has the slope 0.3, as in Keras.)

    Example:
        >>> leaky_relu(ops.convert_to_tensor([-2.0, 1.0]), 0.5).numpy().tolist()
        [-1.0, 1.0]
    """
    return ops.leaky_relu(x, negative_slope=negative_slope)


@ACTIVATIONS.register()
def relu6(x: Any) -> Tensor:
    """min(max(x, 0), 6).

    Example:
        >>> relu6(ops.convert_to_tensor([-2.0, 7.0])).numpy().tolist()
        [0.0, 6.0]
    """
    return ops.relu6(x)


@ACTIVATIONS.register()
def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x if x > 0 else alpha · (eˣ − 1). Source: arXiv:1511.07289.

    Example:
        >>> elu(ops.convert_to_tensor([0.0, 2.0])).numpy().tolist()
        [0.0, 2.0]
    """
    return ops.elu(x, alpha=alpha)


@ACTIVATIONS.register()
def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """max(x, 0) + min(0, alpha · (e^(x/alpha) − 1)). Source: arXiv:1704.07483.

    Example:
        >>> celu(ops.convert_to_tensor([0.0, 2.0])).numpy().tolist()
        [0.0, 2.0]
    """
    return ops.celu(x, alpha=alpha)


@ACTIVATIONS.register()
def selu(x: Any) -> Tensor:
    """1.0507 · elu(x, 1.6733). Source: arXiv:1706.02515.

    Example:
        >>> selu(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.selu(x)


@ACTIVATIONS.register()
def gelu(x: Any, approximate: bool = False) -> Tensor:
    """x · Φ(x), exact by default (erf); `approximate` takes the tanh formula. Source: arXiv:1606.08415.

    Example:
        >>> gelu(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.gelu(x, approximate=approximate)


@ACTIVATIONS.register("swish")
def silu(x: Any) -> Tensor:
    """x · σ(x).

    Example:
        >>> silu(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.silu(x)


@ACTIVATIONS.register()
def mish(x: Any) -> Tensor:
    """x · tanh(softplus(x)). Source: arXiv:1908.08681.

    Example:
        >>> mish(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    x = ops.convert_to_tensor(x)
    return x * ops.tanh(ops.softplus(x))
