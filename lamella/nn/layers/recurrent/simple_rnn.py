"""`SimpleRNN`."""

from __future__ import annotations

from typing import Any

from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.recurrent.rnn import RNN
from lamella.nn.layers.recurrent.simple_rnn_cell import SimpleRNNCell
from lamella.nn.layers.recurrent.single_cell import SingleCellRNN
from lamella.nn.layers.signatures import CONSTRAINTS, KERNELS, PENALTIES, RATES, SEQUENCES, spelled_out


@LAYERS.register()
class SimpleRNN(SingleCellRNN):
    """The fully connected recurrent layer: h_t = activation(x_t · kernel + h_{t-1} · recurrent kernel + bias).

    Args:
        units: size of the state and of the output.
        activation: by default tanh.
        use_bias: whether to add a bias.
        **kwargs: arguments of `RNN` (`return_sequences` ...) and of `RecurrentCell` (`dropout` ...).

    Raises:
        ValueError, ShapeError: see `RNN`.

    Source:
        Elman 1990, "Finding structure in time".

    Example:
        >>> from lamella import ops
        >>> SimpleRNN(3)(ops.ones((2, 5, 4))).shape
        (2, 3)
    """

    @spelled_out(f"units activation use_bias {KERNELS} {PENALTIES} activity_regularizer {CONSTRAINTS} {RATES} {SEQUENCES} unroll "
                 "seed", RNN, SimpleRNNCell)
    def __init__(self, units: int, activation: Any = "tanh", use_bias: bool = True, **kwargs: Any) -> None:
        cell = {"units": units, "activation": activation, "use_bias": use_bias}
        super().__init__(SimpleRNNCell, cell, **kwargs)
