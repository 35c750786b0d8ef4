"""From boxes and edges to shapes: the look of a model's picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lamella.drawing.boxes import JOINT, Box, Point
from lamella.drawing.layer_graph import LayerBox, LayerGraph, dtypes_of, shapes_of, title
from lamella.drawing.layout import place
from lamella.drawing.shapes import SOFT_INK, Arrow, Label, Picture, Rectangle, Shape, moved, text_width

MARGIN, PADDING = 16.0, 12.0
TITLE, SMALL, LEADING = 12.0, 9.5, 14.0  # font sizes, height of a line

# Fill and border by the module that a layer's class, or the nearest base of it, stands in.
_COLOURS = {
    "input_layer": ("#e4e7eb", "#7b8794"), "dense": ("#dbeafe", "#3b82f6"), "einsum_dense": ("#dbeafe", "#3b82f6"),
    "convolution": ("#cffafe", "#0891b2"), "pooling": ("#d1fae5", "#059669"), "upsampling": ("#d1fae5", "#059669"),
    "normalization": ("#ecfccb", "#65a30d"), "recurrent": ("#ede9fe", "#7c3aed"), "attention": ("#ffedd5", "#ea580c"),
    "embedding": ("#fef9c3", "#ca8a04"), "categorical": ("#fef9c3", "#ca8a04"), "merging": ("#fce7f3", "#db2777"),
    "operation": ("#fce7f3", "#db2777"), "dot": ("#fce7f3", "#db2777"),
}
_PLAIN, _NESTED = ("#f5f7fa", "#9aa5b1"), ("#fafaff", "#6366f1")


@dataclass(frozen=True)
class Style:
    """What is shown, and in which direction: `rankdir` is "TB", "BT", "LR" or "RL"."""

    show_shapes: bool = False
    show_dtype: bool = False
    show_layer_names: bool = False
    show_layer_activations: bool = False
    show_trainable: bool = False
    rankdir: str = "TB"

    @property
    def vertical(self) -> bool:
        return self.rankdir in ("TB", "BT")


@dataclass
class Drawn:
    """A box or a graph, drawn at the origin; entries and exits are distances from its middle across the direction."""

    width: float
    height: float
    shapes: list[Shape]
    entries: list[float] | None = None
    exits: list[float] | None = None


def picture_of(graph: LayerGraph, style: Style) -> Picture:
    """The whole picture, with a margin."""
    drawn = _draw_graph(graph, style)
    shapes = [moved(shape, MARGIN, MARGIN) for shape in drawn.shapes]
    return Picture(drawn.width + 2 * MARGIN, drawn.height + 2 * MARGIN, shapes)


def _draw_graph(graph: LayerGraph, style: Style) -> Drawn:
    parts = [_draw_box(box, style) for box in graph.boxes]
    sizes = [(d.width, d.height) if style.vertical else (d.height, d.width) for d in parts]
    boxes = [Box(width, height, d.entries, d.exits) for (width, height), d in zip(sizes, parts, strict=True)]
    layout = place(boxes, graph.edges, graph.entries, graph.exits)
    width, height = (layout.width, layout.height) if style.vertical else (layout.height, layout.width)

    def seen(point: Point) -> Point:
        """Where a point of the layout, which runs from top to bottom, is in the picture."""
        x, y = point
        along = layout.height - y if style.rankdir in ("BT", "RL") else y
        return (x, along) if style.vertical else (along, x)

    ends = {*graph.entries, *graph.exits}
    shapes: list[Shape] = [Arrow(tuple(map(seen, route)), style.vertical, head=edge.end not in ends)
                           for edge, route in zip(graph.edges, layout.routes, strict=True)]
    for box, part in zip(layout.boxes, parts, strict=True):
        x, y = seen((box.x, box.y))
        shapes += [moved(shape, x - part.width / 2, y - part.height / 2) for shape in part.shapes]
    entries, exits = ([layout.boxes[i].x - layout.width / 2 for i in places] for places in (graph.entries, graph.exits))
    return Drawn(width, height, shapes, entries, exits)


def _draw_box(box: LayerBox, style: Style) -> Drawn:
    if box.layer is None:
        return Drawn(*((JOINT, 0.0) if style.vertical else (0.0, JOINT)), [])
    return _draw_layer(box, style) if box.inside is None else _draw_nested(box, style)


def _draw_layer(box: LayerBox, style: Style) -> Drawn:
    heading, lines = title(box, style.show_layer_activations), lines_of(box, style)
    widths = [text_width(heading, TITLE, bold=True), *(text_width(line, SMALL) for line in lines)]
    width, height = max(64.0, *widths) + 2 * PADDING, TITLE + LEADING * len(lines) + 2 * PADDING - 4
    shapes: list[Shape] = [Rectangle(0, 0, width, height, *colours(box.layer))]
    shapes.append(Label(width / 2, PADDING + TITLE - 3, heading, TITLE, bold=True))
    for i, line in enumerate(lines):
        shapes.append(Label(width / 2, PADDING + TITLE - 3 + LEADING * (i + 1), line, SMALL, color=SOFT_INK))
    return Drawn(width, height, shapes)


def _draw_nested(box: LayerBox, style: Style) -> Drawn:
    """A frame with its title at the top, around the graph of the nested model."""
    assert box.inside is not None
    inner = _draw_graph(box.inside, style)
    lines = [title(box), *lines_of(box, style)]
    text = max(text_width(line, SMALL, bold=True) for line in lines)
    top = PADDING + LEADING * len(lines)
    width, left = _room_for_title(inner, text, style)
    height = inner.height + top + PADDING
    shapes: list[Shape] = [Rectangle(0, 0, width, height, *_NESTED, dashed=True)]
    for i, line in enumerate(lines):
        shapes.append(Label(left, PADDING + 6 + LEADING * i, line, SMALL, bold=i == 0, color=SOFT_INK, centred=False))
    shapes += [moved(shape, PADDING, top) for shape in inner.shapes]
    middle = (PADDING + inner.width / 2 - width / 2) if style.vertical else (top + inner.height / 2 - height / 2)
    drawn = Drawn(width, height, shapes, *([p + middle for p in ports or ()] for ports in (inner.entries, inner.exits)))
    return _with_stubs(drawn, PADDING, top, inner, style)


def _room_for_title(inner: Drawn, text: float, style: Style) -> tuple[float, float]:
    """The width of the frame and the left end of the title, which stands beside the lines that come in at the top."""
    ports = (inner.entries if style.rankdir == "TB" else inner.exits if style.rankdir == "BT" else None) or []
    places = [PADDING + inner.width / 2 + port for port in ports]
    least = inner.width + 2 * PADDING
    if not places or PADDING + text + 6 < min(places):
        return max(least, text + 2 * PADDING), PADDING
    left = max(places) + 10
    return max(least, left + text + PADDING), left


def _with_stubs(drawn: Drawn, dx: float, dy: float, inner: Drawn, style: Style) -> Drawn:
    """Lines from the frame to the ends of the graph inside."""
    for ports, at_start in ((inner.entries or (), True), (inner.exits or (), False)):
        for port in ports:
            if style.vertical:
                x, near_top = dx + inner.width / 2 + port, at_start == (style.rankdir == "TB")
                ends = ((x, 0.0), (x, dy)) if near_top else ((x, drawn.height), (x, dy + inner.height))
            else:
                y, near_left = dy + inner.height / 2 + port, at_start == (style.rankdir == "LR")
                ends = ((0.0, y), (dx, y)) if near_left else ((drawn.width, y), (dx + inner.width, y))
            drawn.shapes.append(Arrow(ends, style.vertical, head=False))
    return drawn


def lines_of(box: LayerBox, style: Style) -> list[str]:
    """What stands below the title of a box."""
    lines = [box.layer.name] if style.show_layer_names else []
    if style.show_shapes and box.outputs:
        inputs, outputs = shapes_of(box.inputs), shapes_of(box.outputs)
        lines.append(f"{inputs} → {outputs}" if box.inputs and inputs != outputs else outputs)
    if style.show_dtype and box.outputs:
        lines.append(dtypes_of(box.outputs))
    if style.show_trainable and getattr(box.layer, "weights", None):
        lines.append("trainable" if box.layer.trainable else "frozen")
    return lines


def colours(layer: Any) -> tuple[str, str]:
    """Fill and border."""
    for base in type(layer).__mro__:
        module = base.__module__
        if module.startswith("lamella.nn.layers."):
            return next((pair for part, pair in _COLOURS.items() if part in module.split("layers.", 1)[1]), _PLAIN)
    return _NESTED
