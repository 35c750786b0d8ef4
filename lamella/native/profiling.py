"""Programs that count where their time goes, and what each of their kernels has to do.

Thread 0 reads the cycle counter before and after each kernel and barrier (`Program(profile=True)`). The whole program is measured
both in cycles and in seconds, which gives the length of a cycle.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lamella.ir import Atom, Eqn, Graph, Source, Var
from lamella.native.clusters import Cluster, Loads
from lamella.native.elastic import PROFILE
from lamella.native.executable import BoundCall, Compiled, NativeExecutable
from lamella.native.indexing import Index
from lamella.native.plan import Plan
from lamella.native.program import Program


@dataclass(frozen=True)
class KernelCost:
    """What one call of a kernel does.

    Attributes:
        name: of its function; equal kernels share one.
        schedule: how it runs, in words.
        operations: the primitives it computes, in order.
        sources: where its equations come from.
        flops: two for each product of a sum of products, such as a matrix product; a kernel may get by with fewer (winograd.py).
        nbytes: what it must read from and write to memory, each element once.
    """

    name: str
    schedule: str
    operations: tuple[str, ...]
    sources: tuple[Source, ...]
    flops: int
    nbytes: int


def costs(program: Program) -> list[KernelCost]:
    """Of each kernel, in order."""
    return [_cost(plan, cluster, program) for plan, cluster in _clusters(program.plan)]


def _clusters(plan: Plan) -> list[tuple[Plan, Cluster]]:
    """All kernels in the order of `Program.kernels`, each with the plan that it is part of."""
    found: list[tuple[Plan, Cluster]] = []
    for cluster in (c for phase in plan.phases for c in phase):
        if cluster.kind == "control":
            found += _clusters(plan.bodies[cluster])
        elif cluster.kind != "host":
            found.append((plan, cluster))
    return found


class _Work(Loads):
    """The equations that a kernel computes for its stores and sums: of its members, and of what is not in memory."""

    def __init__(self, plan: Plan, cluster: Cluster) -> None:
        self.eqns: dict[Eqn, None] = {e: None for e in cluster.members if not _at_a_point(e)}
        super().__init__(plan.fusion, cluster)

    def _walk_members(self, eqn: Eqn) -> None:
        """Members are entered from what needs them: some are only computed elsewhere (recompute.py)."""

    def visit(self, atom: Atom, index: Index) -> None:
        eqn = self.fusion.definitions.get(atom) if isinstance(atom, Var) else None
        if eqn in self.cluster.members and _at_a_point(eqn) and (atom, index) not in self._seen:
            self._seen.add((atom, index))
            self.enter(eqn, index)
        else:
            super().visit(atom, index)

    def enter(self, eqn: Eqn, index: Index) -> None:
        self.eqns[eqn] = None
        super().enter(eqn, index)


def _at_a_point(eqn: Eqn) -> bool:
    return eqn.primitive.kind == "elementwise" or eqn.primitive.name in ("gather", "random_bits")


def _cost(plan: Plan, cluster: Cluster, program: Program) -> KernelCost:
    work = _Work(plan, cluster)
    flops = program.kernels[cluster].flops + sum(_sum_of_products(plan, e) for e in cluster.members)
    own = [e for e in cluster.members if e in work.eqns]
    made = plan.fusion.definitions
    into = [made[s.target] for s in cluster.stores if s.target in made]  # a pad, a concat, ...
    operations = tuple(e.primitive.name for e in own or into) or ("copy",)
    sources = tuple(dict.fromkeys(e.source for e in own or [*work.eqns, *into] if e.source is not None))
    return KernelCost(program.names[cluster], program.kernels[cluster].schedule, operations, sources, flops,
                      _read(plan, cluster, work) + _written(cluster))


def _sum_of_products(plan: Plan, eqn: Eqn) -> int:
    """FLOPs of a sum whose terms are products: what a product without rows or columns was lowered to, for example."""
    if eqn.primitive.name != "reduce_sum":
        return 0
    term = plan.fusion.definitions.get(eqn.inputs[0])
    while term is not None and term.primitive.name in ("reshape", "broadcast"):
        term = plan.fusion.definitions.get(term.inputs[0])
    return 2 * eqn.inputs[0].type.size if term is not None and term.primitive.name == "mul" else 0


def _read(plan: Plan, cluster: Cluster, work: _Work) -> int:
    """Bytes that a kernel reads: of each array what its indices can reach."""
    sizes = dict(enumerate(cluster.shape))
    if cluster.kind == "reduce" and cluster.anchor is not None:
        reduced = [cluster.anchor.inputs[0].type.shape[a] for a in cluster.anchor.params["axes"]]
        sizes |= dict(enumerate(reduced, len(cluster.shape)))
    touched: dict[Var, int] = {}
    operands = {}
    if cluster.kind == "contract" and cluster.anchor is not None:  # rows sliced from a larger array are read where they are
        operands = {plan.fusion.operand(x)[0]: x.type.size for x in cluster.anchor.inputs}
    for var, index in work.found:
        axes = _axes(index)
        elements = operands.get(var, var.type.size) if any(a >= 100 for a in axes) else math.prod(sizes[a] for a in axes)
        root = plan.fusion.root(var)
        touched[root] = min(touched.get(root, 0) + elements, root.type.size)
    return sum(elements * root.type.nbytes // max(root.type.size, 1) for root, elements in touched.items())


def _axes(index: Index) -> set[int]:
    """Axes of the kernel's domain that a position depends on."""
    found: set[int] = set()
    for ix in index:
        found.update(a for a, _ in ix.axes)
        for dynamic, _ in ix.dynamic:
            found |= _axes(dynamic.index)
    return found


def _written(cluster: Cluster) -> int:
    if cluster.stores:
        return sum(s.value.type.size * s.target.type.nbytes // max(s.target.type.size, 1) for s in cluster.stores)
    eqn = cluster.anchor
    if eqn is not None and eqn.primitive.name == "scatter_add":  # reads and writes the rows that it adds to
        return 2 * min(eqn.inputs[2].type.nbytes, eqn.output.type.nbytes)
    return sum(v.type.nbytes for e in cluster.members for v in e.outputs)


@dataclass(frozen=True)
class Times:
    """What a profiled program has counted.

    Attributes:
        kernels: seconds and calls of each kernel.
        waiting: seconds at barriers.
        total: seconds of the whole program.
        iterations: steps of its outermost loops.
        runs: of the program.
    """

    kernels: list[tuple[float, int]]
    waiting: float
    total: float
    iterations: int
    runs: int


class ProfiledExecutable(NativeExecutable):
    """A program that counts; all its calls add to the same counters."""

    def __init__(self, graph: Graph, donate: dict[int, int], compiled: Compiled, emit: Callable[[str], str],
                 costs: list[KernelCost]) -> None:
        super().__init__(graph, donate, compiled, emit)
        self.costs = costs
        self.counters = np.zeros((len(costs) + 3, 2), np.int64)
        self.seconds = 0.0

    def bind(self, arrays: Sequence[np.ndarray]) -> BoundCall:
        return _ProfiledCall(self, arrays)

    def reset(self) -> None:
        """Start counting afresh."""
        self.counters[:], self.seconds = 0, 0.0

    def times(self) -> Times:
        """What was counted since the start or the last `reset`."""
        *kernels, barriers, steps, program = self.counters.tolist()
        cycle = self.seconds / max(program[0], 1)
        each = [(cycles * cycle, calls) for cycles, calls in kernels]
        return Times(each, barriers[0] * cycle, self.seconds, steps[1], program[1])


class _ProfiledCall(BoundCall):
    def __init__(self, exe: ProfiledExecutable, arrays: Sequence[np.ndarray]) -> None:
        super().__init__(exe, arrays)
        self._context[PROFILE] = exe.counters.ctypes.data

    def run(self) -> None:
        start = time.perf_counter()
        super().run()
        self._exe.seconds += time.perf_counter() - start
