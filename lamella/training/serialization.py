"""The architecture of models as configs in Keras-3 form, and models from them."""

from __future__ import annotations

import inspect
from typing import Any

from lamella import tree
from lamella.nn import layers
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.training.functional import FunctionalGraph
from lamella.utils.serialization import deserialize_keras_object, serialize_keras_object


def sequential_config(model: Any, input_layer: Any) -> dict[str, Any]:
    """`name` and `layers`, the input layer first if the model is built."""
    below = ([] if input_layer is None else [input_layer]) + model.layers
    return {"name": model.name, "trainable": model.trainable, "layers": [layer_config(layer) for layer in below]}


def functional_config(model: Any, graph: FunctionalGraph) -> dict[str, Any]:
    """`name`, `layers` with the calls that made their outputs, `input_layers`, `output_layers`."""
    node_index = _node_indexes(graph)

    def place(tensor: KerasTensor) -> list[Any]:
        history: Any = tensor.history
        node = node_index.get(id(history.node), 0) + _built_in_calls(history.layer)
        return [history.layer.name, node, history.tensor_index]

    def written(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return serialize_keras_object(leaf)
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


def functional_parts(config: dict[str, Any]) -> tuple[Any, Any]:
    """The trees of inputs and outputs of a model that `functional_config`, or Keras, described; made of new layers.

    Raises:
        ValueError: a layer calls for an output that no layer makes, or is of an unknown class.
    """
    made: dict[str, Any] = {}
    outputs: dict[tuple[str, int], list[KerasTensor]] = {}  # of a call of a layer
    waiting: list[tuple[str, int, Any]] = []
    for entry in config["layers"]:
        name = entry["config"].get("name", entry.get("name"))
        made[name] = layers.deserialize(entry)
        if isinstance(made[name], layers.InputLayer):
            outputs[name, 0] = [made[name].output]
        first = _built_in_calls(made[name])
        waiting += [(name, number, call) for number, call in enumerate(entry.get("inbound_nodes", ()), first)]
    while waiting:
        left = [call for call in waiting if not _called(made, outputs, *call)]
        if len(left) == len(waiting):
            raise ValueError(f"The calls of the layers {sorted({name for name, *_ in left})} need outputs that no layer makes.")
        waiting = left

    def tensors(places: Any) -> Any:
        if isinstance(places, dict):
            return {key: tensors(place) for key, place in places.items()}
        if len(places) == 3 and isinstance(places[0], str):
            return outputs[places[0], places[1]][places[2]]
        return [tensors(place) for place in places]

    return tensors(config["input_layers"]), tensors(config["output_layers"])


def _called(made: dict[str, Any], outputs: dict[tuple[str, int], list[KerasTensor]], name: str, number: int, call: Any) -> bool:
    """Call a layer as its config says, once all that it is called with is there."""
    places = [leaf["config"]["keras_history"] for leaf in _tensor_configs(call)]
    needed = [(layer, node) for layer, node, _ in places]
    if number > _built_in_calls(made[name]):
        needed.append((name, number - 1))
    if any(place not in outputs for place in needed):
        return False

    def tensor(leaf: dict[str, Any]) -> KerasTensor:
        layer, node, index = leaf["config"]["keras_history"]
        return outputs[layer, node][index]

    args, kwargs = (_put(call[part], tensor) for part in ("args", "kwargs"))
    flag = inspect.signature(made[name].call).parameters.get("training")
    if flag is not None and kwargs.get("training") is flag.default:
        kwargs.pop("training", None)  # Keras writes defaults too, and has them give way to the model's flag
    outputs[name, number] = tree.flatten(made[name](*args, **kwargs))
    return True


def _built_in_calls(layer: Any) -> int:
    """Keras counts the making of a functional model as its first call."""
    return int(getattr(layer, "_keras_name", ("", ""))[1] == "Functional" and layer.has_graph)


def _tensor_configs(structure: Any) -> list[dict[str, Any]]:
    if isinstance(structure, dict):
        if structure.get("class_name") == "__keras_tensor__":
            return [structure]
        structure = list(structure.values())
    return [leaf for item in structure for leaf in _tensor_configs(item)] if isinstance(structure, (list, tuple)) else []


def _put(structure: Any, tensor: Any) -> Any:
    """Arguments of a call from their config; a list with a slice is a key such as `x[:, 1]`, a tuple."""
    if isinstance(structure, dict):
        if structure.get("class_name") == "__keras_tensor__":
            return tensor(structure)
        if "class_name" in structure:
            return deserialize_keras_object(structure)
        return {key: _put(value, tensor) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        items = [_put(item, tensor) for item in structure]
        return tuple(items) if any(isinstance(item, slice) or item is Ellipsis for item in items) else items
    return structure


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
