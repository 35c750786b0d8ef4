"""The boxes and edges of a model's picture. Models and layers are only looked at: nothing of them is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lamella import tree
from lamella.drawing.boxes import Edge


@dataclass
class LayerBox:
    """One call of a layer.

    Attributes:
        layer: None for the ends of a nested model, where edges enter and leave.
        call: number of this call if the layer is called several times, else 0.
        inputs, outputs: its symbolic tensors, if they are known.
        inside: the graph of a nested model that is to be shown.
    """

    layer: Any = None
    call: int = 0
    inputs: Sequence[Any] = ()
    outputs: Sequence[Any] = ()
    inside: LayerGraph | None = None


@dataclass
class LayerGraph:
    """Boxes, each before those that it leads to, and edges.

    Attributes:
        entries, exits: positions of the ends, of a nested model.
    """

    boxes: list[LayerBox] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)


def layer_graph(model: Any, expand_nested: bool, nested: bool = False) -> LayerGraph:
    """The graph of a functional or sequential model; other models and layers are one box.

    Args:
        model: a model, or a layer.
        expand_nested: whether models inside of it are shown as graphs.
        nested: whether it is such a model itself.
    """
    graph = LayerGraph()
    if not getattr(model, "has_graph", False):
        layers = getattr(model, "layers", []) if type(model).__name__ == "Sequential" else [model]
        graph.boxes = [LayerBox(layer) for layer in layers]
        graph.edges = [Edge(i, i + 1) for i in range(len(layers) - 1)]
        return graph
    place: dict[int, tuple[int, int]] = {}  # of each tensor: its box and which output it is
    for tensor in model.inputs:
        place[id(tensor)] = (len(graph.boxes), 0)
        history = tensor.keras_history
        graph.boxes.append(LayerBox() if nested or history is None else LayerBox(history.layer, outputs=[tensor]))
    graph.entries = list(range(len(graph.boxes))) if nested else []
    nodes = model._graph.nodes
    for node in nodes:
        _add_call(graph, node, place, [other for other in nodes if other.layer is node.layer], expand_nested)
    if nested:
        for tensor in model.outputs:
            graph.exits.append(len(graph.boxes))
            graph.edges.append(Edge(place[id(tensor)][0], len(graph.boxes), place[id(tensor)][1]))
            graph.boxes.append(LayerBox())
    return graph


def _add_call(graph: LayerGraph, node: Any, place: dict[int, tuple[int, int]], calls: list[Any], expand: bool) -> None:
    number, layer = len(graph.boxes), node.layer
    inside = layer_graph(layer, True, nested=True) if expand and getattr(layer, "has_graph", False) else None
    call = 1 + next(i for i, other in enumerate(calls) if other is node) if len(calls) > 1 else 0
    graph.boxes.append(LayerBox(layer, call, node.input_tensors, node.output_tensors, inside))
    edges = [Edge(place[id(tensor)][0], number, place[id(tensor)][1], port)
             for port, tensor in enumerate(node.input_tensors) if id(tensor) in place]
    if inside is None:  # one line is enough where an input is used twice
        edges = list({(edge.start, edge.start_port): edge for edge in edges}.values())
    graph.edges += edges
    for port, tensor in enumerate(node.output_tensors):
        place[id(tensor)] = (number, port)


def title(box: LayerBox, activations: bool = False) -> str:
    """The class of the layer, and of the layer that it wraps; on request its activation.

    Example:
        >>> class Dense:
        ...     def __init__(self): self.activation = max
        >>> title(LayerBox(Dense()), activations=True)
        'Dense · max'
    """
    layer = box.layer
    text = type(layer).__name__
    wrapped = getattr(layer, "layer", None) or getattr(layer, "forward_layer", None)
    if wrapped is not None:
        text = f"{text} ({type(wrapped).__name__})"
    operation = getattr(layer, "operation", None)
    if isinstance(operation, str):
        text = operation
    activation = getattr(layer, "activation", None) if activations else None
    name = getattr(activation, "__name__", type(activation).__name__)
    text += f" · {name}" if activation is not None and name != "linear" else ""
    return text + (f" (call {box.call})" if box.call else "")


def shapes_of(tensors: Sequence[Any]) -> str:
    """The shapes of tensors in one line."""
    return ", ".join(str(tuple(tensor.shape)) for tensor in tree.flatten(list(tensors)))


def dtypes_of(tensors: Sequence[Any]) -> str:
    """The dtypes of tensors, each once."""
    return ", ".join(dict.fromkeys(str(tensor.dtype) for tensor in tree.flatten(list(tensors))))
