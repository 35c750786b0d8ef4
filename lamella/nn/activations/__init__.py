"""Activation functions by name. Each works on tensors of any shape, eagerly and in a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella.nn.activations.bounded import (
    exponential,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    log_sigmoid,
    log_softmax,
    sigmoid,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    squareplus,
    tanh,
    tanh_shrink,
    threshold,
)
from lamella.nn.activations.rectifiers import (
    celu,
    elu,
    gelu,
    leaky_relu,
    linear,
    mish,
    relu,
    relu6,
    selu,
    silu,
)
from lamella.nn.activations.registry import ACTIVATIONS
from lamella.nn.activations.sparse import glu, sparse_plus, sparse_sigmoid, sparsemax


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

__all__ = [
    "ACTIVATIONS", "celu", "deserialize", "elu", "exponential", "gelu", "get", "glu", "hard_shrink", "hard_sigmoid",
    "hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu",
    "relu6", "selu", "serialize", "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus",
    "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh", "tanh_shrink", "threshold",
]
