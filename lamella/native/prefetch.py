"""Fetches what a tile's epilogue will read and write while the tile's sum still runs.

The rows of a tile lie apart in memory, so the CPU's own prefetcher does not see them coming. Arrays that leave L2 would stop
the epilogue at every row; one line per array, row and step of the sum costs nothing, since the loads' ports are half idle.
"""

from __future__ import annotations

from lamella.ir import Var
from lamella.native.clusters import Loads
from lamella.native.evaluate import INNER, Evaluator
from lamella.native.indexing import Ix, flat
from lamella.native.llvm_text import Val, index, itemsize

MOST = 6  # arrays
LINE = 64  # bytes


class Prefetch:
    """The arrays that a contraction's epilogue walks in rows of the register tile.

    Args:
        ev: the kernel's evaluator.
        loads: what the cluster reads.
        rows, columns: the groups M and N.
        least: the size in bytes from which an array counts.
    """

    def __init__(self, ev: Evaluator, loads: Loads, rows: int | None, columns: int | None, least: int) -> None:
        self.ev, self.rows, self.columns = ev, rows, columns
        places = [(v, flat(at, v.shape), False) for v, at in loads.found if not any(a >= 100 for ix in at for a, _ in ix.axes)]
        places += [(s.target, flat(s.index, s.target.shape), True) for s in ev.cluster.stores]
        found: dict[tuple[Var, Ix], bool] = {}
        for var, at, written in places:
            steps = ev.space.coefficients(at)
            if var.type.nbytes >= least and not at.dynamic and steps.get(columns, 0) == 1 and steps.get(rows, 0):
                found[var, at] = found.get((var, at), False) or written
        self.places = [(var, at, written) for (var, at), written in found.items()][:MOST]

    def begin(self, m: Val, n: Val) -> list[tuple[Val, int]]:
        """Where the first row of the tile at (m, n) lies, and bytes from row to row, per array."""
        ev, f = self.ev, self.ev.f
        if not self.places:
            return []
        ev.at[self.rows], ev.at[self.columns] = m, n  # type: ignore[index]
        with ev.scope(INNER):
            return [(f.address(ev.pointer(var), ev.linear(at)[0], var.dtype),
                     ev.space.coefficients(at)[self.rows] * itemsize(var.dtype)) for var, at, _ in self.places]  # type: ignore[index]

    def line(self, rows: list[tuple[Val, int]], last: int, step: Val, width: int) -> None:
        """In step `step` of the sum: row number `step`, `width` elements, or the last one again."""
        f = self.ev.f
        if not rows:
            return
        row = f.imin(step, index(last))
        for (pointer, apart), (var, _, written) in zip(rows, self.places, strict=True):
            start = f.address(pointer, f.imul(row, apart), "uint8")
            for offset in range(0, width * itemsize(var.dtype), LINE):
                f.prefetch(f.address(start, index(offset), "uint8"), written)
