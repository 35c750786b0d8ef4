"""Pictures as SVG text."""

from __future__ import annotations

from html import escape

from lamella.drawing.shapes import LINE, Arrow, Label, Picture, Rectangle, bends, head

_FONT = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"


def svg_text(picture: Picture) -> str:
    """The whole file.

    Example:
        >>> svg_text(Picture(10, 10, [Label(5, 5, "a < b", 9)])).splitlines()[2]
        '<text x="5" y="5" font-size="9" text-anchor="middle" fill="#1f2933">a &lt; b</text>'
    """
    width, height = _number(picture.width), _number(picture.height)
    opening = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
               f'font-family="{_FONT}">')
    background = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join([opening, background, *map(_element, picture.shapes), "</svg>", ""])


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _points(*points: tuple[float, float]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _element(shape: Rectangle | Label | Arrow) -> str:
    if isinstance(shape, Rectangle):
        dashes = ' stroke-dasharray="5 4"' if shape.dashed else ""
        return (f'<rect x="{_number(shape.x)}" y="{_number(shape.y)}" width="{_number(shape.width)}" '
                f'height="{_number(shape.height)}" rx="5" fill="{shape.fill}" stroke="{shape.stroke}"{dashes}/>')
    if isinstance(shape, Label):
        anchor = ' text-anchor="middle"' if shape.centred else ""
        weight = ' font-weight="bold"' if shape.bold else ""
        return (f'<text x="{_number(shape.x)}" y="{_number(shape.y)}" font-size="{_number(shape.size)}"{anchor}{weight} '
                f'fill="{shape.color}">{escape(shape.text, quote=False)}</text>')
    path = [f"M {_points(shape.points[0])} L {_points(shape.points[1])}"]
    for curve, straight in zip(bends(shape), shape.points[3::2], strict=True):
        path.append(f"C {_points(*curve[1:])} L {_points(straight)}")
    line = f'<path d="{" ".join(path)}" fill="none" stroke="{LINE}" stroke-width="1.3"/>'
    return line + (f'<polygon points="{_points(*head(shape))}" fill="{LINE}"/>' if shape.head else "")
