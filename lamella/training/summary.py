"""The table that `model.summary()` prints."""

from __future__ import annotations

import io
import math
from typing import Any

from lamella.ir import numpy_dtype


def summary_text(model: Any, line_length: int | None = None) -> str:
    """Name, a table of layers with output shapes and numbers of weights (and sources, where layers branch), and totals."""
    from rich.console import Console  # noqa: PLC0415  (costs start-up time)
    from rich.table import Table  # noqa: PLC0415

    out = io.StringIO()
    sources = _sources(model)
    console = Console(file=out, width=line_length or (100 if sources else 80), highlight=False)
    console.print(f'Model: "{model.name}"', markup=False)
    table = Table(show_lines=False)
    for title, justify in (("Layer (type)", "left"), ("Output Shape", "left"), ("Param #", "right")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    if sources:
        table.add_column("Connected to")
    for layer in model.layers:
        row = [f"{layer.name} ({type(layer).__name__})", _output_shape(layer), f"{_count(layer.weights):,}"]
        table.add_row(*row, *([", ".join(sources[id(layer)])] if sources else []))
    console.print(table)
    trainable, frozen = _count(model.trainable_weights), _count(model.non_trainable_weights)
    lines = [
        ("Total", trainable + frozen, model.weights),
        ("Trainable", trainable, model.trainable_weights),
        ("Non-trainable", frozen, model.non_trainable_weights),
    ]
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.variables:
        lines.append(("Optimizer", _count(optimizer.variables), optimizer.variables))
    for title, count, variables in lines:
        console.print(f" {title} params: {count:,} ({_bytes(variables)})", markup=False)
    return out.getvalue().rstrip()


def _sources(model: Any) -> dict[int, list[str]]:
    """For the id of each layer the names of those whose outputs it takes; empty where each takes that of the one before."""
    if not model.has_graph:
        return {}
    graph = model._known_graph()
    found: dict[int, list[str]] = {id(layer): [] for layer in graph.layers}
    for node in graph.nodes:
        found[id(node.layer)] += [t.history.layer.name for t in node.input_tensors if t.history is not None]
    chain = [[], *([layer.name] for layer in graph.layers[:-1])]
    return {} if list(found.values()) == chain else found


def _count(variables: Any) -> int:
    return sum(math.prod(v.shape) for v in variables)


def _bytes(variables: Any) -> str:
    size = float(sum(math.prod(v.shape) * numpy_dtype(v.dtype).itemsize for v in variables))
    power = min(max(int(size).bit_length() - 1, 0) // 10, 3)
    return f"{size / 1024**power:.2f} {('B', 'KB', 'MB', 'GB')[power]}"


def _output_shape(layer: Any) -> str:
    try:
        outputs = layer.output
    except AttributeError:
        return "?"
    shapes = [str(t.shape) for t in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]
    return ", ".join(shapes)
