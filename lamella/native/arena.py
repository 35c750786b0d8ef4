"""Where temporaries lie: offsets in one arena, by the phases in which they are alive.

Those that are alive in a common phase (between barriers) never overlap. A chain (chains.py) is one phase; arrays that only it
uses live in memory for one of its blocks per thread.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Mapping, Sequence

from lamella.native.chains import Chain
from lamella.native.clusters import Cluster
from lamella.native.plan import Buffer, Plan
from lamella.native.target import machine

ALIGN = 64


def allocate(p: Plan) -> None:
    """First fit over phase lifetimes."""
    spans: dict[Buffer, list[int]] = {}
    touched: dict[Buffer, set[Cluster]] = {}
    outer = {p.buffers[v] for v in p.graph.inputs}

    def use(buffer: Buffer, phase: int, cluster: Cluster) -> None:
        if buffer.kind == "arena" and buffer.parent is None and buffer not in outer:
            span = spans.setdefault(buffer, [phase, phase])
            span[1] = max(span[1], phase)
            touched.setdefault(buffer, set()).add(cluster)

    for number, phase in enumerate(p.phases):
        for cluster in phase:
            for buffer in [*(p.buffer_for(v) for v in p.reads(cluster)), *p.writes(cluster)]:
                use(buffer, number, cluster)
            if cluster in p.blocks:
                use(p.blocks[cluster], number, cluster)
    for number, phase in enumerate(p.phases):
        if isinstance(phase, Chain):
            private = [b for b, (start, end) in spans.items() if start == end == number]
            memory = _share_block(p, phase, private, touched)
            for buffer in private:
                del spans[buffer]
            if memory is not None:
                spans[memory] = [number, number]
    p.own = set(spans)
    offsets = first_fit([(b.nbytes, s, e) for b, (s, e) in spans.items()])
    for buffer, offset in zip(spans, offsets, strict=True):
        buffer.number = offset
        p.arena = max(p.arena, offset + _aligned(buffer.nbytes))


def _share_block(p: Plan, chain: Chain, private: list[Buffer], touched: Mapping[Buffer, set[Cluster]]) -> Buffer | None:
    """Give arrays that only a chain uses memory for one block per thread; returns the memory of all threads."""
    position = {c: i for i, c in enumerate(chain)}
    blocks = []
    for buffer in private:
        used = [position[c] for c in touched[buffer]]
        blocks.append((buffer.nbytes // chain.blocks, min(used), max(used)))
    offsets = first_fit(blocks)
    chain.private = max((o + _aligned(n) for o, (n, _, _) in zip(offsets, blocks, strict=True)), default=0)
    if not chain.private:
        return None
    memory = Buffer("arena", chain.private * machine().cores)
    for buffer, offset in zip(private, offsets, strict=True):
        buffer.kind, buffer.number, buffer.parent, buffer.block = "private", offset, memory, buffer.nbytes // chain.blocks
    return memory


def _aligned(nbytes: int) -> int:
    return -(-max(nbytes, 1) // ALIGN) * ALIGN


def first_fit(blocks: Sequence[tuple[int, int, int]]) -> list[int]:
    """Offsets for `(nbytes, first phase, last phase)`; blocks alive in a common phase never overlap. Large blocks are placed first.

    Example:
        >>> first_fit([(64, 0, 1), (64, 1, 2), (64, 2, 3)])
        [0, 64, 0]
    """
    placed: list[tuple[int, int, int, int]] = []  # by offset
    offsets = [0] * len(blocks)
    ends: dict[tuple[int, int, int], int] = {}  # of the last block of that kind: below there is no place for another
    for i in sorted(range(len(blocks)), key=lambda i: -blocks[i][0]):
        nbytes, first, last = _aligned(blocks[i][0]), *blocks[i][1:]
        at = ends.get((nbytes, first, last), 0)
        for j in range(bisect(placed, (at,)) if at else 0, len(placed)):
            offset, size, start, end = placed[j]
            if offset >= at + nbytes:
                break
            if start <= last and first <= end and at < offset + size:
                at = offset + size
        insort(placed, (at, nbytes, first, last))
        ends[nbytes, first, last] = at + nbytes
        offsets[i] = at
    return offsets
