"""What a `RematScope` does to the layers that were made inside of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lamella import tree
from lamella.frontend import RematScope, remat, remat_if


def rematerialized(layer: Any) -> Callable[..., Any]:
    """The layer's `call`, or what the scope that it was made in makes of it."""
    scope: RematScope | None = layer._remat_scope
    if scope is None:
        return layer.call
    if scope.mode == "full" or (scope.mode == "list_of_layers" and layer.name in scope.layer_names):
        return remat(layer.call)
    if scope.mode == "larger_than":
        return remat_if(layer.call, lambda outputs: _size(outputs) > scope.output_size_threshold)
    if scope.mode == "activations" and getattr(layer, "activation", None) is not None:
        return _with_activation(layer)
    return layer.call


def _with_activation(layer: Any) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        plain = layer.activation
        layer.activation = remat(plain)
        try:
            return layer.call(*args, **kwargs)
        finally:
            layer.activation = plain

    return call


def _size(outputs: Any) -> int:
    return sum(math.prod(leaf.shape) for leaf in tree.flatten(outputs) if leaf is not None)
