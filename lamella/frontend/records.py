"""What a tape remembers: operations with their values (eagerly), or a stretch of a trace's equations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.frontend.binding import bind
from lamella.frontend.tensor import Tensor
from lamella.ir import Atom, Builder, Eqn, Literal, TensorType, Var
from lamella.ir.types import is_float

Backward = Callable[..., list[Any]]
Pairs = Sequence[tuple[Tensor, Tensor]]


class EagerRecords:
    """Operations that depend on something watched, with their values."""

    def __init__(self) -> None:
        self._eqns: list[Eqn] = []
        self._vars: dict[int, Var] = {}  # by id of a tensor, which `_values` keeps alive
        self._values: dict[Var, Tensor] = {}
        self._active: set[int] = set()

    def resume(self) -> None:
        """Eager operations arrive one by one; nothing to mark."""

    def pause(self) -> None:
        """See `resume`."""

    def watch(self, tensor: Tensor) -> None:
        self._var(tensor)
        self._active.add(id(tensor))

    def _var(self, tensor: Tensor) -> Var:
        var = self._vars.get(id(tensor))
        if var is None:
            var = self._vars[id(tensor)] = Var(TensorType(tensor.shape, tensor.dtype))
            self._values[var] = tensor
        return var

    def record(
        self, primitive: Any, inputs: Sequence[Tensor], params: dict[str, Any], outputs: Sequence[Tensor]
    ) -> None:
        if not any(id(x) in self._active for x in inputs):
            return
        self._active.update(id(y) for y in outputs if is_float(y.dtype))
        atoms: list[Atom] = list(map(self._var, inputs))
        if primitive.name == "loop":  # its gradient needs to know the bounds
            atoms[:2] = [Literal(x._concrete(), x.dtype) for x in inputs[:2]]
        self._eqns.append(Eqn(primitive, tuple(atoms), params, tuple(map(self._var, outputs))))

    def gradients(self, targets: Pairs, sources: Sequence[Tensor], backward: Backward) -> list[Tensor | None]:
        """The gradient towards each source, None where nothing watched connects."""
        b = Builder()
        b.eqns.extend(self._eqns)
        wanted = [s for s in sources if id(s) in self._active]
        cts, values = _cotangents(b, [(self._var(t), ct) for t, ct in targets if id(t) in self._active])
        atoms = backward(b, self._eqns, cts, [self._vars[id(s)] for s in wanted])
        known = set(map(id, self._eqns))  # the reverse pass may have replaced some
        tensors = _run([e for e in b.eqns if id(e) not in known], {**self._values, **values}, atoms)
        found = dict(zip(map(id, wanted), tensors, strict=True))
        return [found.get(id(s)) for s in sources]


def _cotangents(b: Builder, pairs: Sequence[tuple[Var, Tensor]]) -> tuple[dict[Var, Atom], dict[Var, Tensor]]:
    """A variable for each arriving gradient; the same target given twice counts twice."""
    cts: dict[Var, Atom] = {}
    values: dict[Var, Tensor] = {}
    for var, ct in pairs:
        new = Var(var.type)
        values[new] = ct
        cts[var] = b.add(cts[var], new) if var in cts else new
    return cts, values


def _run(eqns: Sequence[Eqn], env: dict[Var, Tensor], atoms: Sequence[Atom | None]) -> list[Tensor | None]:
    """Evaluate through `bind` what `atoms` need of `eqns`."""
    needed = {a for a in atoms if isinstance(a, Var)}
    kept = []
    for eqn in reversed(eqns):
        if any(v in needed for v in eqn.outputs):
            kept.append(eqn)
            needed.update(a for a in eqn.inputs if isinstance(a, Var))

    def read(atom: Atom | None) -> Tensor | None:
        return env[atom] if isinstance(atom, Var) else literal(atom) if atom is not None else None

    for eqn in reversed(kept):
        out = bind(eqn.primitive.name, *map(read, eqn.inputs), **eqn.params)
        env.update(zip(eqn.outputs, out if isinstance(out, tuple) else (out,), strict=True))
    return [read(a) for a in atoms]


def literal(atom: Literal) -> Tensor:
    """A literal of a graph as an eager tensor."""
    return Tensor(np.asarray(atom.value))


class TraceRecords:
    """The equations of a trace while the tape was open."""

    def __init__(self, trace: Any) -> None:
        self._trace = trace
        # Each span as the equations before its start and its stop; an open span has no stop. Equations are known by
        # their first outputs, as a reverse pass inside of the span may insert some and replace others.
        self._spans: list[list[Var | None]] = []
        self._watched: set[Var] = set()

    def resume(self) -> None:
        self._spans.append([self._last()])

    def pause(self) -> None:
        self._spans[-1].append(self._last())

    def _last(self) -> Var | None:
        eqns = self._trace.builder.eqns
        return eqns[-1].outputs[0] if eqns else None

    def _recorded(self) -> list[Eqn]:
        eqns = self._trace.builder.eqns
        after: dict[Var | None, int] = {e.outputs[0]: i + 1 for i, e in enumerate(eqns)} | {None: 0}
        ends = [[after[v] for v in span] + [len(eqns)] for span in self._spans]
        return [e for start, stop, *_ in ends for e in eqns[start:stop]]

    def watch(self, tensor: Tensor) -> None:
        self._watched.add(self._trace.pin(tensor))

    def record(self, *_: Any) -> None:
        """The trace itself keeps the equations."""

    def gradients(self, targets: Pairs, sources: Sequence[Tensor], backward: Backward) -> list[Tensor | None]:
        """The gradient towards each source, None where nothing watched connects."""
        b = self._trace.builder
        eqns = self._recorded()
        active = set(self._watched)
        for eqn in eqns:
            if any(isinstance(x, Var) and x in active for x in eqn.inputs):
                active.update(v for v in eqn.outputs if is_float(v.dtype))
        atoms = [self._trace.atom(s) for s in sources]
        wanted = list(dict.fromkeys(a for a in atoms if isinstance(a, Var) and a in active))
        cts: dict[Var, Atom] = {}
        for target, ct in targets:
            var, arriving = self._trace.atom(target), self._trace.atom(ct)
            if isinstance(var, Var) and var in active:
                cts[var] = b.add(cts[var], arriving) if var in cts else arriving
        grads = dict(zip(wanted, backward(b, eqns, cts, wanted), strict=True))
        found = [grads.get(a) if isinstance(a, Var) else None for a in atoms]
        return [None if g is None else self._trace.wrap(g) for g in found]
