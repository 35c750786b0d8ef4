"""`DepthwiseConv1D`, `DepthwiseConv2D`."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.checks import positive_int
from lamella.nn.layers.convolution_base import ConvolutionLayer
from lamella.nn.layers.layer import LAYERS


class _DepthwiseConv(ConvolutionLayer):
    """activation(each channel convolved by itself + bias) as in `ops.depthwise_conv`; kernel is (*kernel_size,
    channels, depth_multiplier).

    Args:
        kernel_size: size of the window, one int or one per spatial axis.
        strides: step between windows.
        padding: "valid" or "same".
        depth_multiplier: number of output channels of each input channel, side by side in the outputs.
        data_format: "channels_last" (default) or "channels_first".
        dilation_rate: step between the elements of a window.
        activation: name or function; None is linear.
        use_bias: whether to add a bias.
        depthwise_initializer, bias_initializer: first values.
        depthwise_regularizer, bias_regularizer, activity_regularizer: penalties added to the loss.
        depthwise_constraint, bias_constraint: projections after each update.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: sizes below 1, unknown padding or format, strides and dilation both above 1.
        ShapeError: a window larger than the inputs.
    """

    _weight_names = ("depthwise", "bias")

    def __init__(self, kernel_size: Any, strides: Any = 1, padding: str = "valid", depth_multiplier: int = 1,
                 data_format: str | None = None, dilation_rate: Any = 1, activation: Any = None, use_bias: bool = True,
                 depthwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 depthwise_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 depthwise_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any) -> None:
        options = {"depthwise_initializer": depthwise_initializer, "bias_initializer": bias_initializer,
                   "depthwise_regularizer": depthwise_regularizer, "bias_regularizer": bias_regularizer,
                   "depthwise_constraint": depthwise_constraint, "bias_constraint": bias_constraint}
        super().__init__(None, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         options, activity_regularizer=activity_regularizer, **kwargs)
        self.depth_multiplier = positive_int("depth_multiplier", depth_multiplier, self.name)
        self.kernel: Any = None

    def _make_kernels(self, channels: int) -> None:
        self.kernel = self._weight("depthwise", (*self.kernel_size, channels, self.depth_multiplier), "kernel")

    def _output_channels(self, channels: int | None) -> int | None:
        return None if channels is None else channels * self.depth_multiplier

    def _convolve(self, inputs: Tensor) -> Tensor:
        return ops.depthwise_conv(inputs, self._cast(self.kernel), self.strides, self.padding, self.data_format,
                                  self.dilation_rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "depth_multiplier": self.depth_multiplier}


@LAYERS.register()
class DepthwiseConv1D(_DepthwiseConv):
    __doc__ = f"""Depthwise convolution along one axis.

    {_DepthwiseConv.__doc__}

    Example:
        >>> DepthwiseConv1D(3, depth_multiplier=2)(ops.ones((2, 9, 5))).shape
        (2, 7, 10)
    """

    rank = 1


@LAYERS.register()
class DepthwiseConv2D(_DepthwiseConv):
    __doc__ = f"""Depthwise convolution of images.

    {_DepthwiseConv.__doc__}

    Example:
        >>> DepthwiseConv2D(3, padding="same")(ops.ones((2, 9, 9, 5))).shape
        (2, 9, 9, 5)
    """

    rank = 2
