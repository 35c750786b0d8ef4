"""3 x 3 convolutions with 16 multiplications where the sum of products has 36: Winograd's minimal filtering, F(2x2, 3x3).

A tile is 2 x 2 outputs; d is the window of 4 x 4 inputs that they need, w the kernel:

    Y = At [ (G w Gt) * (Bt d B) ] A        summed over the channels within the brackets

    Bt = 1  0 -1  0      G =  1    0    0       At = 1  1  1  0
         0  1  1  0          1/2  1/2  1/2           0  1 -1 -1
         0 -1  1  0          1/2 -1/2  1/2
         0  1  0 -1           0    0    1

The transforms are additions. What is between them is one matrix product for each of the 16 positions: rows are tiles, columns
output channels, the sum runs over the input channels. (Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray,
"Fast Algorithms for Convolutional Neural Networks", 2016.)

Rounding: less than that of the direct sum, which has nine times as many terms one after the other. Largest error relative to the
sum of |x| |w|, in units of 2^-23, with 16 to 256 channels: 0.8 to 1.1 (direct 2.5 to 2.8) for normally distributed numbers, 3 to
9.5 (direct 8 to 30) for positive ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from lamella.native.clusters import Cluster
from lamella.native.contraction import best_tile
from lamella.native.emitter import Emitter
from lamella.native.evaluate import INNER, ROW
from lamella.native.kernel import FRESH, HI, KEPT, LO, SCRATCH, Kernel, finish
from lamella.native.llvm_text import Val, index, itemsize
from lamella.native.plan import Plan
from lamella.native.prefetch import LINE
from lamella.native.target import Machine
from lamella.native.tiles import INPUTS, KERNELS, POSITIONS, Tiles, Window, faster, twice

OUTPUTS = 18  # cycles per tile and vector of channels for the transform of outputs; measured
L2_BYTES, L3_BYTES = 32, 16  # per cycle
NEAR = 1.1  # a smaller block is better if it is nearly as fast: what it computes with stays in L1


def transform_kernel(f: Emitter, w: Sequence[Val]) -> list[Val]:
    half = f.const(0.5, w[0].dtype)
    ends, middle = f.mul(f.add(w[0], w[2]), half), f.mul(w[1], half)
    return [w[0], f.add(ends, middle), f.sub(ends, middle), w[2]]


def transform_output(f: Emitter, m: Sequence[Val]) -> list[Val]:
    return [f.add(f.add(m[0], m[1]), m[2]), f.sub(f.sub(m[1], m[2]), m[3])]


class Winograd(Tiles):
    """A convolution. A unit is a block of one image: its inputs are transformed; then for each panel of output channels the
    products at all positions, the transform of outputs, and the cluster's other members.

    The transformed kernels are kept as a packed B is (contraction.py).
    """

    def __init__(self, plan: Plan, cluster: Cluster, host: Machine, w: Window) -> None:
        super().__init__(plan, cluster, host, w)
        group = self.space.group_of
        self.y_group, self.m_group = group[w.y], group[w.x]
        outputs = [g for g, axes in enumerate(self.space.groups) if axes[0] < len(cluster.shape)]
        self.outer = [g for g in outputs if g not in (self.y_group, self.m_group, self.n_group)]
        self.images = math.prod(self.space.sizes[g] for g in self.outer)
        lanes, kernels = self.s.lanes, POSITIONS * (self.channels + 1) * self.wide_n * self.s.lanes
        together = self.rows // cluster.blocks if cluster.blocks and w.y == 0 else self.rows  # a chain may cut a lone image
        costs = {r: self._cycles(r, kernels) for r in range(1, together + 1) if together % r == 0}
        block = next(r for r, c in costs.items() if c <= NEAR * min(costs.values()))
        self.kept = kernels if self.stays else 0
        self.tile_rows, self.vectors, _ = best_tile(block * self.columns, self.wide_n, host.registers)
        self.panel = self.vectors * lanes
        alone = self.vectors == self.wide_n  # a lone panel's products take the place of the inputs: these lines are in L1
        self._place(block, kernels - self.kept, max(self.wide_c, self.vectors if alone else 0) * lanes)
        self.m_start, self.row_m, self.apart_m = self.v_start, self.row, self.apart_v
        self.items = self.v_end
        if not alone:
            self.m_start, self.row_m, self.apart_m = self.v_end, self.panel, self.tiles * self.panel + lanes
            self.items += POSITIONS * self.apart_m
        # Against the direct sum, for as many images as a core has.
        share, registers = self.images / host.cores, host.registers
        direct = share * best_tile(self.width, self.wide_n, registers)[2] * self.height * 9 * self.channels
        transforms = INPUTS * self.wide_c + OUTPUTS * self.wide_n
        least = costs[block] + transforms * self.rows * self.columns
        self.pays = self._fits(self.items - self.v_start) and faster(share * least + KERNELS * self.channels * self.wide_n, direct)

    def _cycles(self, block: int, kernels: int) -> float:
        """Of an image's products: the multiply-adds, or the reading of all kernels for each block."""
        multiply = POSITIONS * self.channels * best_tile(block * self.columns, self.wide_n, self.host.registers)[2]
        nbytes = kernels * itemsize(self.wide)
        read = nbytes / (L2_BYTES if nbytes <= self.host.l2 // 2 else L3_BYTES)
        used = (1 - self.width % 2 / (4 * self.columns)) * (1 - (block == 1) * (self.height % 2) / (4 * self.rows))
        return max(multiply * used, read) * self.rows / block

    def emit(self) -> Kernel:
        ev, s = self.ev, self.s
        for g in (*self.outer, self.y_group, self.n_group):
            ev.level[g] = ROW  # type: ignore[index]
        ev.level[self.m_group] = INNER  # type: ignore[index]
        self.blocks = self.rows // self.block
        units = self.images * self.blocks
        self.f.loop(LO, HI, 1, self._block_of_image)
        outputs, after = self.images * self.height * self.width * s.n, len(self.cluster.members) - 1
        flops = 2 * 9 * self.channels * outputs
        words = (f"m {self.height} x {self.width} n {s.n} k 9 x {self.channels} outer {self.images}: 2 x 2 outputs at a time "
                 f"(Winograd), {self.block} x {self.columns} tiles, tile {self.tile_rows} x {self.vectors} vectors of {s.lanes}, "
                 f"{units} units, {after} ops after")
        size = itemsize(self.wide)
        return finish(ev, units, flops // 8 + outputs * (1 + after), words, self.items * size, flops, self.kept * size)

    def _block_of_image(self, unit: Val) -> list[Val]:
        ev, f = self.ev, self.f
        with ev.scope(ROW):
            rest, block = f.divmod(unit, self.blocks)
            self._locate(rest)
            first = f.eq(unit, LO)
            f.when(f.logical_and(FRESH, first) if self.stays else first, lambda: self._all_panels(self._transform_kernels))
            self.top = f.imul(block, 2 * self.block)
            self._transform_inputs(lambda r: (self.a_base, f.iadd(self.top, f.imul(r, 2))))
            self._all_panels(self._one_panel_of_outputs)
        return []

    def _all_panels(self, body: Callable[[Val, int, int], None]) -> None:
        """`body(first column, vectors, active lanes of the last)`."""
        f = self.f
        full, rest = divmod(self.s.n, self.panel)

        def panel(p: Val) -> list[Val]:
            with self.ev.scope(ROW):
                body(f.imul(p, self.panel), self.vectors, self.s.lanes)
            return []

        f.loop(index(0), index(full), 1, panel)
        if rest:
            with self.ev.scope(ROW):
                body(index(full * self.panel), *self._remainder(rest))

    def _kernels(self, n: Val) -> Val:
        """Where the transformed kernels of the panel lie that begins at column `n`."""
        whole = KEPT if self.stays else SCRATCH
        return self.f.address(whole, self.f.imul(n, POSITIONS * (self.channels + 1)), self.wide)

    def _transform_kernels(self, n: Val, vectors: int, active: int) -> None:
        """G w Gt -> U[position][channel][column], for a panel. A line lies between positions."""
        f, lanes, w = self.f, self.s.lanes, self.w
        step_n, width = w.other[w.filter], vectors * lanes

        def channel(k: Val) -> list[Val]:
            source = f.address(self.b_base, f.iadd(f.imul(n, step_n), f.imul(k, w.other[w.channel])), self.dtype)
            target = f.address(self._kernels(n), f.imul(k, width), self.wide)

            def vector(c: Val, active: int) -> None:
                begin = f.address(source, f.imul(c, step_n), self.dtype)
                taps = [[f.address(begin, index(y * w.other[w.ky] + x * w.other[w.kx]), self.dtype) for x in range(3)]
                        for y in range(3)]
                square = [[self._lanes_of(tap, step_n, 0, active) for tap in row] for row in taps]
                self._put(twice(transform_kernel, f, square), f.address(target, c, self.wide), (self.channels + 1) * width)

            self._each_vector(vectors, active, vector)
            return []

        f.loop(index(0), index(self.channels), 1, channel)

    def _one_panel_of_outputs(self, n: Val, vectors: int, active: int) -> None:
        f, width = self.f, vectors * self.s.lanes
        ahead = self._ahead(n)

        def position(p: Val, tiles: int = self.tiles) -> list[Val]:
            self._fetch(ahead, p, width)
            v = f.address(self._part(self.v_start), f.imul(p, self.apart_v), self.wide)
            u = f.address(self._kernels(n), f.imul(p, (self.channels + 1) * width), self.wide)
            m = f.address(self._part(self.m_start), f.imul(p, self.apart_m), self.wide)
            full, rest = divmod(tiles, self.tile_rows)

            def rows(t: Val, count: int = self.tile_rows) -> list[Val]:
                first = f.imul(t, self.tile_rows)
                self._product(f.address(v, f.imul(first, self.row), self.wide), u,
                              f.address(m, f.imul(first, self.row_m), self.wide), count, vectors)
                return []

            f.loop(index(0), index(full), 1, rows)
            if rest:
                rows(index(full), rest)
            return []

        def four(i: Val) -> list[Val]:
            """Tiles whose right half is outside do not need the last one."""
            first, whole = f.imul(i, 4), 3 if self.width % 2 else 4
            f.loop(index(0), index(whole), 1, lambda j: position(f.iadd(first, j)))
            if whole == 3:
                position(f.iadd(first, index(3)), self.tiles - self.block)
            return []

        fours = index(4)
        if self.height % 2 and self.block == 1:  # nor does a row of tiles whose lower half is outside need the last four
            fours = f.iadd(index(3), f.imin(index(1), f.iadd(index(self.height - 1), f.imul(self.top, -1))))
        f.loop(index(0), fours, 1, four)
        self._outputs(n, vectors, active)

    def _ahead(self, n: Val) -> list[tuple[Val, int, int, bool]]:
        """Where the epilogue of this panel will read or write arrays beyond L2: (first output, outputs, bytes between, writes)."""
        ev, f, found = self.ev, self.f, []
        with ev.scope(ROW):
            ev.at[self.y_group], ev.at[self.m_group], ev.at[self.n_group] = self.top, index(0), n  # type: ignore[index]
            ev.open_section(ROW)
            for var, at, written in self.prefetch.places:
                steps = ev.space.coefficients(at)
                outputs = 2 * self.block * steps[self.y_group] // steps[self.m_group]  # type: ignore[index]
                if ev.plan.buffer(var).kind != "private":
                    start = f.address(ev.pointer(var), ev.linear(at)[0], var.dtype)
                    found.append((start, outputs, steps[self.m_group] * itemsize(var.dtype), written))  # type: ignore[index]
        return found

    def _fetch(self, ahead: list[tuple[Val, int, int, bool]], p: Val, width: int) -> None:
        """At each position, a sixteenth of that. (Gradients of inputs, 16 channels: 860 to 590 us.)"""
        f = self.f
        for start, outputs, apart, written in ahead:
            share = -(-outputs // POSITIONS)
            first = f.address(start, f.imul(p, share * apart), "uint8")

            def output(q: Val, first: Val = first, apart: int = apart, written: bool = written) -> list[Val]:
                place = f.address(first, f.imul(q, apart), "uint8")
                for offset in range(0, width * itemsize(self.wide), LINE):
                    f.prefetch(f.address(place, index(offset), "uint8"), written)
                return []

            f.loop(index(0), index(share), 1, output)

    def _product(self, a: Val, b: Val, m: Val, rows: int, vectors: int) -> None:
        """Tiles times kernels at one position: the sum over the channels stays in registers."""
        f, lanes = self.f, self.s.lanes

        def step(k: Val, *acc: Val) -> list[Val]:
            columns = self._vectors(b, f.imul(k, vectors * lanes), vectors)
            pointer, result = f.address(a, k, self.wide), []
            for i in range(rows):
                value = f.splat(f.load(f.address(pointer, index(i * self.row), self.wide), self.wide), lanes)
                result += [f.fma(value, columns[j], acc[i * vectors + j]) for j in range(vectors)]
            return result

        acc = f.loop(index(0), index(self.channels), 1, step, [Val(self.wide, lanes, "zeroinitializer")] * (rows * vectors))
        for i in range(rows):
            for j in range(vectors):
                f.store(acc[i * vectors + j], f.address(m, index(i * self.row_m + j * lanes), self.wide))

    def _outputs(self, n: Val, vectors: int, active: int) -> None:
        """At M A and the cluster's other members, for each output of a panel that exists."""
        ev, f = self.ev, self.f

        def row(r: Val) -> list[Val]:
            top = f.iadd(self.top, f.imul(r, 2))
            ys = top, f.iadd(top, index(1))

            def tile(t: Val) -> list[Val]:
                left = f.imul(t, 2)
                xs = left, f.iadd(left, index(1))
                source = f.address(self._part(self.m_start), f.imul(self._number(r, t), self.row_m), self.wide)

                def vector(c: Val, active: int) -> None:
                    column = f.iadd(n, c)
                    begin = f.address(source, c, self.wide)
                    m = [[f.load(f.address(begin, index((4 * y + x) * self.apart_m), self.wide), self.wide, self.s.lanes)
                          for x in range(4)] for y in range(4)]
                    with ev.scope(ROW):
                        ev.open_section(ROW)
                        for y, line in zip(ys, twice(transform_output, f, m), strict=True):
                            self._if(y, self.height, y is not top, partial(self._pair, y, xs, column, active, line))

                self._each_vector(vectors, active, vector)
                return []

            f.loop(index(0), index(self.columns), 1, tile)
            return []

        f.loop(index(0), index(self.block), 1, row)

    def _pair(self, y: Val, xs: tuple[Val, Val], column: Val, active: int, line: Sequence[Val]) -> None:
        self.ev.at[self.y_group] = y
        for x, value in zip(xs, line, strict=True):
            self._if(x, self.width, x is not xs[0], partial(self._row, x, [column], active, [value]))

    def _if(self, at: Val, size: int, second: bool, body: Callable[[], None]) -> None:
        """The second line or column of a tile may be outside."""
        if second and size % 2:
            self.f.when(self.f.lt(at, index(size)), body)
        else:
            body()
