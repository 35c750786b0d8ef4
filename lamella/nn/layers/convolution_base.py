"""What all convolution layers share: arguments, weights, bias and activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn import activations, constraints, initializers, regularizers
from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.naming_errors import errors_name
from lamella.nn.layers.spatial import SpatialLayer
from lamella.ops.windows import output_sizes, padding_mode, per_axis

_PARTS = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}


class ConvolutionLayer(SpatialLayer):
    """Base of the convolution layers.

    Subclasses make their kernels in `_make_kernels(channels)` and use them in `_convolve(inputs)`. The arguments of
    each weight are kept as `<weight>_initializer`, `<weight>_regularizer` and `<weight>_constraint`.

    Attributes:
        filters: number of output channels.
        kernel_size, strides, dilation_rate: one int per spatial axis.
        padding: "valid", "same" or, with one axis, "causal".
    """

    _causal = False
    _weight_names: tuple[str, ...] = ("kernel", "bias")

    def __init__(self, filters: int | None, kernel_size: Any, strides: Any, padding: str, data_format: str | None,
                 dilation_rate: Any, activation: Any, use_bias: bool, options: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        with errors_name(self):
            if filters is not None:
                (filters,) = per_axis(filters, 1, "filters")
            self.kernel_size = per_axis(kernel_size, self.rank, "kernel_size")
            self.strides = per_axis(strides, self.rank, "strides")
            self.dilation_rate = per_axis(dilation_rate, self.rank, "dilation_rate")
            self.padding = padding_mode(padding, causal=self._causal and self.rank == 1)
            if max(self.strides) > 1 and max(self.dilation_rate) > 1:
                raise ValueError(f"strides {self.strides} and dilation_rate {self.dilation_rate} can't both be "
                                 "above 1.")
        self.filters: Any = filters
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        for name in self._weight_names:
            for part, module in _PARTS.items():
                setattr(self, f"{name}_{part}", module.get(options.get(f"{name}_{part}")))
        self.bias: Any = None

    # -- to override --------------------------------------------------------------------------------------------------

    def _make_kernels(self, channels: int) -> None:
        raise NotImplementedError

    def _convolve(self, inputs: Tensor) -> Tensor:
        raise NotImplementedError

    def _output_channels(self, channels: int | None) -> int | None:
        return self.filters

    def _output_sizes(self, sizes: Sequence[int | None]) -> tuple[int | None, ...]:
        return output_sizes(sizes, self.kernel_size, self.strides, self.padding, self.dilation_rate)

    # -- the layer ----------------------------------------------------------------------------------------------------

    def build(self, input_shape: Sequence[int | None]) -> None:
        if len(input_shape) != self.rank + 2 or input_shape[self._channel_axis] is None:
            raise ShapeError(f"Layer {self.name!r} expects inputs with {self.rank + 2} axes and a known number of "
                             f"channels on axis {self._channel_axis}, received shape {tuple(input_shape)}.")
        channels: int = input_shape[self._channel_axis]  # type: ignore[assignment]
        self.compute_output_shape(input_shape)  # complains about too large windows before there are weights
        self._make_kernels(channels)
        if self.use_bias:
            self.bias = self._weight("bias", (self._output_channels(channels),))
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})

    def _weight(self, name: str, shape: Sequence[int | None], weight_name: str | None = None) -> Any:
        return self.add_weight(tuple(shape), getattr(self, f"{name}_initializer"),  # type: ignore[arg-type]
                               name=weight_name or name, regularizer=getattr(self, f"{name}_regularizer"),
                               constraint=getattr(self, f"{name}_constraint"))

    def _cast(self, weight: Any) -> Tensor:
        return ops.cast(weight, self.compute_dtype)

    def call(self, inputs: Tensor) -> Tensor:
        with errors_name(self):
            outputs = self._convolve(inputs)
        if self.use_bias:
            bias = self._cast(self.bias)
            outputs = outputs + (ops.reshape(bias, (-1, *([1] * self.rank))) if self.channels_first else bias)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        with errors_name(self):
            sizes = self._output_sizes(self._spatial(input_shape))
        return self._shape(input_shape[0], sizes, self._output_channels(input_shape[self._channel_axis]))

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
        }
        if self.filters is not None:
            config["filters"] = self.filters
        for name in self._weight_names:
            for part, module in _PARTS.items():
                config[f"{name}_{part}"] = module.serialize(getattr(self, f"{name}_{part}"))
        return config
