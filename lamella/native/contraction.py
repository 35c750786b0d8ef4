"""The contraction kernel: register tiles of accumulators, strided operands, elementwise epilogue.

After merging axes, one output group becomes the vector axis N (contiguous in the output; B is read along it), one becomes M
(B does not depend on it), the others are outer loops, and reduction groups are the K loops. A tile of MR rows by NV vectors
stays in registers over the whole of K: per step NV loads of B, MR broadcasts of A and MR x NV fused multiply-adds. B is
packed into a panel that is contiguous along N when it isn't contiguous itself. Sums of float16 and bfloat16 are float32: B is
widened as it is loaded, the rows of A are first copied to scratch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

from lamella.ir import ContractSpec
from lamella.native.chains import SHORT, operand_position
from lamella.native.clusters import Cluster, Loads
from lamella.native.evaluate import INNER, ROW, Evaluator, Space, accesses
from lamella.native.indexing import Ix, domain_index, flat
from lamella.native.kernel import FRESH, HI, KEPT, LO, SCRATCH, Kernel, finish
from lamella.native.llvm_text import Val, index, itemsize
from lamella.native.loops import accumulator_dtype
from lamella.native.plan import Plan
from lamella.native.prefetch import Prefetch
from lamella.native.target import Machine
from lamella.native.widening import RowsCopy

UNITS = 16  # wanted pieces of work; more than any sensible number of threads per core pair, few enough to keep reuse
LONG_SUM = 512  # steps
STRAIGHT_LINE = 60  # largest epilogue, in operations per tile, that is not rolled into a loop over the tile's rows


@dataclass(frozen=True)
class Schedule:
    """How a contraction runs.

    Attributes:
        rows, vectors: the register tile.
        m, n: sizes of the tiled groups.
        m_blocks: pieces that the rows' tiles are split into.
        panels_inside: whether all column panels are visited for each row tile (B stays in L1), or all row tiles for each panel.
        pack: whether B is copied into a contiguous panel.
        kept: all panels of B are copied once, for all units of a thread.
    """

    rows: int
    vectors: int
    m: int
    n: int
    lanes: int
    m_blocks: int
    panels_inside: bool
    pack: bool
    kept: bool = False

    @property
    def m_tiles(self) -> int:
        return -(-self.m // self.rows)

    @property
    def panels(self) -> int:
        return -(-self.n // (self.vectors * self.lanes))

    def __str__(self) -> str:
        return (f"tile {self.rows} x {self.vectors} vectors of {self.lanes}, {self.m_tiles} x {self.panels} tiles, "
                f"{self.m_blocks} row blocks, "
                f"{'panels inside' if self.panels_inside else 'rows inside'}"
                f"{', B packed' * self.pack}{' once' * self.kept}")


def schedule(m: int, n: int, k: int, outer: int, contiguous: bool, host: Machine, awkward: bool = False,
             blocks: int = 0) -> Schedule:
    """Tile and loop order from register count and cache sizes.

    `awkward`: rows of B are not aligned, or fall on few sets of L1. `blocks`: so many equal blocks of rows are wanted.
    """
    lanes = host.lanes()
    wide = -(-n // lanes)
    rows, vectors, _ = best_tile(m // max(blocks, 1), wide, host.registers, whole=bool(blocks))
    m_tiles, panels = -(-m // rows), -(-wide // vectors)
    pack = not contiguous or (awkward and m_tiles >= 8 * max(blocks, 1) and k * n * 4 > host.l1 // 2)
    panels_inside = k * n * 4 <= host.l1 // 2 and not pack
    pieces = outer * (1 if panels_inside else panels)
    m_blocks = min(m_tiles, max(1, -(-UNITS // pieces)))
    if pack:
        m_blocks = min(m_blocks, max(1, m_tiles // 4))  # a packed panel must be used often
    m_blocks = blocks or -(-m_tiles // -(-m_tiles // m_blocks))  # no empty blocks: threads get equal shares
    return Schedule(rows, vectors, m, n, lanes, m_blocks, panels_inside, pack)


def best_tile(m: int, wide: int, registers: int, whole: bool = False) -> tuple[int, int, float]:
    """Rows and vectors of the register tile that need the fewest cycles for one step of K over all of m x wide vectors, and these.

    If tiles must be `whole`, no rows are left over.
    Per step a tile takes the longest of: its multiply-adds at two per cycle, its loads at two per cycle, and the latency of a
    multiply-add (4 cycles).
    """
    spare = 1 if registers == 32 else 2

    def cycles(rows: int, vectors: int) -> float:
        return max(rows * vectors / 2, (rows + vectors) / 2, 4.0) + 0.5

    def total(rows: int, vectors: int) -> float:
        tiles, rest = divmod(m, rows)
        panels, rest_v = divmod(wide, vectors)
        heights = [(rows, tiles)] + [(rest, 1)] * (rest > 0)
        widths = [(vectors, panels)] + [(rest_v, 1)] * (rest_v > 0)
        return sum(cycles(r, v) * c * d for r, c in heights for v, d in widths)

    widest = 8 if m > 1 else registers - 8  # a single row streams B: the wider, the longer its contiguous pieces
    heights = [r for r in range(1, min(m, 32) + 1) if not (whole and m % r)]
    choices = [(r, v) for v in range(1, min(wide, widest) + 1) for r in heights
               if r * v + (v if r > 1 else 1) + spare <= registers]  # a lone row's B comes straight from memory
    # Equal tiles first: a remainder is a second copy of the code.
    best = min(choices, key=lambda c: (round(total(*c), 3), m % c[0] > 0, wide % c[1] > 0, -c[0] * c[1]))
    return *best, total(*best)


class Contraction:
    def __init__(self, plan: Plan, cluster: Cluster, host: Machine) -> None:
        eqn = cluster.anchor
        assert eqn is not None
        spec: ContractSpec = eqn.params["spec"]
        self.cluster, self.host, self.out = cluster, host, eqn.output
        (x, x_start), (y, y_start) = (plan.fusion.operand(a) for a in eqn.inputs)
        starts = [x_start, y_start]
        positions = [operand_position(spec, 0, x.shape), operand_position(spec, 1, y.shape)]
        n_out = len(spec.out_shape)
        own = flat(domain_index(spec.out_shape), spec.out_shape)
        loads = Loads(plan.fusion, cluster)
        epilogue = accesses(loads, cluster)
        cuts = {1, n_out} if cluster.blocks else {n_out}
        space = Space(dict(enumerate(spec.sizes)), [*positions, own, *epilogue], cuts)
        self.ev, self.space = Evaluator(plan, cluster, space), space
        self.f = self.ev.f
        self.dtype = x.dtype
        self.wide = accumulator_dtype(x.dtype)
        self._roles(positions, own, n_out)
        if self.swap:
            x, y, positions, starts = y, x, positions[::-1], starts[::-1]
        self.a, self.b = self.ev.pointer(x), self.ev.pointer(y)
        self.a_at, self.b_at = (space.coefficients(p) for p in positions)
        self.a_const, self.b_const = (self.f.iadd(index(p.const), self.ev.linear(start)[0])
                                      for p, start in zip(positions, starts, strict=True))
        k = 1
        for g in self.k_groups:
            k *= space.sizes[g]
        self.k = k
        self.outer_size = 1
        for g in self.outer:
            self.outer_size *= space.sizes[g]
        self.s = schedule(self._size(self.m_group), self._size(self.n_group), k, self.outer_size,
                          self.b_at.get(self.n_group, 1) == 1, host,
                          len(self.k_groups) == 1 and self._awkward(self.b_at.get(self.k_groups[0], 0) * itemsize(self.dtype)),
                          cluster.blocks if self.batch_rows else 0)
        # Where a chain's blocks or a loop's iterations share B, it stays packed from one to the next.
        self.stays = bool(cluster.blocks) or plan.fusion.root(y) in plan.constants
        if self._keeps(host):
            pieces = 1 if cluster.blocks else max(1, -(-4 * UNITS // self.outer_size))  # many, for equal shares
            blocks = self.s.m_blocks if self.batch_rows else -(-self.s.m_tiles // -(-self.s.m_tiles // pieces))
            self.s = replace(self.s, panels_inside=True, pack=True, kept=True, m_blocks=blocks)
        self.copy = RowsCopy(self)
        self.prefetch = Prefetch(self.ev, loads, self.m_group, self.n_group, host.l2)

    def _keeps(self, host: Machine) -> bool:
        """Whether all units share a B that is worth packing, and it has room in L2 beside a tile of A in L1."""
        s, size, blocks = self.s, itemsize(self.wide), self.cluster.blocks
        shared = self.n_group is not None and not self.shared and not any(self.b_at.get(g, 0) for g in self.outer)
        lines = bool(self.k_groups) and self.a_at.get(self.k_groups[-1]) == 1  # else each step of K has a line of L1 for itself
        room = self.k * s.n * size <= host.l2 // 2 and s.rows * self.k * size <= host.l1 * 2 // 3
        tiles = s.m_tiles if blocks else s.m_tiles * self.outer_size // host.cores
        often = tiles >= (1 if self.batch_rows else 4 if blocks else 1 if self.stays else 16)
        return shared and lines and room and often and not s.panels_inside and s.m > 1

    @staticmethod
    def _awkward(apart: int) -> bool:
        """Whether rows that many bytes apart cross lines, or share sets."""
        return apart % 64 != 0 or apart % 512 == 0

    def _size(self, group: int | None) -> int:
        return 1 if group is None else self.space.sizes[group]

    def _roles(self, positions: list[Ix], own: Ix, n_out: int) -> None:
        """Choose the vector group, the row group and which operand is B."""
        space = self.space
        outputs = [g for g, axes in enumerate(space.groups) if axes[0] < n_out]
        self.k_groups = [g for g in range(len(space.groups)) if g not in outputs]
        c, (a, b) = space.coefficients(own), (space.coefficients(p) for p in positions)
        self.n_group: int | None = next((g for g in outputs if c[g] == 1), None)
        self.n_group = n = self._wider_columns(outputs, a, b)
        self.swap = n is not None and n not in b and n in a
        if self.swap:
            a, b = b, a
        self.shared = n is not None and n in a and n in b  # columns of both operands: A is a vector too
        rows = [g for g in outputs if g != n and g not in b]
        batch = next((g for g in rows if self.cluster.blocks and space.groups[g][0] == 0), None)
        self.batch_rows = rows == [batch]  # in a loop
        if not self.batch_rows:  # the batch stays outermost
            rows = [g for g in rows if g != batch]
        # Neighbouring rows should be near each other in memory; very short groups make poor tiles.
        near = [g for g in rows if space.sizes[g] >= SHORT] or rows
        self.m_group: int | None = min(near, key=lambda g: (abs(a.get(g, 0)), -space.sizes[g]), default=None)
        self.outer = [g for g in outputs if g not in (n, self.m_group)]

    def _wider_columns(self, outputs: list[int], a: dict[int, int], b: dict[int, int]) -> int | None:
        """The vector group. A single vector of columns would need a load for every multiply-add: long sums into few columns
        (the gradient of a convolution's kernel) are done across the other operand's contiguous axis, and stored one by one."""
        n, lanes, sizes = self.n_group, self.host.lanes(), self.space.sizes
        few = n is not None and sizes[n] <= lanes and not self.cluster.blocks and len(self.cluster.members) == 1
        long = math.prod(sizes[g] for g in self.k_groups) >= LONG_SUM
        if not few or not long:
            return n
        own, other = (a, b) if n in a else (b, a)
        wider = (g for g in outputs if g != n and other.get(g) == 1 and g not in own and sizes[g] >= 2 * lanes)
        return n if n in other else next(wider, n)

    def emit(self) -> Kernel:
        ev, s = self.ev, self.s
        for g in self.outer:
            ev.level[g] = ROW
        for g in (self.m_group, self.n_group):
            if g is not None:
                ev.level[g] = INNER
        panels = 1 if s.panels_inside else s.panels
        units = self.outer_size * panels * s.m_blocks
        # Where B leaves L2, all rows use one panel of it before the next.
        self.panels_last = self.k * s.n * itemsize(self.dtype) > self.host.l2 // 2 and not self.cluster.blocks
        self.f.loop(LO, HI, 1, lambda unit: self._unit(unit, panels))
        flops = 2 * self.outer_size * s.m * s.n * self.k
        epilogue = len(self.cluster.members) - 1
        words = f"m {s.m} n {s.n} k {self.k} outer {self.outer_size}: {s}, {units} units, {epilogue} ops after"
        scratch = (self._panel_items() + self.copy.items) * itemsize(self.wide)
        work = flops // 4 + self.outer_size * s.m * s.n * (1 + epilogue)
        kept = self._packed_items() * itemsize(self.wide) if s.kept and self.stays else 0
        return finish(ev, units, work, words, scratch, flops, kept)

    def _unit(self, unit: Val, panels: int) -> list[Val]:
        ev, f, s = self.ev, self.f, self.s
        with ev.scope(ROW):
            if self.panels_last:
                panel, rest = f.divmod(unit, s.m_blocks * self.outer_size)
            else:
                rest, panel = f.divmod(unit, panels)
            rest, block = f.divmod(rest, s.m_blocks)
            self._locate(rest)
            if s.kept:
                first = f.eq(unit, LO)
                f.when(f.logical_and(FRESH, first) if self.stays else first, lambda: self._panels(self._pack))
            if s.panels_inside:
                self._row_tiles(block, self._row_of_panels)
            else:
                self._one_panel(panel, lambda n, vectors, active: self._panel(block, n, vectors, active))
        return []

    @property
    def _copied_for_all_panels(self) -> bool:
        return self.s.panels_inside and bool(self.copy.groups) and not self.copy.outer

    def _row_of_panels(self, m: Val, rows: int) -> None:
        if self._copied_for_all_panels:
            self.copy.fill(self.f.address(self.a_base, self.f.imul(m, self.a_at.get(self.m_group, 0)), self.dtype), rows)  # type: ignore[arg-type]
        self._panels(lambda n, vectors, active: self._tile(m, rows, n, vectors, active))

    def _locate(self, number: Val) -> None:
        """The place on the outer groups of a unit's piece of them, and where its parts of the operands begin."""
        for g in reversed(self.outer):
            number, self.ev.at[g] = self.f.divmod(number, self.space.sizes[g])
        self.ev.open_section(ROW)
        self.a_base = self._base(self.a, self.a_at, self.a_const)
        self.b_base = self._base(self.b, self.b_at, self.b_const)

    def _base(self, pointer: Val, at: dict[int, int], offset: Val) -> Val:
        for g in self.outer:
            offset = self.f.iadd(offset, self.f.imul(self.ev.at[g], at.get(g, 0)))
        return self.f.address(pointer, offset, self.dtype)

    # Loops over tiles. A remainder in rows or columns is a second copy of the tile's code with its own, static size.

    def _row_tiles(self, block: Val, body) -> None:  # type: ignore[no-untyped-def]
        f, s = self.f, self.s
        per_block = -(-s.m_tiles // s.m_blocks)
        first = f.imul(block, per_block)
        full, rest = divmod(s.m, s.rows)
        last = f.imin(f.iadd(first, index(per_block)), index(full)) if s.m_blocks > 1 else index(full)

        def tile(t: Val) -> list[Val]:
            with self.ev.scope(ROW):
                body(f.imul(t, s.rows), s.rows)
            return []

        f.loop(first, last, 1, tile)
        if rest:
            with self.ev.scope(ROW):
                run = lambda: body(index(full * s.rows), rest)  # noqa: E731
                if s.m_blocks > 1:
                    f.when(f.eq(block, index(full // per_block)), run)
                else:
                    run()

    def _panels(self, body) -> None:  # type: ignore[no-untyped-def]
        f, s = self.f, self.s
        width = s.vectors * s.lanes
        full, rest = divmod(s.n, width)

        def panel(p: Val) -> list[Val]:
            with self.ev.scope(ROW):
                body(f.imul(p, width), s.vectors, s.lanes)
            return []

        f.loop(index(0), index(full), 1, panel)
        if rest:
            with self.ev.scope(ROW):
                body(index(full * width), *self._remainder(rest))

    def _remainder(self, columns: int) -> tuple[int, int]:
        """Vectors of the last panel, and active lanes of its last vector."""
        vectors = -(-columns // self.s.lanes)
        return vectors, columns - (vectors - 1) * self.s.lanes

    def _one_panel(self, panel: Val, body) -> None:  # type: ignore[no-untyped-def]
        f, s = self.f, self.s
        width = s.vectors * s.lanes
        full, rest = divmod(s.n, width)
        if full:
            run = lambda: body(f.imul(panel, width), s.vectors, s.lanes)  # noqa: E731
            with self.ev.scope(ROW):
                f.when(f.lt(panel, index(full)), run) if rest else run()
        if rest:
            run_rest = lambda: body(index(full * width), *self._remainder(rest))  # noqa: E731
            with self.ev.scope(ROW):
                f.when(f.eq(panel, index(full)), run_rest) if full else run_rest()

    def _panel(self, block: Val, n: Val, vectors: int, active: int) -> None:
        if self.s.pack:
            self._pack(n, vectors, active)
        self._row_tiles(block, lambda m, rows: self._tile(m, rows, n, vectors, active))

    # Operands.

    def _walk(self, carried: list[Val], body, groups: list[int] | None = None,  # type: ignore[no-untyped-def]
              at: tuple[dict[int, int], dict[int, int]] | None = None, start: tuple[Val, Val, Val] | None = None) -> list[Val]:
        """The K loops, or those over `groups`: `body(offset in A, offset in B, number of the step, *carried)`.

        `at` are the distances between steps in A and B, `start` is where the loops begin.
        """
        f = self.f
        groups = self.k_groups if groups is None else groups
        a_at, b_at = at or (self.a_at, self.b_at)
        a, b, step = start or (index(0),) * 3
        if not groups:
            return body(a, b, step, carried)
        g, *inside = groups
        size = self.space.sizes[g]

        def iteration(k: Val, *inner: Val) -> list[Val]:
            moved = (f.iadd(a, f.imul(k, a_at.get(g, 0))), f.iadd(b, f.imul(k, b_at.get(g, 0))), f.iadd(f.imul(step, size), k))
            return self._walk(list(inner), body, inside, (a_at, b_at), moved)

        return f.loop(index(0), index(size), 1, iteration, carried)

    def _pack(self, n: Val, vectors: int, active: int) -> None:
        """Copy B[all k, this panel], contiguous along N; lanes that don't exist become zeros."""
        f, s, panel = self.f, self.s, self._panel_at(n)
        step_n = self.b_at.get(self.n_group, 0)  # type: ignore[arg-type]
        origin = f.address(self.b_base, f.imul(n, step_n), self.dtype)
        if len(self.k_groups) == 1 and self.b_at.get(self.k_groups[0]) == 1:
            for j in range(vectors):
                count = active if j == vectors - 1 else s.lanes
                self._pack_turned(f.address(origin, index(j * s.lanes * step_n), self.dtype), step_n, count, index(self.k),
                                  f.address(panel, index(j * s.lanes), self.wide), vectors * s.lanes, False)
            return

        def copy(a: Val, b: Val, k: Val, carried: list[Val]) -> list[Val]:
            target = f.imul(k, vectors * s.lanes)
            for j in range(vectors):
                row = self._lanes_of(f.address(origin, b, self.dtype), step_n, j, active if j == vectors - 1 else s.lanes)
                f.store(row, f.address(panel, f.iadd(target, index(j * s.lanes)), self.wide))
            return carried

        self._walk([], copy)

    def _panel_at(self, n: Val) -> Val:
        """Where the packed panel lies that begins with column `n`."""
        whole = KEPT if self.stays else SCRATCH
        return self.f.address(whole, self.f.imul(n, self.k), self.wide) if self.s.kept else SCRATCH

    def _pack_turned(self, origin: Val, apart: int, count: int, steps: Val, target: Val, width: int, narrow: bool) -> None:
        """Copy `count` rows that are contiguous along K to `target[k][row]`, a square of lanes x lanes at a time.

        `width` is the distance between steps in the target; a `narrow` one must not be written beyond `count`.
        """
        f, s = self.f, self.s
        mask = f.lane_mask(count, s.lanes) if narrow and count < s.lanes else None
        missing = [Val(self.wide, s.lanes, "zeroinitializer")] * (s.lanes - count)

        def square(k: Val) -> list[Val]:
            rows = [f.cast(f.load(f.address(origin, f.iadd(k, index(i * apart)), self.dtype), self.dtype, s.lanes), self.wide)
                    for i in range(count)]
            for c, column in enumerate(f.transpose(rows + missing)):
                f.store(column, f.address(target, f.imul(f.iadd(k, index(c)), width), self.wide), mask)
            return []

        def single(k: Val) -> list[Val]:
            row = Val(self.wide, s.lanes, "zeroinitializer")
            for i in range(count):
                at = f.address(origin, f.iadd(k, index(i * apart)), self.dtype)
                row = f.insert(row, f.cast(f.load(at, self.dtype), self.wide), i)
            f.store(row, f.address(target, f.imul(k, width), self.wide), mask)
            return []

        squares, _ = f.divmod(steps, s.lanes)
        end = f.imul(squares, s.lanes)
        f.loop(index(0), end, s.lanes, square)
        f.loop(end, steps, 1, single)

    def _lanes_of(self, pointer: Val, step: int, j: int, active: int) -> Val:
        """Vector j of an operand along N, which may lie apart in memory; lanes that don't exist are zeros."""
        f, s = self.f, self.s
        if step == 1:
            mask = f.lane_mask(active, s.lanes) if active < s.lanes else None
            return f.cast(f.load(f.address(pointer, index(j * s.lanes), self.dtype), self.dtype, s.lanes, mask), self.wide)
        row = Val(self.wide, s.lanes, "zeroinitializer")
        for lane in range(active):
            at = f.address(pointer, index((j * s.lanes + lane) * step), self.dtype)
            row = f.insert(row, f.cast(f.load(at, self.dtype), self.wide), lane)
        return row

    # The tile.

    def _tile(self, m: Val, rows: int, n: Val, vectors: int, active: int) -> None:
        f, s = self.f, self.s
        step_m = self.a_at.get(self.m_group, 0) if self.m_group is not None else 0
        a_step_n = self.a_at.get(self.n_group, 0) if self.n_group is not None else 0
        a_origin = f.address(self.a_base, f.iadd(f.imul(m, step_m), f.imul(n, a_step_n)), self.dtype)
        step_n = self.b_at.get(self.n_group, 0) if self.n_group is not None else 0
        b_origin = self._panel_at(n) if s.pack else f.address(self.b_base, f.imul(n, step_n), self.dtype)
        zero = Val(self.wide, s.lanes, "zeroinitializer")

        ahead = self.prefetch.begin(m, n)
        upcoming, pace = self._next_tile(a_origin, rows, n, step_m)

        def multiply(a_origin: Val, dtype: str, step_m: int, a: Val, b: Val, k: Val, acc: list[Val]) -> list[Val]:
            self.prefetch.line(ahead, rows - 1, k, vectors * s.lanes)
            if pace:
                f.prefetch(f.address(upcoming, f.imul(k, pace), "uint8"), False)
            columns = self._columns(b_origin, b, k, vectors, active)
            pointer = f.address(a_origin, a, dtype)
            result = []
            for i in range(rows):
                row = f.address(pointer, index(i * step_m), dtype)
                if self.shared:
                    values = [self._lanes_of(row, a_step_n, j, active if j == vectors - 1 else s.lanes) for j in range(vectors)]
                else:
                    values = [f.splat(f.cast(f.load(row, dtype), self.wide), s.lanes)] * vectors
                result += [f.fma(values[j], columns[j], acc[i * vectors + j]) for j in range(vectors)]
            return result

        def from_copy(a: Val, b: Val, k: Val, acc: list[Val]) -> list[Val]:
            """The steps of the inner groups, with rows of A from a copy."""
            if not self._copied_for_all_panels:
                copy.fill(f.address(a_origin, a, self.dtype), rows)
            step = partial(multiply, copy.start, self.wide, copy.step_m)
            return self._walk(acc, step, copy.groups, (copy.at, self.b_at), (index(0), b, k))

        copy, start = self.copy, [zero] * (rows * vectors)
        if copy.groups:
            acc = self._walk(start, from_copy, copy.outer)
        else:
            acc = self._walk(start, partial(multiply, a_origin, self.dtype, step_m))
        self._epilogue(m, rows, n, vectors, active, acc)

    def _next_tile(self, a_origin: Val, rows: int, n: Val, step_m: int) -> tuple[Val, int]:
        """Where to fetch the next tile's rows of A from, and how many bytes further in each step of K: all panels together walk
        over them once. Without that each tile begins by waiting for L3 (2048 x 512 x 128: 0.50 -> 0.74 of the FMA peak)."""
        f, s = self.f, self.s
        rows_follow = len(self.k_groups) == 1 and self.a_at.get(self.k_groups[0]) == 1 and step_m == self.k
        if not s.kept or self.stays or not rows_follow:
            return a_origin, 0
        pace = -(-rows * itemsize(self.dtype) // s.panels)
        panel, _ = f.divmod(n, s.vectors * s.lanes)
        return f.address(f.address(a_origin, index(rows * self.k), self.dtype), f.imul(panel, self.k * pace), "uint8"), pace

    def _columns(self, origin: Val, b: Val, k: Val, vectors: int, active: int) -> list[Val]:
        """NV vectors of B at one step of K."""
        f, s = self.f, self.s
        if s.pack:
            return self._vectors(origin, f.imul(k, vectors * s.lanes), vectors)
        result = []
        for j in range(vectors):
            pointer = f.address(origin, f.iadd(b, index(j * s.lanes)), self.dtype)
            cut = j == vectors - 1 and active < s.lanes
            if self.n_group is None:
                result.append(f.splat(f.cast(f.load(pointer, self.dtype), self.wide), s.lanes))
                continue
            mask = f.lane_mask(active, s.lanes) if cut else None
            result.append(f.cast(f.load(pointer, self.dtype, s.lanes, mask), self.wide))
        return result

    def _vectors(self, pointer: Val, at: Val, count: int) -> list[Val]:
        f, s = self.f, self.s
        return [f.load(f.address(pointer, f.iadd(at, index(j * s.lanes)), self.wide), self.wide, s.lanes) for j in range(count)]

    def _epilogue(self, m: Val, rows: int, n: Val, vectors: int, active: int, acc: list[Val]) -> None:
        """Run the cluster's elementwise members on the tile and store what is needed."""
        ev, f, s = self.ev, self.f, self.s
        operations = (len(self.cluster.members) - 1) * rows * vectors
        if operations <= STRAIGHT_LINE or rows == 1:
            for i in range(rows):
                self._row(f.iadd(m, index(i)), self._columns_from(n, vectors), active, acc[i * vectors:(i + 1) * vectors])
            return
        tile = f.address(SCRATCH, index(self._panel_items() + self.copy.items), self.wide)
        for i, value in enumerate(acc):
            f.store(value, f.address(tile, index(i * s.lanes), self.wide))

        def row(i: Val) -> list[Val]:
            with ev.scope(ROW):
                at = f.imul(i, vectors * s.lanes)
                self._row(f.iadd(m, i), self._columns_from(n, vectors), active, self._vectors(tile, at, vectors))
            return []

        f.loop(index(0), index(rows), 1, row)

    def _columns_from(self, n: Val, vectors: int) -> list[Val]:
        return [self.f.iadd(n, index(j * self.s.lanes)) for j in range(vectors)]

    def _packed_items(self) -> int:
        """Elements of B in packed panels: all of it, or of one panel at a time."""
        return self.k * self.s.lanes * (-(-self.s.n // self.s.lanes) if self.s.kept else self.s.vectors)

    def _panel_items(self) -> int:
        """Those that lie in scratch."""
        return 0 if not self.s.pack or (self.s.kept and self.stays) else self._packed_items()

    def _row(self, m: Val, columns: list[Val], active: int, values: list[Val]) -> None:
        """One row of the tile, vectors that begin at `columns`; of the last one, `active` lanes exist."""
        ev, f, s = self.ev, self.f, self.s
        ev.vector, ev.lanes = self.n_group, s.lanes if self.n_group is not None else 0
        if self.m_group is not None:
            ev.at[self.m_group] = m
        at = domain_index(self.cluster.shape)
        for j, (column, value) in enumerate(zip(columns, values, strict=True)):
            if self.n_group is not None:
                ev.at[self.n_group] = column
            ev.active = active if j == len(values) - 1 else s.lanes
            result = f.cast(value, self.out.dtype)
            if self.n_group is None:
                result = f.extract(result, 0)
            ev.known = {(self.out, column.ref if self.n_group is not None else ""): (result, INNER)}
            with ev.scope(INNER):
                ev.store_all(self.cluster.stores, lambda _: at)
