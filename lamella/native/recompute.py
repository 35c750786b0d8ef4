"""What to keep for later, and what to compute again.

Fusion computes much of the backward pass where its inputs are at hand, in the forward kernel, and would keep every result in memory
until the backward kernel reads it. Writing and reading an array costs more than some arithmetic: a value that follows, by a few
cheap steps, from values that are in memory anyway is computed again by whoever needs it (a GELU keeps the product it was applied
to, not the four arrays that its gradient is made of).
"""

from __future__ import annotations

from lamella.ir import Atom, Eqn, Graph, Literal, Var
from lamella.native.clusters import Cluster
from lamella.native.fuse import Fusion
from lamella.native.indexing import WIDE_ROW, is_view

LIMIT = 24  # cost of computing a value again, in additions, up to which that beats memory
HEAVY = {"exp", "log", "log1p", "expm1", "tanh", "logistic", "erf", "erfc", "sin", "cos", "asin", "acos", "atan2", "cbrt",
         "sqrt", "rsqrt", "div"}
HEAVY_COST = 8
TOO_HEAVY = {"pow", "random_bits", "rem"}
USERS = 2  # kernels that may repeat the work
FROM = 4096  # elements from which memory traffic matters


def recompute(fusion: Fusion, graph: Graph) -> None:
    """Mark values that are computed again instead of stored."""
    kept = _must_keep(fusion, graph)
    users = _users(fusion)
    for cluster in fusion.clusters:
        if cluster.kind not in ("loop", "reduce", "contract") or cluster.partial is not None:
            continue
        for eqn in cluster.members:
            v = eqn.output if len(eqn.outputs) == 1 else None
            if v is None or eqn.primitive.kind != "elementwise" or v in kept or v.type.size < FROM or v in fusion.placed:
                continue
            readers = users.get(v, set())
            if not readers or len(readers) > USERS or not all(_point_by_point(c, v) for c in readers):
                continue
            steps = _steps(fusion, cluster, v, kept, readers)
            if steps is not None:
                fusion.copies.update(steps)
    fusion.changed()


def _must_keep(fusion: Fusion, graph: Graph) -> set[Var]:
    """Values whose address somebody takes: outputs, operands of products, reshaped or updated arrays."""
    keep = {fusion.root(a) for a in graph.outputs if isinstance(a, Var)} | {fusion.root(a) for a in fusion.alias}
    keep |= {fusion.root(x) for _, x, _ in fusion.initial if isinstance(x, Var)}
    for cluster in fusion.clusters:
        if cluster.anchor is not None and cluster.kind != "reduce":
            keep |= {fusion.root(x) for x in cluster.anchor.inputs if isinstance(x, Var)}
        keep |= {s.value for s in cluster.stores if isinstance(s.value, Var)}
    return keep


def _users(fusion: Fusion) -> dict[Var, set[Cluster]]:
    users: dict[Var, set[Cluster]] = {}
    for cluster in fusion.clusters:
        for v, _ in fusion.loads(cluster):
            users.setdefault(v, set()).add(cluster)
    return users


def _point_by_point(cluster: Cluster, v: Var) -> bool:
    """Whether a kernel reads each element of `v` once."""
    if cluster.kind not in ("loop", "reduce", "contract"):
        return False
    shape = cluster.anchor.inputs[0].type.shape if cluster.kind == "reduce" and cluster.anchor else cluster.shape
    size = 1
    for n in shape:
        size *= n
    return size == v.type.size


def _steps(fusion: Fusion, cluster: Cluster, v: Var, kept: set[Var], readers: set[Cluster]) -> set[Var] | None:
    """The cluster's values between `v` and what is in memory, `v` included; None if that is too far."""
    steps: set[Var] = set()
    cost = 0
    todo: list[Atom] = [v]
    while todo:
        atom = todo.pop()
        if isinstance(atom, Literal) or atom in steps:
            continue
        eqn: Eqn | None = fusion.definitions.get(atom)
        inside = eqn is not None and fusion.home.get(atom) is cluster and (atom is v or atom not in kept)
        if inside and (eqn.primitive.kind == "elementwise" or _gathers_rows(fusion, eqn)):  # type: ignore[union-attr,arg-type]
            name = eqn.primitive.name  # type: ignore[union-attr]
            if name in TOO_HEAVY:
                return None
            cost += HEAVY_COST if name in HEAVY else 1
            if cost > LIMIT:
                return None
            steps.add(atom)
            todo += eqn.inputs  # type: ignore[union-attr]
        elif eqn is not None and (is_view(eqn) or (atom not in fusion.home and atom not in fusion.alias)):
            todo += eqn.inputs  # a view or a scalar: computed on the spot anyway
        elif eqn is None and atom.type.size > 1 and 2 * atom.type.size > v.type.size and not _read_beside(fusion, atom, v, readers):
            return None  # an input, which may be overwritten by then
    return steps


def _read_beside(fusion: Fusion, atom: Atom, v: Var, readers: set[Cluster]) -> bool:
    """Whether the readers of `v` read `atom` too, at the same points."""
    def both(cluster: Cluster) -> bool:
        loads = fusion.loads(cluster)
        return all((atom, index) in loads for var, index in loads if var is v)

    return atom.type.shape == v.type.shape and all(map(both, readers))


def _gathers_rows(fusion: Fusion, eqn: Eqn) -> bool:
    """Whether an equation reads long rows of something that the graph computes (the sums that make a table's gradient)."""
    x = eqn.inputs[0]
    return eqn.primitive.name == "gather" and x in fusion.definitions and x.type.size >= WIDE_ROW * x.type.shape[0]
