"""Memory: which buffer every variable lives in, in what order kernels run, and where threads must meet.

1. Outputs get their buffers; an output that is donated an input is computed in place if every reader of that input can run before
   (and its own kernel reads it only at the point that it writes), else into a temporary that is copied at the end.
2. Clusters are ordered by level. A barrier stands before a kernel that touches what an earlier one since the last barrier wrote.
3. Temporaries get offsets in one arena (arena.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lamella.errors import CheckError
from lamella.ir import PRIMITIVES, Atom, Eqn, Graph, Literal, Var
from lamella.native import chains
from lamella.native.arena import allocate
from lamella.native.chains import Chain
from lamella.native.clusters import DIRECT, Cluster, Store, index_in
from lamella.native.fuse import Fusion
from lamella.native.indexing import Index, domain_index, flat
from lamella.native.plan import Buffer, Plan, written
from lamella.native.recompute import recompute
from lamella.native.target import machine


def plan(graph: Graph, inputs: Sequence[Buffer], outputs: Sequence[Buffer], counted: bool = False) -> Plan:
    """Plan a graph; `outputs[i]` may be one of `inputs` (donated).

    `counted`: it is the body of a loop with a known number of steps, which nobody stops.
    """
    p = Plan(graph, Fusion(graph))
    p.buffers.update(zip(graph.inputs, inputs, strict=True))
    donors = {b: v for v, b in zip(graph.inputs, inputs, strict=True)}
    late: list[tuple[Var, Atom]] = []
    for atom in graph.outputs:  # all of them first: what is computed in place must know every reader
        if isinstance(atom, Var) and atom in p.fusion.definitions:
            p.fusion.materialize(atom)
    recompute(p.fusion, graph)
    for atom, buffer in zip(graph.outputs, outputs, strict=True):
        _place_output(p, atom, buffer, donors.get(buffer), late)
    for out, value, cluster in p.fusion.initial:
        _place_initial(p, out, value, cluster)
    for target, atom in late:
        p.fusion.copy(target, atom)
        copier = p.fusion.clusters[-1]
        p.fusion._depend(copier, frozenset(c for c in p.fusion.clusters if c is not copier and target not in _targets(c)))
    _mark_stores(p)
    _drop_idle(p)
    writers: dict[Buffer | None, list[Cluster]] = {}
    for cluster in p.fusion.clusters:
        for var in written(cluster):
            writers.setdefault(p.buffers.get(p.fusion.root(var)), []).append(cluster)
    for buffer, donor in donors.items():
        _order_readers(p, donor, writers.get(buffer, []))
    for cluster in p.fusion.clusters:
        if cluster.kind == "control":
            _plan_body(p, cluster)
    blocks = chains.of_loop(p.fusion, lambda v: v in p.buffers, machine()) if counted else 0
    p.by_block = blocks > 0
    if p.by_block:
        _add_chain(p, _ordered(p), blocks)
    else:
        _phases(p)
    allocate(p)
    return p


def _order_readers(p: Plan, donor: Var, writers: list[Cluster]) -> None:
    """Whoever reads an input runs before the clusters that overwrite it.

    Raises:
        CheckError: a reader runs after the writer: a bug of this module.
    """
    for writer in writers:
        for reader, _ in p.fusion.readers(donor):
            if reader is writer or reader in writer.ancestors:
                continue
            if writer in reader.ancestors:
                raise CheckError(f"{donor} is overwritten by cluster {writer.number} before cluster {reader.number} reads it.")
            p.fusion._depend(writer, frozenset((reader,)))


def _targets(cluster: Cluster) -> set[Var]:
    return {s.target for s in cluster.stores}


def _place_output(p: Plan, atom: Atom, buffer: Buffer, donor: Var | None, late: list[tuple[Var, Atom]]) -> None:
    fusion = p.fusion
    if isinstance(atom, Var) and atom in fusion.definitions:
        atom = fusion.materialize(atom)
        root = fusion.root(atom)
        if root not in p.buffers and (donor is None or _in_place(p, root, donor)):
            p.buffers[root] = buffer
            return
    elif atom is donor:
        return
    copied = Var(atom.type, "copy")
    p.buffers[copied] = buffer
    if donor is None:
        fusion.copy(copied, atom)
    else:
        late.append((copied, _snapshot(p, atom)))


def _snapshot(p: Plan, atom: Atom) -> Atom:
    """A value that a late copy can read although inputs are overwritten meanwhile: inputs are copied first."""
    if isinstance(atom, Var) and p.fusion.root(atom) in p.graph.inputs:
        temporary = p.fusion.copy(Var(atom.type, "snapshot"), atom)
        reader = p.fusion.clusters[-1]
        for cluster in p.fusion.clusters:
            if cluster is not reader and p.buffers.get(p.fusion.root(atom)) in [
                    p.buffers.get(p.fusion.root(v)) for e in cluster.members for v in e.outputs]:
                p.fusion._depend(cluster, frozenset((reader,)))
        return temporary
    if atom in p.fusion.copies:  # read it from memory: what it was computed from may be overwritten by then
        stored = Var(atom.type, "stored")
        p.fusion.share(stored, atom)  # type: ignore[arg-type]
        return stored
    return atom


def _in_place(p: Plan, root: Var, donor: Var) -> bool:
    """Whether `root` may be computed in `donor`'s memory; orders the donor's other readers before."""
    fusion = p.fusion
    writer = fusion.home[root]
    start = p.starts.get(root)
    if start not in (None, donor):
        return _after_in_place(p, start, writer, donor)  # type: ignore[arg-type]
    before: set[Cluster] = set()
    for cluster, index in p.fusion.readers(donor):
        if cluster is not writer:
            if writer in cluster.ancestors:
                return False
            before.add(cluster)
        elif writer.kind == "control":
            if _uses(p, writer, donor) > 1:
                return False
        elif not (_updates_there(writer, donor, index) if start is not None else _same_point(writer, root, donor, index)):
            return False
    if any(cluster is not writer for cluster in p.started.get(donor, ())):  # the start of another update: copied before this writer
        return False
    fusion._depend(writer, frozenset(before))
    return True


def _after_in_place(p: Plan, start: Atom, writer: Cluster, donor: Var) -> bool:
    """Whether an update whose start is itself an update can follow it in the donor's memory."""
    previous = p.fusion.root(start) if isinstance(start, Var) else None
    if previous is None or previous in p.buffers or previous not in p.fusion.home or previous.type != donor.type:
        return False
    if not _in_place(p, previous, donor) or not _free_after(p, previous, writer):
        return False
    p.buffers[previous] = p.buffers[donor]
    return True


def _same_point(writer: Cluster, root: Var, donor: Var, index: Index) -> bool:
    """Whether the writer reads the donor just where it writes `root`."""
    if writer.kind not in ("loop", "reduce", "contract") or any(a >= 100 for ix in index for a, _ in ix.axes):
        return False
    stores = [s.index for s in writer.stores if s.target is root]
    own = stores[0] if stores else index_in(writer, root.shape)
    return own is not None and root.type.nbytes == donor.type.nbytes and flat(index, donor.shape) == flat(own, root.shape)


def _place_initial(p: Plan, out: Var, value: Atom, cluster: Cluster) -> None:
    """Give an updated variable memory that holds its initial value: the value's own if nobody needs it afterwards, else a copy."""
    fusion = p.fusion
    placed = p.buffers.get(out)
    if isinstance(value, Var):
        root = fusion.root(value) if value in fusion.home or value in fusion.alias or value not in fusion.definitions else None
        if root is not None and placed is not None and p.buffers.get(root) is placed:
            return
        if root is not None and root not in p.buffers and root in fusion.home and _free_after(p, root, cluster):
            if placed is not None:
                p.buffers[root] = p.buffers.pop(out)
            fusion.share(out, root)
            return
    start = Var(out.type, "start")
    if placed is not None:
        p.buffers[start] = p.buffers.pop(out)
    spread = value
    if value.type.shape != out.type.shape:  # the padding value
        spread = Var(out.type, "fill")
        source = fusion.definitions[out].source if out in fusion.definitions else None
        fusion.definitions[spread] = Eqn(PRIMITIVES["broadcast"], (value,), {"shape": out.type.shape}, (spread,), source)
    fusion.copy(start, spread)
    fusion._depend(cluster, frozenset((fusion.home[start],)))
    fusion.share(out, start)


def _uses(p: Plan, loop: Cluster, root: Var) -> int:
    """How many operands of a loop are `root`'s memory."""
    return sum(c is loop for c, _ in p.fusion.readers(root))


def _free_after(p: Plan, root: Var, cluster: Cluster) -> bool:
    """Whether nobody needs `root` as it is once `cluster` changes it; orders its other readers before."""
    readers = p.fusion.readers(root)
    others = {c for c, _ in readers if c is not cluster}
    for _, value, c in p.fusion.initial:
        if c is not cluster and isinstance(value, Var) and p.fusion.root(value) is root:
            return False
    if any(cluster in c.ancestors for c in others):
        return False
    if cluster.kind == "control" and _uses(p, cluster, root) > 1:
        return False
    if cluster.kind != "control" and not all(_updates_there(cluster, root, ix) for c, ix in readers if c is cluster):
        return False
    if any(isinstance(a, Var) and p.fusion.root(a) is root for a in p.graph.outputs):
        return False
    p.fusion._depend(cluster, frozenset(others))
    return True


def _updates_there(cluster: Cluster, root: Var, index: Index) -> bool:
    """Whether a cluster that writes a part reads `root` only at the elements that it writes."""
    return bool(cluster.partial is not None and not any(a >= 100 for ix in index for a, _ in ix.axes)
                and all(flat(index, root.shape) == flat(s.index, s.target.shape) for s in cluster.stores))


def _mark_stores(p: Plan) -> None:
    """Every variable that is read from memory, or is an output, is stored by the cluster that computes it."""
    fusion = p.fusion
    needed: dict[Var, None] = {}
    for cluster in fusion.clusters:
        needed.update((v, None) for v, _ in fusion.loads(cluster))
    needed.update((fusion.alias[a], None) for a in fusion.alias)
    needed.update((a, None) for a in p.graph.outputs if isinstance(a, Var))
    for var in needed:
        home = fusion.home.get(var)
        if home is None or home.kind in DIRECT or any(s.target is var for s in home.stores):
            continue
        if home.partial is None and var in {v for e in home.members for v in e.outputs}:
            home.stores.append(Store(var, var, index_in(home, var.shape) or domain_index(var.shape)))
    fusion.changed()


def _drop_idle(p: Plan) -> None:
    """Forget loops that store nothing: what they would compute, others compute where they need it."""
    idle = {c for c in p.fusion.clusters if c.kind == "loop" and not c.stores}
    p.fusion.clusters = [c for c in p.fusion.clusters if c not in idle]
    p.fusion.forget(idle)
    p.fusion.changed()


def _plan_body(p: Plan, cluster: Cluster) -> None:
    eqn = cluster.anchor
    assert eqn is not None
    body: Graph = eqn.params["body"]
    for var in (*eqn.outputs, *(x for i, x in enumerate(eqn.inputs) if i not in p.fusion.unset[cluster])):
        if isinstance(var, Var):
            p.buffer_for(var)
    carry = [p.buffer(v) for v in eqn.outputs]
    consts = [p.buffer(v) for v in eqn.inputs[2 + len(carry):] if isinstance(v, Var)]
    counted = all(isinstance(bound, Literal) for bound in eqn.inputs[:2])
    inner = plan(body, [Buffer("counter", 8), *carry, *consts], carry, counted)
    for loop, nested in inner.bodies.items():
        nested.constants = frozenset(nested.graph.inputs[1 + len(loop.anchor.outputs):])  # type: ignore[union-attr]
    block = Buffer("arena", inner.arena)
    for buffer in inner.own:
        buffer.parent = block
    p.bodies[cluster], p.blocks[cluster] = inner, block


def _phases(p: Plan) -> None:
    """Order clusters by stage and level, and cut where a kernel depends on another since the last cut."""
    stages, blocks = chains.find(p.fusion, lambda v: v in p.buffers and p.buffers[v].kind == "root", machine())
    ordered = _ordered(p)
    for stage in sorted(set(stages.values())):
        mine = [c for c in ordered if stages[c] == stage]
        _cut(p, [c for c in mine if c not in blocks])
        chain = [c for c in mine if c in blocks]
        if chain:
            _add_chain(p, chain, blocks[chain[0]])


def _ordered(p: Plan) -> list[Cluster]:
    """By level: a cluster comes after all that it waits for."""
    level: dict[Cluster, int] = {}
    for cluster in sorted(p.fusion.clusters, key=lambda c: len(c.ancestors)):
        level[cluster] = 1 + max(map(level.__getitem__, cluster.ancestors), default=-1)
    return sorted(p.fusion.clusters, key=lambda c: (level[c], c.number))


def _add_chain(p: Plan, clusters: list[Cluster], blocks: int) -> None:
    p.phases.append(Chain(clusters, blocks))
    for cluster in clusters:
        cluster.blocks = blocks


def _cut(p: Plan, clusters: Sequence[Cluster]) -> None:
    """Append phases of clusters that don't depend on one another."""
    fresh = True
    changed: set[Buffer] = set()
    read: set[Buffer] = set()
    whole: set[Buffer] = set()  # changed by a store that is not one part of several
    for cluster in clusters:
        reads = {p.buffer_for(v) for v in p.reads(cluster)}
        writes = p.writes(cluster)
        own_whole = set(writes) - {p.buffer_for(s.target) for s in cluster.stores if s.part}
        clash = (own_whole & changed) | (set(writes) & whole) | (set(writes) & read) | (reads & changed)
        control = cluster.kind == "control" or (not fresh and p.phases[-1][-1].kind == "control")
        if fresh or control or clash:
            p.phases.append([])
            changed, read, whole, fresh = set(), set(), set(), False
        p.phases[-1].append(cluster)
        read |= reads
        changed |= set(writes)
        whole |= own_whole


def donated(outputs: Sequence[Atom], inputs: Sequence[Buffer], donate: Mapping[int, int], first: int) -> list[Buffer]:
    """Output buffers: the donated inputs', or new entries of the call's table from `first` on."""
    result = []
    for i, atom in enumerate(outputs):
        if i in donate:
            result.append(inputs[donate[i]])
        else:
            result.append(Buffer("root", atom.type.nbytes, first))
            first += 1
    return result
