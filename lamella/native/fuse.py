"""Fusion: which equations are computed together, by one kernel.

Equations are visited in order. A contraction or reduction opens a cluster; an elementwise equation joins the cluster of a producer
with which it shares the domain (so bias, activation and the whole optimizer update end in the epilogue of the product that they
follow, and a softmax with its loss and gradient is one pass over rows), else it opens a loop cluster. Views and scalars are not
placed at all: whoever needs them evaluates them on the spot. Joining is refused where it would make clusters wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lamella.ir import PRIMITIVES, Atom, Eqn, Graph, Literal, TensorType, Var
from lamella.native.indexing import (
    ZERO,
    Dynamic,
    Index,
    Ix,
    domain_index,
    flat,
    gather_index,
    is_unit_reshape,
    is_view,
    operand_index,
    resolve_views,
    view_index,
)

DIRECT = ("scatter_add", "cumsum", "control", "host")  # kinds of clusters that write their equation's outputs themselves
REDUCTIONS = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod")


@dataclass(eq=False)
class Store:
    """One output of a cluster: `value` (defined on the cluster's domain) goes to `target` at `index`.

    `part` says that others write the rest of the target, so that nobody need wait for them.
    """

    target: Var
    value: Atom
    index: Index
    part: bool = False


@dataclass(eq=False)
class Cluster:
    """Equations that one kernel computes.

    Attributes:
        kind: `loop` (elementwise, with reductions along trailing axes), `reduce` (along other axes), `contract`, `scatter_add`,
            `cumsum`, `control` (a loop with a body) or `host` (computed by Python).
        shape: the domain that its elementwise members live on.
        columns: number of trailing domain axes that row reductions run along; 0 if there are none.
        anchor: the equation that opened it, if not elementwise.
        members: the equations it computes, in order.
        ancestors: clusters that must run before.
        partial: name of the variable that it writes only a part of, with others.
    """

    number: int
    kind: str
    shape: tuple[int, ...]
    columns: int = 0
    anchor: Eqn | None = None
    members: list[Eqn] = field(default_factory=list)
    ancestors: set[Cluster] = field(default_factory=set)
    stores: list[Store] = field(default_factory=list)
    partial: Var | None = None

    @property
    def rows(self) -> tuple[int, ...]:
        return self.shape[: len(self.shape) - self.columns]


class Fusion:
    """The clusters of a graph and where each variable lives.

    Attributes:
        clusters: in an order in which they can run.
        home: the cluster that computes a variable; variables without one are views, inlined, or inputs.
        alias: variables that are another variable's memory under another shape, or updated in place.
        placed: variables that are stored inside a padded one only, from an offset on.
        copies: views and scalars that are in memory because somebody needs an address; expressions still compute them on the spot.
        initial: `(variable, value, cluster)`: the variable's memory must hold the value before the cluster runs.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.definitions: dict[Var, Eqn] = {v: e for e in graph.eqns for v in e.outputs}
        self.clusters: list[Cluster] = []
        self.home: dict[Var, Cluster] = {}
        self.alias: dict[Var, Var] = {}
        self.copies: set[Var] = set()
        self.literals: dict[Literal, Var] = {}
        self.placed: dict[Var, tuple[Var, tuple[int, ...]]] = {}
        self.initial: list[tuple[Var, Atom, Cluster]] = []
        self._needed: dict[Atom, frozenset[Cluster]] = {}
        self._loads: dict[Cluster, list[tuple[Var, Index]]] = {}
        self._readers: dict[Var, list[tuple[Cluster, Index]]] | None = None
        self._count = 0
        for eqn in graph.eqns:
            self._place(eqn)
        self._dissolve()

    # Placing.

    def _place(self, eqn: Eqn) -> None:
        name, kind = eqn.primitive.name, eqn.primitive.kind
        if is_view(eqn) or name == "iota":
            return
        if name == "reshape":
            self.share(eqn.output, self.materialize(eqn.inputs[0]))
        elif kind == "elementwise" or name in ("gather", "random_bits"):
            if eqn.output.type.size != 1:
                self._join(eqn) or self._join_sibling(eqn) or self._open(Cluster(self._next(), "loop", eqn.output.shape), eqn)
        elif name in REDUCTIONS:
            self._place_reduction(eqn)
        elif name == "contract":
            for x in eqn.inputs:
                if not self._slice_of_memory(x):
                    self.materialize(x)
            self._open(Cluster(self._next(), "contract", eqn.output.shape, anchor=eqn), eqn)
        else:
            _SPECIAL.get(name, _host)(self, eqn)

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _open(self, cluster: Cluster, eqn: Eqn | None, *reads: Atom) -> Cluster:
        self.clusters.append(cluster)
        self.changed()
        if eqn is not None:
            cluster.members.append(eqn)
            self.home.update((v, cluster) for v in eqn.outputs)
        for x in (*(eqn.inputs if eqn else ()), *reads):
            self._depend(cluster, self.needed(x))
        if eqn is not None and cluster.kind in ("contract", *DIRECT):  # these take addresses
            contract = cluster.kind == "contract"
            roots = [self.root(self.operand(x)[0] if contract else self.stored(x))
                     for x in eqn.inputs if isinstance(x, Var) or x in self.literals]
            self._depend(cluster, frozenset(self.home[r] for r in roots if r in self.home))
        return cluster

    def _depend(self, cluster: Cluster, others: frozenset[Cluster]) -> None:
        new = {a for c in others for a in (c, *c.ancestors)} - {cluster}
        for later in [cluster, *(c for c in self.clusters if cluster in c.ancestors)]:
            later.ancestors |= new

    def needed(self, atom: Atom) -> frozenset[Cluster]:
        """The clusters that must have run before `atom` can be evaluated."""
        if isinstance(atom, Literal):
            return frozenset()
        if self.in_memory(atom):
            root = self.root(atom)
            return frozenset((self.home[root],)) if root in self.home else frozenset()
        if atom not in self._needed:
            self._needed[atom] = frozenset(c for x in self.definitions[atom].inputs for c in self.needed(x))
        return self._needed[atom]

    def _place_reduction(self, eqn: Eqn) -> None:
        x, axes = eqn.inputs[0], eqn.params["axes"]
        rank = x.type.ndim
        if not axes:
            raise ValueError("simplify drops reductions without axes")
        if axes == tuple(range(rank - len(axes), rank)):
            if not self._join(eqn, columns=len(axes)):
                self._open(Cluster(self._next(), "loop", x.type.shape, len(axes)), eqn)
        else:
            self._open(Cluster(self._next(), "reduce", eqn.output.shape, anchor=eqn), eqn)

    def _join(self, eqn: Eqn, columns: int = 0) -> bool:
        """Add `eqn` to a producer's cluster, if one shares its domain and no cycle arises."""
        producers = {c for x in eqn.inputs for c in self.needed(x)}
        for cluster in sorted(producers, key=lambda c: -c.number):
            index = self._own_index(cluster, eqn, columns)
            if index is None:
                continue
            outside = self._outside(cluster, eqn, index)
            if outside is None or any(cluster in c.ancestors for c in outside):
                continue
            if columns:
                cluster.columns = columns
            cluster.members.append(eqn)
            self.home[eqn.output] = cluster
            self.changed()
            self._depend(cluster, frozenset(outside))
            return True
        return False

    def _join_sibling(self, eqn: Eqn) -> bool:
        """Add `eqn` to a loop that reads the same array, so that it is read once (the moments and the weights of an update)."""
        inputs = {x for x in eqn.inputs if isinstance(x, Var) and x.type.shape == eqn.output.shape}
        outside = frozenset(c for x in eqn.inputs for c in self.needed(x))
        for cluster in reversed(self.clusters):
            fits = cluster.kind == "loop" and not cluster.columns and not cluster.stores and cluster.shape == eqn.output.shape
            if not fits or not any(inputs.intersection(e.inputs) for e in cluster.members):
                continue
            if cluster in outside or any(cluster in c.ancestors for c in outside):
                continue
            cluster.members.append(eqn)
            self.home[eqn.output] = cluster
            self.changed()
            self._depend(cluster, outside)
            return True
        return False

    def _own_index(self, cluster: Cluster, eqn: Eqn, columns: int) -> Index | None:
        """The domain index at which `eqn` (a reduction: its operand) would be evaluated in `cluster`, if it fits there."""
        if columns:
            fits = cluster.kind == "loop" and cluster.partial is None and eqn.inputs[0].type.shape == cluster.shape
            return domain_index(cluster.shape) if fits and cluster.columns in (0, columns) else None
        if cluster.kind not in ("loop", "reduce", "contract") or cluster.partial is not None:
            return None
        return index_in(cluster, eqn.output.shape)

    def _outside(self, cluster: Cluster, eqn: Eqn, index: Index) -> set[Cluster] | None:
        """The other clusters that `eqn` needs; None if it needs `cluster` itself at other points than its own."""
        outside: set[Cluster] = set()
        for x in eqn.inputs:
            if eqn.primitive.name in REDUCTIONS:
                at = index
            elif eqn.primitive.name in ("gather", "random_bits"):
                at = None
            else:
                at = operand_index(x, eqn.output.shape, index)
            base, where = resolve_views(x, at, self.definitions) if at is not None else (x, None)
            if isinstance(base, Var) and self.home.get(base) is cluster:
                if where is None or where != index_in(cluster, base.shape):
                    return None
            else:
                needs = self.needed(x)
                if cluster in needs:
                    return None
                outside |= needs
        return outside

    # Memory.

    def materialize(self, atom: Atom) -> Var:
        """A variable that holds `atom` in memory, contiguous."""
        if isinstance(atom, Var):
            if atom in self.home or atom in self.alias or atom not in self.definitions:
                return atom
            eqn = self.definitions[atom]
            if is_unit_reshape(eqn):
                self.share(atom, self.materialize(eqn.inputs[0]))
                return atom
            target = atom
            self.copies.add(atom)
            self.changed()
        else:
            target = self.literals.setdefault(atom, Var(atom.type, "constant"))
            if target in self.home:
                return target
        return self.copy(target, atom)

    def _slice_of_memory(self, atom: Atom) -> Eqn | None:
        """The equation of rows sliced from something in memory: a product reads them where they are."""
        eqn = self.definitions.get(atom) if isinstance(atom, Var) else None
        if eqn is None or eqn.primitive.name != "dynamic_slice":
            return None
        base = eqn.inputs[0]
        return eqn if isinstance(base, Var) and (base in self.home or base in self.alias or base not in self.definitions) else None

    def operand(self, atom: Atom) -> tuple[Var, Ix]:
        """The variable in memory that a product's operand is read from, and where in it the operand starts."""
        eqn = self._slice_of_memory(atom)
        if atom in self.placed:
            padded, offsets = self.placed[atom]  # type: ignore[index]
            return padded, flat(tuple(ZERO.scaled(1, n) for n in offsets), padded.shape)
        if eqn is None or (atom in self.home and atom in self.copies):
            return self.stored(atom), ZERO
        base = eqn.inputs[0]
        start = Dynamic(eqn.inputs[1], (), base.type.shape[0] - eqn.params["size"])
        row = base.type.size // base.type.shape[0]
        return self.stored(base), Ix(dynamic=((start, row),))

    def in_memory(self, var: Var) -> bool:
        """Whether expressions load `var`, rather than compute it or look through it at what it is a view of."""
        eqn = self.definitions.get(var)
        if eqn is None or var in self.alias:
            return eqn is None or not is_view(eqn)
        return var in self.home and var not in self.copies

    def stored(self, atom: Atom) -> Var:
        """The variable in memory behind an operand that was materialized."""
        return atom if isinstance(atom, Var) else self.literals[atom]

    def copy(self, target: Var, value: Atom) -> Var:
        """Open a loop cluster that stores `value` to `target`."""
        cluster = self._open(Cluster(self._next(), "loop", target.shape), None, value)
        cluster.stores.append(Store(target, value, domain_index(target.shape)))
        self.home[target] = cluster
        self.changed()
        return target

    def location(self, var: Var, index: Index) -> tuple[Var, Index]:
        """Where an element of `var` is in memory."""
        if var not in self.placed:
            return var, index
        padded, offsets = self.placed[var]
        return padded, tuple(ix.scaled(1, offset) for ix, offset in zip(index, offsets, strict=True))

    def share(self, var: Var, memory: Var) -> None:
        """Let `var` use the memory of another variable."""
        self.alias[var] = memory
        self.changed()

    def changed(self) -> None:
        """Forget who reads what."""
        self._loads.clear()
        self._readers = None

    def root(self, var: Var) -> Var:
        """The variable whose memory `var` uses."""
        while var in self.alias:
            var = self.alias[var]
        return var

    def store_part(self, target: Var, value: Atom, index: Index, *reads: Atom) -> Cluster:
        """Open a loop cluster that writes `value` into a part of `target`."""
        cluster = self._open(Cluster(self._next(), "loop", value.type.shape, partial=target), None, value, *reads)
        cluster.stores.append(Store(target, value, index, part=True))
        self.home[target] = cluster
        self.changed()
        return cluster

    # Clean-up.

    def _dissolve(self) -> None:
        """Inline elementwise clusters whose results one other cluster reads, point by point and just once."""
        for cluster in list(self.clusters):
            if cluster.kind != "loop" or cluster.columns or cluster.stores:
                continue
            users = self._users(cluster)
            if users is not None and len(users) == 1:
                for eqn in cluster.members:
                    del self.home[eqn.output]
                self.clusters.remove(cluster)
                for other in self.clusters:
                    other.ancestors.discard(cluster)
                self._needed.clear()
                self.changed()

    def _users(self, cluster: Cluster) -> set[Cluster] | None:
        """Clusters that read `cluster`'s results point by point; None if somebody needs them in memory."""
        mine = {e.output for e in cluster.members}
        if any(v in mine for v in self.graph.outputs) or any(self.root(a) in mine for a in self.alias):
            return None
        if any(isinstance(x, Var) and self.root(x) in mine for _, x, _ in self.initial):
            return None
        users: set[Cluster] = set()
        for other in self.clusters:
            if other is cluster or cluster not in other.ancestors:
                continue
            loads = self.loads(other)
            if not any(v in mine for v, _ in loads):
                continue
            if other.kind not in ("loop", "reduce", "contract") or (other.kind == "contract" and other.anchor is not None
                                                                   and any(x in mine for x in other.anchor.inputs)):
                return None
            size = other.anchor.inputs[0].type.size if other.kind == "reduce" and other.anchor else _size(other.shape)
            if size != _size(cluster.shape) or any(e.primitive.name == "gather" for e in cluster.members):
                return None
            users.add(other)
        return users

    def loads(self, cluster: Cluster) -> list[tuple[Var, Index]]:
        """Variables in memory that `cluster` reads, each with its index over the cluster's domain."""
        if cluster not in self._loads:
            self._loads[cluster] = Loads(self, cluster).found
        return self._loads[cluster]

    def readers(self, root: Var) -> list[tuple[Cluster, Index]]:
        """The clusters that read a root variable's memory, each with its index."""
        if self._readers is None:
            self._readers = {}
            for cluster in self.clusters:
                for var, index in self.loads(cluster):
                    self._readers.setdefault(self.root(var), []).append((cluster, index))
        return self._readers.get(root, [])


class Loads:
    """Walks a cluster's expressions down to memory."""

    def __init__(self, fusion: Fusion, cluster: Cluster) -> None:
        self.fusion, self.cluster = fusion, cluster
        self.found: list[tuple[Var, Index]] = []
        self.counters: list[Index] = []  # positions that iota and random_bits compute with
        self._seen: set[tuple[Atom, Index]] = set()
        for eqn in cluster.members:
            if eqn.primitive.kind in ("elementwise",) or eqn.primitive.name in ("gather", "random_bits"):
                self._walk_members(eqn)
            elif eqn.primitive.name in REDUCTIONS:
                self.visit(eqn.inputs[0], reduction_index(cluster, eqn))
            else:
                if eqn.primitive.name == "contract":
                    for x in eqn.inputs:
                        var, start = self.fusion.operand(x)
                        self.found.append((var, domain_index(var.shape, 100)))
                        self._dynamic(start)
                    continue
                operands = eqn.inputs[cluster.kind == "scatter_add":]  # what is added to is `initial`
                stored = [self.fusion.stored(x) for x in operands if isinstance(x, Var) or x in self.fusion.literals]
                self.found += [(x, domain_index(x.shape, 100)) for x in stored]
        for store in cluster.stores:
            self.visit(store.value, index_in(cluster, store.value.type.shape) or ())
            for ix in store.index:
                self._dynamic(ix)

    def _walk_members(self, eqn: Eqn) -> None:
        index = index_in(self.cluster, eqn.output.shape)
        if index is not None:
            self.enter(eqn, index)

    def visit(self, atom: Atom, index: Index) -> None:
        if isinstance(atom, Literal) or (atom, index) in self._seen:
            return
        self._seen.add((atom, index))
        home = self.fusion.home.get(atom)
        eqn = self.fusion.definitions.get(atom)
        if home is self.cluster:  # computed here: a member is visited as such, a stored view or scalar is entered
            if eqn is not None and eqn not in self.cluster.members:
                self.enter(eqn, index)
        elif self.fusion.in_memory(atom):
            self.found.append(self.fusion.location(atom, index))
            for ix in index:
                self._dynamic(ix)
        elif eqn is not None:
            self.enter(eqn, index)

    def enter(self, eqn: Eqn, index: Index) -> None:
        name = eqn.primitive.name
        if is_view(eqn):
            self.visit(eqn.inputs[0], view_index(eqn, index))
        elif name == "gather":
            self.visit(eqn.inputs[0], gather_index(eqn, index))
        elif name == "iota":
            self._count(index[eqn.params["axis"]])
        elif name == "random_bits":
            self._count(flat(index, eqn.output.shape))
            self.visit(eqn.inputs[0], (ZERO,))
            self.visit(eqn.inputs[0], (ZERO.scaled(1, 1),))
        else:
            for x in eqn.inputs:
                self.visit(x, operand_index(x, eqn.output.shape, index))

    def _count(self, ix: Ix) -> None:
        self.counters.append((ix,))
        self._dynamic(ix)

    def _dynamic(self, ix: object) -> None:
        for dynamic, _ in ix.dynamic:  # type: ignore[attr-defined]
            self.visit(dynamic.var, dynamic.index)


def index_in(cluster: Cluster, shape: tuple[int, ...]) -> Index | None:
    """The domain index of a member of that shape: the whole domain, or its rows with or without axes of size 1 after them."""
    whole = domain_index(cluster.shape)
    if shape == cluster.shape:
        return whole
    rows = len(cluster.rows)
    if cluster.columns and shape == cluster.rows:
        return whole[:rows]
    if cluster.columns and shape == cluster.rows + (1,) * cluster.columns:
        return whole[:rows] + (ZERO,) * cluster.columns
    return None


def reduction_index(cluster: Cluster, eqn: Eqn) -> Index:
    """The index of a reduction's operand: kept axes are the cluster's domain, reduced ones follow after it."""
    if cluster.kind == "loop":
        return domain_index(cluster.shape)
    axes, shape = eqn.params["axes"], eqn.inputs[0].type.shape
    kept = iter(domain_index(cluster.shape))
    reduced = iter(domain_index(tuple(shape[a] for a in axes), len(cluster.shape)))
    return tuple(next(reduced) if a in axes else next(kept) for a in range(len(shape)))


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


# Primitives that write memory in their own way.

def _dynamic_update_slice(fusion: Fusion, eqn: Eqn) -> None:
    x, update, start = eqn.inputs
    at = domain_index(update.type.shape)
    limit = x.type.shape[0] - update.type.shape[0]
    moved = (at[0].plus(Ix(dynamic=((Dynamic(start, (), limit), 1),))), *at[1:])
    cluster = fusion.store_part(eqn.output, update, moved, start)
    fusion._depend(cluster, fusion.needed(x))
    fusion.initial.append((eqn.output, x, cluster))


def _pad(fusion: Fusion, eqn: Eqn) -> None:
    """Store a value inside its padded array as soon as it is computed, and fill only the border."""
    x, value = eqn.inputs
    low, high, interior = (eqn.params[k] for k in ("low", "high", "interior"))
    index = tuple(ix.scaled(i + 1, lo) for ix, i, lo in zip(domain_index(x.type.shape), interior, low, strict=True))
    home = fusion.home.get(x) if isinstance(x, Var) else None
    inside = (home is not None and home.kind in ("loop", "reduce", "contract") and home.partial is None and not home.stores
              and x.type.shape == home.shape and not any(interior) and x not in fusion.placed and not fusion.needed(value))
    if not inside:
        cluster = fusion.store_part(eqn.output, x, index)
        fusion._depend(cluster, fusion.needed(value))
        fusion.initial.append((eqn.output, value, cluster))
        return
    assert home is not None and isinstance(x, Var)
    home.stores.append(Store(eqn.output, x, index, part=True))
    fusion.placed[x] = eqn.output, low
    for shape, offsets in _border(eqn.output.shape, low, high):
        at = tuple(ix.scaled(1, offset) for ix, offset in zip(domain_index(shape), offsets, strict=True))
        slab = Var(TensorType(shape, x.dtype), "border")
        fusion.definitions[slab] = Eqn(PRIMITIVES["broadcast"], (value,), {"shape": shape}, (slab,))
        border = fusion.store_part(eqn.output, slab, at)
        border.ancestors |= home.ancestors  # not earlier than needed: memory is taken from then on
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
    at, axis = 0, eqn.params["axis"]
    previous: list[Cluster] = []
    for x in eqn.inputs:
        index = tuple(ix.scaled(1, at) if d == axis else ix for d, ix in enumerate(domain_index(x.type.shape)))
        cluster = fusion.store_part(eqn.output, x, index)
        fusion._depend(cluster, frozenset(previous))
        previous.append(cluster)
        at += x.type.shape[axis]


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


def _host(fusion: Fusion, eqn: Eqn) -> None:
    for x in eqn.inputs:
        fusion.materialize(x)
    fusion._open(Cluster(fusion._next(), "host", (), anchor=eqn), eqn)


def _loop(fusion: Fusion, eqn: Eqn) -> None:
    for x in eqn.inputs:
        if isinstance(x, Var):
            fusion.materialize(x)
    cluster = fusion._open(Cluster(fusion._next(), "control", (), anchor=eqn), eqn)
    for out, x in zip(eqn.outputs, eqn.inputs[2:], strict=False):
        fusion.initial.append((out, x, cluster))


_SPECIAL = {"dynamic_update_slice": _dynamic_update_slice, "pad": _pad, "concat": _concat, "scatter_add": _scatter_add,
            "scatter": _scatter_add, "cumsum": _cumsum, "loop": _loop}
