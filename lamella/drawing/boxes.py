"""Boxes and edges, before and after they are placed."""

from __future__ import annotations

from dataclasses import dataclass

GAP, RANK_GAP, JOINT = 28.0, 44.0, 14.0  # between boxes of a rank, between ranks, width of a joint

Point = tuple[float, float]


@dataclass
class Box:
    """A box to place, or a joint of a long edge.

    Attributes:
        width, height: its size; layout runs from top to bottom.
        entries, exits: where edges arrive on the upper and leave from the lower side, as distances from the middle;
            None stands for the middle, or places beside it for several edges.
        x, y: its middle, set by `place`.
    """

    width: float
    height: float
    entries: list[float] | None = None
    exits: list[float] | None = None
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class Edge:
    """From exit `start_port` of box `start` to entry `end_port` of box `end`."""

    start: int
    end: int
    start_port: int = 0
    end_port: int = 0


@dataclass
class Layout:
    """Where everything is.

    Attributes:
        boxes: those that were given, placed.
        routes: for each edge the points that it passes; between the points 2k + 1 and 2k + 2 it may bend, else it is
            straight and vertical.
        width, height: of the whole.
    """

    boxes: list[Box]
    routes: list[list[Point]]
    width: float
    height: float
