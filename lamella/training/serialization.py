"""The architecture of models as configs in Keras-3 form."""

from __future__ import annotations

from typing import Any

from lamella import tree
from lamella.nn import layers
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.training.functional import FunctionalGraph


def sequential_config(model: Any, input_layer: Any) -> dict[str, Any]:
    """`name` and `layers`, the input layer first if the model is built."""
    below = ([] if input_layer is None else [input_layer]) + model.layers
    return {"name": model.name, "trainable": model.trainable, "layers": [layer_config(layer) for layer in below]}


def functional_config(model: Any, graph: FunctionalGraph) -> dict[str, Any]:
    """`name`, `layers` with the calls that made their outputs, `input_layers`, `output_layers`."""
    node_index = _node_indexes(graph)

    def place(tensor: KerasTensor) -> list[Any]:
        history: Any = tensor.history
        return [history.layer.name, node_index.get(id(history.node), 0), history.tensor_index]

    def written(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return leaf
        return {
            "class_name": "__keras_tensor__",
            "config": {"shape": list(leaf.shape), "dtype": leaf.dtype, "keras_history": place(leaf)},
        }

    nodes: dict[int, list[Any]] = {}
    for node in graph.nodes:
        nodes.setdefault(id(node.layer), []).append(
            {"args": list(tree.map_structure(written, node.args)), "kwargs": tree.map_structure(written, node.kwargs)}
        )
    listed = [layer_config(layer) | {"inbound_nodes": nodes.get(id(layer), [])} for layer in graph.layers]
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": listed,
        "input_layers": _places(graph.inputs_struct, place),
        "output_layers": _places(graph.outputs_struct, place),
    }


def layer_config(layer: Any) -> dict[str, Any]:
    """One layer: class, arguments, name and the shape that it was built for."""
    config = layers.serialize(layer)
    config["name"] = layer.name
    node = layer.inbound_nodes[0] if layer.inbound_nodes else None
    if node is not None and len(node.input_tensors) == 1:
        config["build_config"] = {"input_shape": list(node.input_tensors[0].shape)}
    return config


def _node_indexes(graph: FunctionalGraph) -> dict[int, int]:
    """Number of each node among the calls of its layer inside this model."""
    counts: dict[int, int] = {}
    indexes = {}
    for node in graph.nodes:
        indexes[id(node)] = counts.get(id(node.layer), 0)
        counts[id(node.layer)] = indexes[id(node)] + 1
    return indexes


def _places(structure: Any, place: Any) -> Any:
    return place(structure) if isinstance(structure, KerasTensor) else tree.map_structure(place, structure)
