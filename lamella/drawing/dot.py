"""Models as text in the DOT language of Graphviz."""

from __future__ import annotations

from lamella.drawing.layer_graph import LayerGraph, title
from lamella.drawing.picture import Style, lines_of


def dot_text(graph: LayerGraph, style: Style, dpi: float) -> str:
    """The graph as DOT; nested models are clusters."""
    lines = ["digraph model {", f"  rankdir={style.rankdir}; dpi={dpi:g}; compound=true;",
             '  node [shape=box, style="rounded,filled", fillcolor="#f5f7fa", fontname="Helvetica"];']
    _write(graph, style, "n", "  ", lines)
    return "\n".join([*lines, "}", ""])


def _write(graph: LayerGraph, style: Style, prefix: str, indent: str, lines: list[str]) -> None:
    for i, box in enumerate(graph.boxes):
        name = f"{prefix}{i}"
        if box.layer is None:
            lines.append(f'{indent}{name} [shape=point, label=""];')
            continue
        label = "\\n".join([title(box, style.show_layer_activations), *lines_of(box, style)]).replace('"', '\\"')
        if box.inside is None:
            lines.append(f'{indent}{name} [label="{label}"];')
            continue
        lines.append(f'{indent}subgraph cluster_{name} {{ label="{label}";')
        _write(box.inside, style, f"{name}_", indent + "  ", lines)
        lines.append(f"{indent}}}")
    for edge in graph.edges:
        start, end = graph.boxes[edge.start].inside, graph.boxes[edge.end].inside
        source = f"{prefix}{edge.start}" + (f"_{start.exits[edge.start_port]}" if start else "")
        target = f"{prefix}{edge.end}" + (f"_{end.entries[edge.end_port]}" if end else "")
        lines.append(f"{indent}{source} -> {target};")
