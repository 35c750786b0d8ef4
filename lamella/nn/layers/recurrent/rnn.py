"""`RNN`: any cell, step by step over a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops, tree
from lamella.errors import ShapeError
from lamella.frontend import Tensor, Variable
from lamella.nn.layers.checks import check_mask
from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.layer import LAYERS, Layer, deserialize, serialize
from lamella.nn.layers.recurrent.stacked_cells import StackedRNNCells, check_cell, initial_state, output_size
from lamella.nn.layers.recurrent.time_loop import TimeLoop

Shape = tuple[int | None, ...]


@LAYERS.register()
class RNN(Layer):
    """A recurrent layer made of a cell: `output, states = cell(x[:, t], states)` for each t.

    The steps are one loop of the compiled program, whatever their number.

    Args:
        cell: object with `call(inputs, states) -> (output, states)` and `state_size` (size or list of sizes), such as
            `LSTMCell`; or a list of them, which are stacked. Variables that it assigns (the seeds of dropout are some)
            go from step to step; a cell with `dropout` drops the same places in all steps of a sequence, a `Dropout`
            layer in a cell others in each.
        return_sequences: whether the outputs of all steps are returned, (batch, steps, ...), or the last one.
        return_state: whether the last states are returned after the output.
        go_backwards: whether time runs backwards; the outputs then come in that order.
        stateful: whether the states are kept as the first states of the next batch, until `reset_state`. Needs a fixed
            batch size.
        unroll: accepted and ignored: loops are never unrolled.
        zero_output_for_mask: whether the output of a masked step is 0 instead of the output before it.
        **kwargs: arguments of `Layer`.

    A masked step leaves the states as they are.

    Raises:
        ValueError: no cell; or `stateful` without a fixed batch size.
        ShapeError: inputs that are not (batch, steps, ...), or states of the wrong number or shape.

    Source:
        keras.layers.RNN.

    Example:
        >>> from lamella.nn.layers.recurrent import GRUCell
        >>> RNN(GRUCell(3), return_sequences=True)(ops.ones((2, 5, 4))).shape
        (2, 5, 3)
    """

    _untracked = Layer._untracked | {"states"}  # they are no weights

    def __init__(self, cell: Any, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False,
                 zero_output_for_mask: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell: Any = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell
        check_cell(self.cell, self.name)
        self.return_sequences, self.return_state = bool(return_sequences), bool(return_state)
        self.go_backwards, self.stateful, self.unroll = bool(go_backwards), bool(stateful), bool(unroll)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=3)
        self.states: Any = None

    @property
    def state_size(self) -> Any:
        """Sizes of the states, as the cell gives them."""
        return self.cell.state_size

    def build(self, sequences_shape: Sequence[int | None]) -> None:
        if len(sequences_shape) < 3:
            raise ShapeError(f"Layer {self.name!r} takes (batch, steps, ...), received shape {tuple(sequences_shape)}.")
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        last = getattr(getattr(self.cell, "input_spec", None), "axes", {}).get(-1)
        self.input_spec = InputSpec(min_ndim=3, axes={} if last is None else {-1: last})
        if self.stateful:
            self._make_states(sequences_shape[0], sequences_shape)

    def _make_states(self, batch: int | None, sequences_shape: Sequence[int | None]) -> None:
        if batch is None:
            raise ValueError(f"Layer {self.name!r} is stateful and needs a fixed batch size: give the input as "
                             "Input(batch_shape=(batch, steps, features)).")
        zeros = self.get_initial_state(batch)
        self.states = [Variable(lambda shape, dtype: ops.zeros(shape, dtype), trainable=False, dtype=x.dtype,
                                name=f"state{i}", shape=x.shape) for i, x in enumerate(tree.flatten(zeros))]

    def get_initial_state(self, batch_size: int) -> Any:
        """The first states: as the cell says, else zeros."""
        return initial_state(self.cell, batch_size, self.compute_dtype)

    def call(self, sequences: Tensor, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        mask = tree.flatten(mask)[0]
        states = self._first_states(initial_state, sequences.shape[0])
        check_mask(mask, sequences.shape[:2], self.name)
        run = TimeLoop(self.cell, self.return_sequences, self.go_backwards, self.zero_output_for_mask, training)
        output, states = run.run(sequences, states, mask)
        flat = tree.flatten(states)
        for variable, value in zip(self.states or (), flat, strict=False):
            variable.assign(value)
        return (output, *flat) if self.return_state else output

    def _first_states(self, given: Any, batch: int) -> Any:
        """The states that the first step gets, in the cell's structure."""
        fresh = self.get_initial_state(batch)
        leaves = tree.flatten(fresh)
        values = [v.value() for v in self.states] if given is None and self.stateful else leaves
        if given is not None:
            values = [ops.cast(x, self.compute_dtype) for x in tree.flatten(given)]
        shapes = [tuple(x.shape) for x in leaves]
        if [tuple(x.shape) for x in values] != shapes:
            what = "keeps" if given is None else "received"
            raise ShapeError(f"Layer {self.name!r} needs states of shapes {shapes} for this batch; it {what} "
                             f"{[tuple(x.shape) for x in values]}.")
        return tree.unflatten(fresh, values)

    def reset_state(self) -> None:
        """Set the states that a stateful layer keeps to zeros."""
        for variable in self.states or ():
            variable.assign(ops.zeros(variable.shape, variable.dtype))

    reset_states = reset_state

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = tree.flatten(previous_mask)[0] if self.return_sequences else None
        if not self.return_state:
            return mask
        return None if mask is None else [mask] + [None] * len(tree.flatten(self.state_size))

    def compute_output_shape(self, sequences_shape: Sequence[Any]) -> Any:
        batch, steps = sequences_shape[:2]
        size = output_size(self.cell)
        item = tuple(size) if isinstance(size, (list, tuple)) else (size,)
        output: Shape = (batch, steps, *item) if self.return_sequences else (batch, *item)
        return (output, *self._state_shapes(batch)) if self.return_state else output

    def _state_shapes(self, batch: int | None) -> list[Shape]:
        return [(batch, size) for size in tree.flatten(self.state_size)]

    def _flags(self) -> dict[str, Any]:
        names = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")
        return {name: getattr(self, name) for name in names}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._flags(), "cell": serialize(self.cell)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**{**config, "cell": deserialize(config["cell"])})
