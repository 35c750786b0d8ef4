"""Activation functions by name. Each works on tensors of any shape, eagerly and in a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.registry import Registry

ACTIVATIONS = Registry("keras.activations", "activation")
_register = ACTIVATIONS.register


@_register()
def linear(x: Any) -> Tensor:
    """x itself.

    Example:
        >>> linear(ops.convert_to_tensor([1.5])).numpy().tolist()
        [1.5]
    """
    return x


@_register()
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


@_register()
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """x if x > 0 else negative_slope · x. (The layer `LeakyReLU` has the slope 0.3, as in Keras.)

    Example:
        >>> leaky_relu(ops.convert_to_tensor([-2.0, 1.0]), 0.5).numpy().tolist()
        [-1.0, 1.0]
    """
    return ops.leaky_relu(x, negative_slope=negative_slope)


@_register()
def relu6(x: Any) -> Tensor:
    """min(max(x, 0), 6).

    Example:
        >>> relu6(ops.convert_to_tensor([-2.0, 7.0])).numpy().tolist()
        [0.0, 6.0]
    """
    return ops.relu6(x)


@_register()
def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x if x > 0 else alpha · (eˣ − 1). Source: arXiv:1511.07289.

    Example:
        >>> elu(ops.convert_to_tensor([0.0, 2.0])).numpy().tolist()
        [0.0, 2.0]
    """
    return ops.elu(x, alpha=alpha)


@_register()
def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """max(x, 0) + min(0, alpha · (e^(x/alpha) − 1)). Source: arXiv:1704.07483.

    Example:
        >>> celu(ops.convert_to_tensor([0.0, 2.0])).numpy().tolist()
        [0.0, 2.0]
    """
    return ops.celu(x, alpha=alpha)


@_register()
def selu(x: Any) -> Tensor:
    """1.0507 · elu(x, 1.6733). Source: arXiv:1706.02515.

    Example:
        >>> selu(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.selu(x)


@_register()
def gelu(x: Any, approximate: bool = False) -> Tensor:
    """x · Φ(x), exact by default (erf); `approximate` takes the tanh formula. Source: arXiv:1606.08415.

    Example:
        >>> gelu(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.gelu(x, approximate=approximate)


@_register("swish")
def silu(x: Any) -> Tensor:
    """x · σ(x).

    Example:
        >>> silu(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.silu(x)


@_register()
def mish(x: Any) -> Tensor:
    """x · tanh(softplus(x)). Source: arXiv:1908.08681.

    Example:
        >>> mish(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    x = ops.convert_to_tensor(x)
    return x * ops.tanh(ops.softplus(x))


@_register()
def softplus(x: Any) -> Tensor:
    """ln(1 + eˣ), without overflow.

    Example:
        >>> softplus(ops.convert_to_tensor([1000.0])).numpy().tolist()
        [1000.0]
    """
    return ops.softplus(x)


@_register()
def softsign(x: Any) -> Tensor:
    """x / (1 + |x|).

    Example:
        >>> softsign(ops.convert_to_tensor([1.0, -3.0])).numpy().tolist()
        [0.5, -0.75]
    """
    return ops.softsign(x)


@_register()
def sigmoid(x: Any) -> Tensor:
    """1 / (1 + e⁻ˣ), without overflow.

    Example:
        >>> sigmoid(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.5]
    """
    return ops.sigmoid(x)


@_register()
def log_sigmoid(x: Any) -> Tensor:
    """ln σ(x) = −softplus(−x).

    Example:
        >>> log_sigmoid(ops.convert_to_tensor([-1000.0])).numpy().tolist()
        [-1000.0]
    """
    return ops.log_sigmoid(x)


@_register()
def hard_sigmoid(x: Any) -> Tensor:
    """relu6(x + 3) / 6.

    Example:
        >>> hard_sigmoid(ops.convert_to_tensor([-3.0, 0.0, 3.0])).numpy().tolist()
        [0.0, 0.5, 1.0]
    """
    return ops.hard_sigmoid(x)


@_register("hard_swish")
def hard_silu(x: Any) -> Tensor:
    """x · relu6(x + 3) / 6. Source: arXiv:1905.02244.

    Example:
        >>> hard_silu(ops.convert_to_tensor([-3.0, 3.0])).numpy().tolist()
        [0.0, 3.0]
    """
    return ops.hard_silu(x)


@_register()
def tanh(x: Any) -> Tensor:
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ).

    Example:
        >>> tanh(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.tanh(x)


@_register()
def hard_tanh(x: Any) -> Tensor:
    """x cut at ±1.

    Example:
        >>> hard_tanh(ops.convert_to_tensor([-3.0, 0.5])).numpy().tolist()
        [-1.0, 0.5]
    """
    return ops.hard_tanh(x)


@_register()
def tanh_shrink(x: Any) -> Tensor:
    """x − tanh(x).

    Example:
        >>> tanh_shrink(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.tanh_shrink(x)


@_register()
def soft_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """sign(x) · max(|x| − threshold, 0).

    Example:
        >>> soft_shrink(ops.convert_to_tensor([-2.0, 0.25])).numpy().tolist()
        [-1.5, 0.0]
    """
    return ops.soft_shrink(x, threshold=threshold)


@_register()
def hard_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """x where |x| > threshold, else 0.

    Example:
        >>> hard_shrink(ops.convert_to_tensor([-2.0, 0.25])).numpy().tolist()
        [-2.0, 0.0]
    """
    return ops.hard_shrink(x, threshold=threshold)


@_register()
def threshold(x: Any, threshold: float, default_value: float) -> Tensor:
    """x where x > threshold, else default_value.

    Example:
        >>> threshold(ops.convert_to_tensor([0.5, 2.0]), 1.0, -1.0).numpy().tolist()
        [-1.0, 2.0]
    """
    x = ops.convert_to_tensor(x)
    return ops.where(x > threshold, x, default_value)


@_register()
def exponential(x: Any) -> Tensor:
    """eˣ.

    Example:
        >>> exponential(ops.convert_to_tensor([0.0])).numpy().tolist()
        [1.0]
    """
    return ops.exp(x)


@_register()
def softmax(x: Any, axis: int = -1) -> Tensor:
    """e^(x − max) / Σ e^(x − max) along `axis`.

    Example:
        >>> softmax(ops.convert_to_tensor([0.0, 0.0])).numpy().tolist()
        [0.5, 0.5]
    """
    return ops.softmax(x, axis=axis)


@_register()
def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """x − max − ln Σ e^(x − max) along `axis`.

    Example:
        >>> log_softmax(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.log_softmax(x, axis=axis)


@_register()
def squareplus(x: Any, b: float = 4) -> Tensor:
    """(x + √(x² + b)) / 2. Source: arXiv:2112.11687.

    Example:
        >>> squareplus(ops.convert_to_tensor([0.0])).numpy().tolist()
        [1.0]
    """
    return ops.squareplus(x, b=b)


def get(identifier: Any) -> Callable[..., Any]:
    """An activation from a name, a config or a function; None is `linear`.

    Raises:
        ValueError: an unknown name; the message offers the closest ones.

    Example:
        >>> get("reluu")
        Traceback (most recent call last):
        ValueError: Unknown activation 'reluu'. Did you mean 'relu' or 'relu6' or 'elu'? Known: ...
    """
    return linear if identifier is None else ACTIVATIONS.get(identifier)


serialize, deserialize = ACTIVATIONS.serialize, ACTIVATIONS.deserialize
swish, hard_swish = silu, hard_silu
