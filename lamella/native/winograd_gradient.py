"""The gradient of a 3 x 3 convolution's kernel with 16 multiplications where the sum of products has 36.

Y = At [ (G w Gt) * V ] A is linear in w (winograd.py), so with E the gradient of Y, a tile of 2 x 2,

    dw = Gt [ sum over tiles of (A E At) * V ] G,    V = Bt d B

one matrix product for each of the 16 positions: rows are input channels, columns output channels, the sum runs over tiles. The sum
over tiles stands within the brackets, so the last transform comes once. The sign of A's last row is left to Gt, see below. The sums
over many terms are rounded as those of the direct sum are. A tap with few terms, as the corners have in very small images, is
rounded as its neighbours: errors are small relative to the largest tap (at most 1.9 x 2^-23 of its sum of |x| |dy| in 250 draws).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamella.native.clusters import Cluster
from lamella.native.contraction import best_tile
from lamella.native.emitter import Emitter
from lamella.native.evaluate import INNER, ROW
from lamella.native.kernel import HI, LO, Kernel, finish
from lamella.native.llvm_text import Val, index, itemsize
from lamella.native.plan import Plan
from lamella.native.prefetch import LINE
from lamella.native.target import Machine
from lamella.native.tiles import INPUTS, KERNELS, POSITIONS, Tiles, Window, faster, twice

ERRORS = 22  # cycles per tile and vector of channels for the transform of E; measured
FAR = 2.5  # times as long take transforms whose results leave L1
FEW, MANY = 16, 64  # tiles per block
UNITS = 4  # per core, at least


def transform_error(f: Emitter, e: Sequence[Val]) -> list[Val]:
    """A e, but for the sign of the last one."""
    return [e[0], f.add(e[0], e[1]), f.sub(e[0], e[1]), e[1]]


def transform_sums(f: Emitter, m: Sequence[Val]) -> list[Val]:
    """Gt m, with that sign."""
    half = f.const(0.5, m[0].dtype)
    middle = f.mul(f.add(m[1], m[2]), half)
    return [f.add(m[0], middle), f.mul(f.sub(m[1], m[2]), half), f.sub(middle, m[3])]


class WinogradGradient(Tiles):
    """A unit is one part of the images and some of the input channels: blocks of tiles are transformed and multiplied one after the
    other, while the sums at all positions stay in L2."""

    def __init__(self, plan: Plan, cluster: Cluster, host: Machine, w: Window) -> None:
        super().__init__(plan, cluster, host, w)
        sizes, lanes, n_out = self.space.axis_sizes, self.s.lanes, len(cluster.shape)
        self.parts = [a for a in range(n_out) if a not in (w.ky, w.kx, w.channel, w.filter)]
        self.images = [a for a in range(n_out, len(sizes)) if a not in (w.y, w.x)]
        self.n_parts, self.n_images = (math.prod(sizes[a] for a in axes) for axes in (self.parts, self.images))
        self.outer = [self.space.group_of[a] for a in self.parts if sizes[a] > 1]
        self.columns_n = self.wide_n * lanes  # of a row in scratch
        whole = self.wide_c if self.channels % lanes == 0 else 1
        self.pieces = next((p for p in range(1, whole + 1) if whole % p == 0 and self._enough(p)), whole)
        self.channels, self.wide_c = self.channels // self.pieces, self.wide_c // self.pieces
        lines = self.rows * self.n_images
        block = self._block(lines)
        self.blocks = lines // block
        # Scratch: sums, inputs, errors, one vector of a kernel's gradient.
        self.apart_m = self.channels * self.columns_n + lanes
        self._place(block, POSITIONS * self.apart_m, self.wide_c * lanes)
        self.apart_e = self.tiles * self.columns_n + lanes
        self.w_start = self.v_end + POSITIONS * self.apart_e
        self.items = self.w_start + 9 * lanes
        self.tile_rows, self.vectors, cycles = best_tile(self.channels, self.wide_n, host.registers)
        channels, per_image = self.channels * self.pieces, self.rows * self.columns
        direct = best_tile(3 * channels, self.wide_n, host.registers)[2] * 3 * self.height * self.width * self.n_images
        tiles = self.pieces * POSITIONS * (cycles + self.channels * self.wide_n / self.tiles)
        tiles += (INPUTS * channels / lanes + ERRORS * self.pieces * self.wide_n) * (1 if self.small else FAR)
        least = tiles * per_image * self.n_images + KERNELS * channels * self.wide_n
        self.pays = self._fits(self.items) and faster(least, direct)

    def _enough(self, pieces: int) -> bool:
        """Whether all sums have room in L2 if the channels are cut into `pieces`, and all cores work."""
        nbytes = POSITIONS * self.channels // pieces * self.columns_n * itemsize(self.wide)
        return nbytes <= self.host.l2 // 2 and pieces * self.n_parts >= UNITS * self.host.cores

    def _block(self, lines: int) -> int:
        """Rows of tiles: each block loads and stores all sums. If these fit in L1, few; else what has room in L2 beside them."""
        size, host = itemsize(self.wide), self.host
        self.small = POSITIONS * self.channels * self.columns_n * size <= host.l1 // 2
        room = host.l2 // 2 // (POSITIONS * (self.wide_c * self.s.lanes + self.columns_n) * size)
        tiles = FEW if self.small else min(MANY, room)
        choices = [r for r in range(1, lines + 1) if lines % r == 0]
        return max((r for r in choices if r * self.columns <= tiles), default=1)

    def emit(self) -> Kernel:
        ev, s = self.ev, self.s
        for g in range(len(self.space.groups)):
            ev.level[g] = ROW if g in self.outer else INNER
        units = self.n_parts * self.pieces
        self.f.loop(LO, HI, 1, self._unit_of_sums)
        channels, after = self.channels * self.pieces, len(self.cluster.members) - 1
        outputs, terms = self.n_parts * 9 * channels * s.n, self.n_images * self.height * self.width
        words = (f"m 9 x {channels} n {s.n} k {self.n_images} x {self.height} x {self.width} outer {self.n_parts}: 2 x 2 terms "
                 f"at a time (Winograd), {self.block} x {self.columns} tiles, "
                 f"tile {self.tile_rows} x {self.vectors} vectors of {s.lanes}, "
                 f"{self.pieces} pieces of the channels, {units} units, {after} ops after")
        return finish(ev, units, outputs * (terms // 4 + 1 + after), words, self.items * itemsize(self.wide), 2 * outputs * terms)

    def _unit_of_sums(self, unit: Val) -> list[Val]:
        ev, f = self.ev, self.f
        with ev.scope(ROW):
            part, piece = f.divmod(unit, self.pieces)
            self._locate(part)
            self.first = f.imul(piece, self.channels)
            self.image = f.address(self.a_base, self.first, self.dtype)
            self._clear()
            f.loop(index(0), index(self.blocks), 1, self._one_block)
            f.loop(index(0), index(self.channels), 1, self._one_channel)
        return []

    def _clear(self) -> None:
        f, lanes = self.f, self.s.lanes

        def vector(i: Val) -> list[Val]:
            f.store(Val(self.wide, lanes, "zeroinitializer"), f.address(self._part(0), i, self.wide))
            return []

        f.loop(index(0), index(POSITIONS * self.apart_m), lanes, vector)

    def _line(self, at: dict[int, int], row: Val) -> tuple[Val, Val]:
        """Where the image begins to which a row of tiles belongs, in an operand, and the row's first line."""
        f, sizes = self.f, self.space.axis_sizes
        rest, r = f.divmod(row, self.rows)
        offset = index(0)
        for a in reversed(self.images):
            rest, number = f.divmod(rest, sizes[a])
            offset = f.iadd(offset, f.imul(number, at.get(a, 0)))
        return offset, f.imul(r, 2)

    def _one_block(self, number: Val) -> list[Val]:
        f, first = self.f, self.f.imul(number, self.block)

        def origin(r: Val) -> tuple[Val, Val]:
            offset, line = self._line(self.w.image, f.iadd(first, r))
            return f.address(self.image, offset, self.dtype), line

        self._transform_inputs(origin)
        self._transform_errors(first)
        following = f.iadd(first, index(self.block))

        def position(p: Val) -> list[Val]:
            self._fetch(following, p)
            self._multiply(p)
            return []

        f.loop(index(0), index(POSITIONS), 1, position)
        return []

    def _fetch(self, first: Val, p: Val) -> None:
        """At each position, a sixteenth of what the block reads that begins with row `first` of tiles: for each of its rows two
        lines of the errors, and of the image the two that the row before did not read. (16 channels: 690 to 440 us.)"""
        f, w = self.f, self.w

        def row(r: Val) -> list[Val]:
            for base, at, known in ((self.image, w.image, 2), (self.b_base, w.other, 0)):
                offset, line = self._line(at, f.iadd(first, r))
                share = -(-2 * at[w.y] * itemsize(self.dtype) // LINE // POSITIONS)
                start = f.address(base, f.iadd(offset, f.imul(f.iadd(line, index(known)), at[w.y])), self.dtype)
                start = f.address(start, f.imul(p, share * LINE), "uint8")
                for i in range(share):
                    f.prefetch(f.address(start, index(i * LINE), "uint8"), False)
            return []

        f.loop(index(0), index(self.block), 1, row)

    def _transform_errors(self, first: Val) -> None:
        """A E At -> scratch[position][tile][column]."""
        f, w, lanes, step_n = self.f, self.w, self.s.lanes, self.w.other[self.w.filter]
        zero = Val(self.wide, lanes, "zeroinitializer")

        def pair(start: Val, size: int) -> tuple[Val, Val, Val | None]:
            """Two lines, and whether the second one exists if that is a question."""
            second = f.iadd(start, index(1))
            return (start, f.imin(second, index(size - 1)), f.lt(second, index(size))) if size % 2 else (start, second, None)

        def row(r: Val) -> list[Val]:
            offset, line = self._line(w.other, f.iadd(first, r))
            *ys, below = pair(line, self.height)

            def tile(t: Val) -> list[Val]:
                *xs, right = pair(f.imul(t, 2), self.width)
                target = f.address(self._part(self.v_end), f.imul(self._number(r, t), self.columns_n), self.wide)

                def vector(c: Val, active: int) -> None:
                    def value(y: int, x: int) -> Val:
                        at = f.iadd(f.iadd(f.imul(ys[y], w.other[w.y]), f.imul(xs[x], w.other[w.x])), f.imul(c, step_n))
                        e = self._lanes_of(f.address(self.b_base, f.iadd(offset, at), self.dtype), step_n, 0, active)
                        for there in (below if y else None, right if x else None):
                            e = e if there is None else f.select(there, e, zero)
                        return e

                    square = [[value(y, x) for x in (0, 1)] for y in (0, 1)]
                    self._put(twice(transform_error, f, square), f.address(target, c, self.wide), self.apart_e)

                self._each_vector(self.wide_n, self.s.n - self.columns_n + lanes, vector)
                return []

            f.loop(index(0), index(self.columns), 1, tile)
            return []

        f.loop(index(0), index(self.block), 1, row)

    def _multiply(self, p: Val) -> None:
        """Adds a block's tiles to the sums at one position."""
        f = self.f
        v, e, m = (f.address(self._part(start), f.imul(p, apart), self.wide) for start, apart in (
            (self.v_start, self.apart_v), (self.v_end, self.apart_e), (0, self.apart_m)))
        used = index(self.tiles)
        if self.width % 2:  # the last of four errors is zero where the right half of a tile is outside
            _, j = f.divmod(p, 4)
            used = f.iadd(used, f.imul(f.divmod(j, 3)[0], -self.block))
        panels, rest_v = divmod(self.wide_n, self.vectors)
        tiles, rest = divmod(self.channels, self.tile_rows)

        def panel(j: Val, vectors: int = self.vectors) -> list[Val]:
            column = f.imul(j, self.vectors * self.s.lanes)

            def rows(i: Val, count: int = self.tile_rows) -> list[Val]:
                first = f.imul(i, self.tile_rows)
                sums = f.address(m, f.iadd(f.imul(first, self.columns_n), column), self.wide)
                self._product(f.address(v, first, self.wide), f.address(e, column, self.wide), sums, used, count, vectors)
                return []

            f.loop(index(0), index(tiles), 1, rows)
            if rest:
                rows(index(tiles), rest)
            return []

        f.loop(index(0), index(panels), 1, panel)
        if rest_v:
            panel(index(panels), rest_v)

    def _product(self, a: Val, b: Val, m: Val, tiles: Val, rows: int, vectors: int) -> None:
        f, lanes = self.f, self.s.lanes
        places = [f.address(m, index(i * self.columns_n + j * lanes), self.wide) for i in range(rows) for j in range(vectors)]

        def step(t: Val, *acc: Val) -> list[Val]:
            columns = self._vectors(b, f.imul(t, self.columns_n), vectors)
            pointer, result = f.address(a, f.imul(t, self.row), self.wide), []
            for i in range(rows):
                value = f.splat(f.load(f.address(pointer, index(i), self.wide), self.wide), lanes)
                result += [f.fma(value, columns[j], acc[i * vectors + j]) for j in range(vectors)]
            return result

        acc = f.loop(index(0), tiles, 1, step, [f.load(place, self.wide, lanes) for place in places])
        for value, place in zip(acc, places, strict=True):
            f.store(value, place)

    def _one_channel(self, c: Val) -> list[Val]:
        """Gt M G, and the cluster's other members."""
        ev, f, w, lanes, group = self.ev, self.f, self.w, self.s.lanes, self.space.group_of
        source = f.address(self._part(0), f.imul(c, self.columns_n), self.wide)

        def vector(n: Val, active: int) -> None:
            begin, kernel = f.address(source, n, self.wide), self._part(self.w_start)
            m = [[f.load(f.address(begin, index((4 * y + x) * self.apart_m), self.wide), self.wide, lanes) for x in range(4)]
                 for y in range(4)]
            self._put(twice(transform_sums, f, m), kernel, lanes)

            def tap(number: Val) -> list[Val]:
                ky, kx = f.divmod(number, 3)
                at: dict[int, Val] = {}
                for axis, value in sorted(((w.ky, ky), (w.kx, kx), (w.channel, f.iadd(self.first, c)))):
                    g = group[axis]
                    at[g] = f.iadd(f.imul(at[g], self.space.axis_sizes[axis]), value) if g in at else value
                ev.at.update(at)
                value = f.load(f.address(kernel, f.imul(number, lanes), self.wide), self.wide, lanes)
                self.m_group = group[w.channel]
                self._row(at[self.m_group], [n], active, [value])
                return []

            f.loop(index(0), index(9), 1, tap)

        self._each_vector(self.wide_n, self.s.n - self.columns_n + lanes, vector)
        return []
