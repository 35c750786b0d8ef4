"""`ConvLSTMCell`: the step of the convolutional LSTM layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.layers.recurrent.lstm_cell import LSTMCell
from lamella.nn.layers.recurrent.recurrent_cell import Constants
from lamella.ops.windows import is_channels_first, output_sizes, padding_mode, per_axis


class ConvLSTMCell(LSTMCell):
    """One step of `ConvLSTM`: `LSTMCell` with convolutions for products.

        i, f, g, o = conv(x, kernel) + conv(h, recurrent kernel) + bias      (four blocks of channels)

    The first convolution has the strides, padding and dilation given; the second strides 1 and padding "same".

    Args:
        rank: number of spatial axes.
        filters: channels of the states.
        kernel_size, strides, padding, data_format, dilation_rate: as in `Conv2D`.
        **kwargs: arguments of `LSTMCell`.

    Raises:
        ShapeError: a size isn't known.

    Source:
        Shi et al. 2015, "Convolutional LSTM network".
    """

    def __init__(self, rank: int, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = 1, **kwargs: Any) -> None:
        super().__init__(filters, **kwargs)
        self.rank, self.filters = rank, self.units
        self.kernel_size = per_axis(kernel_size, rank, "kernel_size")
        self.strides = per_axis(strides, rank, "strides")
        self.dilation_rate = per_axis(dilation_rate, rank, "dilation_rate")
        self.padding = padding_mode(padding)
        self.channels_first = is_channels_first(data_format)
        self.data_format = "channels_first" if self.channels_first else "channels_last"
        self.channel_axis = 1 if self.channels_first else -1
        self.state_shape: tuple[int, ...] = ()

    @property
    def output_size(self) -> Any:
        return self.state_shape

    def build(self, input_shape: Sequence[int | None]) -> None:
        if len(input_shape) != self.rank + 2 or None in input_shape[1:]:
            raise ShapeError(f"Layer {self.name!r} takes (batch, steps, ...) with {self.rank} spatial axes and channels "
                             f"of known size, received a step of shape {tuple(input_shape)}.")
        channels, width = input_shape[self.channel_axis], self.gates * self.filters
        self.state_shape = self.output_shape(input_shape)[1:]  # type: ignore[assignment]
        self.kernel = self.add_weight((*self.kernel_size, channels, width), self.kernel_initializer,  # type: ignore[arg-type]
                                      name="kernel", regularizer=self.kernel_regularizer,
                                      constraint=self.kernel_constraint)
        self.recurrent_kernel = self.add_weight((*self.kernel_size, self.filters, width), self.recurrent_initializer,
                                                name="recurrent_kernel", regularizer=self.recurrent_regularizer,
                                                constraint=self.recurrent_constraint)
        if self.use_bias:
            self.bias = self.add_weight((width,), self._first_bias(), name="bias", regularizer=self.bias_regularizer,
                                        constraint=self.bias_constraint)

    def output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Shape of a state for a step's shape."""
        spatial = input_shape[2:] if self.channels_first else input_shape[1:-1]
        sizes = output_sizes(spatial, self.kernel_size, self.strides, self.padding, self.dilation_rate)
        return (input_shape[0], *((self.filters, *sizes) if self.channels_first else (*sizes, self.filters)))

    def prepare(self, inputs: Tensor, training: bool) -> tuple[Tensor, Constants]:
        lead, shape = inputs.shape[: -self.rank - 1], inputs.shape[-self.rank - 2 :]
        if training and self.dropout:
            inputs = inputs * self._mask(shape, self.dropout, 0)
        flat = ops.reshape(inputs, (-1, *shape[1:]))  # all steps in one batch
        rows = ops.conv(flat, self._cast(self.kernel), self.strides, self.padding, self.data_format, self.dilation_rate)
        if self.use_bias:
            bias = self._cast(self.bias)
            rows = rows + (ops.reshape(bias, (-1, *([1] * self.rank))) if self.channels_first else bias)
        rows = ops.reshape(rows, (*lead, *rows.shape[1:]))
        mask = None
        if training and self.recurrent_dropout:
            mask = self._mask((shape[0], *self.state_shape), self.recurrent_dropout, 1)
        return rows, {"kernel": self._cast(self.recurrent_kernel), "mask": mask}

    def step(self, row: Tensor, states: Sequence[Tensor], constants: Constants) -> tuple[Tensor, list[Tensor]]:
        h, c = states
        seen = h if constants["mask"] is None else h * constants["mask"]
        both = row + ops.conv(seen, constants["kernel"], padding="same", data_format=self.data_format)
        i, f, g, o = ops.split(both, 4, axis=self.channel_axis)
        gate = self.recurrent_activation
        c = gate(f) * c + gate(i) * self.activation(g)
        h = gate(o) * self.activation(c)
        return h, [h, c]

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        return [ops.zeros((batch_size, *self.state_shape), dtype=self.compute_dtype) for _ in range(2)]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["units"]
        return {**config, "filters": self.filters, "kernel_size": self.kernel_size, "strides": self.strides,
                "padding": self.padding, "data_format": self.data_format, "dilation_rate": self.dilation_rate}
