"""`GRU`."""

from __future__ import annotations

from typing import Any

from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.recurrent.gru_cell import GRUCell
from lamella.nn.layers.recurrent.rnn import RNN
from lamella.nn.layers.recurrent.single_cell import SingleCellRNN
from lamella.nn.layers.signatures import CONSTRAINTS, KERNELS, PENALTIES, RATES, SEQUENCES, spelled_out


@LAYERS.register()
class GRU(SingleCellRNN):
    """Gated recurrent unit; the formulas stand at `GRUCell`.

    Args:
        units: size of the state and of the output.
        activation: of the candidate.
        recurrent_activation: of the gates.
        use_bias: whether to add a bias.
        **kwargs: arguments of `RNN` (`return_sequences` ...), of `GRUCell` (`reset_after`) and of `RecurrentCell`
            (`dropout` ...).

    Raises:
        ValueError, ShapeError: see `RNN`.

    Source:
        Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder".

    Example:
        >>> from lamella import ops
        >>> GRU(3)(ops.ones((2, 5, 4))).shape
        (2, 3)
    """

    @spelled_out(f"units activation recurrent_activation use_bias {KERNELS} {PENALTIES} activity_regularizer {CONSTRAINTS} {RATES} "
                 f"seed {SEQUENCES} unroll reset_after", RNN, GRUCell)
    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "sigmoid",
                 use_bias: bool = True, **kwargs: Any) -> None:
        cell = {"units": units, "activation": activation, "recurrent_activation": recurrent_activation,
                "use_bias": use_bias}
        super().__init__(GRUCell, cell, **kwargs)
