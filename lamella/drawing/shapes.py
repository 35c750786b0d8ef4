"""What pictures are made of; `svg.py` and `raster.py` draw it. Lengths are points (1/72 inch), y grows downwards."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lamella.drawing.boxes import Point

INK, SOFT_INK, LINE = "#1f2933", "#52606d", "#7b8794"


@dataclass(frozen=True)
class Rectangle:
    """With rounded corners; `x` and `y` are its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str
    dashed: bool = False


@dataclass(frozen=True)
class Label:
    """A line of text; `x` and `y` are the middle of its baseline, or its left end."""

    x: float
    y: float
    text: str
    size: float
    bold: bool = False
    color: str = INK
    centred: bool = True


@dataclass(frozen=True)
class Arrow:
    """A line through points that is straight between the points 2k and 2k + 1 and bends between the others.

    Attributes:
        points: at least two.
        vertical: whether the straight parts are vertical.
        head: whether there is an arrowhead at the end.
    """

    points: tuple[Point, ...]
    vertical: bool
    head: bool = True


Shape = Rectangle | Label | Arrow


@dataclass(frozen=True)
class Picture:
    """Shapes in the order in which they are drawn."""

    width: float
    height: float
    shapes: list[Shape]


def moved(shape: Shape, dx: float, dy: float) -> Shape:
    """The shape elsewhere."""
    if isinstance(shape, Arrow):
        return replace(shape, points=tuple((x + dx, y + dy) for x, y in shape.points))
    return replace(shape, x=shape.x + dx, y=shape.y + dy)


def bends(arrow: Arrow) -> list[tuple[Point, Point, Point, Point]]:
    """The cubic curves of an arrow's bent parts, which leave and arrive in the direction of the straight ones."""
    curves = []
    for (x0, y0), (x1, y1) in zip(arrow.points[1:-1:2], arrow.points[2::2], strict=True):
        if arrow.vertical:
            curves.append(((x0, y0), (x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), (x1, y1)))
        else:
            curves.append(((x0, y0), ((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1), (x1, y1)))
    return curves


def head(arrow: Arrow, size: float = 7.0) -> list[Point]:
    """The corners of an arrowhead."""
    (x0, y0), (x1, y1) = arrow.points[0], arrow.points[-1]
    if arrow.vertical:
        back = y1 - size if y1 > y0 else y1 + size
        return [(x1, y1), (x1 - size / 2, back), (x1 + size / 2, back)]
    back = x1 - size if x1 > x0 else x1 + size
    return [(x1, y1), (back, y1 - size / 2), (back, y1 + size / 2)]


_NARROW, _WIDE = frozenset("ijltfrI.,:;'|!()[] -"), frozenset("mwMW@%→")


def text_width(text: str, size: float, bold: bool = False) -> float:
    """About the width of a line in a common sans-serif font, rather too large than too small.

    Example:
        >>> text_width("ill", 10.0) < text_width("mmm", 10.0)
        True
    """
    ems = sum(0.42 if c in _NARROW else 0.98 if c in _WIDE else 0.72 if c.isupper() else 0.64 for c in text)
    return ems * size * (1.1 if bold else 1.0)
