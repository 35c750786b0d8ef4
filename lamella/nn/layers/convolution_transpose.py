"""`Conv1DTranspose`, `Conv2DTranspose`, `Conv3DTranspose`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.convolution_base import ConvolutionLayer
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.naming_errors import errors_name
from lamella.nn.layers.signatures import spelled_out
from lamella.ops.transposed_convolution import transpose_padding, transposed_sizes
from lamella.ops.windows import per_axis


class _ConvTranspose(ConvolutionLayer):
    """activation(transposed convolution + bias) as in `ops.conv_transpose`; kernel is (*kernel_size, filters,
    channels).

    Args:
        filters: number of output channels.
        kernel_size: size of the window, one int or one per spatial axis.
        strides: step of the windows in the outputs.
        padding: "valid", or "same" for strides times the size of the inputs.
        output_padding: elements more at the end, below the strides; None for the default of `padding`.
        data_format: "channels_last" (default) or "channels_first".
        dilation_rate: step between the elements of a window.
        activation: name or function; None is linear.
        use_bias: whether to add a bias.
        kernel_initializer, bias_initializer: first values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties added to the loss.
        kernel_constraint, bias_constraint: projections after each update.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: sizes below 1, unknown padding or format, `output_padding` not below the strides, strides and
            dilation both above 1.
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 output_padding: Any = None, data_format: str | None = None, dilation_rate: Any = 1,
                 activation: Any = None, use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, kernel_constraint: Any = None, bias_constraint: Any = None,
                 **kwargs: Any) -> None:
        options = {"kernel_initializer": kernel_initializer, "bias_initializer": bias_initializer,
                   "kernel_regularizer": kernel_regularizer, "bias_regularizer": bias_regularizer,
                   "kernel_constraint": kernel_constraint, "bias_constraint": bias_constraint}
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         options, activity_regularizer=activity_regularizer, **kwargs)
        with errors_name(self):
            self.output_padding = (None if output_padding is None
                                   else per_axis(output_padding, self.rank, "output_padding", least=0))
            transpose_padding(self.kernel_size, self.strides, self.padding, self.output_padding, self.dilation_rate)
        self.kernel: Any = None

    def _make_kernels(self, channels: int) -> None:
        self.kernel = self._weight("kernel", (*self.kernel_size, self.filters, channels))

    def _convolve(self, inputs: Tensor) -> Tensor:
        return ops.conv_transpose(inputs, self._cast(self.kernel), self.strides, self.padding, self.output_padding,
                                  self.data_format, self.dilation_rate)

    def _output_sizes(self, sizes: Sequence[int | None]) -> tuple[int | None, ...]:
        known = transposed_sizes([n or 0 for n in sizes], self.kernel_size, self.strides, self.padding,
                                 self.output_padding, self.dilation_rate)
        return tuple(None if n is None else out for n, out in zip(sizes, known, strict=True))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_padding": self.output_padding}


@LAYERS.register("Convolution1DTranspose")
class Conv1DTranspose(_ConvTranspose):
    __doc__ = f"""Transposed convolution along one axis.

    {_ConvTranspose.__doc__}

    Example:
        >>> Conv1DTranspose(4, 3, strides=2, padding="same")(ops.ones((2, 9, 5))).shape
        (2, 18, 4)
    """

    rank = 1


@LAYERS.register("Convolution2DTranspose")
class Conv2DTranspose(_ConvTranspose):
    __doc__ = f"""Transposed convolution of images, which makes them larger.

    {_ConvTranspose.__doc__}

    Example:
        >>> Conv2DTranspose(4, 2, strides=2)(ops.ones((2, 7, 7, 5))).shape
        (2, 14, 14, 4)
    """

    rank = 2


@LAYERS.register("Convolution3DTranspose")
class Conv3DTranspose(_ConvTranspose):
    __doc__ = f"""Transposed convolution of volumes.

    {_ConvTranspose.__doc__}

    Example:
        >>> Conv3DTranspose(4, 3)(ops.ones((1, 2, 3, 4, 5))).shape
        (1, 4, 5, 6, 4)
    """

    rank = 3
    # Of the three, Keras has the data format and the output padding in this order here only.
    __init__ = spelled_out(  # type: ignore[assignment]
        "filters kernel_size strides padding data_format output_padding dilation_rate activation use_bias kernel_initializer "
        "bias_initializer kernel_regularizer bias_regularizer activity_regularizer kernel_constraint bias_constraint",
    )(_ConvTranspose.__init__)
