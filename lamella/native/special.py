"""Clusters of primitives that write memory in their own way: parts of arrays, scattered rows, loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamella.ir import PRIMITIVES, Atom, Eqn, Graph, Literal, TensorType, Var
from lamella.native.clusters import Cluster
from lamella.native.indexing import ZERO, Dynamic, Index, Ix, domain_index

if TYPE_CHECKING:
    from lamella.native.fuse import Fusion


def _dynamic_update_slice(fusion: Fusion, eqn: Eqn) -> None:
    """Store a row in its array as soon as it is computed, or copy it there."""
    x, update, start = eqn.inputs
    at = domain_index(update.type.shape)
    limit = x.type.shape[0] - update.type.shape[0]
    first = Ix(dynamic=((Dynamic(start, (), limit), 1),))
    row = _computed_row(fusion, eqn)
    if row is not None:
        cluster = fusion.home[row]
        _move(fusion, cluster, row, eqn.output, (first, *[ZERO] * (len(at) - 1)))
    else:
        cluster = fusion.store_part(eqn.output, update, (at[0].plus(first), *at[1:]), start)
    fusion._depend(cluster, fusion.needed(x))
    fusion.initial.append((eqn.output, x, cluster))


def _computed_row(fusion: Fusion, eqn: Eqn) -> Var | None:
    """What an update consists of, if a kernel computes it that could store it there, and nobody else reads the old array."""
    x, row, start = eqn.inputs
    while (made := fusion.definitions.get(row)) and made.primitive.name == "reshape":  # type: ignore[arg-type]
        row = made.inputs[0]
    home = fusion.home.get(row) if isinstance(row, Var) else None
    if home is None or row.type.shape not in (eqn.inputs[1].type.shape, eqn.inputs[1].type.shape[1:]) or row in fusion.alias:
        return None
    before = fusion.needed(x)
    if fusion.uses[x] > 1 or fusion.needed(start) or any(c is home or home in c.ancestors for c in before):
        return None
    return row if _can_place(fusion, home, row) or _is_joined(fusion, home, row) else None  # type: ignore[arg-type]


def _can_place(fusion: Fusion, home: Cluster, value: Atom) -> bool:
    """Whether a cluster that stores nothing yet could store `value`, which it computes on its whole domain, anywhere."""
    return (home.kind in ("loop", "reduce", "contract") and home.partial is None and not home.stores
            and value.type.shape == home.shape and value not in fusion.placed)


def _is_joined(fusion: Fusion, home: Cluster, value: Atom) -> bool:
    """Whether `value` consists of pieces that its cluster stores, and nothing else."""
    return bool(home.stores) and all(s.target is value and s.value in fusion.placed for s in home.stores)


def _move(fusion: Fusion, home: Cluster, value: Var, whole: Var, start: Index) -> None:
    """Let `home` store `value`, or all its pieces, inside of `whole`."""
    pieces = [s.value for s in home.stores]
    if not pieces:
        fusion.place(home, value, whole, start)
    else:
        fusion.placed[value] = whole, start
        home.stores.clear()
        for piece in pieces:
            _, inside = fusion.placed[piece]  # type: ignore[index]
            fusion.place(home, piece, *fusion.location(value, inside))  # type: ignore[arg-type]
    fusion.home[whole] = home
    fusion.changed()


def _pad(fusion: Fusion, eqn: Eqn) -> None:
    """Store a value inside its padded array as soon as it is computed, and fill only the border."""
    x, value = eqn.inputs
    low, high, interior = (eqn.params[k] for k in ("low", "high", "interior"))
    index = tuple(ix.scaled(i + 1, lo) for ix, i, lo in zip(domain_index(x.type.shape), interior, low, strict=True))
    home = fusion.home.get(x) if isinstance(x, Var) else None
    if home is None or any(interior) or not _can_place(fusion, home, x) or fusion.needed(value):
        cluster = fusion.store_part(eqn.output, x, index)
        fusion._depend(cluster, fusion.needed(value))
        fusion.initial.append((eqn.output, value, cluster))
        return
    assert isinstance(x, Var)
    fusion.place(home, x, eqn.output, tuple(ZERO.scaled(1, offset) for offset in low))
    for shape, offsets in _border(eqn.output.shape, low, high):
        at = tuple(ix.scaled(1, offset) for ix, offset in zip(domain_index(shape), offsets, strict=True))
        slab = Var(TensorType(shape, x.dtype), "border")
        fusion.definitions[slab] = Eqn(PRIMITIVES["broadcast"], (value,), {"shape": shape}, (slab,), eqn.source)
        border = fusion.store_part(eqn.output, slab, at)
        fusion._depend(border, frozenset(home.ancestors))  # not earlier than needed: memory is taken from then on
        fusion._depend(home, frozenset((border,)))
    fusion.home[eqn.output] = home
    fusion.changed()


def _border(shape: tuple[int, ...], low: tuple[int, ...], high: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Shapes and offsets of the slabs that surround the middle; those of different axes overlap at the corners."""
    slabs = []
    for axis, n in enumerate(shape):
        for size, start in ((low[axis], 0), (high[axis], n - high[axis])):
            if size:
                slabs.append((tuple(size if a == axis else m for a, m in enumerate(shape)),
                              tuple(start if a == axis else 0 for a in range(len(shape)))))
    return slabs


def _concat(fusion: Fusion, eqn: Eqn) -> None:
    """Every piece is written where it belongs: by the cluster that computes them if there is one, else by clusters of their own."""
    at, axis = 0, eqn.params["axis"]
    previous: list[Cluster] = []
    home = _common_home(fusion, eqn.inputs)
    for x in eqn.inputs:
        index = tuple(ix.scaled(1, at) if d == axis else ix for d, ix in enumerate(domain_index(x.type.shape)))
        if home is not None:
            fusion.place(home, x, eqn.output, tuple(ZERO.scaled(1, at if d == axis else 0) for d in range(len(index))))  # type: ignore[arg-type]
        else:
            cluster = fusion.store_part(eqn.output, x, index)
            fusion._depend(cluster, frozenset(previous))
            previous.append(cluster)
        at += x.type.shape[axis]
    if home is not None:
        fusion.home[eqn.output] = home
        fusion.changed()


def _common_home(fusion: Fusion, pieces: tuple[Atom, ...]) -> Cluster | None:
    """The cluster that computes all pieces over its whole domain, and stores nothing yet."""
    homes = {fusion.home.get(x) if isinstance(x, Var) else None for x in pieces}
    home = homes.pop() if len(homes) == 1 else None
    if home is None or len(set(pieces)) != len(pieces) or home.kind not in ("loop", "contract") or home.partial is not None:
        return None
    own = {v for e in home.members for v in e.outputs}
    fits = all(x in own and x.type.shape == home.shape and x not in fusion.placed for x in pieces)  # type: ignore[union-attr]
    return home if fits and not home.stores else None


def _scatter_add(fusion: Fusion, eqn: Eqn) -> None:
    x, indices, updates = eqn.inputs
    cluster = Cluster(fusion._next(), "scatter_add", eqn.output.shape, anchor=eqn)
    for operand in (indices, updates):
        fusion.materialize(operand)
    fusion._open(cluster, eqn)
    fusion.initial.append((eqn.output, x, cluster))


def _cumsum(fusion: Fusion, eqn: Eqn) -> None:
    fusion.materialize(eqn.inputs[0])
    fusion._open(Cluster(fusion._next(), "cumsum", eqn.output.shape, anchor=eqn), eqn)


def host(fusion: Fusion, eqn: Eqn) -> None:
    for x in eqn.inputs:
        fusion.materialize(x)
    fusion._open(Cluster(fusion._next(), "host", (), anchor=eqn), eqn)


def _loop(fusion: Fusion, eqn: Eqn) -> None:
    written = _written_whole(fusion, eqn)
    for i, x in enumerate(eqn.inputs):
        if isinstance(x, Var) and i not in written:
            fusion.materialize(x)
    cluster = Cluster(fusion._next(), "control", (), anchor=eqn)
    fusion.unset[cluster] = written
    fusion._open(cluster, eqn)
    for i, (out, x) in enumerate(zip(eqn.outputs, eqn.inputs[2:], strict=False)):
        if i + 2 not in written:
            fusion.initial.append((out, x, cluster))


def _written_whole(fusion: Fusion, eqn: Eqn) -> set[int]:
    """Positions of a loop's inputs that need no memory: they start an array of which every step writes its own row, unread."""
    lo, hi, *carry = eqn.inputs
    body: Graph = eqn.params["body"]
    counter, found = body.inputs[0], set()
    definitions = {v: e for e in body.eqns for v in e.outputs}
    for k in range(eqn.params["n_carry"]):
        start = fusion.definitions.get(carry[k]) if isinstance(carry[k], Var) else None
        constant = start is not None and start.primitive.name == "broadcast" and isinstance(start.inputs[0], Literal)
        last, mine = body.outputs[k], body.inputs[1 + k]
        update = definitions.get(last) if isinstance(last, Var) else None
        if not constant or update is None or update.primitive.name != "dynamic_update_slice" or update.inputs[0] is not mine:
            continue
        users = sum(x is mine for e in body.eqns for x in e.inputs) + sum(x is mine for x in body.outputs)
        rows = mine.type.shape[0]
        _, row, at = update.inputs
        static = isinstance(lo, Literal) and isinstance(hi, Literal) and lo.value == 0 and hi.value == rows
        if static and users == 1 and row.type.shape[0] == 1 and _visits_all(at, counter, rows, definitions):
            found.add(2 + k)
    return found


def _visits_all(at: Atom, counter: Var, rows: int, definitions: dict[Var, Eqn]) -> bool:
    """Whether an index is the loop's counter, or counts from the last row down."""
    eqn = definitions.get(at) if isinstance(at, Var) else None
    down = (eqn is not None and eqn.primitive.name == "sub" and isinstance(eqn.inputs[0], Literal)
            and eqn.inputs[0].value == rows - 1 and eqn.inputs[1] is counter)
    return at is counter or down


SPECIAL = {"dynamic_update_slice": _dynamic_update_slice, "pad": _pad, "concat": _concat, "scatter_add": _scatter_add,
            "scatter": _scatter_add, "cumsum": _cumsum, "loop": _loop}
