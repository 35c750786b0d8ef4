"""The place of each node on its rank: in line with what it belongs to, near to its neighbours, overlapping nothing."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.drawing.boxes import GAP, Box, Edge
from lamella.drawing.ordering import mean, neighbours

_SWEEPS = 24


def pulls_of(boxes: list[Box], edges: Sequence[Edge], chains: Sequence[list[int]]) -> dict[tuple[int, int], float]:
    """How far from a neighbour's middle a node should be for the edge to be straight, where ports are fixed."""
    pulls: dict[tuple[int, int], float] = {}
    for edge, chain in zip(edges, chains, strict=True):
        exits, entries = boxes[edge.start].exits, boxes[edge.end].entries
        if exits is not None:
            pulls[chain[1], chain[0]] = pulls.get((chain[1], chain[0]), 0.0) + exits[edge.start_port]
            pulls[chain[0], chain[1]] = pulls.get((chain[0], chain[1]), 0.0) - exits[edge.start_port]
        if entries is not None:
            pulls[chain[-2], chain[-1]] = pulls.get((chain[-2], chain[-1]), 0.0) + entries[edge.end_port]
            pulls[chain[-1], chain[-2]] = pulls.get((chain[-1], chain[-2]), 0.0) - entries[edge.end_port]
    return pulls


def align(nodes: list[Box], rows: list[list[int]], links: Sequence[tuple[int, int]], chains: Sequence[list[int]],
          pulls: dict[tuple[int, int], float]) -> None:
    """Give each node a place, rank by rank and without overlaps: near its neighbours, and in line with its group."""
    for row in rows:
        x = 0.0
        for node in row:
            nodes[node].x = x + nodes[node].width / 2
            x += nodes[node].width + GAP
    above, below = neighbours(links, False), neighbours(links, True)
    groups = _groups(rows, [link for link in links if link not in pulls], chains)
    joints = {joint for chain in chains for joint in chain[1:-1]}
    different = list({id(group): group for group in groups.values()}.values())
    outside = {node: near for group in different for near in [_outside(group, above, below, joints)] for node in group}
    sums = {id(group): sum(nodes[n].x for n in group) for group in different}
    for sweep in range(4 * _SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else rows[::-1]:
            near = {n: (above if down else below).get(n, []) if sweep < _SWEEPS else outside[n] for n in row}
            wanted = [mean([nodes[n].x + pulls.get((node, n), 0.0) for n in near[node]],
                           sums[id(groups[node])] / len(groups[node])) for node in row]
            weights = [8.0 if node in joints else 4.0 if len(groups[node]) > 1 else 1.0 for node in row]
            for node, x in zip(row, nearest(wanted, weights, [nodes[n].width for n in row]), strict=True):
                sums[id(groups[node])] += x - nodes[node].x
                nodes[node].x = x
    for group in different:
        _straighten(set(group), nodes, rows)


def _groups(rows: list[list[int]], links: Sequence[tuple[int, int]], chains: Sequence[list[int]]) -> dict[int, list[int]]:
    """The nodes that each node should be in line with, itself included: long edges, and the main paths of boxes.

    A main path goes from a box to its only one below, or to the middle one of an odd number, and likewise upwards.
    """
    joints = {joint for chain in chains for joint in chain[1:-1]}
    group = {node: [node] for row in rows for node in row} | {joint: chain[1:-1] for chain in chains for joint in chain[1:-1]}
    place_of = {node: i for row in rows for i, node in enumerate(row)}
    between = [(a, b) for a, b in links if a not in joints and b not in joints]
    middle = {}
    for down in (True, False):
        for node, near in neighbours(between, down).items():
            near = sorted(near, key=place_of.__getitem__)
            middle[node, down] = near[len(near) // 2] if len(near) % 2 else None
    for a, b in between:
        if middle[a, True] == b and middle[b, False] == a:
            joined = group[a] + group[b]
            group |= dict.fromkeys(joined, joined)
    return group


def _outside(group: list[int], above: dict[int, list[int]], below: dict[int, list[int]], joints: set[int]) -> list[int]:
    """What a group wants to be near to: the boxes beside it if there are any, or else, for a single box, long edges."""
    if group[0] in joints:
        return []
    inside = set(group)
    near = [n for member in group for n in above.get(member, []) + below.get(member, []) if n not in inside]
    return [n for n in near if n not in joints] or (near if len(group) == 1 else [])


def _straighten(group: set[int], nodes: list[Box], rows: list[list[int]]) -> None:
    """Put a group exactly in line, if that overlaps nothing."""
    x = mean([nodes[node].x for node in group], 0.0)
    for row in rows:
        for left, right in zip(row, row[1:], strict=False):
            distance = (x if right in group else nodes[right].x) - (x if left in group else nodes[left].x)
            touched = left in group or right in group
            if touched and distance < (nodes[left].width + nodes[right].width) / 2 + GAP - 4:
                return
    for node in group:
        nodes[node].x = x


def nearest(wanted: Sequence[float], weights: Sequence[float], widths: Sequence[float]) -> list[float]:
    """The places nearest to the wanted ones (least squares) in this order and without overlap.

    Neighbours that want to overlap are joined into a block, which wants their weighted mean, until none overlap.

    Example:
        >>> nearest([0.0, 0.0], [1.0, 1.0], [10.0, 10.0]) == [-5 - GAP / 2, 5 + GAP / 2]
        True
    """
    offsets, total = [], 0.0
    for i, width in enumerate(widths):
        total += width / 2 + (widths[i - 1] / 2 + GAP if i else 0.0)
        offsets.append(total)
    blocks: list[list[float]] = []  # place of the block, its weight, its number of nodes
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        blocks.append([want - offset, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            place_b, weight_b, n_b = blocks.pop()
            place_a, weight_a, n_a = blocks[-1]
            both = weight_a + weight_b
            blocks[-1] = [(place_a * weight_a + place_b * weight_b) / both, both, n_a + n_b]
    starts = [start for start, _, n in blocks for _ in range(int(n))]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]
