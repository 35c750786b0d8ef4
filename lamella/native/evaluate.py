"""Evaluates expressions at a point of a kernel's domain, as LLVM code.

`Evaluator.value(atom, index)` follows definitions down to memory and emits each result once, as far out as it can: scalars
at the kernel's entry, what depends on a row before the loop over its columns, the rest inside. Adjacent domain axes that
every access walks through contiguously are merged into one (`Space`), so most kernels have one or two loops whatever the
rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from lamella.ir import Atom, Eqn, Literal, Var
from lamella.ir.primitives.leaf import threefry
from lamella.native.clusters import REDUCTIONS, Cluster, Loads, Store
from lamella.native.emitter import Emitter
from lamella.native.indexing import ZERO, Dynamic, Index, Ix, flat, gather_index, is_view, operand_index, view_index
from lamella.native.llvm_text import Lines, Val, index
from lamella.native.plan import Buffer, Plan
from lamella.native.target import machine

ENTRY, ROW, INNER = 0, 1, 2  # levels: where code is placed


class Space:
    """Domain axes merged into groups.

    Attributes:
        groups: lists of adjacent axes that are walked as one.
        sizes: of the groups.
    """

    def __init__(self, axes: dict[int, int], accesses: Iterable[Ix], cuts: set[int]) -> None:
        """`axes` maps axis numbers to sizes; no group spans from before to after an axis of `cuts`."""
        maps = [dict(ix.axes) for ix in accesses]
        self.axis_sizes = axes
        self.groups: list[list[int]] = []
        for a in [a for a, n in axes.items() if n != 1]:
            last = self.groups[-1][-1] if self.groups else None
            cut = last is None or any(last < c <= a for c in cuts)
            if not cut and all(m.get(last, 0) == m.get(a, 0) * axes[a] for m in maps):  # type: ignore[arg-type]
                self.groups[-1].append(a)
            else:
                self.groups.append([a])
        self.sizes = [self._size(g) for g in self.groups]
        self.group_of = {a: n for n, g in enumerate(self.groups) for a in g}

    def _size(self, group: list[int]) -> int:
        total = 1
        for a in group:
            total *= self.axis_sizes[a]
        return total

    def coefficients(self, ix: Ix) -> dict[int, int]:
        """Coefficient per group: that of the group's innermost axis."""
        return {self.group_of[a]: c for a, c in ix.axes if a == self.groups[self.group_of[a]][-1]}


def accesses(loads: Loads, cluster: Cluster) -> list[Ix]:
    """Every position that a cluster's code computes with."""
    found = [flat(ix, v.shape) for v, ix in loads.found if not any(a >= 100 for i in ix for a, _ in i.axes)]
    found += [ix for counter in loads.counters for ix in counter]
    return found + [flat(s.index, s.target.shape) for s in cluster.stores]


class Evaluator:
    """Emits a kernel's expressions."""

    def __init__(self, plan: Plan, cluster: Cluster, space: Space) -> None:
        self.plan, self.cluster, self.space = plan, cluster, space
        self.f = Emitter()
        self.params: dict[Buffer, Val] = {}
        self.at: dict[int, Val] = {}  # current position per group
        self.level: dict[int, int] = {}  # level per group
        self.vector: int | None = None  # the group whose positions are lanes
        self.lanes = 0
        self.active = 0  # lanes that exist; fewer than `lanes` in a tail
        self.known: dict[tuple[Var, str], tuple[Val, int]] = {}
        self._memo: list[dict[Any, tuple[Val, int]]] = [{}, {}, {}]
        self._sections: list[Lines | None] = [self.f.section(), None, None]

    # Where code goes.

    @contextmanager
    def scope(self, level: int) -> Iterator[None]:
        """Results of this level and deeper are forgotten at the end."""
        saved = [dict(m) for m in self._memo]
        yield
        for deeper in range(level, 3):
            self._memo[deeper] = saved[deeper]

    def open_section(self, level: int) -> None:
        """From now on, code of this level is placed here."""
        self._sections[level] = self.f.section()

    def place(self, level: int, key: Any, emit: Callable[[], Val]) -> tuple[Val, int]:
        """Emit once, at a level."""
        for memo in self._memo[: level + 1]:
            if key in memo:
                return memo[key]
        section = self._sections[level]
        if section is None:
            value = emit()
        else:
            with self.f.into(section):
                value = emit()
        self._memo[level][key] = (value, level)
        return value, level

    # Positions.

    def groups(self, ix: Ix) -> list[int]:
        found = {self.space.group_of[a] for a, _ in ix.axes}
        for dynamic, _ in ix.dynamic:
            for inner in dynamic.index:
                found.update(self.groups(inner))
        return sorted(found)

    def _where(self, indices: Index) -> tuple[tuple[int, str], ...]:
        """Identifies the current position as far as `indices` depend on it."""
        found = sorted({g for ix in indices for g in self.groups(ix)})
        return tuple((g, self.at[g].ref) for g in found)

    def linear(self, ix: Ix, skip: int | None = None) -> tuple[Val, int]:
        """The number that `ix` stands for (int64 scalar or vector); partial sums are emitted as far out as possible."""
        terms: list[tuple[int, Val]] = []
        for group, coefficient in self.space.coefficients(ix).items():
            if group != skip and coefficient:
                level = self.level[group]
                key = ("scaled", self.at[group].ref, coefficient)
                at = self.at[group]
                terms.append((level, self.place(level, key, lambda at=at, c=coefficient: self.f.imul(at, c))[0]))  # type: ignore[misc]
        for dynamic, coefficient in ix.dynamic:
            value, level = self._dynamic(dynamic)
            key = ("scaled", value.ref, coefficient)
            terms.append((level, self.place(level, key, lambda v=value, c=coefficient: self._scale(v, c))[0]))  # type: ignore[misc]
        total, level = index(ix.const), ENTRY
        for term_level, value in sorted(terms, key=lambda t: t[0]):
            level = max(level, term_level)
            total, _ = self.place(level, ("sum", total.ref, value.ref), lambda a=total, b=value: self._sum(a, b))  # type: ignore[misc]
        return total, level

    def _scale(self, value: Val, factor: int) -> Val:
        return self.f.mul(value, self.f.const(factor, "int64")) if value.lanes else self.f.imul(value, factor)

    def _sum(self, x: Val, y: Val) -> Val:
        return self.f.add(x, y) if x.lanes or y.lanes else self.f.iadd(x, y)

    def _dynamic(self, dynamic: Dynamic) -> tuple[Val, int]:
        value, level = self.value(dynamic.var, dynamic.index)

        def clamp() -> Val:
            f = self.f
            wide = f.cast(value, "int64")
            low, high = f.const(0, "int64"), f.const(dynamic.limit, "int64")
            up = f.select(f.lt(wide, low), low, wide)
            return f.select(f.lt(high, up), high, up)

        return self.place(level, ("clamp", value.ref, dynamic.limit), clamp)

    # Values.

    def value(self, atom: Atom, at: Index) -> tuple[Val, int]:
        """`atom` at a point of the domain, and the level that its code stands on."""
        if isinstance(atom, Literal):
            return self.f.const(atom.value, atom.dtype), ENTRY
        here = self.at[self.vector].ref if self.vector is not None else ""
        for key in ((atom, here), (atom, "")):
            if key in self.known:
                return self.known[key]
        fusion = self.plan.fusion
        home, eqn = fusion.home.get(atom), fusion.definitions.get(atom)
        if eqn is not None and (home is self.cluster or not fusion.in_memory(atom)):
            return self._computed(eqn, at)  # type: ignore[arg-type]
        return self.load(atom, at)

    def _computed(self, eqn: Eqn, at: Index) -> tuple[Val, int]:
        name = eqn.primitive.name
        if is_view(eqn):
            return self.value(eqn.inputs[0], view_index(eqn, at))
        if name == "gather":
            return self.value(eqn.inputs[0], gather_index(eqn, at))
        key = (eqn.output, at, self._where(at))
        for memo in self._memo:
            if key in memo:
                return memo[key]
        if name == "iota":
            return self._counter(at[eqn.params["axis"]], eqn.params["dtype"], key)
        if name == "random_bits":
            return self._random(eqn, at, key)
        if eqn.primitive.scalar is None:
            raise AssertionError(f"{eqn} can't be evaluated at a point of cluster {self.cluster.number}.")
        if name == "div" and estimates(eqn.output.dtype, self.lanes):
            root = self._root_under(eqn.inputs[1])
            if root is not None:
                return self._divide_by_root(eqn, root, at, key)
        operands = [self.value(x, operand_index(x, eqn.output.shape, at)) for x in eqn.inputs]
        level = max((lv for _, lv in operands), default=ENTRY)
        scalar = eqn.primitive.scalar
        return self.place(level, key, lambda: scalar(self.f, *(v for v, _ in operands), **eqn.params))

    # x / (sqrt(v) + e), the core of most optimizers: nobody can expect an exactly rounded quotient of an irrational number, and two
    # estimates with a Newton step each (error at most 2 ULP) take a third of the time of a square root and a division.

    def _root_under(self, divisor: Atom) -> Eqn | None:
        """The square root in `sqrt(v)` or `sqrt(v) + scalar`, if the kernel computes the divisor itself."""
        fusion = self.plan.fusion

        def inside(atom: Atom) -> Eqn | None:
            eqn = fusion.definitions.get(atom) if isinstance(atom, Var) else None
            return eqn if eqn is not None and fusion.home.get(atom) in (self.cluster, None) else None

        eqn = inside(divisor)
        if eqn is not None and eqn.primitive.name == "add":
            eqn = next((e for x, e in ((x, inside(x)) for x in eqn.inputs) if e is not None and e.primitive.name == "sqrt"), None)
        return eqn if eqn is not None and eqn.primitive.name == "sqrt" and eqn.output.type.size > 1 else None

    def _divide_by_root(self, eqn: Eqn, root: Eqn, at: Index, key: Any) -> tuple[Val, int]:
        f, lanes = self.f, self.lanes
        (x, x_level), (v, v_level) = (
            self.value(a, operand_index(a, eqn.output.shape, at)) for a in (eqn.inputs[0], root.inputs[0]))
        divisor = self.plan.fusion.definitions[eqn.inputs[1]]  # type: ignore[index]
        terms = [a for a in divisor.inputs if a is not root.output] if divisor is not root else []
        added = [self.value(a, operand_index(a, eqn.output.shape, at)) for a in terms]

        def quotient() -> Val:
            s = f.square_root_estimate(f.splat(v, lanes))
            for term, _ in added:
                s = f.add(s, term)
            return f.mul(x, f.reciprocal_estimate(s))

        return self.place(max(x_level, v_level, *(lv for _, lv in added), INNER), key, quotient)

    def _index_level(self, ix: Ix) -> int:
        return max((self.level[g] for g in self.groups(ix)), default=ENTRY)

    def _counter(self, ix: Ix, dtype: str, key: Any) -> tuple[Val, int]:
        coefficient = self.space.coefficients(ix).get(self.vector, 0) if self.vector is not None else 0
        base, level = self.linear(ix)
        if not coefficient or not self.lanes:
            return self.place(level, key, lambda: self.f.cast(base, dtype))
        f, lanes = self.f, self.lanes

        def lines() -> Val:
            numbers = f.mul(f.lane_numbers("int64", lanes), f.const(coefficient, "int64"))
            return f.cast(f.add(base, numbers), dtype)

        return self.place(max(level, self._index_level(ix)), key, lines)

    def _random(self, eqn: Eqn, at: Index, key: Any) -> tuple[Val, int]:
        keys = [self.value(eqn.inputs[0], (ZERO.scaled(1, i),)) for i in (0, 1)]
        position = flat(at, eqn.output.shape)
        counter, level = self._counter(position, "uint64", (*key, "counter"))
        level = max(level, *(lv for _, lv in keys))
        f = self.f

        def bits() -> Val:
            low = f.cast(counter, "uint32")
            high = f.cast(f.shift_right(counter, f.const(32, "uint64")), "uint32")
            return threefry(f, keys[0][0], keys[1][0], low, high)[0]

        return self.place(level, key, bits)

    # Memory.

    def pointer(self, var: Var) -> Val:
        buffer = self.plan.buffer(var)
        if buffer not in self.params:
            dtype = "int64" if buffer.kind == "counter" else "ptr"
            self.params[buffer] = Val(dtype, 0, f"%b{len(self.params)}")
        return self.params[buffer]

    def load(self, var: Var, at: Index) -> tuple[Val, int]:
        var, at = self.plan.fusion.location(var, at)
        pointer = self.pointer(var)
        if pointer.dtype == "int64":
            return pointer, ENTRY
        ix = flat(at, var.shape)
        key = ("load", self.plan.fusion.root(var), var.dtype, ix, self._where((ix,)))
        for memo in self._memo:
            if key in memo:
                return memo[key]
        step = self.space.coefficients(ix).get(self.vector, 0) if self.vector is not None and self.lanes else 0
        offset, level = self.linear(ix)
        if offset.lanes or (step not in (0, 1)):
            level = max(level, self._index_level(ix))
            return self.place(level, key, lambda: self._load_lanes(pointer, offset, step, var.dtype))
        lanes = self.lanes if step == 1 else 0
        if lanes:
            level = max(level, self.level[self.vector])  # type: ignore[index]
        mask = self.f.lane_mask(self.active, lanes) if lanes and self.active < lanes else None
        return self.place(level, key, lambda: self.f.load(self.f.address(pointer, offset, var.dtype), var.dtype, lanes, mask))

    def _lane_offsets(self, offset: Val, step: int) -> list[Val]:
        f = self.f
        if offset.lanes:
            return [f.iadd(f.extract(offset, i), index(i * step)) for i in range(self.active)]
        return [f.iadd(offset, index(i * step)) for i in range(self.active)]

    def _load_lanes(self, pointer: Val, offset: Val, step: int, dtype: str) -> Val:
        """Lane by lane, where memory is not contiguous."""
        f = self.f
        result = f.splat(f.const(0, dtype), self.lanes) if dtype == "bool" else Val(dtype, self.lanes, "zeroinitializer")
        for lane, at in enumerate(self._lane_offsets(offset, step)):
            result = f.insert(result, f.load(f.address(pointer, at, dtype), dtype), lane)
        return result

    def store_all(self, stores: Iterable[Store], at: Callable[[Atom], Index]) -> None:
        """Store the values of one point. All are computed first: one may be read from the place that another is written to."""
        values = [(self.value(s.value, at(s.value))[0], s) for s in stores]
        for value, s in values:
            self.store(value, s.target, s.index)

    def store(self, value: Val, var: Var, at: Index) -> None:
        pointer, ix, f = self.pointer(var), flat(at, var.shape), self.f
        offset, _ = self.linear(ix)
        step = self.space.coefficients(ix).get(self.vector, 0) if self.vector is not None and self.lanes else 0
        if not self.lanes or (step == 0 and not offset.lanes):
            f.store(value, f.address(pointer, offset, var.dtype))
        elif step == 1 and not offset.lanes:
            mask = f.lane_mask(self.active, self.lanes) if self.active < self.lanes else None
            f.store(f.splat(value, self.lanes), f.address(pointer, offset, var.dtype), mask)
        else:
            value = f.splat(value, self.lanes)
            for lane, position in enumerate(self._lane_offsets(offset, step)):
                f.store(f.extract(value, lane), f.address(pointer, position, var.dtype))


def estimates(dtype: str, lanes: int) -> bool:
    """Whether the machine estimates reciprocals and roots of such vectors to 14 bits."""
    return dtype == "float32" and lanes == 16 and machine().vector_bytes == 64


def is_reduction(eqn: Eqn) -> bool:
    return eqn.primitive.name in REDUCTIONS
