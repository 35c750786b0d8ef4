"""Layers, losses, metrics, optimizers and their small parts: Keras' classes over `lamella.ops` and `Variable`."""

from lamella.nn import (
    activations,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
)

__all__ = [
    "activations", "constraints", "initializers", "layers", "losses", "metrics", "optimizers", "regularizers",
]
