"""`StackedRNNCells`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import tree
from lamella.frontend import Tensor
from lamella.nn.layers.layer import LAYERS, Layer, deserialize, serialize
from lamella.ops import zeros


@LAYERS.register()
class StackedRNNCells(Layer):
    """Several cells as one: the output of each is the input of the next.

    Args:
        cells: list of cells; their states are a list in this order.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: the list is empty, or an item is no cell.

    Example:
        >>> from lamella.nn.layers.recurrent import LSTMCell, GRUCell
        >>> StackedRNNCells([LSTMCell(3), GRUCell(2)]).state_size
        [[3, 3], 2]
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cells = list(cells)
        if not self.cells:
            raise ValueError(f"Layer {self.name!r} needs at least one cell.")
        for cell in self.cells:
            check_cell(cell, self.name)

    @property
    def state_size(self) -> list[Any]:
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """The first states of each cell."""
        return [initial_state(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def build(self, input_shape: Sequence[int | None]) -> None:
        shape = tuple(input_shape)
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(shape)
            size = output_size(cell)
            shape = (shape[0], *(size if isinstance(size, (list, tuple)) else (size,)))

    def prepare(self, inputs: Tensor, training: bool) -> tuple[Tensor, list[Any]]:
        """The rows for the first cell, and what stays the same for each cell; see `RecurrentCell`."""
        first = self.cells[0]
        rows, constants = first.prepare(inputs, training) if can_prepare(first) else (inputs, None)
        return rows, [(constants, training)] + [(None, training)] * (len(self.cells) - 1)

    def step(self, row: Tensor, states: Sequence[Any], constants: list[Any]) -> tuple[Tensor, list[Any]]:
        """The output of the last cell, and all new states."""
        new: list[Any] = []
        x: Any = row
        for cell, old, (ready, training) in zip(self.cells, states, constants, strict=True):
            before = old if isinstance(old, (list, tuple)) else [old]
            x, after = cell.step(x, before, ready) if ready is not None else cell(x, before, training=training)
            new.append(tree.unflatten(old, tree.flatten(after)))
        return x, new

    def call(self, inputs: Tensor, states: Sequence[Any], training: bool = False) -> tuple[Tensor, list[Any]]:
        return self.step(inputs, states, [(None, training)] * len(self.cells))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cells": [serialize(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> StackedRNNCells:
        return cls(**{**config, "cells": [deserialize(cell) for cell in config["cells"]]})


def check_cell(cell: Any, layer_name: str) -> None:
    """Raise ValueError unless `cell` has `call` and `state_size`."""
    if not callable(getattr(cell, "call", None)) or not hasattr(cell, "state_size"):
        raise ValueError(f"Layer {layer_name!r} needs cells, which have call(inputs, states) and state_size; "
                         f"received {cell!r}.")


def output_size(cell: Any) -> Any:
    """Size of a cell's output: its `output_size`, else that of its first state."""
    size = getattr(cell, "output_size", None)
    return tree.flatten(cell.state_size)[0] if size is None else size


def can_prepare(cell: Any) -> bool:
    """Whether a cell works in two halves (`RecurrentCell`) and no subclass has given it a `call` of its own."""
    kind = type(cell)
    owner = next((c for c in kind.__mro__ if "call" in vars(c)), None)
    return hasattr(kind, "prepare") and owner is not None and "prepare" in vars(owner)


def initial_state(cell: Any, batch_size: int | None, dtype: str) -> Any:
    """The cell's own first state, else zeros (batch, size) for each of its states."""
    if hasattr(cell, "get_initial_state"):
        state = cell.get_initial_state(batch_size=batch_size)
        return state if isinstance(cell.state_size, (list, tuple)) or not isinstance(state, list) else state[0]
    return tree.map_structure(lambda size: zeros((batch_size, size), dtype=dtype), cell.state_size)
