"""`SimpleRNNCell`."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.frontend import Tensor
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.recurrent.recurrent_cell import Constants, RecurrentCell


@LAYERS.register()
class SimpleRNNCell(RecurrentCell):
    """One step of `SimpleRNN`: h' = activation(x · kernel + h · recurrent kernel + bias).

    Args:
        units: size of the state.
        **kwargs: arguments of `RecurrentCell`.

    Source:
        Elman 1990, "Finding structure in time".

    Example:
        >>> from lamella import ops
        >>> output, states = SimpleRNNCell(3)(ops.ones((2, 4)), [ops.zeros((2, 3))])
        >>> output.shape, len(states)
        ((2, 3), 1)
    """

    def step(self, row: Tensor, states: Sequence[Tensor], constants: Constants) -> tuple[Tensor, list[Tensor]]:
        h = self.activation(row + self._recurrent(states[0], constants))
        return h, [h]
