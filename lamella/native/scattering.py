"""Rules of the simplifier for sums at indices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lamella.ir import Atom, Literal
from lamella.native.indexing import WIDE_ROW

if TYPE_CHECKING:
    from lamella.native.simplify import Replacement, _Rebuild

FEW_BINS = 8
MANY_PER_BIN = 16
LARGE_TABLE = 1 << 18  # elements


def scatter_add(r: _Rebuild, x: Atom, indices: Atom, updates: Atom) -> Replacement:
    return _masked_sums(r, x, indices, updates) or _rows_of_zeros(r, x, indices, updates)


def _masked_sums(r: _Rebuild, x: Atom, indices: Atom, updates: Atom) -> Replacement:
    """Many numbers added to few: a masked sum for each, in vectors. One after the other, every addition to a bin in memory would
    wait for the one before."""
    bins = x.type.size
    if x.type.ndim != 1 or bins > FEW_BINS or updates.type.size < bins * MANY_PER_BIN:
        return None
    low, high = (Literal(n, indices.type.dtype) for n in (0, bins - 1))
    at = r.one("min", r.one("max", indices, low), high)
    number, total = r.one("iota", shape=(bins,), axis=0, dtype="int32"), Literal(0, x.type.dtype)
    for k in range(bins):
        mine = r.one("select", r.one("eq", at, Literal(k, indices.type.dtype)), updates, Literal(0, x.type.dtype))
        mine = r.one("reduce_sum", mine, axes=tuple(range(updates.type.ndim)))
        total = r.one("select", r.one("eq", number, Literal(k, "int32")), mine, total)
    return [r.one("add", x, total)]


def _rows_of_zeros(r: _Rebuild, x: Atom, indices: Atom, updates: Atom) -> Replacement:
    """Few rows added to a large table of zeros (the gradient of an embedding): sums for the rows that occur, and an elementwise
    formula for the table, which joins whoever reads it. No table is filled with zeros, to be read once.

    `slots[row]` is the position of the last of the row's indices, or -1, and the row's sum is there in `sums`, added up in the same
    order as in the table.
    """
    n, (rows, *columns) = indices.type.size, x.type.shape
    if not 0 < 2 * n <= rows or x.type.size < LARGE_TABLE or math.prod(columns) < WIDE_ROW or not _zeros(r, x):
        return None
    flat, zero = r.one("reshape", indices, shape=(n,)), Literal(0, x.type.dtype)
    none = r.one("broadcast", Literal(-1, "int32"), shape=(rows,))
    slots = r.one("scatter", none, flat, r.one("iota", shape=(n,), axis=0, dtype="int32"), combine="set")
    start = r.one("broadcast", zero, shape=(n, *columns))
    sums = r.one("scatter_add", start, r.one("gather", slots, flat), r.one("reshape", updates, shape=(n, *columns)))
    spread = r.one("broadcast", r.one("reshape", slots, shape=(rows,) + (1,) * len(columns)), shape=x.type.shape)
    return [r.one("select", r.one("ge", spread, Literal(0, "int32")), r.one("gather", sums, slots), zero)]


def _zeros(r: _Rebuild, x: Atom) -> bool:
    """Whether every element is 0, not -0."""
    eqn = r.definition(x, "broadcast")
    value = eqn.inputs[0] if eqn is not None else None
    return isinstance(value, Literal) and bool(value.value == 0 and not np.signbit(value.value))
