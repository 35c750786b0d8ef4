"""The table that `model.summary()` prints."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from lamella import tree
from lamella.errors import did_you_mean
from lamella.ir import numpy_dtype


def summary_text(model: Any, line_length: int | None = None, positions: Sequence[float] | None = None,
                 expand_nested: bool = False, show_trainable: bool = False, layer_range: Sequence[str] | None = None) -> str:
    """Name, a table of layers with output shapes and numbers of weights (and sources, where layers branch), and totals.

    The arguments are those of `Model.summary`.
    """
    from rich.console import Console  # noqa: PLC0415  (costs start-up time)
    from rich.table import Table  # noqa: PLC0415

    out = io.StringIO()
    sources = _sources(model)
    console = Console(file=out, width=line_length or (100 if sources else 80), highlight=False)
    console.print(f'Model: "{model.name}"', markup=False)
    titles = ["Layer (type)", "Output Shape", "Param #", *["Connected to"] * bool(sources), *["Trainable"] * show_trainable]
    table = Table(show_lines=False)
    for title, width in zip(titles, _widths(positions, console.width, len(titles)), strict=True):
        table.add_column(title, justify="right" if title == "Param #" else "left", width=width)
    for layer, depth in _listed(_selected(model.layers, layer_range), expand_nested):
        row = [f"{'  ' * depth}{'└ ' if depth else ''}{layer.name} ({type(layer).__name__})", _output_shape(layer), _size(layer)]
        row += [", ".join(sources.get(id(layer), []))] * bool(sources)
        table.add_row(*row, *[_trains(layer)] * show_trainable)
    console.print(table)
    trainable, frozen = model.trainable_weights, model.non_trainable_weights
    lines = [("Total", model.weights), ("Trainable", trainable), ("Non-trainable", frozen)]
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.variables:
        lines.append(("Optimizer", optimizer.variables))
    for title, variables in lines:
        console.print(f" {title} params: {_count(variables):,} ({_bytes(variables)})", markup=False)
    return out.getvalue().rstrip()


def _widths(positions: Sequence[float] | None, line: int, columns: int) -> list[int | None]:
    """Widths of the columns from where they end, in characters or as parts of the line."""
    if positions is None:
        return [None] * columns
    if len(positions) != columns:
        raise ValueError(f"positions of summary() needs {columns} numbers, one per column, received {list(positions)}.")
    ends = [round(p * line) if p <= 1 else int(p) for p in positions]
    return [max(1, end - start - 3) for start, end in zip([0, *ends], ends, strict=False)]


def _selected(layers: Sequence[Any], limits: Sequence[str] | None) -> Sequence[Any]:
    """The layers from the first to the last whose names match one of two patterns."""
    if limits is None:
        return layers
    if isinstance(limits, str) or len(limits) != 2:
        raise ValueError(f"layer_range of summary() needs two names, of the first and the last layer, received {limits!r}.")
    names = [layer.name for layer in layers]
    places = []
    for pattern in limits:
        found = [i for i, name in enumerate(names) if re.match(pattern, name)]
        if not found:
            raise ValueError(f"layer_range of summary() names {pattern!r}, but there is no such layer. "
                             f"{did_you_mean(pattern, names)}")
        places += [min(found), max(found)]
    return layers[min(places) : max(places) + 1]


def _listed(layers: Sequence[Any], nested: bool, depth: int = 0) -> Iterator[tuple[Any, int]]:
    """Layers and how deep they lie, those inside of models after them if `nested`."""
    for layer in layers:
        yield layer, depth
        if nested and hasattr(layer, "get_layer"):
            yield from _listed(layer.layers, nested, depth + 1)


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


def _size(layer: Any) -> str:
    return f"{_count(layer.weights):,}" if layer.built else "0 (unbuilt)"


def _trains(layer: Any) -> str:
    return "-" if not layer.weights else "Y" if layer.trainable else "N"


def _count(variables: Any) -> int:
    return sum(math.prod(v.shape) for v in variables)


def _bytes(variables: Any) -> str:
    size = float(sum(math.prod(v.shape) * numpy_dtype(v.dtype).itemsize for v in variables))
    power = min(max(int(size).bit_length() - 1, 0) // 10, 3)
    return f"{size / 1024**power:.2f} {('B', 'KB', 'MB', 'GB')[power]}"


def _output_shape(layer: Any) -> str:
    """From the first symbolic call; without one, for the shape that the layer was built for."""
    try:
        return ", ".join(str(t.shape) for t in tree.flatten(layer.output))
    except AttributeError:
        return _shape_when_built(layer)


def _shape_when_built(layer: Any) -> str:
    shapes = layer._build_shapes
    if shapes is None or len(shapes) != 1 or not all(size is None or isinstance(size, int) for size in shapes[0]):
        return "?"
    try:
        found = layer.compute_output_shape((None, *shapes[0][1:]))
    except Exception:  # a layer of a user may be able to compute, but not to tell its shape
        return "?"
    several = bool(found) and isinstance(found[0], (list, tuple))
    return ", ".join(str(tuple(shape)) for shape in (found if several else [found]))
