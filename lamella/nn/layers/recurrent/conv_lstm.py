"""`ConvLSTM1D`, `ConvLSTM2D` and `ConvLSTM3D`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.recurrent.conv_lstm_cell import ConvLSTMCell
from lamella.nn.layers.recurrent.rnn import RNN
from lamella.nn.layers.recurrent.single_cell import SingleCellRNN
from lamella.nn.layers.signatures import CONSTRAINTS, KERNELS, PENALTIES, RATES, SEQUENCES, spelled_out


class ConvLSTM(SingleCellRNN):
    """Long short-term memory on images: products are convolutions; the formulas stand at `ConvLSTMCell`.

    Args:
        filters: channels of the states and of the output.
        kernel_size: of both convolutions.
        strides, padding, data_format, dilation_rate: of the convolution of the inputs.
        **kwargs: arguments of `RNN` (`return_sequences` ...), of `LSTMCell` and of `RecurrentCell` (`dropout` ...).

    Raises:
        ValueError, ShapeError: see `RNN` and `ConvLSTMCell`.
    """

    rank = 0

    @spelled_out("filters kernel_size strides padding data_format dilation_rate activation recurrent_activation use_bias "
                 f"{KERNELS} unit_forget_bias {PENALTIES} activity_regularizer {CONSTRAINTS} {RATES} seed {SEQUENCES}",
                 RNN, ConvLSTMCell)
    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = 1, **kwargs: Any) -> None:
        cell = {"rank": self.rank, "filters": filters, "kernel_size": kernel_size, "strides": strides,
                "padding": padding, "data_format": data_format, "dilation_rate": dilation_rate}
        super().__init__(ConvLSTMCell, cell, **kwargs)
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def compute_output_shape(self, sequences_shape: Sequence[Any]) -> Any:
        batch, steps, *rest = sequences_shape
        state = self.cell.output_shape((batch, *rest))
        output = (batch, steps, *state[1:]) if self.return_sequences else state
        return (output, state, state) if self.return_state else output


@LAYERS.register()
class ConvLSTM1D(ConvLSTM):
    """`ConvLSTM` on (batch, steps, length, channels).

    Source:
        Shi et al. 2015, "Convolutional LSTM network".

    Example:
        >>> from lamella import ops
        >>> ConvLSTM1D(3, 3, padding="same")(ops.ones((2, 4, 7, 2))).shape
        (2, 7, 3)
    """

    rank = 1


@LAYERS.register()
class ConvLSTM2D(ConvLSTM):
    """`ConvLSTM` on (batch, steps, rows, columns, channels).

    Source:
        Shi et al. 2015, "Convolutional LSTM network".

    Example:
        >>> from lamella import ops
        >>> ConvLSTM2D(3, 3, return_sequences=True)(ops.ones((2, 4, 7, 6, 2))).shape
        (2, 4, 5, 4, 3)
    """

    rank = 2


@LAYERS.register()
class ConvLSTM3D(ConvLSTM):
    """`ConvLSTM` on (batch, steps, depth, rows, columns, channels).

    Source:
        Shi et al. 2015, "Convolutional LSTM network".

    Example:
        >>> from lamella import ops
        >>> ConvLSTM3D(3, 2)(ops.ones((1, 2, 3, 3, 3, 2))).shape
        (1, 2, 2, 2, 3)
    """

    rank = 3
