"""`custom_gradient`: a function that says itself how gradients pass it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from lamella import tree
from lamella.errors import GradientError
from lamella.frontend.binding import bind, convert_to_tensor
from lamella.frontend.looping import BodyTrace
from lamella.frontend.state import context, state
from lamella.frontend.tensor import Tensor
from lamella.frontend.tracing import spec_of
from lamella.ir import check
from lamella.ir.types import is_float


def custom_gradient(f: Callable[..., tuple[Any, Callable[..., Any]]]) -> Callable[..., Any]:
    """A function with a gradient of its own.

    Args:
        f: function of tensors (or trees of them; arguments by keyword are passed on as they are) that returns its result and
            a function: from the gradient arriving at the result to one gradient per argument. Gradients reach arguments only,
            not variables that `f` reads.

    Returns:
        The function that gives the result alone.

    Raises:
        GradientError: when a gradient is asked for: another number of gradients than of arguments.

    Source:
        keras.ops.custom_gradient.

    Example:
        >>> double = custom_gradient(lambda x: (x, lambda upstream: upstream * 2.0))
        >>> from lamella.frontend import GradientTape
        >>> x = convert_to_tensor(3.0)
        >>> with GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = double(x)
        >>> tape.gradient(y, x).item()
        2.0
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if state.trace is None and not state.tapes:
            return f(*args, **kwargs)[0]
        tensors = [convert_to_tensor(x) for x in tree.flatten(args)]
        result, gradient = f(*tree.unflatten(args, tensors), **kwargs)
        outputs = [convert_to_tensor(y) for y in tree.flatten(result)]
        floats = [x for x in tensors if is_float(x.dtype)]
        inner = BodyTrace(f"{getattr(f, '__name__', 'f').strip('<>')}_gradient")
        upstream = [inner.input(spec_of(y), f"upstream{i}") for i, y in enumerate(outputs)]
        with context(inner):
            found = tree.flatten(gradient(tree.unflatten(result, upstream)))
            leaving = [inner.atom(g) for g in _checked(inner.name, tensors, found)]
        graph = check(inner.builder.build(leaving, inner.name))
        results = bind("custom_gradient", *outputs, *floats, *inner.lifted, n_out=len(outputs), n_args=len(floats), gradient=graph)
        return tree.unflatten(result, list(results))

    return wrapped


def _checked(name: str, args: Sequence[Tensor], gradients: Sequence[Any]) -> list[Tensor]:
    """The gradients of the float arguments, each of its argument's type."""
    if len(gradients) != len(args):
        raise GradientError(f"{name!r} must give one gradient for each of {len(args)} arguments, gave {len(gradients)}.")
    return [_of_type(g, x) for g, x in zip(gradients, args, strict=True) if is_float(x.dtype)]


def _of_type(gradient: Any, x: Tensor) -> Tensor:
    gradient = convert_to_tensor(0.0 if gradient is None else gradient, x.dtype)
    return gradient if gradient.shape == x.shape else bind("broadcast", gradient, shape=x.shape)
