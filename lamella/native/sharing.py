"""Which clusters have the same kernel, before it is emitted.

A thousand parameters of one shape have a thousand equal updates. A cluster's *signature* is all that its kernel's text depends on,
with variables and buffers numbered as they are met; equal signatures share one kernel, called with other buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace

from lamella.ir import Atom, Eqn, Literal, Var
from lamella.native.clusters import Cluster
from lamella.native.indexing import Index
from lamella.native.kernel import Kernel
from lamella.native.plan import Buffer, Plan


class Signature:
    """Walks a cluster as `Evaluator.value` does: from members and stores down to memory.

    Attributes:
        key: equal for clusters with equal kernels.
        buffers: that the kernel may take, in the order of the walk.
    """

    def __init__(self, plan: Plan, cluster: Cluster, names: dict[int, str]) -> None:
        """`names` keeps the texts of parameters from cluster to cluster."""
        self._plan, self._cluster, self._names = plan, cluster, names
        self._numbers: dict[Var, int] = {}
        self._seen: set[Var] = set()
        self._places: dict[Buffer | None, int] = {}
        self._parts: list[Hashable] = [cluster.kind, cluster.shape, cluster.columns, cluster.blocks]
        for eqn in cluster.members:
            self._parts.append("member")
            self._member(eqn)
        for store in cluster.stores:
            self._parts += ["store", store.part]
            self._atom(store.value)
            self._memory(store.target)
            self._index(store.index)
        self.key = tuple(self._parts)

    @property
    def buffers(self) -> list[Buffer | None]:
        return list(self._places)

    def _member(self, eqn: Eqn) -> None:
        fusion, kind = self._plan.fusion, self._cluster.kind
        if kind == "contract" and eqn is self._cluster.anchor:
            for var, start in map(fusion.operand, eqn.inputs):
                self._memory(var)
                self._index((start,))
        elif kind == "scatter_add":
            for var in (*map(fusion.stored, eqn.inputs[1:]), eqn.output):
                self._memory(var)
        elif kind == "cumsum":
            self._read(eqn.inputs[0])  # type: ignore[arg-type]
            self._memory(eqn.output)
        self._atom(eqn.output)

    def _atom(self, atom: Atom) -> None:
        parts, fusion = self._parts, self._plan.fusion
        if isinstance(atom, Literal):
            parts += [repr(atom.value), atom.dtype]
            if atom in fusion.literals:
                self._memory(fusion.literals[atom])
            return
        parts.append(self._numbers.setdefault(atom, len(self._numbers)))
        if atom in self._seen:
            return
        self._seen.add(atom)
        home, eqn = fusion.home.get(atom), fusion.definitions.get(atom)
        if eqn is not None and (home is self._cluster or not fusion.in_memory(atom)):
            parts += [eqn.primitive.name, self._params(eqn), atom.type.shape, atom.type.dtype,
                      "here" if home is self._cluster else home is None]
            for x in eqn.inputs:
                self._atom(x)
        else:
            self._read(atom)

    def _params(self, eqn: Eqn) -> str:
        name = self._names.get(id(eqn.params))
        if name is None:
            name = self._names[id(eqn.params)] = repr(sorted(eqn.params.items()))
        return name

    def _read(self, var: Var) -> None:
        stored, start = self._plan.fusion.placed.get(var, (var, ()))
        self._index(start)
        self._memory(stored)

    def _memory(self, var: Var) -> None:
        root = self._plan.fusion.root(var)
        buffer = self._plan.buffers.get(root)
        self._parts += [var.type.shape, var.type.dtype, root.type.shape, buffer.kind if buffer else None,
                        root in self._plan.constants, self._numbers.setdefault(var, len(self._numbers)),
                        self._numbers.setdefault(root, len(self._numbers)), self._places.setdefault(buffer, len(self._places))]

    def _index(self, index: Index) -> None:
        for ix in index:
            self._parts += [ix.axes, ix.const, len(ix.dynamic)]
            for dynamic, coefficient in ix.dynamic:
                self._parts += [coefficient, dynamic.limit]
                self._atom(dynamic.var)
                self._index(dynamic.index)


class Shared:
    """Kernels by signature."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._kernels: dict[Hashable, tuple[Kernel, list[int]]] = {}

    def kernel(self, plan: Plan, cluster: Cluster, emit: Callable[[Plan, Cluster], Kernel]) -> Kernel:
        """The kernel of an equal cluster with this one's buffers, or a new one."""
        signature = Signature(plan, cluster, self._names)
        buffers = signature.buffers
        if signature.key in self._kernels:
            kernel, places = self._kernels[signature.key]
            return replace(kernel, cluster=cluster, params=[buffers[i] for i in places])
        kernel = emit(plan, cluster)
        self._kernels[signature.key] = kernel, [buffers.index(b) for b in kernel.params]
        return kernel
