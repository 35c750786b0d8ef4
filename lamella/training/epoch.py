"""One epoch as one program: the graph of a step, wrapped in the `loop` primitive over batches.

    epoch(lo, hi, data..., order, buffers..., written..., read...) {
      buffers, written = loop[body](min(lo, full), min(hi, full), ...)      all full batches
      buffers, written = loop[rest](max(lo, full), max(hi, full), ...)      the smaller last batch
      return buffers, written
    }

`lo` and `hi` are inputs, so the same executable runs a whole epoch or a single step. Everything that changes is carried
and donated: the variables stay in their own memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lamella.frontend import Traced, Variable
from lamella.ir import Atom, Builder, Graph, TensorType, Var

INDEX = TensorType((), "int64")


@dataclass(frozen=True)
class Step:
    """The traced step for one batch size.

    Attributes:
        size: rows of a batch.
        traced: inputs are the batch's leaves, then variables.
        keep: positions of the results that are written to buffers.
    """

    size: int
    traced: Traced
    keep: tuple[int, ...]

    @property
    def result_types(self) -> list[TensorType]:
        return [self.traced.graph.outputs[i].type for i in self.keep]

    @property
    def written(self) -> list[Variable]:
        return [self.traced.variables[i] for i in self.traced.assigned]

    def pruned(self) -> Graph:
        """The step's graph with the kept results and the assigned variables as outputs, without what nobody needs."""
        graph = self.traced.graph
        return prune(graph, [graph.outputs[i] for i in self.keep] + list(graph.outputs[self.traced.n_results :]))


@dataclass(frozen=True)
class Layout:
    """What the program of an epoch looks like from outside.

    Attributes:
        arrays: types of the whole data arrays, `n` rows each.
        n: number of rows.
        batch_size: rows of a full batch.
        shuffled: whether rows are read through a permutation.
        buffers: types of the arrays that collect results.
        by_row: results of a step fill the rows of its samples (predictions) and not row `i` (losses).
    """

    arrays: tuple[TensorType, ...]
    n: int
    batch_size: int
    shuffled: bool
    buffers: tuple[TensorType, ...]
    by_row: bool


@dataclass(frozen=True)
class EpochGraph:
    """The program and the variables behind its last inputs: first those that it writes, then those that it reads."""

    graph: Graph
    written: tuple[Variable, ...]
    read: tuple[Variable, ...]
    donate: dict[int, int]


def epoch_graph(steps: Sequence[Step], layout: Layout, name: str) -> EpochGraph:
    """Wrap one or two steps (full batches, the smaller last one) into the program of an epoch."""
    written = tuple(dict.fromkeys(v for step in steps for v in step.written))
    read = tuple(v for v in dict.fromkeys(v for step in steps for v in step.traced.variables) if v not in set(written))
    b = Builder()
    lo, hi = b.input(INDEX, "lo"), b.input(INDEX, "hi")
    data: list[Atom] = [b.input(t, f"data{i}") for i, t in enumerate(layout.arrays)]
    order: list[Atom] = [b.input(TensorType((layout.n,), "int64"), "order")] if layout.shuffled else []
    first = len(b.inputs)
    carry: list[Atom] = [b.input(t, f"buffer{i}") for i, t in enumerate(layout.buffers)]
    carry += [_variable_input(b, v) for v in written]
    consts: list[Atom] = [*data, *order, *(_variable_input(b, v) for v in read)]
    full = b.literal(layout.n // layout.batch_size, "int64")
    for step in steps:
        limit = b.min if step.size == layout.batch_size else b.max
        bounds = (lo, hi) if len(steps) == 1 else (limit(lo, full), limit(hi, full))
        body = _loop_body(step, layout, written, read)
        carry = list(b.loop(*bounds, *carry, *consts, body=body, n_carry=len(carry)))
    return EpochGraph(b.build(carry, name), written, read, {i: first + i for i in range(len(carry))})


def _loop_body(step: Step, layout: Layout, written: Sequence[Variable], read: Sequence[Variable]) -> Graph:
    """`body(i, buffers..., written..., data..., order, read...)`: read batch `i`, run the step, write what changed."""
    b = Builder()
    i = b.input(INDEX, "i")
    buffers: list[Atom] = [b.input(t, f"buffer{k}") for k, t in enumerate(layout.buffers)]
    values: dict[Variable, Atom] = {v: _variable_input(b, v) for v in written}
    data: list[Atom] = [b.input(t, f"data{k}") for k, t in enumerate(layout.arrays)]
    order = b.input(TensorType((layout.n,), "int64"), "order") if layout.shuffled else None
    values |= {v: _variable_input(b, v) for v in read}
    start = b.mul(i, b.literal(layout.batch_size, "int64"))
    outputs = b.inline(
        step.pruned(), _batch(b, data, order, start, step.size) + [values[v] for v in step.traced.variables]
    )
    for k, result in enumerate(outputs[: len(step.keep)]):
        row = (
            result
            if layout.by_row
            else b.reshape_to(b.cast_to(result, layout.buffers[k].dtype), (1, *result.type.shape))
        )
        buffers[k] = b.dynamic_update_slice(buffers[k], row, start if layout.by_row else i)
    values |= dict(zip(step.written, outputs[len(step.keep) :], strict=True))
    return b.build(buffers + [values[v] for v in written], f"{step.traced.graph.name}_{step.size}")


def _batch(b: Builder, data: Sequence[Atom], order: Var | None, start: Atom, size: int) -> list[Atom]:
    """Rows `start ... start + size` of each array, through the permutation if there is one."""
    if order is None:
        return [b.dynamic_slice(array, start, size=size) for array in data]
    rows = b.dynamic_slice(order, start, size=size)
    return [b.gather(array, rows) for array in data]


def _variable_input(b: Builder, variable: Variable) -> Var:
    return b.input(TensorType(tuple(variable.shape), variable.dtype), variable.path)


def prune(graph: Graph, outputs: Sequence[Atom]) -> Graph:
    """The graph with other outputs and without the equations that none of them needs."""
    needed = {atom for atom in outputs if isinstance(atom, Var)}
    kept = []
    for eqn in reversed(graph.eqns):
        if needed.intersection(eqn.outputs):
            kept.append(eqn)
            needed.update(atom for atom in eqn.inputs if isinstance(atom, Var))
    return Graph(graph.inputs, tuple(reversed(kept)), tuple(outputs), graph.name)
