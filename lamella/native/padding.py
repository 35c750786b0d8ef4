"""Rules of the simplifier for padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamella.ir import Atom, Eqn, Literal
from lamella.native.indexing import is_unit_reshape

if TYPE_CHECKING:
    from lamella.native.simplify import Replacement, _Rebuild

def _pad_inside(r: _Rebuild, unit: Eqn, value: Atom, low: Any, high: Any, interior: Any) -> Atom:
    """Pad what an axis of size 1 was added to or dropped from, then reshape."""
    long = [d for d, n in enumerate(unit.output.shape) if n != 1]
    places = iter(long)
    at = [next(places) if n != 1 else None for n in unit.inputs[0].type.shape]

    def pick(amounts: Any) -> tuple[int, ...]:
        return tuple(0 if d is None else amounts[d] for d in at)

    padded = r.one("pad", unit.inputs[0], value, low=pick(low), high=pick(high), interior=pick(interior))
    shape = tuple(n + lo + hi + max(n - 1, 0) * i for n, lo, hi, i in zip(unit.output.shape, low, high, interior, strict=True))
    return r.one("reshape", padded, shape=shape)


def pad(r: _Rebuild, x: Atom, value: Atom, low: Any, high: Any, interior: Any) -> Replacement:
    """Negative padding cuts: slice, so that kernels only see padding that adds. Interior zeros come first."""
    unit = r.definition(x, "reshape")
    if unit is not None and is_unit_reshape(unit) and not any(p for n, *ps in zip(x.type.shape, low, high, interior, strict=True)
                                                              if n == 1 for p in ps):
        return [_pad_inside(r, unit, value, low, high, interior)]
    if min(low + high, default=0) >= 0:
        return None if any(low + high + interior) else [x]
    zero = (0,) * len(low)
    spread = r.one("pad", x, value, low=zero, high=zero, interior=interior)
    cut = r.one("slice", spread, start=tuple(max(0, -n) for n in low),
                stop=tuple(n - max(0, -h) for n, h in zip(spread.type.shape, high, strict=True)), stride=(1,) * len(low))
    return [r.one("pad", cut, value, low=tuple(max(0, n) for n in low), high=tuple(max(0, n) for n in high), interior=zero)]


# What `add_pads` knows of a variable: the axis, and (start, stop, value) of the pieces along it; the rest is zero.
Pieces = tuple[int, list[tuple[int, int, Atom]]]


def add_pads(r: _Rebuild, x: Atom, y: Atom) -> Replacement:
    """Arrays that are zero but for pieces beside one another are joined, not added: the gradient of what was sliced apart."""
    first, second = _pieces(r, x), _pieces(r, y)
    if first is None or second is None or first[0] != second[0]:
        return None
    axis, pieces = first[0], sorted([*first[1], *second[1]], key=lambda p: p[0])
    if any(a[1] > b[0] for a, b in zip(pieces, pieces[1:], strict=False)):
        return None
    whole = all(a[1] == b[0] for a, b in zip(pieces, pieces[1:], strict=False))
    if whole and pieces[0][0] == 0 and pieces[-1][1] == x.type.shape[axis]:
        return [r.one("concat", *(p[2] for p in pieces), axis=axis)]
    total = r.b.add(x, y)
    r.defs[total] = r.b.eqns[-1]
    r.pieces[total] = axis, pieces
    return [total]


def _pieces(r: _Rebuild, atom: Atom) -> Pieces | None:
    if atom in r.pieces:
        return r.pieces[atom]
    eqn = r.definition(atom, "pad")
    if eqn is None or any(eqn.params["interior"]) or not isinstance(eqn.inputs[1], Literal) or eqn.inputs[1].value != 0:
        return None
    low, high = eqn.params["low"], eqn.params["high"]
    padded = [a for a in range(len(low)) if low[a] or high[a]]
    if len(padded) != 1 or min(*low, *high) < 0:
        return None
    (axis,) = padded
    return axis, [(low[axis], low[axis] + eqn.inputs[0].type.shape[axis], eqn.inputs[0])]
