"""The loop over time of a recurrent layer: `ops.scan` over time-major rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lamella import ops, tree
from lamella.frontend import Tensor
from lamella.nn.layers.recurrent.stacked_cells import can_prepare, output_size


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
        step, rows = self._step(time_major(inputs))
        valid = None if mask is None else time_major(ops.cast(mask, "bool"))
        carry = states, self._first_output(states, mask)

        def body(carry: Any, row: Any) -> Any:
            (states, previous), (x, here) = carry, row
            output, new = step(x, states)
            new = tree.unflatten(states, tree.flatten(new))
            if here is not None:
                new = tree.map_structure(lambda a, b: choose(here, a, b), new, states)
                if self.zero_masked:
                    output = choose(here, output, ops.zeros_like(output))
                elif not isinstance(previous, tuple):
                    output = choose(here, output, previous)
            keep = previous if isinstance(previous, tuple) else output
            return (new, keep), (output if self.sequences else None)

        (states, last), outputs = ops.scan(body, carry, (rows, valid), reverse=self.backwards)
        if not self.sequences:
            return (self._from_states(states, mask) if isinstance(last, tuple) else last), states
        outputs = ops.flip(outputs, axis=0) if self.backwards else outputs
        return time_major(outputs), states

    def _step(self, rows: Tensor) -> tuple[Any, Tensor]:
        """The function of one step, and the rows that it takes."""
        cell, training = self.cell, self.training
        if can_prepare(cell):
            rows, constants = cell.prepare(rows, training)
            return lambda x, states: cell.step(x, _listed(states), constants), rows
        if training and "training" in getattr(cell, "_call_parameters", ()):
            return lambda x, states: cell(x, states, training=training), rows
        return (lambda x, states: cell(x, states)) if callable(cell) else cell.call, rows

    def _first_output(self, states: Any, mask: Any) -> Any:
        """What stands for the output before the first step; an empty tuple where no step needs it."""
        carried_over = mask is not None and not self.zero_masked
        if not (carried_over if self.sequences else self.zero_masked or not self._output_is_state):
            return ()
        first = tree.flatten(states)[0]
        size = output_size(self.cell)
        return ops.zeros((first.shape[0], *(size if isinstance(size, (list, tuple)) else (size,))), dtype=first.dtype)

    @property
    def _output_is_state(self) -> bool:
        return can_prepare(self.cell) and getattr(self.cell, "output_is_state", False)

    def _from_states(self, states: Any, mask: Any) -> Tensor:
        """The last output of a cell whose output is its first state; 0 where every step was masked."""
        last = tree.flatten(states)[0]
        return last if mask is None else choose(ops.any(mask, axis=1), last, ops.zeros_like(last))


def _listed(states: Any) -> list[Any]:
    return list(states) if isinstance(states, (list, tuple)) else [states]


def time_major(x: Tensor) -> Tensor:
    """Swap the first two axes."""
    return ops.transpose(x, (1, 0, *range(2, x.ndim)))


def choose(here: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`new` for the samples where `here` (batch,) holds, else `old`."""
    return ops.where(ops.reshape(here, (here.shape[0],) + (1,) * (new.ndim - 1)), new, old)
