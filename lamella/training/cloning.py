"""New models after the pattern of others: `clone_model`, `model_from_json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lamella import tree
from lamella.nn.custom_objects import CustomObjectScope
from lamella.nn.layers import InputLayer
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.nn.layers.layer import LAYERS
from lamella.nn.metrics import Metric
from lamella.training.model import Model
from lamella.training.sequential import Sequential


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new model, with new weights, from what `model.to_json()` wrote, here or in Keras.

    Args:
        json_string: the text.
        custom_objects: name to class or function, for layers and parts that are not Lamella's own.

    Raises:
        ValueError: no JSON, or a class that is not known.

    Source: keras.models.model_from_json.

    Example:
        >>> from lamella.nn.layers import Dense
        >>> text = Sequential([Dense(2, input_shape=(3,))]).to_json()
        >>> model_from_json(text).output_shape
        (None, 2)
    """
    config = json.loads(json_string)
    with CustomObjectScope(custom_objects):
        model = LAYERS.deserialize(config)
    shape = (config.get("build_config") or {}).get("input_shape")
    if isinstance(model, Sequential) and not model.built and shape is not None:
        model.build(tuple(shape))
    return model


def clone_model(model: Any, input_tensors: Any = None, clone_function: Callable[[Any], Any] | None = None,
                call_function: Callable[..., Any] | None = None, recursive: bool = False) -> Any:
    """A new model with the layers and connections of another, and new weights; compiled in the same way if that is.

    Args:
        model: sequential or functional; of other models, a copy is made by `get_config`.
        input_tensors: symbolic tensors to start from, in the structure of `model.input`; new inputs by default.
        clone_function: makes the new layer from an old one; by default by its config.
        call_function: `f(layer, *args, **kwargs)` calls the new layers of a functional model, in place of `layer(...)`.
        recursive: whether models inside are cloned by the same functions, and not by their config.

    Raises:
        ValueError: `call_function` for a sequential model, or one of the arguments for a subclassed model.

    Source: keras.models.clone_model.

    Example:
        >>> from lamella.nn.layers import Dense
        >>> model = Sequential([Dense(2, input_shape=(3,))])
        >>> clone = clone_model(model)
        >>> clone.output_shape, clone.layers[0] is model.layers[0]
        ((None, 2), False)
    """
    new = _cloned(model, input_tensors, clone_function, call_function, recursive, {})
    if model.compiled:
        _compile_alike(new, model._compiled)
    return new


def _cloned(model: Any, inputs: Any, clone_function: Any, call_function: Any, recursive: bool, done: dict[int, Any]) -> Any:
    def clone(layer: Any) -> Any:
        if id(layer) not in done:
            if recursive and isinstance(layer, Model) and (layer.has_graph or isinstance(layer, Sequential)):
                inner = None if isinstance(layer, Sequential) else call_function
                done[id(layer)] = _cloned(layer, None, clone_function, inner, recursive, done)
            else:
                done[id(layer)] = (clone_function or _by_config)(layer)
        return done[id(layer)]

    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError("clone_model: call_function is for functional models; the layers of a Sequential are not called.")
        first = [] if inputs is None else [tree.flatten(inputs)[0]]
        if inputs is None and model._input_layer is not None:
            first = [_by_config(model._input_layer)]
        return Sequential([*first, *map(clone, model.layers)], name=model.name, trainable=model.trainable)
    if not model.has_graph:
        if inputs is not None or clone_function is not None or call_function is not None:
            raise ValueError(f"clone_model: {type(model).__name__} {model.name!r} is a subclassed model, whose layers are not "
                             "known; input_tensors, clone_function and call_function cannot be used.")
        return _by_config(model)
    if inputs is None:
        inputs = tree.map_structure(_new_input, model.input)
    cls = type(model) if type(model).__init__ is Model.__init__ else Model
    outputs = _replayed(model._graph, inputs, clone, call_function)
    return cls(inputs, outputs, name=model.name, trainable=model.trainable)


def _replayed(graph: Any, inputs: Any, clone: Callable[[Any], Any], call_function: Any) -> Any:
    """The outputs of a graph whose layers are replaced, for other inputs."""
    values = dict(zip(map(id, graph.inputs), tree.flatten(inputs), strict=True))
    for node in graph.nodes:
        args, kwargs = node.rebuild(values)
        layer = clone(node.layer)
        results = call_function(layer, *args, **kwargs) if call_function else layer(*args, **kwargs)
        values.update(zip(map(id, node.output_tensors), tree.flatten(results), strict=True))
    return tree.unflatten(graph.outputs_struct, [values[id(tensor)] for tensor in graph.outputs])


def _new_input(tensor: KerasTensor) -> KerasTensor:
    name = tensor.history.layer.name if tensor.history else tensor.name
    return InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype, name=name).output


def _by_config(thing: Any) -> Any:
    return type(thing).from_config(thing.get_config())


def _compile_alike(model: Any, arguments: Any) -> None:
    """Compile with the same losses, and with an optimizer and metrics that begin anew."""
    def fresh(metric: Any) -> Any:
        return _by_config(metric) if isinstance(metric, Metric) else metric

    metrics, weighted = (None if given is None else tree.map_structure(fresh, given)
                         for given in (arguments.metrics, arguments.weighted_metrics))
    optimizer = None if arguments.optimizer is None else _by_config(arguments.optimizer)
    model.compile(optimizer, arguments.loss, arguments.loss_weights, metrics, weighted, arguments.run_eagerly)
