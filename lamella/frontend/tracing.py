"""Tracing: run a Python function on tensors without values; what it does to them becomes a graph."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from lamella import executor, tree
from lamella.errors import LamellaError
from lamella.frontend.binding import convert_to_tensor, is_number
from lamella.frontend.dtypes import standardize_dtype
from lamella.frontend.stages import Lowered
from lamella.frontend.state import context, state
from lamella.frontend.tensor import Tensor, TensorLike
from lamella.frontend.value_checks import Check, on_inputs
from lamella.frontend.variable import Variable
from lamella.ir import Atom, Builder, Eqn, Graph, Literal, Source, TensorType, Var, check, dtype_name, format_graph

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@dataclass(frozen=True)
class TensorSpec:
    """Shape and dtype of a tensor that is not there yet.

    Example:
        >>> TensorSpec((32, 784))
        TensorSpec(shape=(32, 784), dtype='float32', name='')
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "dtype", standardize_dtype(self.dtype))


class Trace:
    """A graph in the making: its builder, and what it read from and assigned to variables.

    Attributes:
        captured: variables that became graph inputs, in order of first use.
        assigned: the last value that was assigned to a variable.
        checks: atoms and what is to look at their values.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.builder = Builder()
        self.checks: list[tuple[Atom, Check]] = []
        self.captured: dict[Variable, Tensor] = {}
        self.assigned: dict[Variable, Tensor] = {}
        self._pinned: dict[int, tuple[Tensor, Var]] = {}
        self._constants: dict[int, tuple[Tensor, Variable]] = {}

    def input(self, spec: TensorSpec, name: str) -> Tensor:
        return self.wrap(self.builder.input(TensorType(spec.shape, spec.dtype), spec.name or name))

    def emit(self, name: str, values: Sequence[TensorLike], params: dict[str, Any]) -> Any:
        """Append an equation; a tensor, or a tuple of them."""
        atoms = [self.atom(x) for x in values]
        self.builder.source = _source(_user_place(), state.scope)
        result = self.builder.emit(name, *atoms, **params)
        return tuple(map(self.wrap, result)) if isinstance(result, tuple) else self.wrap(result)

    def wrap(self, atom: Atom) -> Tensor:
        return Tensor(None, atom, self)

    def atom(self, x: TensorLike) -> Atom:
        """What stands for `x` in this graph; arrays from outside become literals or captured constants."""
        tensor = x._tensor()
        if id(tensor) in self._pinned:
            return self._pinned[id(tensor)][1]
        if tensor._trace is self:
            return tensor._atom  # type: ignore[return-value]
        if tensor._array is None:
            raise LamellaError(
                f"A tensor ({tensor._type}) of the trace of {tensor._trace.name!r} was used in the trace "
                f"of {self.name!r}. "
                "Pass it as an argument, or keep state in a Variable."
            )
        if tensor.shape == ():
            return Literal(tensor._array[()], tensor.dtype)
        return self._capture(self._constant(tensor))._atom  # type: ignore[return-value]

    def pin(self, tensor: Tensor) -> Var:
        """A variable that stands for `tensor` from now on, even if it is a number, so that gradients can reach it."""
        atom = self.atom(tensor)
        if not isinstance(atom, Var):
            atom = self.emit("stop_gradient", [tensor], {})._atom
            self._pinned[id(tensor)] = tensor, atom
        return atom

    def _constant(self, tensor: Tensor) -> Variable:
        if id(tensor) not in self._constants:  # the tensor is kept, so that its id stays its own
            with context(None):
                self._constants[id(tensor)] = tensor, Variable(tensor, trainable=False, name="constant")
        return self._constants[id(tensor)][1]

    def _capture(self, variable: Variable) -> Tensor:
        if variable not in self.captured:
            self.captured[variable] = self.wrap(
                self.builder.input(TensorType(variable.shape, variable._dtype), variable.path)
            )
        return self.captured[variable]

    def read(self, variable: Variable) -> Tensor:
        """The variable's value at this point of the program."""
        initial = self._capture(variable)
        value = self.assigned.get(variable, initial)
        if state.tapes:
            if variable in self.assigned:  # gradients reach the variable, not what it was computed from
                value = self.emit("stop_gradient", [value], {})
            for tape in state.tapes:
                tape.read(variable, value)
        return value

    def assign(self, variable: Variable, value: Tensor) -> None:
        self._capture(variable)
        self.assigned[variable] = value if value._trace is self else self.wrap(self.atom(value))

    def source_of(self, tensor: Tensor) -> Source:
        """Where the equation that made a tensor stands in the user's code."""
        made = (e.source for e in self.builder.eqns if any(v is tensor._atom for v in e.outputs))
        return next(made, None) or Source()


@cache
def _source(place: str, scope: str) -> Source:
    return Source(place, scope)


def _user_place() -> str:
    """`file:line` of the innermost frame outside this package."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back  # type: ignore[assignment]
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""


@dataclass
class Traced:
    """The graph of a function, and how it hangs together with Python.

    Attributes:
        graph: inputs are the specs' leaves, then `variables`; outputs are the tensors among the results, then the
            new value of each variable in `assigned`.
        variables: captured variables (constants among them, as variables that nobody else holds), in order of first
            use.
        assigned: positions in `variables` of those that get a new value.
        structure: tree of the results; a `TensorSpec` stands for each tensor, other leaves (such as None) stand for
            themselves.
        n_inputs: number of inputs that are not variables.
        checks: position of an input, and what must look at its values before each run.
    """

    graph: Graph
    variables: list[Variable]
    assigned: list[int]
    structure: Any
    n_inputs: int
    checks: list[tuple[int, Check]]

    def check_inputs(self, arrays: Sequence[np.ndarray]) -> None:
        """Let the checks look at the inputs that are not variables."""
        for position, look in self.checks:
            look(arrays[position])

    @property
    def n_results(self) -> int:
        """Number of outputs that are not variables."""
        return len(self.graph.outputs) - len(self.assigned)

    @property
    def donate(self) -> dict[int, int]:
        """`{output index: input index}` of the assigned variables."""
        return {self.n_results + i: self.n_inputs + position for i, position in enumerate(self.assigned)}

    def unflatten(self, results: Sequence[Any]) -> Any:
        """The tree of the results with one of `results` in place of each tensor."""
        leaves = iter(results)
        return tree.map_structure(lambda leaf: next(leaves) if isinstance(leaf, TensorSpec) else leaf, self.structure)

    def lower(self, target: str | None = None) -> Lowered:
        """Compile; the result shows the schedule and the machine code."""
        return Lowered(self, executor.compile(self.graph, self.donate, target))

    def text(self, sources: bool = False) -> str:
        """The graph, printed; `sources` adds the user's line and the layer of each equation."""
        return format_graph(self.graph, sources)


def trace(fn: Callable[..., Any], specs: Sequence[Any], name: str = "") -> Traced:
    """Trace `fn(*specs)`.

    Args:
        fn: function of tensors; a result may be any tree of tensors, numbers, arrays and None.
        specs: one tree of `TensorSpec` per argument; other leaves are passed on as they are.
        name: of the graph, for messages.

    Raises:
        LamellaError: the function returns what is neither tensor nor number nor None.

    Example:
        >>> print(trace(lambda x: x + 1, [TensorSpec((3,))], "f").text())
        f(v0:float32[3]) {
          v1:float32[3] = add v0 1.0:float32
          return v1
        }
    """
    tracer = Trace(name or getattr(fn, "__name__", "graph").strip("<>"))
    args = [
        tree.map_structure(lambda s, i=i: tracer.input(s, f"arg{i}") if isinstance(s, TensorSpec) else s, spec)
        for i, spec in enumerate(specs)
    ]
    n_inputs = len(tracer.builder.inputs)
    with context(tracer):
        result = tree.map_structure(lambda leaf: _result(leaf, tracer.name), fn(*args))
        tensors = [leaf for leaf in tree.flatten(result) if isinstance(leaf, Tensor)]
        outputs = [tracer.atom(t) for t in tensors]
    structure = tree.map_structure(lambda t: TensorSpec(t.shape, t.dtype) if isinstance(t, Tensor) else t, result)
    variables = list(tracer.captured)
    assigned = [i for i, v in enumerate(variables) if v in tracer.assigned]
    outputs += [tracer.atom(tracer.assigned[variables[i]]) for i in assigned]
    checks = on_inputs(tracer.checks, tracer.builder.eqns, tracer.builder.inputs[:n_inputs])
    tracer.builder.eqns[:] = _live(tracer.builder.eqns, outputs)
    graph = check(tracer.builder.build(outputs, tracer.name))
    return Traced(graph, variables, assigned, structure, n_inputs, checks)


def _live(eqns: Sequence[Eqn], outputs: Sequence[Atom]) -> list[Eqn]:
    """Without equations that no output needs, such as gradients towards the input images."""
    needed = set(outputs)
    kept = []
    for eqn in reversed(eqns):
        if not needed.isdisjoint(eqn.outputs):
            kept.append(eqn)
            needed.update(eqn.inputs)
    return kept[::-1]


def _result(leaf: Any, name: str) -> Any:
    if leaf is None or isinstance(leaf, str):
        return leaf
    if isinstance(leaf, TensorLike) or is_number(leaf) or isinstance(leaf, np.ndarray):
        return convert_to_tensor(leaf)
    raise LamellaError(
        f"{name!r} returned a {type(leaf).__name__}; a traced function returns tensors, numbers, None, and lists, "
        "tuples and dicts of them."
    )


def spec_of(x: TensorLike | np.ndarray) -> TensorSpec:
    """The spec of a tensor, a variable or a numpy array."""
    return TensorSpec(x.shape, dtype_name(x.dtype))
