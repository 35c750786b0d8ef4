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
        outputs = bind("call", *tensors, *call.trace.lifted, body=call.body, backward=call.backward(), wrt=call.wrt)
        return tree.unflatten(call.result, outputs)

    return wrapped


class _Call:
    """Traces a function into its body, and the gradient, which may use whatever the function computed, into a graph of its own."""

    def __init__(self, function: Callable[[Sequence[Tensor]], tuple[Any, Any]], tensors: Sequence[Tensor], name: str) -> None:
        self.wrt = tuple(i for i, x in enumerate(tensors) if is_float(x.dtype))
        self.trace = BodyTrace(name)
        self._given = [self.trace.input(spec_of(x), f"arg{i}") for i, x in enumerate(tensors)]
        with context(self.trace):
            self.result, gradient = function(self._given)
            outputs = [convert_to_tensor(y) for y in tree.flatten(self.result)]
            self._inner, used = self._trace_gradient(gradient, outputs)
            atoms = [self.trace.atom(y) for y in outputs]
            self._used = tuple(map(self.trace.atom, used))
        self.body = _graph(self.trace, self._given, atoms)

    def _trace_gradient(self, gradient: Callable[[Any], Any], outputs: Sequence[Tensor]) -> tuple[Graph, list[Tensor]]:
        """The gradient's graph, from cotangents and tensors of the function; and these."""
        trace = BodyTrace(f"{self.trace.name}_gradient")
        upstream = [trace.input(spec_of(y), f"upstream{i}") for i, y in enumerate(outputs)]
        with context(trace):
            found = tree.flatten(gradient(tree.unflatten(self.result, upstream)))
            if len(found) != len(self._given):
                raise GradientError(f"The gradient of {self.trace.name!r} must give one gradient for each of {len(self._given)} "
                                    f"arguments, gave {len(found)}.")
            atoms = [trace.atom(_of_type(found[i], self._given[i])) for i in self.wrt]
        return _graph(trace, upstream, atoms), trace.lifted

    def backward(self) -> Graph:
        """The gradient as `call` wants it: it computes again what it uses of the function, so that this has derivatives, too."""
        b = Builder()
        inputs = [b.input(v.type, v.name) for v in self.body.inputs]
        types = [atom.type for atom in self.body.outputs]
        cotangents = [b.input(t) if is_float(t.dtype) else b.full(t, 0) for t in types]
        used = b.inline(Graph(self.body.inputs, self.body.eqns, self._used), inputs)
        return check(b.build(b.inline(self._inner, [*cotangents, *used]), self._inner.name))


def _of_type(gradient: Any, x: Tensor) -> Tensor:
    gradient = convert_to_tensor(0.0 if gradient is None else gradient, x.dtype)
    return gradient if gradient.shape == x.shape else bind("broadcast", gradient, shape=x.shape)


def _graph(trace: BodyTrace, given: Sequence[Tensor], outputs: Sequence[Any]) -> Graph:
    """A trace's graph: its inputs are the given ones, then what was read from around."""
    own = [x._atom for x in given]
    lifted = [v for v in trace.builder.inputs if v not in set(own)]
    trace.builder.inputs[:] = [*own, *lifted]  # type: ignore[list-item]
    return check(trace.builder.build(outputs, trace.name))
