"""The graph of a functional model: the recorded layer calls between its inputs and outputs, run in order."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

from lamella import ops, tree
from lamella.errors import ShapeError
from lamella.nn.layers import InputLayer
from lamella.nn.layers.keras_tensor import KerasTensor, Node


class FunctionalGraph:
    """The nodes that lead from `inputs` to `outputs`, in the order in which they run.

    Args:
        inputs: tree of symbolic tensors.
        outputs: tree of symbolic tensors that depend on nothing but the inputs.

    Raises:
        TypeError: a leaf is no symbolic tensor.
        ValueError: an output depends on an `Input` that is not among `inputs` (the message names both), or two layers have
            one name.
    """

    def __init__(self, inputs: Any, outputs: Any) -> None:
        self.inputs_struct, self.outputs_struct = inputs, outputs
        self.inputs: list[KerasTensor] = tree.flatten(inputs)
        self.outputs: list[KerasTensor] = tree.flatten(outputs)
        for leaf in self.inputs + self.outputs:
            if not isinstance(leaf, KerasTensor):
                raise TypeError(
                    f"Model(inputs, outputs) needs symbolic tensors, as Input() and layers give, received {leaf!r}."
                )
        self.nodes = sorted_nodes(self.inputs, self.outputs)
        self.layers = listed_layers(self.inputs, self.outputs, self.nodes)
        check_names([layer.name for layer in self.layers])

    @property
    def input_names(self) -> list[str]:
        """Name of each input: that of its input layer."""
        return [tensor.history.layer.name if tensor.history else tensor.name for tensor in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """Name of each output: the key in a dict of outputs, else the layer that made it."""
        if isinstance(self.outputs_struct, dict):
            return tree.keys_of(self.outputs_struct)
        return [tensor.history.layer.name if tensor.history else tensor.name for tensor in self.outputs]

    def run(self, inputs: Any) -> Any:
        """The tree of outputs for a tree of tensors."""
        values = {
            id(spec): fit_input(x, spec, name)
            for spec, x, name in zip(self.inputs, self.match(inputs), self.input_names, strict=True)
        }
        for node in self.nodes:
            args, kwargs = node.rebuild(values)
            results = tree.flatten(node.layer(*args, **kwargs))
            values.update(zip(map(id, node.output_tensors), results, strict=True))
        return tree.unflatten(self.outputs_struct, [values[id(tensor)] for tensor in self.outputs])

    def check(self, inputs: Any) -> None:
        """Hold a tree of arrays (with any number of rows) against the model's inputs.

        Raises:
            ShapeError: a number, name or shape does not fit.
        """
        for spec, x, name in zip(self.inputs, self.match(inputs), self.input_names, strict=True):
            fitted_shape(tuple(x.shape), (None, *spec.shape[1:]), name)

    def match(self, inputs: Any) -> list[Any]:
        """The leaves of `inputs` in the order of the model's inputs; a dict may use the names of the inputs as keys.

        Raises:
            ShapeError: another number of inputs, or a name that is missing.
        """
        if isinstance(inputs, dict):
            names = tree.keys_of(self.inputs_struct) if isinstance(self.inputs_struct, dict) else self.input_names
            missing = [name for name in names if name not in inputs]
            if missing:
                raise ShapeError(f"x has no entry for the model's inputs {missing}; it has {list(inputs)}.")
            inputs = {name: inputs[name] for name in names}
            inputs = inputs if isinstance(self.inputs_struct, dict) else list(inputs.values())
        leaves = tree.flatten(inputs)
        if len(leaves) != len(self.inputs):
            raise ShapeError(
                f"The model has {len(self.inputs)} inputs ({', '.join(self.input_names)}), x has {len(leaves)} arrays."
            )
        return leaves


def fit_input(x: Any, spec: KerasTensor, name: str) -> Any:
    """`x` in the shape and dtype of an input; see `fitted_shape`."""
    shape = fitted_shape(tuple(x.shape), spec.shape, name)
    x = x if shape == tuple(x.shape) else ops.reshape(x, shape)
    return x if x.dtype == spec.dtype else ops.cast(x, spec.dtype)


def fitted_shape(shape: tuple[int, ...], want: tuple[int | None, ...], name: str) -> tuple[int, ...]:
    """`shape` with a last axis of size 1 added or dropped where only that is missing.

    Raises:
        ShapeError: the shape does not fit; names the argument, what was expected and received.

    Example:
        >>> fitted_shape((5,), (None, 1), "input")
        (5, 1)
    """
    have = shape
    if len(shape) == len(want) - 1 and want[-1] == 1:
        have = (*shape, 1)
    elif len(shape) == len(want) + 1 and shape[-1] == 1:
        have = shape[:-1]
    for axis, (got, expected) in enumerate(zip(have, want, strict=False)):
        if expected is not None and got != expected:
            raise ShapeError(
                f"x does not fit the model's input {name!r}: expected axis {axis - len(want)} to have size "
                f"{expected}, received shape {shape} (the model takes {want})."
            )
    if len(have) != len(want):
        raise ShapeError(
            f"x does not fit the model's input {name!r}: expected {len(want)} axes {want}, received shape {shape}."
        )
    return have


def sorted_nodes(inputs: Sequence[KerasTensor], outputs: Sequence[KerasTensor]) -> list[Node]:
    """The calls that make `outputs` from `inputs`, each after those it needs; without recursion, for deep models."""
    done = {id(tensor) for tensor in inputs}
    order: list[Node] = []
    stack = list(reversed(outputs))
    while stack:
        tensor = stack[-1]
        if id(tensor) in done:
            stack.pop()
            continue
        node = _node_of(tensor, inputs)
        waiting = [t for t in node.input_tensors if id(t) not in done]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        order.append(node)
        done.update(id(t) for t in node.output_tensors)
    return order


def listed_layers(inputs: Sequence[KerasTensor], outputs: Sequence[KerasTensor], nodes: Sequence[Node]) -> list[Any]:
    """Each layer of a model once, input layers too, in the order of Keras' `model.layers` (and so of its weights).

    The layer with the longest way to an output comes first. Layers equally far away come as a walk from the outputs back to
    the inputs meets them; inputs that no output depends on lead those at distance 0.
    """
    sources = [tensor.history.node for tensor in inputs if tensor.history and isinstance(tensor.history.layer, InputLayer)]
    distance: dict[int, int] = {}  # of a node
    farthest: dict[int, int] = {}  # of a layer: of its farthest node so far, which counts for all of them
    for node in [*reversed(nodes), *sources]:
        steps = max(distance.get(id(node), 0), farthest.get(id(node.layer), 0))
        farthest[id(node.layer)] = steps
        for tensor in node.input_tensors:
            if tensor.history is not None:
                parent = id(tensor.history.node)
                distance[parent] = max(distance.get(parent, 0), steps + 1)
    met = first_meetings(outputs, {id(node) for node in [*nodes, *sources]})
    layers = {id(node.layer): node.layer for node in [*sources, *nodes]}
    return sorted(layers.values(), key=lambda layer: (-farthest[id(layer)], met.get(id(layer), -1)))


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError where a name comes twice: weights, configs and `get_layer` tell layers apart by it."""
    for name, times in collections.Counter(names).items():
        if times > 1:
            raise ValueError(f"{times} layers of the model are named {name!r}; names must differ.")


def first_meetings(outputs: Sequence[KerasTensor], inside: set[int]) -> dict[int, int]:
    """Layer to its place in a walk, depth first, from the outputs to the inputs; only through the nodes `inside`."""
    met: dict[int, int] = {}
    seen: set[int] = set()
    stack = list(reversed(outputs))
    while stack:
        tensor = stack.pop()
        node = tensor.history.node if tensor.history else None
        if node is None or id(node) not in inside or id(node) in seen:
            continue
        seen.add(id(node))
        met.setdefault(id(node.layer), len(met))
        stack.extend(reversed(node.input_tensors))
    return met


def _node_of(tensor: KerasTensor, inputs: Sequence[KerasTensor]) -> Node:
    history = tensor.history
    if history is None or isinstance(history.layer, InputLayer):
        name = history.layer.name if history else tensor.name
        known = ", ".join(t.history.layer.name if t.history else t.name for t in inputs)
        raise ValueError(f"The outputs depend on the input {name!r}, which is not among the model's inputs ({known}).")
    return history.node
