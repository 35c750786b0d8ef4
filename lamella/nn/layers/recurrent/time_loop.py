"""The loop over time of a recurrent layer: `ops.scan` over time-major rows."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from lamella import ops, tree
from lamella.frontend import Tensor
from lamella.nn.layers.layer import Layer
from lamella.nn.layers.recurrent.recurrent_cell import RecurrentCell
from lamella.nn.layers.recurrent.stacked_cells import StackedRNNCells, can_prepare, output_size


@dataclass(frozen=True)
class TimeLoop:
    """How a cell runs over a sequence.

    Attributes:
        cell: of any class.
        sequences: whether the outputs of all steps are wanted.
        backwards: whether time runs backwards; the outputs then come in that order.
        zero_masked: whether the output of a masked step is 0 instead of the output before it.
        training: passed on to the cell.
    """

    cell: Any
    sequences: bool
    backwards: bool
    zero_masked: bool
    training: bool

    def run(self, inputs: Tensor, states: Any, mask: Any = None) -> tuple[Tensor, Any]:
        """The output(s) and the last states.

        Args:
            inputs: (batch, steps, ...).
            states: tree of first states.
            mask: bool (batch, steps); a masked step leaves the states as they are.
        """
        with contextlib.ExitStack() as stack:
            for cell in self._cells_in_the_loop():
                stack.enter_context(cell.same_masks())
            return self._run(time_major(inputs), states, mask)

    def _run(self, inputs: Tensor, states: Any, mask: Any) -> tuple[Tensor, Any]:
        step, rows = self._step(inputs)
        valid = None if mask is None else time_major(ops.cast(mask, "bool"))
        carry = states, self._first_output(states, mask)

        def body(carry: Any, row: Any) -> Any:
            (states, previous), (x, here) = carry, row
            output, new = step(x, states)
            new = tree.unflatten(states, tree.flatten(new))
            if here is not None:
                new = tree.map_structure(lambda a, b: choose(here, a, b), new, states)
                output = self._masked(here, output, new, previous)
            return (new, _kept(previous, output)), (output if self.sequences else None)

        (states, last), outputs = ops.scan(body, carry, (rows, valid), reverse=self.backwards)
        if not self.sequences:
            state = self._output_state(states)
            return (last if state is None or not isinstance(last, tuple) else state), states
        outputs = ops.flip(outputs, axis=0) if self.backwards else outputs
        return time_major(outputs), states

    def _cells_in_the_loop(self) -> list[RecurrentCell]:
        """The cells that may drop in each step; a single one with `prepare` does so before the loop."""
        cell = self.cell
        if not self.training or not isinstance(cell, Layer) or (isinstance(cell, RecurrentCell) and can_prepare(cell)):
            return []
        return [layer for layer in cell._flatten_layers() if isinstance(layer, RecurrentCell)]

    def _step(self, rows: Tensor) -> tuple[Any, Tensor]:
        """The function of one step, and the rows that it takes."""
        cell, training = self.cell, self.training
        if can_prepare(cell):
            rows, constants = cell.prepare(rows, training)
            return lambda x, states: cell.step(x, _listed(states), constants), rows
        if training and "training" in getattr(cell, "_call_parameters", ()):
            return lambda x, states: cell(x, _listed(states), training=training), rows
        function = cell if callable(cell) else cell.call
        return lambda x, states: function(x, _listed(states)), rows

    def _masked(self, here: Tensor, output: Tensor, states: Any, previous: Any) -> Tensor:
        """The output of a step that some samples skip."""
        if self.zero_masked:
            return choose(here, output, ops.zeros_like(output))
        state = self._output_state(states)
        return choose(here, output, previous) if state is None else state

    def _output_state(self, states: Any) -> Tensor | None:
        """The state that the output equals, if there is one: the first of the (last) cell."""
        cell = self.cell
        while isinstance(cell, StackedRNNCells):
            cell, states = cell.cells[-1], states[-1]
        own = can_prepare(cell) and getattr(cell, "output_is_state", False)
        return tree.flatten(states)[0] if own else None

    def _first_output(self, states: Any, mask: Any) -> Any:
        """What stands for the output before the first step; an empty tuple where the states tell it."""
        zeroed = self.zero_masked and mask is not None
        if self._output_state(states) is None:
            wanted = not self.sequences or (mask is not None and not zeroed)
        else:
            wanted = not self.sequences and zeroed
        if not wanted:
            return ()
        first = tree.flatten(states)[0]
        size = output_size(self.cell)
        return ops.zeros((first.shape[0], *(size if isinstance(size, (list, tuple)) else (size,))), dtype=first.dtype)


def _kept(previous: Any, output: Tensor) -> Any:
    """The output for the next step, if that wants it."""
    return previous if isinstance(previous, tuple) else output


def _listed(states: Any) -> list[Any]:
    return list(states) if isinstance(states, (list, tuple)) else [states]


def time_major(x: Tensor) -> Tensor:
    """Swap the first two axes."""
    return ops.transpose(x, (1, 0, *range(2, x.ndim)))


def choose(here: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`new` for the samples where `here` (batch,) holds, else `old`."""
    return ops.where(ops.reshape(here, (here.shape[0],) + (1,) * (new.ndim - 1)), new, old)
