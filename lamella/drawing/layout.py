"""Layered layout of a directed graph without cycles, after Sugiyama, Tagawa and Toda 1981.

Boxes are put on ranks, edges that span several ranks get a place of their own on each rank between (a joint), the boxes
and joints of each rank are ordered so that few edges cross, and moved so that edges become straight. An edge then runs
straight through the ranks and bends only between them, so that it never meets a box.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lamella.drawing.alignment import align, pulls_of
from lamella.drawing.boxes import JOINT, RANK_GAP, Box, Edge, Layout, Point
from lamella.drawing.ordering import order_rows


def place(boxes: list[Box], edges: Sequence[Edge], first: Collection[int] = (), last: Collection[int] = ()) -> Layout:
    """Place boxes and route edges, from top to bottom.

    Args:
        boxes: in an order in which each comes before those that its edges lead to.
        edges: between positions in `boxes`.
        first, last: boxes that stand on the first and the last rank, whatever comes behind or before them.

    Example:
        >>> layout = place([Box(40, 20), Box(60, 20)], [Edge(0, 1)])
        >>> [(box.x, box.y) for box in layout.boxes], layout.routes[0][0], layout.routes[0][-1]
        ([(30.0, 10.0), (30.0, 74.0)], (30.0, 20.0), (30.0, 64.0))
    """
    ranks = _ranks(len(boxes), edges, first, last)
    nodes, chains, rows = _with_joints(boxes, edges, ranks)
    links = sorted({pair for chain in chains for pair in zip(chain, chain[1:], strict=False)})
    order_rows(rows, links)
    align(nodes, rows, links, chains, pulls_of(boxes, edges, chains))
    left = min((node.x - node.width / 2 for node in nodes), default=0.0)
    for node in nodes:
        node.x -= left
    bands = _stack(nodes, rows)
    starts, ends = (_ports(boxes, edges, nodes, chains, side) for side in ("start", "end"))
    routes = [_route(chain, nodes, bands, ranks[edge.start], starts[i], ends[i])
              for i, (edge, chain) in enumerate(zip(edges, chains, strict=True))]
    width = max((node.x + node.width / 2 for node in nodes), default=0.0)
    return Layout(boxes, routes, width, bands[-1][1] if bands else 0.0)


def _ranks(count: int, edges: Sequence[Edge], first: Collection[int], last: Collection[int]) -> list[int]:
    """The longest way from a start; then boxes go down as far as that makes no more edges longer than shorter."""
    ranks = [0] * count
    for edge in sorted(edges, key=lambda e: e.start):
        ranks[edge.end] = max(ranks[edge.end], ranks[edge.start] + 1)
    deepest = max((rank + (box not in last) for box, rank in enumerate(ranks)), default=0)
    ranks = [deepest if box in last else rank for box, rank in enumerate(ranks)]
    for box in reversed(range(count)):
        below = [ranks[edge.end] for edge in edges if edge.start == box]
        if box not in first and len(below) >= max(1, sum(edge.end == box for edge in edges)):
            ranks[box] = min(below) - 1
    return ranks


def _with_joints(boxes: list[Box], edges: Sequence[Edge], ranks: list[int]) -> tuple[list[Box], list[list[int]], list[list[int]]]:
    """All nodes (the boxes first), for each edge the chain of nodes, and the nodes of each rank."""
    nodes = list(boxes)
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for box, rank in enumerate(ranks):
        rows[rank].append(box)
    chains = []
    for edge in edges:
        chain = [edge.start]
        for rank in range(ranks[edge.start] + 1, ranks[edge.end]):
            rows[rank].append(len(nodes))
            chain.append(len(nodes))
            nodes.append(Box(JOINT, 0.0))
        chains.append([*chain, edge.end])
    return nodes, chains, rows


def _stack(nodes: list[Box], rows: list[list[int]]) -> list[Point]:
    """Set each y; the top and bottom of each rank."""
    bands, top = [], 0.0
    for row in rows:
        height = max(nodes[node].height for node in row)
        for node in row:
            nodes[node].y = top + height / 2
        bands.append((top, top + height))
        top += height + RANK_GAP
    return bands


def _ports(boxes: list[Box], edges: Sequence[Edge], nodes: list[Box], chains: list[list[int]], side: str) -> list[float]:
    """The x at which each edge leaves ("start") or arrives ("end"): beside one another where a box has several."""
    at = [0.0] * len(edges)
    for number, box in enumerate(boxes):
        mine = [i for i, edge in enumerate(edges) if getattr(edge, side) == number]
        fixed = box.exits if side == "start" else box.entries
        mine.sort(key=lambda i: nodes[chains[i][1 if side == "start" else -2]].x)
        step = min(16.0, (box.width - 16.0) / max(len(mine), 1))
        for k, i in enumerate(mine):
            beside = (k - (len(mine) - 1) / 2) * step
            at[i] = box.x + (beside if fixed is None else fixed[getattr(edges[i], f"{side}_port")])
    return at


def _route(chain: list[int], nodes: list[Box], bands: list[Point], rank: int, start: float, end: float) -> list[Point]:
    first, final = nodes[chain[0]], nodes[chain[-1]]
    points = [(start, first.y + first.height / 2), (start, bands[rank][1])]
    for node in chain[1:-1]:
        rank += 1
        points += [(nodes[node].x, bands[rank][0]), (nodes[node].x, bands[rank][1])]
    return [*points, (end, bands[rank + 1][0]), (end, final.y - final.height / 2)]
