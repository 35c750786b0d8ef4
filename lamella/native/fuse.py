"""Fusion: which equations are computed together, by one kernel.

Equations are visited in order. A contraction or reduction opens a cluster; an elementwise equation joins the cluster of a producer
with which it shares the domain (so bias, activation and the whole optimizer update end in the epilogue of the product that they
follow, and a softmax with its loss and gradient is one pass over rows), else it opens a loop cluster. Views and scalars are not
placed at all: whoever needs them evaluates them on the spot. Joining is refused where it would make clusters wait for each other.
"""

from __future__ import annotations

import math
from collections import Counter

from lamella.ir import Atom, Eqn, Graph, Literal, Var
from lamella.native.clusters import DIRECT, REDUCTIONS, Cluster, Loads, Store, index_in
from lamella.native.indexing import (
    ZERO,
    Dynamic,
    Index,
    Ix,
    domain_index,
    flat,
    is_unit_reshape,
    is_view,
    operand_index,
    resolve_views,
)
from lamella.native.special import SPECIAL, host


class Fusion:
    """The clusters of a graph and where each variable lives.

    Attributes:
        clusters: in an order in which they can run.
        home: the cluster that computes a variable; variables without one are views, inlined, or inputs.
        alias: variables that are another variable's memory under another shape, or updated in place.
        later: aliases that nobody may read before these clusters have run.
        uses: how often each variable is an operand or an output.
        placed: variables that are stored inside another one only (padded, joined, a row of a history): which, and where they start.
        copies: views and scalars that are in memory because somebody needs an address; expressions still compute them on the spot.
        initial: `(variable, value, cluster)`: the variable's memory must hold the value before the cluster runs.
        unset: of loops, positions of inputs whose value nobody reads.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.definitions: dict[Var, Eqn] = {v: e for e in graph.eqns for v in e.outputs}
        self.uses = Counter(x for e in graph.eqns for x in e.inputs if isinstance(x, Var))
        self.uses.update(x for x in graph.outputs if isinstance(x, Var))
        self.clusters: list[Cluster] = []
        self.home: dict[Var, Cluster] = {}
        self.alias: dict[Var, Var] = {}
        self.later: dict[Var, frozenset[Cluster]] = {}
        self.copies: set[Var] = set()
        self.literals: dict[Literal, Var] = {}
        self.placed: dict[Var, tuple[Var, Index]] = {}
        self.initial: list[tuple[Var, Atom, Cluster]] = []
        self.unset: dict[Cluster, set[int]] = {}
        self._needed: dict[Atom, frozenset[Cluster]] = {}
        self._loads: dict[Cluster, list[tuple[Var, Index]]] = {}
        self._readers: dict[Var, list[tuple[Cluster, Index]]] | None = None
        self._count = 0
        self._reading: dict[Atom, list[Cluster]] = {}  # loops whose members have that operand
        for eqn in graph.eqns:
            self._place(eqn)
        self._dissolve()

    # Placing.

    def _place(self, eqn: Eqn) -> None:
        name, kind = eqn.primitive.name, eqn.primitive.kind
        if is_view(eqn) or name == "iota":
            return
        if name == "after":
            self.later[eqn.output] = frozenset(c for x in eqn.inputs[1:] for c in self.needed(x))
            self.share(eqn.output, self.materialize(eqn.inputs[0]))
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
            SPECIAL.get(name, host)(self, eqn)

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _open(self, cluster: Cluster, eqn: Eqn | None, *reads: Atom) -> Cluster:
        self.clusters.append(cluster)
        self.changed()
        if eqn is not None:
            self._add(cluster, eqn)
        for x in (*(eqn.inputs if eqn else ()), *reads):
            self._depend(cluster, self.needed(x))
        if eqn is not None and cluster.kind in ("contract", *DIRECT):  # these take addresses
            contract = cluster.kind == "contract"
            roots = [self.root(self.operand(x)[0] if contract else self.stored(x))
                     for x in eqn.inputs if isinstance(x, Var) or x in self.literals]
            self._depend(cluster, frozenset(self.home[r] for r in roots if r in self.home))
        return cluster

    def _add(self, cluster: Cluster, eqn: Eqn) -> None:
        """Let `cluster` compute `eqn`."""
        cluster.members.append(eqn)
        self.home.update((v, cluster) for v in eqn.outputs)
        if cluster.kind == "loop":
            for x in eqn.inputs:
                self._reading.setdefault(x, []).append(cluster)
        self.changed()

    def _depend(self, cluster: Cluster, others: frozenset[Cluster]) -> None:
        """Let `cluster`, and who waits for it, wait for others too."""
        new: set[Cluster] = set()
        for c in sorted(others - cluster.ancestors - {cluster}, key=lambda c: -len(c.ancestors)):
            if c not in new:
                new |= {c, *c.ancestors}
        new -= cluster.ancestors
        later = {cluster, *cluster.followers}
        for c in later if new else ():
            c.ancestors |= new
        for c in new:
            c.followers |= later

    def needed(self, atom: Atom) -> frozenset[Cluster]:
        """The clusters that must have run before `atom` can be evaluated."""
        if isinstance(atom, Literal):
            return frozenset()
        if self.in_memory(atom):
            clusters: set[Cluster] = set()
            while atom in self.alias:
                clusters |= self.later.get(atom, frozenset())
                atom = self.alias[atom]
            return frozenset(clusters | ({self.home[atom]} if atom in self.home else set()))
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
            self._add(cluster, eqn)
            self._depend(cluster, frozenset(outside))
            return True
        return False

    def _join_sibling(self, eqn: Eqn) -> bool:
        """Add `eqn` to a loop that reads the same array, so that it is read once (the moments and the weights of an update)."""
        inputs = [x for x in eqn.inputs if isinstance(x, Var) and x.type.shape == eqn.output.shape]
        outside = frozenset(c for x in eqn.inputs for c in self.needed(x))
        for cluster in sorted({c for x in inputs for c in self._reading.get(x, [])}, key=lambda c: -c.number):
            if cluster.columns or cluster.stores or cluster.shape != eqn.output.shape:
                continue
            if cluster in outside or any(cluster in c.ancestors for c in outside):
                continue
            self._add(cluster, eqn)
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
        if atom in self.placed:
            whole, start = self.placed[atom]  # type: ignore[index]
            return whole, flat(start, whole.shape)
        eqn = self._slice_of_memory(atom)
        if eqn is None or (atom in self.home and atom in self.copies):
            return self.stored(atom), ZERO
        base = eqn.inputs[0]
        first = Dynamic(eqn.inputs[1], (), base.type.shape[0] - eqn.params["size"])
        row = base.type.size // base.type.shape[0]
        return self.stored(base), Ix(dynamic=((first, row),))

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
        whole, start = self.placed[var]
        lead = len(start) - len(index)
        return whole, (*start[:lead], *(ix.plus(first) for ix, first in zip(index, start[lead:], strict=True)))

    def place(self, cluster: Cluster, var: Var, whole: Var, start: Index) -> None:
        """Let `cluster`, which computes `var`, store it inside of `whole` only."""
        self.placed[var] = whole, start
        _, index = self.location(var, domain_index(var.shape))
        cluster.stores.append(Store(whole, var, index, part=True))

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
        needed = (*self.graph.outputs, *self.alias, *(x for _, x, _ in self.initial))
        addressed = {self.root(a) for a in needed if isinstance(a, Var)}
        readers: dict[Var, set[Cluster]] = {}
        for cluster in self.clusters:
            for v, _ in self.loads(cluster):
                readers.setdefault(v, set()).add(cluster)
        gone: set[Cluster] = set()
        for cluster in self.clusters:
            if cluster.kind != "loop" or cluster.columns or cluster.stores:
                continue
            mine = {e.output for e in cluster.members}
            if mine & addressed:
                continue
            users = {c for v in mine for c in readers.get(v, ()) if c is not cluster and c not in gone}
            user = users.pop() if len(users) == 1 else None
            if user is not None and self._reads_all(user, cluster, mine):
                for v in mine:
                    del self.home[v]
                gone.add(cluster)
                self.later = {v: waits - {cluster} | cluster.ancestors if cluster in waits else waits
                              for v, waits in self.later.items()}
                self.forget({cluster})
                self._needed.clear()
                del self._loads[user]  # nobody else's reads change
                for v, _ in self.loads(user):
                    readers.setdefault(v, set()).add(user)
        self.clusters = [c for c in self.clusters if c not in gone]

    def forget(self, clusters: set[Cluster]) -> None:
        """Nobody waits for these clusters any more."""
        for cluster in clusters:
            for other in cluster.followers:
                other.ancestors.discard(cluster)
            for other in cluster.ancestors:
                other.followers.discard(cluster)

    def _reads_all(self, user: Cluster, cluster: Cluster, mine: set[Var]) -> bool:
        """Whether `user` reads `cluster`'s results point by point, not in memory."""
        if user.kind not in ("loop", "reduce", "contract") or any(e.primitive.name == "gather" for e in cluster.members):
            return False
        if user.kind == "contract" and user.anchor is not None and not mine.isdisjoint(user.anchor.inputs):
            return False
        size = user.anchor.inputs[0].type.size if user.kind == "reduce" and user.anchor else math.prod(user.shape)
        return size == math.prod(cluster.shape)

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
