"""`MaxPooling1D`–`3D`, `AveragePooling1D`–`3D`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.naming_errors import errors_name
from lamella.nn.layers.spatial import Sizes, SpatialLayer
from lamella.ops.windows import output_sizes, padding_mode, per_axis


class _Pooling(SpatialLayer):
    """Arguments and shapes of the pools."""

    def __init__(self, pool_size: Any, strides: Any, padding: str, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        with errors_name(self):
            self.pool_size = per_axis(pool_size, self.rank, "pool_size")
            self.strides = self.pool_size if strides is None else per_axis(strides, self.rank, "strides")
            self.padding = padding_mode(padding)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Sizes:
        with errors_name(self):
            sizes = output_sizes(self._spatial(input_shape), self.pool_size, self.strides, self.padding)
        return self._shape(input_shape[0], sizes, input_shape[self._channel_axis])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pool_size": self.pool_size, "padding": self.padding, "strides": self.strides}


class _MaxPooling(_Pooling):
    """The largest element of each window; the gradient goes to the first one (`ops.max_pool`).

    Args:
        pool_size: size of the window, one int or one per spatial axis.
        strides: step between windows; None is `pool_size`.
        padding: "valid" or "same".
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: sizes below 1, unknown padding or format.
        ShapeError: a window larger than the inputs.
    """

    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: str = "valid",
                 data_format: str | None = None, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        with errors_name(self):
            return ops.max_pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class _AveragePooling(_Pooling):
    """The mean of each window, without the padding (`ops.average_pool`).

    Args:
        pool_size: size of the window, one int or one per spatial axis.
        strides: step between windows; None is `pool_size`.
        padding: "valid" or "same".
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: sizes below 1, unknown padding or format.
        ShapeError: a window larger than the inputs.
    """

    def __init__(self, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None,
                 name: str | None = None, **kwargs: Any) -> None:
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        with errors_name(self):
            return ops.average_pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


@LAYERS.register("MaxPool1D")
class MaxPooling1D(_MaxPooling):
    __doc__ = f"""Maxima along one axis.

    {_MaxPooling.__doc__}

    Example:
        >>> MaxPooling1D()(ops.convert_to_tensor([[[1.0], [3.0], [2.0]]])).numpy().tolist()
        [[[3.0]]]
    """

    rank = 1


@LAYERS.register("MaxPool2D")
class MaxPooling2D(_MaxPooling):
    __doc__ = f"""Maxima of parts of images.

    {_MaxPooling.__doc__}

    Example:
        >>> MaxPooling2D(3, strides=2, padding="same")(ops.ones((2, 7, 7, 4))).shape
        (2, 4, 4, 4)
    """

    rank = 2


@LAYERS.register("MaxPool3D")
class MaxPooling3D(_MaxPooling):
    __doc__ = f"""Maxima of parts of volumes.

    {_MaxPooling.__doc__}

    Example:
        >>> MaxPooling3D()(ops.ones((2, 7, 7, 7, 4))).shape
        (2, 3, 3, 3, 4)
    """

    rank = 3


@LAYERS.register("AvgPool1D")
class AveragePooling1D(_AveragePooling):
    __doc__ = f"""Means along one axis.

    {_AveragePooling.__doc__}

    Example:
        >>> AveragePooling1D(2)(ops.convert_to_tensor([[[1.0], [3.0], [2.0]]])).numpy().tolist()
        [[[2.0]]]
    """

    rank = 1


@LAYERS.register("AvgPool2D")
class AveragePooling2D(_AveragePooling):
    __doc__ = f"""Means of parts of images.

    {_AveragePooling.__doc__}

    Example:
        >>> AveragePooling2D(3, strides=2, padding="same")(ops.ones((2, 7, 7, 4))).shape
        (2, 4, 4, 4)
    """

    rank = 2


@LAYERS.register("AvgPool3D")
class AveragePooling3D(_AveragePooling):
    __doc__ = f"""Means of parts of volumes.

    {_AveragePooling.__doc__}

    Example:
        >>> AveragePooling3D(2)(ops.ones((2, 7, 7, 7, 4))).shape
        (2, 3, 3, 3, 4)
    """

    rank = 3
