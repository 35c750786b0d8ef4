"""Kernels that are loops: elementwise groups with reductions along rows, and reductions along other axes.

A *loop* kernel walks rows; within a row it makes one pass per depth of reductions (a softmax with its loss: maximum, sum,
the rest), each a vector loop over the columns. Rows of up to four vectors are straight-line code that keeps all values in
registers. A *reduce* kernel keeps accumulators for up to four vectors of outputs and walks the reduced axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamella.ir import PRIMITIVES, Atom, Eqn, Literal, Var, numpy_dtype
from lamella.ir.types import is_float
from lamella.native.clusters import Cluster, Loads, index_in, reduction_index
from lamella.native.evaluate import INNER, ROW, Evaluator, Space, accesses, is_reduction
from lamella.native.indexing import domain_index
from lamella.native.kernel import HI, LO, Kernel, finish
from lamella.native.llvm_text import Val, index
from lamella.native.plan import Plan
from lamella.native.target import Machine

UNROLL = 4  # accumulators in flight
CHUNK = 64  # vectors per unit of a long row
WIDE_CHUNKS = 4  # pieces of the columns where rows are few and wide: threads then share columns, as products over them do


def accumulator_dtype(dtype: str) -> str:
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def identity(name: str, dtype: str) -> Any:
    """The value that leaves a reduction unchanged."""
    if name == "reduce_sum":
        return 0
    if name == "reduce_prod":
        return 1
    low = name == "reduce_max"
    if dtype == "bool":
        return not low
    if is_float(dtype):
        return -np.inf if low else np.inf
    info = np.iinfo(numpy_dtype(dtype))
    return info.min if low else info.max


def combiner(ev: Evaluator, name: str, dtype: str) -> Callable[[Val, Val], Val]:
    f = ev.f
    if dtype == "bool":
        return f.logical_or if name == "reduce_max" else f.logical_and
    scalar = PRIMITIVES[{"reduce_sum": "add", "reduce_prod": "mul", "reduce_max": "max", "reduce_min": "min"}[name]].scalar
    assert scalar is not None
    return lambda a, b: scalar(f, a, b)


def cost(plan: Plan, cluster: Cluster) -> int:
    """Elementary operations: points times equations, transcendental ones counted tenfold."""
    reduced = [e.inputs[0].type.size for e in cluster.members if is_reduction(e)]
    points = max([*reduced, *(s.value.type.size for s in cluster.stores), 1])
    heavy = sum(9 for e in cluster.members if e.primitive.name in ("exp", "log", "tanh", "logistic", "erf", "sin", "cos", "pow"))
    return points * (1 + len(cluster.members) + heavy)


# Loop kernels.

def loop_kernel(plan: Plan, cluster: Cluster, host: Machine) -> Kernel:
    loads = Loads(plan.fusion, cluster)
    axes = dict(enumerate(cluster.shape))
    cuts = ({len(cluster.rows)} if cluster.columns else set()) | ({cluster.batch_axis + 1} if cluster.blocks else set())
    space = Space(axes, accesses(loads, cluster), cuts)
    ev = Evaluator(plan, cluster, space)
    return _LoopKernel(ev, cluster, host).emit()


class _LoopKernel:
    def __init__(self, ev: Evaluator, cluster: Cluster, host: Machine) -> None:
        self.ev, self.f, self.cluster, self.space = ev, ev.f, cluster, ev.space
        self.lanes = host.lanes()
        self.straight = host.registers // 4  # vectors per row that are kept in registers
        rows = len(cluster.rows)
        groups = range(len(self.space.groups))
        if cluster.columns:
            self.row_groups = [g for g in groups if self.space.groups[g][0] < rows]
            columns = [g for g in groups if g not in self.row_groups]
        else:
            columns = list(groups)[-1:]
            if cluster.blocks and all(self.space.groups[g][0] == cluster.batch_axis for g in columns):
                columns = []  # threads share the batch: a number per sample
            self.row_groups = list(groups)[:len(groups) - len(columns)]
        self.outer, self.vector = columns[:-1], columns[-1] if columns else None
        self.columns = self.space.sizes[self.vector] if self.vector is not None else 1
        self.stages = self._stages()

    # Order of evaluation.

    def _stages(self) -> list[list[Eqn]]:
        """Row reductions by depth: those of one stage can share a pass."""
        depth: dict[Atom, int] = {}

        def of(atom: Atom) -> int:
            if isinstance(atom, Literal):
                return 0
            if atom not in depth:
                eqn = self.ev.plan.fusion.definitions.get(atom)
                home = self.ev.plan.fusion.home.get(atom)
                fusion = self.ev.plan.fusion
                inside = eqn is not None and (home is self.cluster or not fusion.in_memory(atom))
                depth[atom] = 0
                if inside:
                    inner = max((of(x) for x in eqn.inputs), default=0)  # type: ignore[union-attr]
                    depth[atom] = inner + (home is self.cluster and is_reduction(eqn))  # type: ignore[arg-type]
            return depth[atom]

        stages: list[list[Eqn]] = []
        for eqn in self.cluster.members:
            if is_reduction(eqn):
                at = of(eqn.output) - 1
                while len(stages) <= at:
                    stages.append([])
                stages[at].append(eqn)
        return stages

    # Emission.

    def emit(self) -> Kernel:
        ev, f = self.ev, self.f
        for g in self.row_groups:
            ev.level[g] = ROW
        for g in self.outer:
            ev.level[g] = INNER
        rows = 1
        for g in self.row_groups:
            rows *= self.space.sizes[g]
        self.full, self.tail = divmod(self.columns, self.lanes)
        vectors = self.full + bool(self.tail)
        self.wide = 1 < rows <= 64 and vectors >= 32 and not self.cluster.columns and not self.cluster.blocks
        self.chunk = -(-vectors // WIDE_CHUNKS) if self.wide else CHUNK
        chunked = not self.cluster.columns and self.full > self.straight
        chunks = -(-vectors // self.chunk) if chunked else 1
        f.loop(LO, HI, 1, lambda unit: self._unit(unit, rows, chunks))
        n = len(self.cluster.members)
        words = (f"rows {rows} x columns {self.columns}, {len(self.stages) + 1} passes, {self.lanes} lanes, "
                 f"{rows * chunks} units, {n} ops")
        return finish(ev, rows * chunks, cost(ev.plan, self.cluster), words)

    def _unit(self, unit: Val, rows: int, chunks: int) -> list[Val]:
        ev, f = self.ev, self.f
        with ev.scope(ROW):
            row, chunk = f.divmod(unit, chunks)
            if self.wide:
                chunk, row = f.divmod(unit, rows)
            self._decode(row, self.row_groups)
            for stage in self.stages:
                ev.open_section(ROW)
                self._pass(lambda: None, stage, chunk, chunks)
            ev.open_section(ROW)
            whole = [s for s in self.cluster.stores if not self._is_row(s.value)]
            if whole:
                self._pass(lambda: ev.store_all(whole, self._at), [], chunk, chunks)
            ev.vector, ev.lanes = None, 0
            ev.store_all([s for s in self.cluster.stores if self._is_row(s.value)], self._at)
        return []

    def _at(self, atom: Atom) -> Any:
        return index_in(self.cluster, atom.type.shape) or domain_index(atom.type.shape)

    def _is_row(self, atom: Atom) -> bool:
        """Whether a stored value is constant along the columns of the domain."""
        return self.vector is None or (bool(self.cluster.columns) and atom.type.shape != self.cluster.shape)

    def _decode(self, linear: Val, groups: list[int]) -> None:
        for g in reversed(groups):
            linear, self.ev.at[g] = self.f.divmod(linear, self.space.sizes[g]) if g != groups[0] else (linear, linear)

    def _pass(self, body: Callable[[], Any], reductions: list[Eqn], chunk: Val, chunks: int) -> None:
        """Run `body` over all columns, and the reductions of one stage."""
        ev, f = self.ev, self.f
        dtypes = [accumulator_dtype(e.output.dtype) for e in reductions]
        start = [f.splat(f.const(identity(e.primitive.name, d), d), self.lanes) for e, d in zip(reductions, dtypes, strict=True)]
        combine = [combiner(ev, e.primitive.name, d) for e, d in zip(reductions, dtypes, strict=True)]

        def step(base: Val, accumulators: list[Val], active: int) -> list[Val]:
            ev.vector, ev.lanes, ev.active = self.vector, self.lanes, active
            ev.at[self.vector], ev.level[self.vector] = base, INNER  # type: ignore[index]
            results: list[Val] = []
            for eqn, dtype, acc in zip(reductions, dtypes, accumulators, strict=True):
                value, _ = ev.value(eqn.inputs[0], domain_index(self.cluster.shape))
                value = f.splat(f.cast(value, dtype), self.lanes)
                if active < self.lanes:
                    neutral = f.splat(f.const(identity(eqn.primitive.name, dtype), dtype), self.lanes)
                    value = f.select(f.lane_mask(active, self.lanes), value, neutral)
                results.append(combine[len(results)](acc, value))
            body()
            return results

        def join(parts: list[Val], n: int) -> list[Val]:
            """Several sets of accumulators as one, pair by pair."""
            sets = [parts[i:i + n] for i in range(0, len(parts), n)]
            while len(sets) > 1:
                pairs = zip(sets[::2], sets[1::2], strict=True)
                sets = [[c(x, y) for c, x, y in zip(combine, a, b, strict=True)] for a, b in pairs]
            return sets[0]

        if self.vector is None:  # a domain of one point
            ev.vector, ev.lanes = None, 0
            for eqn in reductions:
                ev.known[eqn.output, ""] = ev.value(eqn.inputs[0], domain_index(self.cluster.shape))[0], ROW
            body()
            return
        if reductions and not self.outer and self.full >= 4 * UNROLL:
            accumulators = self._long_row(step, start, join)
        else:
            accumulators = self._columns(step, start, chunk, chunks)
        for eqn, one, acc in zip(reductions, combine, accumulators, strict=True):
            ev.known[eqn.output, ""] = f.cast(f.horizontal(acc, one), eqn.output.dtype), ROW

    def _long_row(self, step: Callable[..., list[Val]], start: list[Val], join: Callable[..., list[Val]]) -> list[Val]:
        """Reductions along many vectors keep UNROLL accumulators each: they need not wait for one another, and round less."""
        ev, f, n = self.ev, self.f, len(start)
        block = UNROLL * self.lanes

        def body(base: Val, *accumulators: Val) -> list[Val]:
            results: list[Val] = []
            for u in range(UNROLL):
                with ev.scope(INNER):
                    results += step(f.iadd(base, index(u * self.lanes)), list(accumulators[u * n:(u + 1) * n]), self.lanes)
            return results

        carried = join(f.loop(index(0), index(self.full // UNROLL * block), block, body, start * UNROLL), n)
        rest = [(v, self.lanes) for v in range(self.full // UNROLL * UNROLL, self.full)]
        rest += [(self.full, self.tail)] * (self.tail > 0)
        for v, active in rest:
            with ev.scope(INNER):
                carried = step(index(v * self.lanes), carried, active)
        return carried

    def _columns(self, step: Callable[..., list[Val]], carried: list[Val], chunk: Val, chunks: int) -> list[Val]:
        """The loops over one row's columns."""
        ev, f = self.ev, self.f
        if not self.outer:
            return self._vectors(step, carried, chunk, chunks)
        total = 1
        for g in self.outer:
            total *= self.space.sizes[g]

        def outer(linear: Val, *accumulators: Val) -> list[Val]:
            with ev.scope(INNER):
                self._decode(linear, self.outer)
                return self._vectors(step, list(accumulators), chunk, 1)

        return f.loop(index(0), index(total), 1, outer, carried)

    def _vectors(self, step: Callable[..., list[Val]], carried: list[Val], chunk: Val, chunks: int) -> list[Val]:
        ev, f = self.ev, self.f
        if self.full <= self.straight:
            for n in range(self.full):
                carried = step(index(n * self.lanes), carried, self.lanes)
            return step(index(self.full * self.lanes), carried, self.tail) if self.tail else carried

        def body(base: Val, *accumulators: Val) -> list[Val]:
            with ev.scope(INNER):
                return step(base, list(accumulators), self.lanes)

        end = index(self.full * self.lanes)
        if chunks == 1:
            carried = f.loop(index(0), end, self.lanes, body, carried)
            if self.tail:
                with ev.scope(INNER):
                    carried = step(end, carried, self.tail)
            return carried
        first = f.imul(chunk, self.chunk * self.lanes)
        last = f.imin(f.iadd(first, index(self.chunk * self.lanes)), end)
        f.loop(first, last, self.lanes, body)
        if self.tail:
            with ev.scope(INNER):
                f.when(f.eq(chunk, index(chunks - 1)), lambda: step(end, [], self.tail))
        return []


# Reductions along other than trailing axes.

def reduce_kernel(plan: Plan, cluster: Cluster, host: Machine) -> Kernel:
    eqn = cluster.anchor
    assert eqn is not None
    kept = len(cluster.shape)
    reduced = [eqn.inputs[0].type.shape[a] for a in eqn.params["axes"]]
    axes = dict(enumerate((*cluster.shape, *reduced)))
    cuts = {kept, cluster.batch_axis + 1} if cluster.blocks else {kept}
    space = Space(axes, accesses(Loads(plan.fusion, cluster), cluster), cuts)
    ev, lanes = Evaluator(plan, cluster, space), host.lanes()
    f = ev.f
    outputs = [g for g, axes_ in enumerate(space.groups) if axes_[0] < kept]
    loops = [g for g in range(len(space.groups)) if g not in outputs]
    vector = outputs[-1] if outputs else None
    for g in outputs:
        ev.level[g] = ROW
    for g in loops:
        ev.level[g] = INNER
    rows = 1
    for g in outputs[:-1]:
        rows *= space.sizes[g]
    columns = space.sizes[vector] if vector is not None else 1
    vectors = -(-columns // lanes)
    per_unit = min(UNROLL, vectors)
    blocks = -(-vectors // per_unit)

    def block(first: Val, count: int, last: bool) -> None:
        """`count` vectors of outputs from column `first` on."""
        ev.vector, ev.lanes = vector, lanes if vector is not None else 0
        bases = [f.iadd(first, index(n * lanes)) for n in range(count)]
        actives = [columns - (vectors - 1) * lanes if last and n == count - 1 else lanes for n in range(count)]
        _accumulate(ev, eqn, loops, bases, actives)
        for base, active in zip(bases, actives, strict=True):
            if vector is not None:
                ev.at[vector] = base
            ev.active = active
            ev.store_all(cluster.stores, lambda _: domain_index(cluster.shape))

    def unit(number: Val) -> list[Val]:
        with ev.scope(ROW):
            row, at = f.divmod(number, blocks)
            for g in reversed(outputs[:-1]):
                row, ev.at[g] = f.divmod(row, space.sizes[g])
            first = f.imul(at, per_unit * lanes)
            rest = vectors - (blocks - 1) * per_unit
            if blocks > 1:
                with ev.scope(ROW):
                    f.when(f.lt(at, index(blocks - 1)), lambda: block(first, per_unit, False))
                with ev.scope(ROW):
                    f.when(f.eq(at, index(blocks - 1)), lambda: block(first, rest, True))
            else:
                block(first, rest, True)
        return []

    f.loop(LO, HI, 1, unit)
    work = eqn.inputs[0].type.size * (1 + len(cluster.members))
    return finish(ev, rows * blocks, work, f"outputs {rows} x {columns}, {per_unit} vectors at once, {rows * blocks} units")


def _accumulate(ev: Evaluator, eqn: Eqn, loops: list[int], bases: list[Val], actives: list[int]) -> None:
    """Nested loops over the reduced groups, one accumulator per vector."""
    f, lanes = ev.f, ev.lanes
    dtype = accumulator_dtype(eqn.output.dtype)
    name = eqn.primitive.name
    combine = combiner(ev, name, dtype)
    at = reduction_index(ev.cluster, eqn)
    start = f.const(identity(name, dtype), dtype)
    carried = [f.splat(start, lanes) if lanes else start for _ in bases]

    def nest(depth: int, accumulators: list[Val]) -> list[Val]:
        if depth == len(loops):
            results = []
            for base, active, acc in zip(bases, actives, accumulators, strict=True):
                if ev.vector is not None:
                    ev.at[ev.vector] = base
                ev.active = active
                value = f.cast(ev.value(eqn.inputs[0], at)[0], dtype)
                results.append(combine(acc, f.splat(value, lanes) if lanes else value))
            return results

        def body(position: Val, *inner: Val) -> list[Val]:
            with ev.scope(INNER):
                ev.at[loops[depth]] = position
                return nest(depth + 1, list(inner))

        return f.loop(index(0), index(ev.space.sizes[loops[depth]]), 1, body, accumulators)

    for base, total in zip(bases, nest(0, carried), strict=True):
        ev.known[eqn.output, base.ref if ev.vector is not None else ""] = f.cast(total, eqn.output.dtype), ROW


# Kernels with an order of their own.

def cumsum_kernel(plan: Plan, cluster: Cluster, host: Machine) -> Kernel:
    """Running sums: scalar along the axis, one unit per line."""
    eqn = cluster.anchor
    assert eqn is not None
    x, axis, shape = eqn.inputs[0], eqn.params["axis"], eqn.output.shape
    assert isinstance(x, Var)
    ev = Evaluator(plan, cluster, Space(dict(enumerate(shape)), [], set(range(len(shape) + 1))))
    f = ev.f
    groups = [g for g, axes in enumerate(ev.space.groups) if axes[0] != axis]
    along = ev.space.group_of.get(axis)
    for g in range(len(ev.space.groups)):
        ev.level[g] = INNER if g == along else ROW
    units = 1
    for g in groups:
        units *= ev.space.sizes[g]
    at = domain_index(shape)

    def unit(number: Val) -> list[Val]:
        with ev.scope(ROW):
            for g in reversed(groups):
                number, ev.at[g] = f.divmod(number, ev.space.sizes[g])

            def step(position: Val, total: Val) -> list[Val]:
                with ev.scope(INNER):
                    if along is not None:
                        ev.at[along] = position
                    total = f.add(total, f.cast(ev.load(x, at)[0], total.dtype))
                    ev.store(f.cast(total, x.dtype), eqn.output, at)
                return [total]

            f.loop(index(0), index(shape[axis]), 1, step, [f.const(0, accumulator_dtype(x.dtype))])
        return []

    f.loop(LO, HI, 1, unit)
    return finish(ev, units, x.type.size * 4, f"{units} lines of {shape[axis]}")


def scatter_add_kernel(plan: Plan, cluster: Cluster, host: Machine) -> Kernel:
    """`out[indices[i]] += updates[i]` (`scatter`: another combination), for all i in order; units are vectors of columns, so no two
    threads share an element."""
    eqn = cluster.anchor
    assert eqn is not None
    _, indices, updates = eqn.inputs
    out, combine = eqn.output, eqn.params.get("combine", "add")
    n = indices.type.size
    columns = out.type.size // out.shape[0] if out.shape[0] else 1
    lanes = host.lanes()
    ev = Evaluator(plan, cluster, Space({}, [], set()))
    f = ev.f
    pointers = [ev.pointer(plan.fusion.stored(v)) for v in (indices, updates, out)]
    vectors = -(-columns // lanes)

    def add(column: Val, active: int) -> None:
        wide = lanes if columns > 1 else 0
        mask = f.lane_mask(active, lanes) if wide and active < lanes else None

        def step(i: Val) -> list[Val]:
            row = f.cast(f.load(f.address(pointers[0], i, indices.dtype), indices.dtype), "int64")
            row = f.imax(f.imin(row, index(out.shape[0] - 1)), index(0))
            source = f.address(pointers[1], f.iadd(f.imul(i, columns), column), out.dtype)
            target = f.address(pointers[2], f.iadd(f.imul(row, columns), column), out.dtype)
            old, new = (f.load(place, out.dtype, wide, mask) for place in (target, source))
            f.store(new if combine == "set" else PRIMITIVES[combine].scalar(f, old, new), target, mask)
            return []

        f.loop(index(0), index(n), 1, step)

    def unit(number: Val) -> list[Val]:
        column = f.imul(number, lanes)
        tail = columns - (vectors - 1) * lanes
        if tail == lanes or vectors == 1:
            add(column, tail)
        else:
            f.when(f.lt(number, index(vectors - 1)), lambda: add(column, lanes))
            f.when(f.eq(number, index(vectors - 1)), lambda: add(column, tail))
        return []

    f.loop(LO, HI, 1, unit)
    return finish(ev, vectors, updates.type.size * 4, f"{n} rows of {columns} columns")

