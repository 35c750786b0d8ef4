"""The contraction kernel for many rows of A that pass a B which fits in L2, as those of a dense layer's samples do.

All panels of B are packed into scratch once per unit. A tile of rows then meets every panel before the next tile comes, so
its rows of A stay in L1, are read from memory once, and the rows of the output are written one after the other. While a
tile's sums run, the next tile's rows are fetched: without that each tile would begin by waiting for L3 (2048 x 512 x 128
on two cores: 0.50 -> 0.74 of the FMA peak).
"""

from __future__ import annotations

from lamella.native.blocked import Blocked
from lamella.native.clusters import Cluster
from lamella.native.contraction import Contraction
from lamella.native.evaluate import ROW
from lamella.native.llvm_text import Val, index, itemsize
from lamella.native.memory import Plan
from lamella.native.target import Machine


class Streamed(Blocked):
    def __init__(self, plan: Plan, cluster: Cluster, host: Machine) -> None:
        super().__init__(plan, cluster, host)
        self.chunks, self.positions, self.chunk = 1, self.k, self.k
        self.pack_a, self.a_items, self.partial_items = False, 0, 0
        self._cut(1)
        self.b_items = self.k * self.width * self.group

    @staticmethod
    def suits(plain: Contraction, host: Machine) -> bool:
        """Whether B and a tile of A have room, and the rows of A follow each other without gaps."""
        s, k, size = plain.s, plain.k, itemsize(plain.wide)
        if len(plain.k_groups) > 1 or plain.m_group is None or plain.dtype != plain.wide:
            return False
        rows_follow = plain.a_at.get(plain.k_groups[0]) == 1 and plain.a_at.get(plain.m_group) == k
        return (rows_follow and s.m_tiles >= 8 * host.cores
                and k * s.n * size <= host.l2 // 2 and s.rows * k * size <= host.l1 * 2 // 3)

    def _one_chunk(self, c: Val, first: Val) -> list[Val]:
        """All tiles and panels of a unit."""
        with self.ev.scope(ROW):
            zero, all_steps = index(0), index(self.k)
            self._all_panels(lambda p, n, vectors, active: self._pack_panel(n, zero, all_steps, vectors, active, self._panel_of(p)))
            self._tiles(first, lambda t, m, rows: self._all_panels(
                lambda p, n, vectors, active: self._streamed_tile(m, rows, p, n, vectors, active)))
        return []

    def _panel_of(self, p: Val) -> Val:
        return self.f.address(self._part(0), self.f.imul(p, self.k * self.width), self.wide)

    def _streamed_tile(self, m: Val, rows: int, p: Val, n: Val, vectors: int, active: int) -> None:
        f, s = self.f, self.s
        a, b = (f.address(self.a_base, f.imul(m, self.k), self.dtype), self._panel_of(p))
        # The steps of all panels together walk once over the next tile's rows.
        pace = -(-rows * itemsize(self.dtype) // self.group)
        upcoming = f.address(f.address(a, index(rows * self.k), self.dtype), f.imul(p, self.k * pace), "uint8")
        epilogue = self.prefetch.begin(m, n)

        def step(k: Val, *acc: Val) -> list[Val]:
            f.prefetch(f.address(upcoming, f.imul(k, pace), "uint8"), False)
            self.prefetch.line(epilogue, rows - 1, k, vectors * s.lanes)
            at = f.address(b, f.imul(k, vectors * s.lanes), self.wide)
            return self._multiply(f.address(a, k, self.dtype), self.k, self.dtype, at, rows, vectors, acc)

        zero = Val(self.wide, s.lanes, "zeroinitializer")
        self._epilogue(m, rows, n, vectors, active, f.loop(index(0), index(self.k), 1, step, [zero] * (rows * vectors)))
