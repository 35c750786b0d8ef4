"""`LSTM`."""

from __future__ import annotations

from typing import Any

from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.recurrent.lstm_cell import LSTMCell
from lamella.nn.layers.recurrent.rnn import RNN
from lamella.nn.layers.recurrent.single_cell import SingleCellRNN
from lamella.nn.layers.signatures import CONSTRAINTS, KERNELS, PENALTIES, RATES, SEQUENCES, spelled_out


@LAYERS.register()
class LSTM(SingleCellRNN):
    """Long short-term memory; the formulas stand at `LSTMCell`.

    x · kernel + bias is computed for all steps at once, so that a step needs one product with the recurrent kernel.

    Args:
        units: size of both states and of the output.
        activation: of the candidate and of the output.
        recurrent_activation: of the gates.
        use_bias: whether to add a bias.
        **kwargs: arguments of `RNN` (`return_sequences` ...), of `LSTMCell` (`unit_forget_bias`) and of
            `RecurrentCell` (`dropout` ...).

    Raises:
        ValueError, ShapeError: see `RNN`.

    Source:
        Hochreiter and Schmidhuber 1997, "Long short-term memory".

    Example:
        >>> from lamella import ops
        >>> output, h, c = LSTM(3, return_sequences=True, return_state=True)(ops.ones((2, 5, 4)))
        >>> output.shape, h.shape, c.shape
        ((2, 5, 3), (2, 3), (2, 3))
    """

    @spelled_out(f"units activation recurrent_activation use_bias {KERNELS} unit_forget_bias {PENALTIES} activity_regularizer "
                 f"{CONSTRAINTS} {RATES} seed {SEQUENCES} unroll", RNN, LSTMCell)
    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "sigmoid",
                 use_bias: bool = True, **kwargs: Any) -> None:
        cell = {"units": units, "activation": activation, "recurrent_activation": recurrent_activation,
                "use_bias": use_bias}
        super().__init__(LSTMCell, cell, **kwargs)
