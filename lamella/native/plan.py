"""What planning makes of a graph: clusters in phases, and a buffer for every variable in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from lamella.ir import Atom, Graph, Var
from lamella.native.clusters import DIRECT, Cluster
from lamella.native.fuse import Fusion


@dataclass(eq=False)
class Buffer:
    """A piece of memory.

    Attributes:
        kind: `root` (an input or output array, `number` in the call's table), `arena` (`number` = offset within `parent`, or the
            program's arena), `private` (`number` = offset within a chain's memory of one thread, `parent` = all threads'
            memory), or `counter` (a loop's index, held in a register).
        block: bytes of one of a chain's blocks, if private.
    """

    kind: str
    nbytes: int
    number: int = 0
    parent: Buffer | None = None
    block: int = 0


@dataclass(eq=False)
class Plan:
    """A graph's kernels in order, with their memory.

    Attributes:
        phases: lists of clusters that run between two barriers.
        buffers: of each root variable.
        bodies: plans of the loops' bodies.
        blocks: the memory of the bodies' temporaries.
        own: buffers that this plan allocates, as offsets in its arena.
        arena: bytes of temporaries, bodies included.
        constants: of the body of a loop inside another: inputs that are the same in all its iterations.
        by_block: of a loop's body: a thread does all iterations for a block of the batch, before the next block.
    """

    graph: Graph
    fusion: Fusion
    phases: list[list[Cluster]] = field(default_factory=list)
    buffers: dict[Var, Buffer] = field(default_factory=dict)
    bodies: dict[Cluster, Plan] = field(default_factory=dict)
    blocks: dict[Cluster, Buffer] = field(default_factory=dict)
    own: set[Buffer] = field(default_factory=set)
    arena: int = 0
    constants: frozenset[Var] = frozenset()
    by_block: bool = False

    @cached_property
    def starts(self) -> dict[Var, Atom]:
        """The value that a variable holds before its cluster updates it."""
        return {out: value for out, value, _ in self.fusion.initial}

    @cached_property
    def started(self) -> dict[Atom, list[Cluster]]:
        """The clusters that update what begins as that value."""
        found: dict[Atom, list[Cluster]] = {}
        for _, value, cluster in self.fusion.initial:
            found.setdefault(value, []).append(cluster)
        return found

    def buffer(self, var: Var) -> Buffer:
        return self.buffers[self.fusion.root(var)]

    def reads(self, cluster: Cluster) -> list[Var]:
        """Variables in memory that the cluster reads."""
        return list(dict.fromkeys(v for v, _ in self.fusion.loads(cluster)))

    def buffer_for(self, var: Var) -> Buffer:
        """The buffer of a variable; a temporary without one gets one."""
        root = self.fusion.root(var)
        if root not in self.buffers:
            self.buffers[root] = Buffer("arena", root.type.nbytes)
        return self.buffers[root]

    def writes(self, cluster: Cluster) -> list[Buffer]:
        return [self.buffer_for(v) for v in written(cluster)]


def written(cluster: Cluster) -> list[Var]:
    """Variables whose memory a cluster writes."""
    own = [v for e in cluster.members for v in e.outputs] if cluster.kind in DIRECT else []
    return own + [s.target for s in cluster.stores]
