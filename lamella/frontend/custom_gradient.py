"""`custom_gradient`: a function that says itself how gradients pass it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from lamella import tree
from lamella.errors import GradientError
from lamella.frontend.binding import bind, cast, convert_to_tensor
from lamella.frontend.looping import BodyTrace
from lamella.frontend.state import context, state
from lamella.frontend.tensor import Tensor
from lamella.frontend.tracing import spec_of
from lamella.ir import Builder, Graph, check
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
        call = _Call(lambda values: f(*tree.unflatten(args, values), **kwargs), tensors, getattr(f, "__name__", "f").strip("<>"))
        outputs = bind("call", *tensors, *call.body_trace.lifted, body=call.body, backward=call.backward(), wrt=call.wrt)
        return tree.unflatten(call.result, outputs[: len(call.outputs)])

    return wrapped


class _Call:
    """Traces a function into its body, which also gives what the gradient needs of it, and the gradient into a graph of its own."""

    def __init__(self, function: Callable[[Sequence[Tensor]], tuple[Any, Any]], tensors: Sequence[Tensor], name: str) -> None:
        self.wrt = tuple(i for i, x in enumerate(tensors) if is_float(x.dtype))
        self.body_trace = trace = BodyTrace(name)
        self._given = [trace.input(spec_of(x), f"arg{i}") for i, x in enumerate(tensors)]
        with context(trace):
            self.result, gradient = function(self._given)
            self.outputs = [convert_to_tensor(y) for y in tree.flatten(self.result)]
            self._gradient = BodyTrace(f"{name}_gradient")
            self._trace_gradient(gradient)
            atoms = [trace.atom(y) for y in (*self.outputs, *self._gradient.lifted)]
        self.body = _graph(trace, self._given, atoms, name)

    def _trace_gradient(self, gradient: Callable[[Any], Any]) -> None:
        trace = self._gradient
        self._upstream = [trace.input(spec_of(y), f"upstream{i}") for i, y in enumerate(self.outputs)]
        with context(trace):
            found = tree.flatten(gradient(tree.unflatten(self.result, self._upstream)))
            if len(found) != len(self._given):
                raise GradientError(f"The gradient of {self.body_trace.name!r} must give one gradient for each of "
                                    f"{len(self._given)} arguments, gave {len(found)}.")
            wanted = [(found[i], self._given[i]) for i in self.wrt]
            self._found = [trace.atom(_of_type(g, x)) for g, x in wanted]

    def backward(self) -> Graph:
        """The gradient as `call` wants it: from inputs, outputs and cotangents."""
        inner = _graph(self._gradient, self._upstream, self._found, self._gradient.name)
        b = Builder()
        for var in self.body.inputs:
            b.input(var.type, var.name)
        made = [b.input(atom.type) for atom in self.body.outputs]
        cotangents = [b.input(v.type) if is_float(v.type.dtype) else None for v in made]
        arriving = [b.full(v.type, 0) if ct is None else ct for v, ct in zip(made, cotangents, strict=True)]
        n = len(self.outputs)
        return check(b.build(b.inline(inner, [*arriving[:n], *made[n:]]), inner.name))


def _of_type(gradient: Any, x: Tensor) -> Tensor:
    if gradient is None:
        return bind("broadcast", convert_to_tensor(0, x.dtype), shape=x.shape)
    gradient = cast(gradient, x.dtype)
    return gradient if gradient.shape == x.shape else bind("broadcast", gradient, shape=x.shape)


def _graph(trace: BodyTrace, given: Sequence[Tensor], outputs: Sequence[Any], name: str) -> Graph:
    """A trace's graph: its inputs are the given ones, then what was read from around."""
    own = [x._atom for x in given]
    lifted = [v for v in trace.builder.inputs if v not in set(own)]
    trace.builder.inputs[:] = [*own, *lifted]  # type: ignore[list-item]
    return check(trace.builder.build(outputs, name))
