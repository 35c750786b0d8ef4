"""The order of the nodes of each rank: few crossings."""

from __future__ import annotations

from collections.abc import Sequence

_SWEEPS = 24


def neighbours(links: Sequence[tuple[int, int]], down: bool) -> dict[int, list[int]]:
    """The nodes that each node is linked to one rank below, or above."""
    found: dict[int, list[int]] = {}
    for above, below in links:
        found.setdefault(above if down else below, []).append(below if down else above)
    return found


def order_rows(rows: list[list[int]], links: Sequence[tuple[int, int]]) -> None:
    """Sort each rank by the mean place of the neighbours, down and up again; the best order seen is kept."""
    best, fewest = [list(row) for row in rows], crossings(rows, links)
    places = {node: i for row in rows for i, node in enumerate(row)}
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        near = neighbours(links, not down)
        for row in rows if down else rows[::-1]:
            row.sort(key=lambda node: mean([places[n] for n in near.get(node, [])], places[node]))
            places |= {node: i for i, node in enumerate(row)}
        count = crossings(rows, links)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    rows[:] = best


def mean(values: Sequence[float], otherwise: float) -> float:
    """The mean, or another value if there are none."""
    return sum(values) / len(values) if values else otherwise


def crossings(rows: Sequence[Sequence[int]], links: Sequence[tuple[int, int]]) -> int:
    """How many pairs of links between neighbouring ranks cross.

    Example:
        >>> crossings([[0, 1], [2, 3]], [(0, 3), (1, 2)])
        1
    """
    rank = {node: r for r, row in enumerate(rows) for node in row}
    place_of = {node: i for row in rows for i, node in enumerate(row)}
    by_rank: dict[int, list[tuple[int, int]]] = {}
    for above, below in links:
        by_rank.setdefault(rank[above], []).append((place_of[above], place_of[below]))
    return sum((a - c) * (b - d) < 0 for pairs in by_rank.values() for i, (a, b) in enumerate(pairs) for c, d in pairs[:i])
