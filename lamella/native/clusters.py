"""Clusters, the equations that one kernel computes; and what they read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lamella.ir import Atom, Eqn, Literal, Var
from lamella.native.indexing import ZERO, Index, Ix, domain_index, flat, gather_index, is_view, operand_index, view_index

if TYPE_CHECKING:
    from lamella.native.fuse import Fusion

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
        ancestors, followers: clusters that must run before and after; `Fusion._depend` keeps both.
        partial: name of the variable that it writes only a part of, with others.
        blocks: pieces of the batch that a chain runs it in; 0 outside of chains.
    """

    number: int
    kind: str
    shape: tuple[int, ...]
    columns: int = 0
    anchor: Eqn | None = None
    members: list[Eqn] = field(default_factory=list)
    ancestors: set[Cluster] = field(default_factory=set)
    followers: set[Cluster] = field(default_factory=set)
    stores: list[Store] = field(default_factory=list)
    partial: Var | None = None
    blocks: int = 0

    @property
    def rows(self) -> tuple[int, ...]:
        return self.shape[: len(self.shape) - self.columns]

    @property
    def batch_axis(self) -> int:
        """The axis that blocks are pieces of: the first that isn't of size 1."""
        return next((axis for axis, n in enumerate(self.shape) if n != 1), 0)


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
                unset = {0} if cluster.kind == "scatter_add" else self.fusion.unset.get(cluster, set())
                operands = [x for i, x in enumerate(eqn.inputs) if i not in unset]  # what is added to is `initial`
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
