"""Symbolic tensors and the nodes that record how layers made them: the material of the functional API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lamella import tree
from lamella.nn.naming import auto_name
from lamella.ops.symbolic import Symbolic


class History(NamedTuple):
    """Where a symbolic tensor comes from: output `tensor_index` of call `node_index` of `layer`."""

    layer: Any
    node_index: int
    tensor_index: int

    @property
    def node(self) -> Node:
        return self.layer.inbound_nodes[self.node_index]


class KerasTensor(Symbolic):
    """A tensor without values: shape (the batch size may be None), dtype and history.

    Args:
        shape: the sizes, None where unknown.
        dtype: the name of the dtype.
        name: for messages and summaries.
        history: set by the layer that made it.

    Example:
        >>> KerasTensor((None, 3))
        <KerasTensor shape=(None, 3), dtype=float32>
    """

    def __init__(self, shape: tuple[int | None, ...], dtype: str = "float32", name: str | None = None,
                 history: History | None = None) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self.name = name or auto_name("keras_tensor")
        self.history = history

    __array_priority__ = 100  # array + symbolic tensor is a symbolic tensor

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def keras_history(self) -> History | None:
        return self.history

    def __len__(self) -> int:
        raise TypeError(f"{self!r} has no values, so no length. Use its shape.")

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} has no values, so no truth value. Use a layer, or ops.where inside of one.")

    def __iter__(self) -> Any:
        raise TypeError(f"{self!r} has no values to iterate over.")

    def __array__(self, *_args: Any, **_kwargs: Any) -> Any:
        raise TypeError(f"{self!r} has no values: numpy functions do not work on it. Use the functions of "
                        "lamella.ops, or wrap the computation in a layer.")

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}>"


@dataclass
class Node:
    """One symbolic call of a layer.

    Attributes:
        layer: the layer called.
        args, kwargs: what it was called with; symbolic tensors stand at their places.
        outputs: the tree of symbolic tensors that it returned.
    """

    layer: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    outputs: Any = None

    @property
    def input_tensors(self) -> list[KerasTensor]:
        return [leaf for leaf in tree.flatten((self.args, self.kwargs)) if isinstance(leaf, KerasTensor)]

    @property
    def output_tensors(self) -> list[KerasTensor]:
        return tree.flatten(self.outputs)

    def rebuild(self, values: dict[int, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """`args` and `kwargs` with each symbolic tensor replaced by `values[id(tensor)]`."""
        def put(leaf: Any) -> Any:
            return values[id(leaf)] if isinstance(leaf, KerasTensor) else leaf
        return tree.map_structure(put, self.args), tree.map_structure(put, self.kwargs)


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` is a symbolic tensor.

    Source: keras.utils.is_keras_tensor.

    Example:
        >>> is_keras_tensor(KerasTensor((None, 3))), is_keras_tensor(3.0)
        (True, False)
    """
    return isinstance(x, KerasTensor)


def get_source_inputs(tensor: KerasTensor) -> list[KerasTensor]:
    """The inputs of a functional model that a symbolic tensor depends on, each once, in the order in which they are met.

    Source: keras.utils.get_source_inputs.

    Example:
        >>> from lamella.nn.layers import Add, Input
        >>> a, b = Input((1,)), Input((1,))
        >>> [source is a for source in get_source_inputs(Add()([a, b]))]
        [True, False]
    """
    found: dict[int, KerasTensor] = {}
    seen: set[int] = set()
    stack = [tensor]
    while stack:
        one = stack.pop()
        inputs = one.history.node.input_tensors if one.history else []
        if not inputs:
            found.setdefault(id(one), one)
        elif id(one.history.node) not in seen:  # type: ignore[union-attr]
            seen.add(id(one.history.node))  # type: ignore[union-attr]
            stack.extend(reversed(inputs))
    return list(found.values())


def is_symbolic(structure: Any) -> bool:
    """Whether a tree holds a symbolic tensor."""
    return any(isinstance(leaf, KerasTensor) for leaf in tree.flatten(structure))


def record(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> Any:
    """Add a node to `layer` and give its outputs their history; returns the outputs."""
    node_index = len(layer.inbound_nodes)
    layer.inbound_nodes.append(Node(layer, args, kwargs, outputs))
    for tensor_index, tensor in enumerate(tree.flatten(outputs)):
        tensor.history = History(layer, node_index, tensor_index)
    return outputs
