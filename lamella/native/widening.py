"""Rows of float16 and bfloat16 as float32, for the tile of contraction.py.

Widening an element where it is multiplied takes as long as half a multiply-add of vectors. So the rows of a tile are widened
many elements at a time, into scratch, for as many steps of the sum as L1 holds beside B.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamella.native.kernel import SCRATCH
from lamella.native.llvm_text import Val, index, itemsize

if TYPE_CHECKING:
    from lamella.native.contraction import Contraction


class RowsCopy:
    """The copy of operand A that a tile reads.

    Attributes:
        groups: reduction groups whose steps are copied together, the innermost ones; none if nothing is copied.
        outer: the other reduction groups.
        at: distance between steps of each group in the copy.
        step_m: distance between rows.
        items: its size.
    """

    def __init__(self, contraction: Contraction) -> None:
        c = self._c = contraction
        self.groups: list[int] = []
        self.at: dict[int, int] = {}
        self.items = self.step_m = 0
        self._rows_lie_together = c.m_group is not None and c.a_at.get(c.m_group, 0) == 1
        last = [g for g in c.k_groups if c.a_at.get(g, 0) == 1]
        if c.dtype != c.wide and not c.shared and (self._rows_lie_together or last):
            if not self._rows_lie_together:  # the group that is contiguous in A becomes the innermost
                c.k_groups = [*(g for g in c.k_groups if g not in last), *last]
            self._choose()
        self.outer = [g for g in c.k_groups if g not in self.groups]

    def _choose(self) -> None:
        c, rows, steps = self._c, self._c.s.rows, 1
        for g in reversed(c.k_groups):
            steps *= c.space.sizes[g]
            if self.groups and rows * steps * itemsize(c.wide) > c.host.l1 // 3:
                break
            self.groups.insert(0, g)
            self.items = rows * steps
        if self.items * itemsize(c.wide) > c.host.l2 // 4:
            self.groups, self.items = [], 0
        self.step_m, apart = (1, rows) if self._rows_lie_together else (self.items // rows, 1)
        for g in reversed(self.groups):
            self.at[g] = apart
            apart *= c.space.sizes[g]

    @property
    def start(self) -> Val:
        c = self._c
        return c.f.address(SCRATCH, index(c._panel_items()), c.wide)

    def fill(self, origin: Val, rows: int) -> None:
        """Copy `rows` rows from `origin` on, at the steps of the copied groups."""
        c = self._c
        if self._rows_lie_together:
            c._walk([], lambda a, at, _, carried: self._across(origin, a, at, rows), self.groups, (c.a_at, self.at))
        else:
            c._walk([], lambda a, at, _, carried: self._along(origin, a, at, rows), self.groups[:-1], (c.a_at, self.at))

    def _across(self, origin: Val, a: Val, at: Val, rows: int) -> list[Val]:
        """All rows at one step."""
        f, lanes = self._c.f, self._c.s.lanes
        for first in range(0, rows, lanes):
            self._vector(origin, f.iadd(a, index(first)), f.iadd(at, index(first)), rows - first)
        return []

    def _along(self, origin: Val, a: Val, at: Val, rows: int) -> list[Val]:
        """All steps of the innermost group."""
        c, f, lanes = self._c, self._c.f, self._c.s.lanes
        step_m = c.a_at.get(c.m_group, 0) if c.m_group is not None else 0
        full, rest = divmod(c.space.sizes[self.groups[-1]], lanes)

        def each_row(t: Val, active: int = lanes) -> list[Val]:
            for i in range(rows):
                self._vector(origin, f.iadd(f.iadd(a, t), index(i * step_m)), f.iadd(f.iadd(at, t), index(i * self.step_m)), active)
            return []

        f.loop(index(0), index(full * lanes), lanes, each_row)
        return each_row(index(full * lanes), rest) if rest else []

    def _vector(self, origin: Val, a: Val, at: Val, active: int) -> None:
        c, f, lanes = self._c, self._c.f, self._c.s.lanes
        mask = f.lane_mask(active, lanes) if active < lanes else None
        value = f.load(f.address(origin, a, c.dtype), c.dtype, lanes, mask)
        f.store(f.cast(value, c.wide), f.address(self.start, at, c.wide), mask)
