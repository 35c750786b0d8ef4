"""`Conv1D`, `Conv2D`, `Conv3D`."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.layers.checks import positive_int
from lamella.nn.layers.convolution_base import ConvolutionLayer
from lamella.nn.layers.layer import LAYERS


class _Conv(ConvolutionLayer):
    """activation(inputs * kernel + bias) with `*` as in `ops.conv`; kernel is (*kernel_size, channels / groups,
    filters).

    Args:
        filters: number of output channels.
        kernel_size: size of the window, one int or one per spatial axis.
        strides: step between windows.
        padding: "valid", "same" or, for Conv1D, "causal".
        data_format: "channels_last" (default) or "channels_first".
        dilation_rate: step between the elements of a window.
        groups: the channels and the filters are split into so many groups; each filter sees one group.
        activation: name or function; None is linear.
        use_bias: whether to add a bias.
        kernel_initializer, bias_initializer: first values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties added to the loss.
        kernel_constraint, bias_constraint: projections after each update.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: sizes below 1, unknown padding or format, strides and dilation both above 1.
        ShapeError: groups that divide the channels or the filters not evenly, a window larger than the inputs.
    """

    _causal = True

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = 1, groups: int = 1, activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any) -> None:
        options = {"kernel_initializer": kernel_initializer, "bias_initializer": bias_initializer,
                   "kernel_regularizer": kernel_regularizer, "bias_regularizer": bias_regularizer,
                   "kernel_constraint": kernel_constraint, "bias_constraint": bias_constraint}
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         options, activity_regularizer=activity_regularizer, **kwargs)
        self.groups = positive_int("groups", groups, self.name)
        if self.filters % self.groups:
            raise ShapeError(f"Layer {self.name!r}: {self.filters} filters don't divide into {self.groups} groups.")
        self.kernel: Any = None

    def _make_kernels(self, channels: int) -> None:
        if channels % self.groups:
            raise ShapeError(f"Layer {self.name!r} expects a number of channels that divides into {self.groups} "
                             f"groups, received {channels} channels.")
        self.kernel = self._weight("kernel", (*self.kernel_size, channels // self.groups, self.filters))

    def _convolve(self, inputs: Tensor) -> Tensor:
        return ops.conv(inputs, self._cast(self.kernel), self.strides, self.padding, self.data_format,
                        self.dilation_rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups}


@LAYERS.register("Convolution1D")
class Conv1D(_Conv):
    __doc__ = f"""Convolution along one axis, such as time.

    {_Conv.__doc__}

    Example:
        >>> Conv1D(4, 3, padding="causal")(ops.ones((2, 9, 5))).shape
        (2, 9, 4)
    """

    rank = 1


@LAYERS.register("Convolution2D")
class Conv2D(_Conv):
    __doc__ = f"""Convolution of images.

    {_Conv.__doc__}

    Example:
        >>> layer = Conv2D(4, 3, strides=2, activation="relu")
        >>> layer(ops.ones((2, 28, 28, 3))).shape
        (2, 13, 13, 4)
        >>> [w.shape for w in layer.weights]
        [(3, 3, 3, 4), (4,)]
    """

    rank = 2


@LAYERS.register("Convolution3D")
class Conv3D(_Conv):
    __doc__ = f"""Convolution of volumes.

    {_Conv.__doc__}

    Example:
        >>> Conv3D(4, 3, padding="same")(ops.ones((1, 5, 6, 7, 2))).shape
        (1, 5, 6, 7, 4)
    """

    rank = 3
