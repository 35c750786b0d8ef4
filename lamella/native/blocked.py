"""The contraction kernel for products that leave the cache: the tile of contraction.py, with blocks and packed operands.

A unit is a block of rows. Reduction steps are taken in chunks of KC, so that a panel of B (KC x NR) stays in L1 and the
block of A (MC x KC) in L2 while all tiles of the block use them; both are copied into scratch in the order in which the
tile reads them, A only where it is used by many panels or its rows fall on the same cache sets. Partial results of a chunk
wait in scratch for the next one (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from lamella.native.clusters import Cluster
from lamella.native.contraction import Contraction
from lamella.native.evaluate import INNER, ROW
from lamella.native.kernel import HI, LO, SCRATCH, Kernel, finish
from lamella.native.llvm_text import Val, index, itemsize
from lamella.native.plan import Plan
from lamella.native.target import Machine
from lamella.native.tiles import window
from lamella.native.winograd import Winograd
from lamella.native.winograd_gradient import WinogradGradient

CHUNK = 256  # reduction steps per chunk
ROWS = 256  # rows per block, about
PACK_ROWS_FROM = 512  # columns from which copying A pays
PACK_TILE, PACK_PANEL = 6, 6  # cycles per step of K, about


def contract_kernel(plan: Plan, cluster: Cluster, host: Machine) -> Kernel:
    """The kernel for a contraction: with fewer multiplications if it is a convolution to which that pays (winograd.py); blocked if
    its operands don't fit in L2 together, and B doesn't alone."""
    w = window(plan, cluster)
    if w is not None:
        fast = (Winograd if w.forward else WinogradGradient)(plan, cluster, host, w)
        if fast.pays:
            return fast.emit()
    plain = Contraction(plan, cluster, host)
    m, n, k = plain.s.m, plain.s.n, plain.k
    big = (m * k + k * n + m * n) * itemsize(plain.wide) > host.l2 and min(m, k) >= 64 and n >= host.lanes()
    if big and not plain.shared and not plain.s.kept and not plain.batch_rows:
        return _Blocked(plan, cluster, host).emit()
    return plain.emit()


class _Blocked(Contraction):
    def __init__(self, plan: Plan, cluster: Cluster, host: Machine) -> None:
        super().__init__(plan, cluster, host)
        self.copy.items = 0  # rows are packed here, and widened by that
        s = self.s
        self._chunks()
        self._cut()
        self.width = s.vectors * s.lanes
        self.a_step_m = self.a_at.get(self.m_group, 0)  # type: ignore[arg-type]
        self.a_step_k, self.b_step_k = (at.get(self.k_group, 0) for at in (self.a_at, self.b_at))
        self.b_step_n = self.b_at.get(self.n_group, 0)  # type: ignore[arg-type]
        same_sets = self.a_step_m * itemsize(self.dtype) % 4096 == 0 and s.rows > 6
        self.pack_a = (s.n >= PACK_ROWS_FROM and self.a_step_m != 1) or same_sets or self.dtype != self.wide or self.inner > 1
        # Scratch, in items: the panel of B, the block of A, partial results, a tile of the epilogue.
        self.a_items = self.tiles * s.rows * self.chunk if self.pack_a else 0
        self.partial_items = self.tiles * s.rows * self.group * self.width if self.chunks > 1 else 0
        self.b_items = self.chunk * self.width

    def _chunks(self) -> None:
        """A chunk is some positions of one reduction group, with all of the groups inside of it; these are packed as one."""
        sizes = [self._size(g) for g in self.k_groups]
        at = next(i for i in range(len(sizes)) if math.prod(sizes[i + 1:]) <= CHUNK)
        self.around, self.k_group, self.inside = self.k_groups[:at], self.k_groups[at], self.k_groups[at + 1:]
        self.inner = math.prod(sizes[at + 1:])
        parts = -(-sizes[at] // max(1, CHUNK // self.inner))
        self.positions = -(-sizes[at] // parts)  # per chunk
        self.parts = -(-sizes[at] // self.positions)
        self.chunks = self.parts * math.prod(sizes[:at])
        self.chunk = self.positions * self.inner

    def _cut(self) -> None:
        """Blocks of rows and groups of panels: the cut with which the busiest core has the least to do, packing included."""
        s, cores, outer = self.s, self.host.cores, self.outer_size
        tile = s.rows * s.vectors / 2  # cycles per step of K
        least = -(-s.m // (2 * ROWS))
        found: dict[tuple[int, int], float] = {}
        for blocks in range(least, max(least, min(s.m_tiles, 2 * cores)) + 1):
            for groups in range(1, max(1, min(s.panels, 2 * cores // blocks)) + 1):
                tiles, panels = -(-s.m_tiles // blocks), -(-s.panels // groups)
                last = s.m_tiles - (blocks - 1) * tiles, s.panels - (groups - 1) * panels
                if min(last) <= 0:
                    continue
                units = [(tiles if b < blocks - 1 else last[0], panels if g < groups - 1 else last[1])
                         for b in range(blocks) for g in range(groups)] * min(outer, 2 * cores)
                costs = [t * p * tile + t * PACK_TILE + p * PACK_PANEL for t, p in units]
                shares = [sum(costs[len(costs) * c // cores:len(costs) * (c + 1) // cores]) for c in range(cores)]
                found[blocks, groups] = max(shares)
        self.blocks, self.groups = min(found, key=lambda c: (found[c], c))
        self.tiles, self.group = -(-s.m_tiles // self.blocks), -(-s.panels // self.groups)

    def emit(self) -> Kernel:
        ev, s = self.ev, self.s
        for g in self.outer:
            ev.level[g] = ROW
        for g in (self.m_group, self.n_group):
            if g is not None:
                ev.level[g] = INNER
        units = self.outer_size * self.blocks * self.groups
        self.f.loop(LO, HI, 1, self._unit_block)
        flops = 2 * self.outer_size * s.m * s.n * self.k
        scratch = (self.b_items + self.a_items + self.partial_items + s.rows * self.width) * itemsize(self.wide)
        words = (f"m {s.m} n {s.n} k {self.k} outer {self.outer_size}: blocked, tile {s.rows} x {s.vectors} vectors of {s.lanes}, "
                 f"{self.chunks} chunks of {self.chunk}, {self.blocks} blocks of {self.tiles} tiles, "
                 f"{self.groups} groups of panels, "
                 f"{'A and B packed' if self.pack_a else 'B packed'}, {units} units, {len(self.cluster.members) - 1} ops after")
        return finish(ev, units, flops // 4, words, scratch, flops)

    def _unit_block(self, unit: Val) -> list[Val]:
        ev, f = self.ev, self.f
        with ev.scope(ROW):
            rest, group = f.divmod(unit, self.groups)
            rest, block = f.divmod(rest, self.blocks)
            self._locate(rest)
            first = f.imul(block, self.tiles)
            self.first_panel = f.imul(group, self.group)
            f.loop(index(0), index(self.chunks), 1, lambda c: self._one_chunk(c, first))
        return []

    def _one_chunk(self, c: Val, first: Val) -> list[Val]:
        """All panels and tiles of a block, for one chunk of K."""
        f = self.f
        with self.ev.scope(ROW):
            rest, part = f.divmod(c, self.parts)
            start = f.imul(part, self.positions)
            total = self.space.sizes[self.k_group]
            left = f.iadd(index(total), f.imul(start, -1))
            steps = f.imin(index(self.positions), left) if total % self.positions else index(self.positions)
            self.a_start, self.b_start = f.imul(start, self.a_step_k), f.imul(start, self.b_step_k)
            for g in reversed(self.around):
                rest, at = f.divmod(rest, self._size(g))
                self.a_start = f.iadd(self.a_start, f.imul(at, self.a_at.get(g, 0)))
                self.b_start = f.iadd(self.b_start, f.imul(at, self.b_at.get(g, 0)))
            if self.pack_a:
                self._tiles(first, lambda t, m, rows: self._pack_tile(t, m, rows, steps))
            self._all_panels(lambda p, n, vectors, active: self._one_panel_of(c, first, steps, p, n, vectors, active))
        return []

    def _all_panels(self, body) -> None:  # type: ignore[no-untyped-def]
        f, s = self.f, self.s
        full, rest = divmod(s.n, self.width)

        def panel(p: Val) -> list[Val]:
            with self.ev.scope(ROW):
                body(f.iadd(p, f.imul(self.first_panel, -1)), f.imul(p, self.width), s.vectors, s.lanes)
            return []

        last = f.imin(f.iadd(self.first_panel, index(self.group)), index(full))
        f.loop(self.first_panel, last, 1, panel)
        if rest:
            mine = f.eq(self.first_panel, index((self.groups - 1) * self.group))
            number = full - (self.groups - 1) * self.group
            with self.ev.scope(ROW):
                f.when(mine, lambda: body(index(number), index(full * self.width), *self._remainder(rest)))

    def _tiles(self, first: Val, body) -> None:  # type: ignore[no-untyped-def]
        """`body(number within the block, first row, rows)` for the block's tiles; the last tile of all may be shorter."""
        f, s = self.f, self.s
        full, rest = divmod(s.m, s.rows)

        def tile(t: Val) -> list[Val]:
            with self.ev.scope(ROW):
                body(t, f.imul(f.iadd(first, t), s.rows), s.rows)
            return []

        last = f.imin(index(self.tiles), f.iadd(index(full), f.imul(first, -1)))
        f.loop(index(0), last, 1, tile)
        if rest:
            with self.ev.scope(ROW):
                own = f.eq(f.iadd(first, last), index(full))
                inside = f.logical_and(own, f.lt(last, index(self.tiles)))
                f.when(inside, lambda: body(last, index(full * s.rows), rest))

    # Packing.

    def _part(self, items: int) -> Val:
        return self.f.address(SCRATCH, index(items), self.wide)

    def _each_step(self, steps: Val, body: Callable[[Val, Val, Val], None]) -> None:
        """`body(number of the step, offset in A, offset in B)` for all reduction steps of a chunk."""
        f = self.f

        def step(a: Val, b: Val, k: Val, carried: list[Val]) -> list[Val]:
            body(k, a, b)
            return carried

        def position(k: Val) -> list[Val]:
            return self._walk([], step, self.inside, start=(f.imul(k, self.a_step_k), f.imul(k, self.b_step_k), k))

        f.loop(index(0), steps, 1, position)

    def _pack_tile(self, t: Val, m: Val, rows: int, steps: Val) -> None:
        """A[rows of a tile, a chunk] -> scratch[tile][k][row]."""
        f, s = self.f, self.s
        origin = f.address(self.a_base, f.iadd(f.imul(m, self.a_step_m), self.a_start), self.dtype)
        target = f.address(self._part(self.b_items), f.imul(t, s.rows * self.chunk), self.wide)
        if self.inner == 1 and self.a_step_k == 1 and rows <= s.lanes:
            self._pack_turned(origin, self.a_step_m, rows, steps, target, s.rows, True)
            return

        def step(k: Val, a: Val, b: Val) -> None:
            source = f.address(origin, a, self.dtype)
            row = f.address(target, f.imul(k, s.rows), self.wide)
            if self.a_step_m == 1 and rows <= s.lanes:
                mask = f.lane_mask(rows, s.lanes)
                f.store(f.cast(f.load(source, self.dtype, s.lanes, mask), self.wide), row, mask)
                return
            for i in range(rows):
                value = f.cast(f.load(f.address(source, index(i * self.a_step_m), self.dtype), self.dtype), self.wide)
                f.store(value, f.address(row, index(i), self.wide))

        self._each_step(steps, step)

    def _pack_panel(self, n: Val, steps: Val, vectors: int, active: int) -> None:
        """B[a chunk, a panel] -> scratch[k][column]; columns that don't exist become zeros."""
        f, s = self.f, self.s
        origin, target = self._panel_origin(n), self._part(0)
        if self.inner == 1 and self.b_step_k == 1 and self.b_step_n != 1:
            for j in range(vectors):
                count = active if j == vectors - 1 else s.lanes
                self._pack_turned(f.address(origin, index(j * s.lanes * self.b_step_n), self.dtype), self.b_step_n, count, steps,
                                  f.address(target, index(j * s.lanes), self.wide), vectors * s.lanes, False)
            return

        def step(k: Val, a: Val, b: Val) -> None:
            source = f.address(origin, b, self.dtype)
            row = f.address(target, f.imul(k, vectors * s.lanes), self.wide)
            for j in range(vectors):
                vector = self._lanes_of(source, self.b_step_n, j, active if j == vectors - 1 else s.lanes)
                f.store(vector, f.address(row, index(j * s.lanes), self.wide))

        self._each_step(steps, step)

    # Tiles.

    def _one_panel_of(self, c: Val, first: Val, steps: Val, p: Val, n: Val, vectors: int, active: int) -> None:
        f = self.f
        self._pack_panel(n, steps, vectors, active)
        self.next_panel = self._panel_origin(f.iadd(n, index(self.width)))
        self._tiles(first, lambda t, m, rows: self._block_tile(c, steps, p, t, m, rows, n, vectors, active))

    def _panel_origin(self, n: Val) -> Val:
        f = self.f
        return f.address(self.b_base, f.iadd(f.imul(n, self.b_step_n), self.b_start), self.dtype)

    def _block_tile(self, c: Val, steps: Val, p: Val, t: Val, m: Val, rows: int, n: Val, vectors: int, active: int) -> None:
        f, s = self.f, self.s
        if self.pack_a:
            a = f.address(self._part(self.b_items), f.imul(t, s.rows * self.chunk), self.wide)
            step_m, step_k, dtype = 1, s.rows, self.wide
        else:
            a = f.address(self.a_base, f.iadd(f.imul(m, self.a_step_m), self.a_start), self.dtype)
            step_m, step_k, dtype = self.a_step_m, self.a_step_k, self.dtype
        steps = f.imul(steps, self.inner)
        b, size = self._part(0), vectors * s.lanes
        ahead = self.prefetch.begin(m, n) if self.chunks == 1 else []

        fetch_b = self.b_step_n == 1 and self.inner == 1  # the next panel's rows lie apart: the CPU does not see them coming

        def step(k: Val, *acc: Val) -> list[Val]:
            if fetch_b:
                upcoming = f.address(self.next_panel, f.imul(k, self.b_step_k), self.dtype)
                for j in range(vectors):
                    f.prefetch(f.address(upcoming, index(j * s.lanes), self.dtype), False)
            self.prefetch.line(ahead, rows - 1, k, size)
            row = f.address(b, f.imul(k, size), self.wide)
            columns = [f.load(f.address(row, index(j * s.lanes), self.wide), self.wide, s.lanes) for j in range(vectors)]
            pointer = f.address(a, f.imul(k, step_k), dtype)
            if not self.pack_a and step_m == 1:
                f.prefetch(f.address(pointer, index(24 * step_k), dtype), False)
                f.prefetch(f.address(pointer, index(24 * step_k + rows - 1), dtype), False)
            result = []
            for i in range(rows):
                wide = f.splat(f.cast(f.load(f.address(pointer, index(i * step_m), dtype), dtype), self.wide), s.lanes)
                result += [f.fma(wide, columns[j], acc[i * vectors + j]) for j in range(vectors)]
            return result

        zero = Val(self.wide, s.lanes, "zeroinitializer")
        if self.chunks == 1:
            self._epilogue(m, rows, n, vectors, active, f.loop(index(0), steps, 1, step, [zero] * (rows * vectors)))
            return
        number = f.iadd(f.imul(t, self.group), p)
        partial = f.address(self._part(self.b_items + self.a_items), f.imul(number, s.rows * self.width), self.wide)
        places = [f.address(partial, index(i * s.lanes), self.wide) for i in range(rows * vectors)]
        begin = f.eq(c, index(0))
        f.when(begin, lambda: self._put([zero] * len(places), places))
        acc = f.loop(index(0), steps, 1, step, [f.load(place, self.wide, s.lanes) for place in places])
        last = f.eq(c, index(self.chunks - 1))
        f.when(last, lambda: self._epilogue(m, rows, n, vectors, active, acc))
        f.when(f.logical_not(last), lambda: self._put(acc, places))

    def _put(self, values: list[Val], places: list[Val]) -> None:
        for value, place in zip(values, places, strict=True):
            self.f.store(value, place)

    def _panel_items(self) -> int:
        return self.b_items + self.a_items + self.partial_items
