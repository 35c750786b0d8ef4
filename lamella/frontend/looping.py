"""Loops with traced bodies: a Python function of one step becomes the body of the `loop` primitive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.errors import LamellaError, ShapeError
from lamella.frontend.binding import bind, cast, convert_to_tensor, is_number
from lamella.frontend.state import context, state
from lamella.frontend.tensor import Tensor, TensorLike
from lamella.frontend.tracing import TensorSpec, Trace
from lamella.frontend.variable import Variable
from lamella.ir import Atom, Graph, Literal, TensorType, Var, check

Carry = list[Tensor]


class BodyTrace(Trace):
    """The trace of a loop's body: what it reads from around becomes a constant of the loop.

    Attributes:
        lifted: tensors from around, in order of first use.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._outer = state.trace, state.tapes
        self._lifted: dict[int, tuple[Tensor, Var]] = {}
        self._values: dict[Variable, Tensor] = {}

    @property
    def lifted(self) -> list[Tensor]:
        return [tensor for tensor, _ in self._lifted.values()]

    def atom(self, x: TensorLike) -> Atom:
        tensor = self.read(x) if isinstance(x, Variable) else x._tensor()
        if id(tensor) in self._pinned:
            return self._pinned[id(tensor)][1]
        if tensor._trace is self:
            return tensor._atom  # type: ignore[return-value]
        if tensor._array is not None and tensor.shape == () and not self._watched(tensor):
            return Literal(tensor._array[()], tensor.dtype)
        return self._lift(tensor)

    def _watched(self, tensor: Tensor) -> bool:
        """Whether a gradient towards a known number may be wanted."""
        trace, tapes = self._outer
        if isinstance(trace, BodyTrace):
            return trace._watched(tensor) or id(tensor) in trace._pinned
        return bool(tapes) if trace is None else id(tensor) in trace._pinned

    def _lift(self, tensor: Tensor) -> Var:
        if id(tensor) not in self._lifted:  # the tensor is kept, so that its id stays its own
            self._lifted[id(tensor)] = tensor, self.builder.input(tensor._type)
        return self._lifted[id(tensor)][1]

    def read(self, variable: Variable) -> Tensor:
        """The variable's value before the loop."""
        if variable not in self._values:
            with context(*self._outer):
                self._values[variable] = variable.value()
        inner = self.wrap(self._lift(self._values[variable]))
        for tape in state.tapes:
            tape.read(variable, inner)
        return inner

    def assign(self, variable: Variable, value: Tensor) -> None:
        raise LamellaError(
            f"Variable {variable.path!r} can't be assigned inside of {self.name!r}, the body of a loop or of a function with "
            "its own gradient: only what it returns gets out. Return the value (a loop: carry it as state) and assign it "
            "afterwards; draw the seed or mask of random numbers before."
        )


def loop(lo: Any, hi: Any, step: Callable[..., Carry], carry: Sequence[Tensor], name: str = "body") -> Carry:
    """`for i in [lo, hi): carry = step(i, *carry)`, as one `loop` equation.

    Args:
        lo, hi: int64 scalars; gradients need numbers.
        step: function of tensors; `i` is an int64 scalar. Returns tensors of the types of `carry`.
        carry: values before the first step.
        name: of the body, for messages.

    Raises:
        ShapeError: a step returns other types than it gets.
        LamellaError: a step assigns a variable.

    Example:
        >>> (total,) = loop(0, 5, lambda i, x: [x + 2.0], [convert_to_tensor(1.0)])
        >>> total.item()
        11.0
    """
    graph, consts, _ = trace_body(step, carry, name)
    return list(bind("loop", _bound(lo), _bound(hi), *carry, *consts, body=graph, n_carry=len(carry)))


def scan_loop(
    steps: int, step: Callable[..., tuple[Carry, Carry]], carry: Sequence[Tensor], reverse: bool = False,
    name: str = "scan",
) -> tuple[Carry, Carry]:
    """A loop whose steps also give rows: `carry, rows[i] = step(i, *carry)`.

    Args:
        steps: number of steps; `i` runs from 0, or down to 0 if `reverse`.
        step: function of tensors that returns the new carry and this step's rows.
        carry: values before the first step.
        reverse: whether the last row is made first.
        name: of the body, for messages.

    Returns:
        The carry after the last step, and the rows, stacked: shape (steps, ...).
    """
    buffers: list[TensorType] = []

    def body(index: Tensor, *values: Tensor) -> Carry:
        at = bind("sub", convert_to_tensor(steps - 1, "int64"), index) if reverse else index
        after, rows = step(at, *values)
        _check_carry(name, values, after)
        rows = [convert_to_tensor(row) for row in rows]
        written = []
        for row in rows:
            buffers.append(TensorType((steps, *row.shape), row.dtype))
            buffer = state.trace.wrap(state.trace.builder.input(buffers[-1]))
            written.append(bind("dynamic_update_slice", buffer, bind("reshape", row, shape=(1, *row.shape)), at)
                           if steps else buffer)
        return [*after, *written]

    graph, consts, n = trace_body(body, carry, name)
    empty = [_zeros(t) for t in buffers]
    if not steps:
        return list(carry), empty
    results = bind("loop", _bound(0), _bound(steps), *carry, *empty, *consts, body=graph, n_carry=n)
    return list(results[: len(carry)]), list(results[len(carry) :])


def trace_body(
    step: Callable[..., Carry], carry: Sequence[Tensor], name: str
) -> tuple[Graph, list[Tensor], int]:
    """The graph `(i, carry..., constants...) -> carry`, the constants, and the number of carries.

    A step may return more than it gets: values made of inputs that it added to the trace itself, which follow `carry`.
    """
    inner = BodyTrace(name)
    index = inner.input(TensorSpec((), "int64"), "i")
    given = [inner.input(TensorSpec(x.shape, x.dtype), f"carry{i}") for i, x in enumerate(carry)]
    with context(inner):
        results = step(index, *given)
        if len(results) == len(given):
            _check_carry(name, given, results)
        outputs = [inner.atom(_as_tensor(x, v)) for x, v in _paired(results, given)]
    builder = inner.builder
    consts = [v for _, v in inner._lifted.values()]
    own = [v for v in builder.inputs if v not in set(consts)]
    builder.inputs[:] = [*own, *consts]
    return check(builder.build(outputs, name)), inner.lifted, len(outputs)


def _paired(results: Sequence[Any], given: Sequence[Tensor]) -> list[tuple[Any, Tensor | None]]:
    return [(x, given[i] if i < len(given) else None) for i, x in enumerate(results)]


def _as_tensor(x: Any, like: Tensor | None) -> Tensor:
    return convert_to_tensor(x, like.dtype) if is_number(x) and like is not None else convert_to_tensor(x)


def _check_carry(name: str, before: Sequence[Tensor], after: Sequence[Any]) -> None:
    if len(before) != len(after):
        raise ShapeError(f"A step of {name!r} must return the {len(before)} values it carries, returned {len(after)}.")
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        new = _as_tensor(new, old)
        if old._type != new._type:
            raise ShapeError(
                f"A step of {name!r} must return its carry with the same types; value {i} comes in as {old._type} and "
                f"goes out as {new._type}."
            )


def _bound(x: Any) -> Tensor:
    x = convert_to_tensor(x)
    if x.shape != () or "int" not in x.dtype:
        raise ShapeError(f"The bounds of a loop must be integer scalars, received {x._type}.")
    if x._array is not None:  # a number, also where a cast would be traced
        return convert_to_tensor(np.asarray(x._array, np.int64))
    return cast(x, "int64")


def _zeros(type: TensorType) -> Tensor:
    return bind("broadcast", convert_to_tensor(0, type.dtype), shape=type.shape)
