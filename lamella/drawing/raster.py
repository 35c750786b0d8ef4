"""Pictures as PNG, PDF and whatever else matplotlib writes."""

from __future__ import annotations

from typing import Any

from lamella.drawing.shapes import LINE, Arrow, Label, Picture, Rectangle, bends, head


def save(picture: Picture, path: str, dpi: float) -> None:
    """Draw a picture to a file; the ending of its name says in which format.

    Raises:
        ImportError: matplotlib is not installed; says what to do.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  (an optional extra)
    except ImportError:
        raise ImportError(f"Writing {path} needs matplotlib: pip install 'lamella[plot]', or choose a name that ends in "
                          ".svg.") from None
    figure = Figure(figsize=(picture.width / 72, picture.height / 72), dpi=dpi, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, picture.width)
    axes.set_ylim(picture.height, 0)
    for shape in picture.shapes:
        _draw(axes, shape)
    figure.savefig(path, dpi=dpi)


def _draw(axes: Any, shape: Rectangle | Label | Arrow) -> None:
    from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon  # noqa: PLC0415
    from matplotlib.path import Path  # noqa: PLC0415

    if isinstance(shape, Rectangle):
        axes.add_patch(FancyBboxPatch((shape.x, shape.y), shape.width, shape.height, "round,pad=0,rounding_size=5",
                                      facecolor=shape.fill, edgecolor=shape.stroke, linewidth=1,
                                      linestyle=(0, (5, 4)) if shape.dashed else "-"))
    elif isinstance(shape, Label):
        axes.text(shape.x, shape.y, shape.text.replace("$", r"\$"), fontsize=shape.size, color=shape.color,
                  ha="center" if shape.centred else "left", va="baseline", fontfamily="DejaVu Sans",
                  fontweight="bold" if shape.bold else "normal")
    else:
        points, codes = list(shape.points[:2]), [Path.MOVETO, Path.LINETO]
        for curve, straight in zip(bends(shape), shape.points[3::2], strict=True):
            points += [*curve[1:], straight]
            codes += [Path.CURVE4] * 3 + [Path.LINETO]
        axes.add_patch(PathPatch(Path(points, codes), facecolor="none", edgecolor=LINE, linewidth=1.3))
        if shape.head:
            axes.add_patch(Polygon(head(shape), facecolor=LINE, edgecolor="none"))
