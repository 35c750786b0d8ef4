"""Functions that bring their own gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lamella import tree
from lamella.errors import ShapeError
from lamella.frontend.binding import bind, convert_to_tensor
from lamella.frontend.looping import BodyTrace
from lamella.frontend.state import context, state
from lamella.frontend.tensor import Tensor
from lamella.frontend.tracing import TensorSpec
from lamella.ir import check
from lamella.ir.types import is_float


def custom_gradient(f: Callable[..., tuple[Any, Callable[..., Any]]]) -> Callable[..., Any]:
    """A function that brings its own gradient.

    Args:
        f: function of tensors; returns `(outputs, gradient)`. `gradient` gets the gradient that arrives at each output and returns
            one per argument, of the argument's shape and dtype (None: zero); it may use whatever `f` computed.

    Raises:
        ShapeError: a gradient is not of its argument's type.

    Source:
        As `keras.ops.custom_gradient`.

    Example:
        >>> from lamella import GradientTape
        >>> @custom_gradient
        ... def log1pexp(x):
        ...     e = exp(x)
        ...     return log1p(e), lambda upstream: upstream * (1 - 1 / (1 + e))
        >>> from lamella.ops import exp, log1p
        >>> x = convert_to_tensor(100.0)
        >>> with GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = log1pexp(x)
        >>> tape.gradient(y, x).item()
        1.0
    """

    @functools.wraps(f)
    def wrapped(*args: Any) -> Any:
        tensors = [convert_to_tensor(x) for x in args]
        outputs, gradient = f(*tensors)
        if state.trace is None and not state.tapes:
            return outputs
        flat = [convert_to_tensor(x) for x in tree.flatten(outputs)]
        floats = [x for x in tensors if is_float(x.dtype)]
        inner = BodyTrace(f"{getattr(f, '__name__', 'custom')}_gradient")
        arriving = [inner.input(TensorSpec(x.shape, x.dtype), f"upstream{i}") for i, x in enumerate(flat)]
        with context(inner):
            found = gradient(*arriving)
            found = [found] if not isinstance(found, (list, tuple)) else list(found)
            leaving = [inner.atom(g) for g in _checked(inner.name, tensors, found)]
        graph = check(inner.builder.build(leaving, inner.name))
        results = bind("custom_gradient", *flat, *floats, *inner.lifted, n_out=len(flat), n_args=len(floats), gradient=graph)
        return tree.unflatten(outputs, list(results)) if isinstance(outputs, (list, tuple, dict)) else results[0]

    return wrapped


def _checked(name: str, args: list[Tensor], gradients: list[Any]) -> list[Tensor]:
    """The gradients of the float arguments."""
    if len(gradients) != len(args):
        raise ShapeError(f"{name} must return a gradient for each of {len(args)} arguments, returned {len(gradients)}.")
    result = []
    for position, (x, g) in enumerate(zip(args, gradients, strict=True)):
        if not is_float(x.dtype):
            continue
        g = convert_to_tensor(0 if g is None else g, x.dtype)
        if g.shape != x.shape:
            if g.shape:
                raise ShapeError(f"{name}: the gradient of argument {position} must have its shape {x.shape}, has {g.shape}.")
            g = bind("broadcast", g, shape=x.shape)
        result.append(g)
    return result
