"""What the programs for 3 x 3 convolutions and for the gradients of their kernels share: tiles of 2 x 2 outputs, and the transform
of the windows of 4 x 4 inputs that they need (winograd.py has the formulas)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lamella.ir import ContractSpec
from lamella.native.chains import operand_position
from lamella.native.clusters import Cluster
from lamella.native.contraction import Contraction
from lamella.native.emitter import Emitter
from lamella.native.kernel import SCRATCH
from lamella.native.llvm_text import Val, index, itemsize
from lamella.native.plan import Plan
from lamella.native.target import Machine

POSITIONS = 16
GAIN = 1.2  # by which it must be faster
# Cycles per tile and vector of channels for the transform of inputs; per vector of kernels. Measured.
INPUTS, KERNELS = 22, 48


@dataclass(frozen=True)
class Window:
    """A 3 x 3 convolution with stride 1, by its axes.

    Attributes:
        image: distance in memory of each axis, in the operand that is walked by windows.
        other: those in the other operand.
        y, x: the axes that number windows.
        ky, kx: the axes within a window.
        channel: the image's contiguous axis.
        filter: the output's contiguous axis.
        forward: whether windows are summed up, so that the output is an image too; else the output is the kernel's gradient.
    """

    image: dict[int, int]
    other: dict[int, int]
    y: int
    x: int
    ky: int
    kx: int
    channel: int
    filter: int
    forward: bool


def window(plan: Plan, cluster: Cluster) -> Window | None:
    """The axes, if a contraction is a 3 x 3 convolution of float32 or the gradient of its kernel, in blocks that hold tiles."""
    eqn = cluster.anchor
    assert eqn is not None
    operands = [plan.fusion.operand(x)[0] for x in eqn.inputs]
    if {v.dtype for v in (*operands, eqn.output)} != {"float32"}:
        return None
    found = _axes(eqn.params["spec"], [v.shape for v in operands])
    return found if found is None or not cluster.blocks or _whole(eqn.params["spec"], found, cluster.blocks) else None


def _whole(spec: ContractSpec, w: Window, blocks: int) -> bool:
    """Whether blocks of a chain are of whole images or parts of them, or, of a lone image, of whole rows of tiles."""
    if w.forward and w.y == 0:
        lone = {a for a, n in enumerate(spec.out_shape) if n > 1} == {w.y, w.x, w.filter}
        return lone and spec.out_shape[0] % (2 * blocks) == 0
    return 0 not in (w.x, w.ky, w.kx, w.channel)


def _axes(spec: ContractSpec, shapes: Sequence[tuple[int, ...]]) -> Window | None:
    n_out = len(spec.out_shape)
    at = [dict(operand_position(spec, which, shape).axes) for which, shape in enumerate(shapes)]
    for image, other in (at, at[::-1]):
        pairs = [(o, r) for o in image for r in image if o < n_out <= r and image[o] == image[r]]
        pairs.sort(key=lambda p: -image[p[0]])
        channels = [a for a, step in image.items() if step == 1]
        if len(pairs) != 2 or len({a for p in pairs for a in p}) != 4 or len(channels) != 1 or min(image.values()) < 1:
            continue
        channel, filters, forward = channels[0], n_out - 1, channels[0] >= n_out
        (y, ky), (x, kx) = pairs if forward else (p[::-1] for p in pairs)
        rest = {a for a in range(n_out) if spec.sizes[a] > 1} - {y, x, filters}
        known = {filters, channel, ky, kx} if forward else set(other) - {channel, ky, kx} | {filters, y, x}
        if spec.sizes[ky] == spec.sizes[kx] == 3 and set(other) == known and filters not in image and rest <= set(image):
            return Window(image, other, y, x, ky, kx, channel, filters, forward)
    return None


def faster(cycles: float, direct: float) -> bool:
    return cycles * GAIN < direct


def transform_input(f: Emitter, d: Sequence[Val]) -> list[Val]:
    return [f.sub(d[0], d[2]), f.add(d[1], d[2]), f.sub(d[2], d[1]), f.sub(d[1], d[3])]


def twice(transform: Callable[[Emitter, Sequence[Val]], list[Val]], f: Emitter, square: Sequence[Sequence[Val]]) -> list[list[Val]]:
    """Along the columns, then along the rows."""
    columns = [transform(f, column) for column in zip(*square, strict=True)]
    return [transform(f, row) for row in zip(*columns, strict=True)]


class Tiles(Contraction):
    """What a convolution and the gradient of its kernel share: tiles, and the transform of the image.

    Attributes:
        rows, columns: of tiles, in an image.
        wide_c, wide_n: vectors of input and of output channels.
        row: distance of tiles in the transformed image.
        block: rows of tiles that are transformed at a time.
        step_down, step_right: how many tiles lie in scratch from a tile to the one below and the one beside it.
    """

    def __init__(self, plan: Plan, cluster: Cluster, host: Machine, w: Window) -> None:
        super().__init__(plan, cluster, host)
        self.w, sizes, lanes = w, self.space.axis_sizes, self.s.lanes
        self.height, self.width, self.channels = sizes[w.y], sizes[w.x], sizes[w.channel]
        self.rows, self.columns = -(-self.height // 2), -(-self.width // 2)
        self.wide_c, self.wide_n = -(-self.channels // lanes), -(-self.s.n // lanes)

    def _wider_columns(self, outputs: list[int], a: dict[int, int], b: dict[int, int]) -> int | None:
        return self.n_group

    def _place(self, block: int, start: int, row: int) -> None:
        """Scratch begins with `start` items for something else, then the transformed inputs of a block. A line lies between
        positions: else 16 places that are written together would share one set of L1."""
        self.block, self.tiles, self.v_start, self.row = block, block * self.columns, start, row
        self.step_down, self.step_right = (1, block) if self.width % 2 else (self.columns, 1)  # those partly outside come last
        self.apart_v = self.tiles * row + self.s.lanes
        self.v_end = start + POSITIONS * self.apart_v

    def _number(self, r: Val, t: Val) -> Val:
        return self.f.iadd(self.f.imul(r, self.step_down), self.f.imul(t, self.step_right))

    def _fits(self, items: int) -> bool:
        """Whether L2 holds most of what a block needs: a row of tiles of a very wide image has its transform in L3."""
        return items * itemsize(self.wide) <= 2 * self.host.l2

    def _part(self, start: int) -> Val:
        return self.f.address(SCRATCH, index(start), self.wide)

    def _put(self, values: Sequence[Sequence[Val]], place: Val, apart: int) -> None:
        for position, value in enumerate(v for row in values for v in row):
            self.f.store(value, self.f.address(place, index(position * apart), self.wide))

    def _each_vector(self, vectors: int, active: int, body: Callable[[Val, int], None]) -> None:
        """`body(first column, active lanes)` for vectors of which the last may be cut."""
        lanes = self.s.lanes
        whole = vectors if active == lanes else vectors - 1

        def vector(c: Val) -> list[Val]:
            body(c, lanes)
            return []

        if whole == 1:
            vector(index(0))
        else:
            self.f.loop(index(0), index(whole * lanes), lanes, vector)
        if whole < vectors:
            body(index(whole * lanes), active)

    def _transform_inputs(self, origin: Callable[[Val], tuple[Val, Val]]) -> None:
        """Bt d B -> V[position][tile][channel], for a block. `origin(row of tiles in the block)` is its image and first line."""
        f = self.f

        def row(r: Val) -> list[Val]:
            image, top = origin(r)
            lines = [f.address(image, f.imul(y, self.w.image[self.w.y]), self.dtype) for y in self._four(top, self.height)]
            target = f.address(self._part(self.v_start), f.imul(r, self.step_down * self.row), self.wide)
            self._each_vector(self.wide_c, self.channels - (self.wide_c - 1) * self.s.lanes,
                              lambda c, active: self._row_of_inputs(lines, f.address(target, c, self.wide), c, active))
            return []

        f.loop(index(0), index(self.block), 1, row)

    def _row_of_inputs(self, lines: list[Val], target: Val, c: Val, active: int) -> None:
        f, lanes, step = self.f, self.s.lanes, self.w.image[self.w.x]
        mask = f.lane_mask(active, lanes) if active < lanes else None

        def column(x: Val) -> list[Val]:
            at = f.iadd(f.imul(x, step), c)
            return transform_input(f, [f.load(f.address(line, at, self.dtype), self.dtype, lanes, mask) for line in lines])

        def tile(t: Val, *left: Val) -> list[Val]:
            """Its left half was the right one of the tile before."""
            right = [v for x in self._four(f.imul(t, 2), self.width)[2:] for v in column(x)]
            columns = [*left, *right]
            place = f.address(target, f.imul(t, self.step_right * self.row), self.wide)
            self._put([transform_input(f, columns[i::4]) for i in range(4)], place, self.apart_v)
            return right

        f.loop(index(0), index(self.columns), 1, tile, [v for x in (0, 1) for v in column(index(x))])

    def _four(self, start: Val, size: int) -> list[Val]:
        """Lines of a window. The last one of a tile that is partly outside does not exist; no output that exists needs it."""
        lines = [self.f.iadd(start, index(i)) for i in range(4)]
        return [*lines[:3], self.f.imin(lines[3], index(size + 1))] if size % 2 else lines
