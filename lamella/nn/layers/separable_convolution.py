"""`SeparableConv1D`, `SeparableConv2D`."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.checks import positive_int
from lamella.nn.layers.convolution_base import ConvolutionLayer
from lamella.nn.layers.layer import LAYERS


class _SeparableConv(ConvolutionLayer):
    """activation(depthwise convolution, then one of window 1, + bias) as in `ops.separable_conv`.

    Weights: depthwise_kernel (*kernel_size, channels, depth_multiplier), pointwise_kernel (1, ..., channels ·
    depth_multiplier, filters), bias (filters,).

    Args:
        filters: number of output channels.
        kernel_size: size of the window, one int or one per spatial axis.
        strides: step between windows.
        padding: "valid" or "same".
        data_format: "channels_last" (default) or "channels_first".
        dilation_rate: step between the elements of a window.
        depth_multiplier: number of channels that the depthwise part makes of each.
        activation: name or function; None is linear.
        use_bias: whether to add a bias.
        depthwise_initializer, pointwise_initializer, bias_initializer: first values.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer: penalties added to the
            loss.
        depthwise_constraint, pointwise_constraint, bias_constraint: projections after each update.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: sizes below 1, unknown padding or format, strides and dilation both above 1.
        ShapeError: a window larger than the inputs.
    """

    _weight_names = ("depthwise", "pointwise", "bias")

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = 1, depth_multiplier: int = 1,
                 activation: Any = None, use_bias: bool = True, depthwise_initializer: Any = "glorot_uniform",
                 pointwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 depthwise_regularizer: Any = None, pointwise_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, depthwise_constraint: Any = None, pointwise_constraint: Any = None,
                 bias_constraint: Any = None, **kwargs: Any) -> None:
        options = {"depthwise_initializer": depthwise_initializer, "pointwise_initializer": pointwise_initializer,
                   "bias_initializer": bias_initializer, "depthwise_regularizer": depthwise_regularizer,
                   "pointwise_regularizer": pointwise_regularizer, "bias_regularizer": bias_regularizer,
                   "depthwise_constraint": depthwise_constraint, "pointwise_constraint": pointwise_constraint,
                   "bias_constraint": bias_constraint}
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         options, activity_regularizer=activity_regularizer, **kwargs)
        self.depth_multiplier = positive_int("depth_multiplier", depth_multiplier, self.name)
        self.depthwise_kernel: Any = None
        self.pointwise_kernel: Any = None

    def _make_kernels(self, channels: int) -> None:
        self.depthwise_kernel = self._weight("depthwise", (*self.kernel_size, channels, self.depth_multiplier),
                                             "depthwise_kernel")
        pointwise = (*([1] * self.rank), channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = self._weight("pointwise", pointwise, "pointwise_kernel")

    def _convolve(self, inputs: Tensor) -> Tensor:
        return ops.separable_conv(inputs, self._cast(self.depthwise_kernel), self._cast(self.pointwise_kernel),
                                  self.strides, self.padding, self.data_format, self.dilation_rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "depth_multiplier": self.depth_multiplier}


@LAYERS.register("SeparableConvolution1D")
class SeparableConv1D(_SeparableConv):
    __doc__ = f"""Separable convolution along one axis.

    {_SeparableConv.__doc__}

    Example:
        >>> SeparableConv1D(4, 3, padding="same")(ops.ones((2, 9, 5))).shape
        (2, 9, 4)
    """

    rank = 1


@LAYERS.register("SeparableConvolution2D")
class SeparableConv2D(_SeparableConv):
    __doc__ = f"""Separable convolution of images.

    {_SeparableConv.__doc__}

    Example:
        >>> layer = SeparableConv2D(4, 3, depth_multiplier=2)
        >>> layer(ops.ones((2, 9, 9, 5))).shape
        (2, 7, 7, 4)
        >>> [w.shape for w in layer.weights]
        [(3, 3, 5, 2), (1, 1, 10, 4), (4,)]
    """

    rank = 2
