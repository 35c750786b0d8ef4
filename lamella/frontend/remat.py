"""Rematerialization: compute values again in the reverse pass instead of keeping them."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from lamella.errors import did_you_mean
from lamella.frontend.state import state

R = TypeVar("R")
MODES = ("full", "activations", "larger_than", "list_of_layers")
_numbers = itertools.count()


def remat(f: Callable[..., R]) -> Callable[..., R]:
    """`f`, whose intermediate values are computed again for its gradient.

    In a compiled step the memory of what `f` computes is free again when it returns; the reverse pass reads the arguments of
    `f` (and what else it read: weights, random seeds), which are kept, and computes the rest again when it gets there.
    Values and gradients have the same bits as without, at the price of a second forward pass through `f`. Inside of another
    `remat`, the values are computed again for the outer one and once more for the inner one. Without compiling it is `f` itself.

    Args:
        f: a function of tensors, or a layer.

    Source: keras.remat; Chen et al. 2016, "Training deep nets with sublinear memory cost".

    Example:
        >>> from lamella.frontend import GradientTape, convert_to_tensor
        >>> square = remat(lambda x: x * x)
        >>> x = convert_to_tensor(3.0)
        >>> with GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = square(x)
        >>> float(tape.gradient(y, x))
        6.0
    """

    return remat_if(f, lambda results: True)


def remat_if(f: Callable[..., R], worth: Callable[[R], bool]) -> Callable[..., R]:
    """`remat(f)` for those calls whose results `worth` approves of."""

    @functools.wraps(f, updated=())
    def run(*args: Any, **kwargs: Any) -> R:
        if state.trace is None:
            return f(*args, **kwargs)
        builder = state.trace.builder
        outer, start = builder.region, len(builder.eqns)
        builder.region = (*outer, next(_numbers))
        try:
            results = f(*args, **kwargs)
        finally:
            builder.region = outer
        if not worth(results):
            depth = len(outer)
            builder.eqns[start:] = [replace(e, region=outer + e.region[depth + 1 :]) for e in builder.eqns[start:]]
        return results

    return run


class _Scopes(threading.local):
    def __init__(self) -> None:
        self.stack: list[RematScope] = []


_scopes = _Scopes()


class RematScope:
    """Layers made inside apply `remat` to themselves when they are called.

    A layer that holds others, such as a `Sequential`, is one region with all of them; make a block of layers inside of a scope, and
    only what goes from block to block is kept.

    Args:
        mode: `"full"`: all layers; `"activations"`: only the activation functions of layers that have one;
            `"larger_than"`: layers whose output has more than `output_size_threshold` elements; `"list_of_layers"`:
            those named in `layer_names`; None: none (inside of another scope).
        output_size_threshold: see `mode`.
        layer_names: see `mode`.

    Raises:
        ValueError: an unknown mode.

    Source: keras.RematScope.

    Example:
        >>> with RematScope(mode="list_of_layers", layer_names=["large"]) as scope:
        ...     current_remat_scope() is scope
        True
    """

    def __init__(
        self, mode: str | None = "full", output_size_threshold: int = 1024, layer_names: Sequence[str] | None = None
    ) -> None:
        if mode is not None and mode not in MODES:
            raise ValueError(f"Unknown mode {mode!r} of RematScope. {did_you_mean(mode, MODES)}")
        self.mode, self.output_size_threshold = mode, output_size_threshold
        self.layer_names = list(layer_names or [])

    def __enter__(self) -> RematScope:
        _scopes.stack.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        _scopes.stack.pop()


def current_remat_scope() -> RematScope | None:
    """The innermost open scope."""
    return _scopes.stack[-1] if _scopes.stack else None
