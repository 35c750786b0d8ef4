"""Which variables of a stretch of equations depend on given ones, and which equations given results need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from lamella.ir import Atom, Eqn, Var
from lamella.ir.types import is_float


def active(eqns: Iterable[Eqn], wrt: Iterable[Var]) -> set[Var]:
    """Float variables that depend on `wrt`: only they carry gradients."""
    found = set(wrt)
    for eqn in eqns:
        if any(isinstance(x, Var) and x in found for x in eqn.inputs):
            found.update(v for v in eqn.outputs if is_float(v.dtype))
    return found


def dependent(eqns: Iterable[Eqn], sources: Iterable[Var]) -> set[Var]:
    """Variables of any dtype that depend on `sources`, themselves included."""
    found = set(sources)
    for eqn in eqns:
        if any(isinstance(x, Var) and x in found for x in eqn.inputs):
            found.update(eqn.outputs)
    return found


def needed(eqns: Sequence[Eqn], outputs: Iterable[Atom], leaves: Collection[Var] = ()) -> tuple[list[Eqn], set[Var]]:
    """The equations that `outputs` need, in order, and the variables that these and the outputs read.

    Args:
        eqns: in order of execution.
        outputs: the results wanted.
        leaves: variables that are given: what computes them isn't needed.
    """
    read = {x for x in outputs if isinstance(x, Var)}
    kept = []
    for eqn in reversed(eqns):
        if any(v in read and v not in leaves for v in eqn.outputs):
            kept.append(eqn)
            read.update(x for x in eqn.inputs if isinstance(x, Var))
    return kept[::-1], read
