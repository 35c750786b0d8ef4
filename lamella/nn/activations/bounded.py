"""Sigmoids, shrinking functions, softmax and other activations."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.activations.registry import ACTIVATIONS


@ACTIVATIONS.register()
def softplus(x: Any) -> Tensor:
    """ln(1 + eˣ), without overflow.

    Example:
        >>> softplus(ops.convert_to_tensor([1000.0])).numpy().tolist()
        [1000.0]
    """
    return ops.softplus(x)


@ACTIVATIONS.register()
def softsign(x: Any) -> Tensor:
    """x / (1 + |x|).

    Example:
        >>> softsign(ops.convert_to_tensor([1.0, -3.0])).numpy().tolist()
        [0.5, -0.75]
    """
    return ops.softsign(x)


@ACTIVATIONS.register()
def sigmoid(x: Any) -> Tensor:
    """1 / (1 + e⁻ˣ), without overflow.

    Example:
        >>> sigmoid(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.5]
    """
    return ops.sigmoid(x)


@ACTIVATIONS.register()
def log_sigmoid(x: Any) -> Tensor:
    """ln σ(x) = −softplus(−x).

    Example:
        >>> log_sigmoid(ops.convert_to_tensor([-1000.0])).numpy().tolist()
        [-1000.0]
    """
    return ops.log_sigmoid(x)


@ACTIVATIONS.register()
def hard_sigmoid(x: Any) -> Tensor:
    """relu6(x + 3) / 6.

    Example:
        >>> hard_sigmoid(ops.convert_to_tensor([-3.0, 0.0, 3.0])).numpy().tolist()
        [0.0, 0.5, 1.0]
    """
    return ops.hard_sigmoid(x)


@ACTIVATIONS.register("hard_swish")
def hard_silu(x: Any) -> Tensor:
    """x · relu6(x + 3) / 6. Source: arXiv:1905.02244.

    Example:
        >>> hard_silu(ops.convert_to_tensor([0.0, 3.0])).numpy().tolist()
        [0.0, 3.0]
    """
    return ops.hard_silu(x)


@ACTIVATIONS.register()
def tanh(x: Any) -> Tensor:
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ).

    Example:
        >>> tanh(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.tanh(x)


@ACTIVATIONS.register()
def hard_tanh(x: Any) -> Tensor:
    """x cut at ±1.

    Example:
        >>> hard_tanh(ops.convert_to_tensor([-3.0, 0.5])).numpy().tolist()
        [-1.0, 0.5]
    """
    return ops.hard_tanh(x)


@ACTIVATIONS.register()
def tanh_shrink(x: Any) -> Tensor:
    """x − tanh(x).

    Example:
        >>> tanh_shrink(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.tanh_shrink(x)


@ACTIVATIONS.register()
def soft_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """sign(x) · max(|x| − threshold, 0).

    Example:
        >>> soft_shrink(ops.convert_to_tensor([-2.0, 0.25])).numpy().tolist()
        [-1.5, 0.0]
    """
    return ops.soft_shrink(x, threshold=threshold)


@ACTIVATIONS.register()
def hard_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """x where |x| > threshold, else 0.

    Example:
        >>> hard_shrink(ops.convert_to_tensor([-2.0, 0.25])).numpy().tolist()
        [-2.0, 0.0]
    """
    return ops.hard_shrink(x, threshold=threshold)


@ACTIVATIONS.register()
def threshold(x: Any, threshold: float, default_value: float) -> Tensor:
    """x where x > threshold, else default_value.

    Example:
        >>> threshold(ops.convert_to_tensor([0.5, 2.0]), 1.0, -1.0).numpy().tolist()
        [-1.0, 2.0]
    """
    x = ops.convert_to_tensor(x)
    return ops.where(x > threshold, x, default_value)


@ACTIVATIONS.register()
def exponential(x: Any) -> Tensor:
    """eˣ.

    Example:
        >>> exponential(ops.convert_to_tensor([0.0])).numpy().tolist()
        [1.0]
    """
    return ops.exp(x)


@ACTIVATIONS.register()
def softmax(x: Any, axis: int = -1) -> Tensor:
    """e^(x − max) / Σ e^(x − max) along `axis`.

    Example:
        >>> softmax(ops.convert_to_tensor([0.0, 0.0])).numpy().tolist()
        [0.5, 0.5]
    """
    return ops.softmax(x, axis=axis)


@ACTIVATIONS.register()
def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """x − max − ln Σ e^(x − max) along `axis`.

    Example:
        >>> log_softmax(ops.convert_to_tensor([0.0])).numpy().tolist()
        [0.0]
    """
    return ops.log_softmax(x, axis=axis)


@ACTIVATIONS.register()
def squareplus(x: Any, b: float = 4) -> Tensor:
    """(x + √(x² + b)) / 2. Source: arXiv:2112.11687.

    Example:
        >>> squareplus(ops.convert_to_tensor([0.0])).numpy().tolist()
        [1.0]
    """
    return ops.squareplus(x, b=b)
