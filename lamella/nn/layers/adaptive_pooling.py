"""`AdaptiveMaxPooling1D`–`3D`, `AdaptiveAveragePooling1D`–`3D`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.naming_errors import errors_name
from lamella.nn.layers.spatial import Sizes, SpatialLayer
from lamella.ops.windows import per_axis


class _AdaptivePooling(SpatialLayer):
    """Windows that cover each axis evenly: window i of o is [floor(i n / o), ceil((i + 1) n / o)).

    Args:
        output_size: number of windows, one int or one per spatial axis.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a size below 1, unknown format.
    """

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        with errors_name(self):
            self.output_size = per_axis(output_size, self.rank, "output_size")

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Sizes:
        return self._shape(input_shape[0], self.output_size, input_shape[self._channel_axis])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_size": self.output_size}


class _AdaptiveMaxPooling(_AdaptivePooling):
    def call(self, inputs: Tensor) -> Tensor:
        with errors_name(self):
            return ops.adaptive_max_pool(inputs, self.output_size, self.data_format)


class _AdaptiveAveragePooling(_AdaptivePooling):
    def call(self, inputs: Tensor) -> Tensor:
        with errors_name(self):
            return ops.adaptive_average_pool(inputs, self.output_size, self.data_format)


@LAYERS.register()
class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    __doc__ = f"""The maxima of a given number of windows.

    {_AdaptivePooling.__doc__}

    Example:
        >>> AdaptiveMaxPooling1D(2)(ops.ones((2, 7, 4))).shape
        (2, 2, 4)
    """

    rank = 1


@LAYERS.register()
class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    __doc__ = f"""The maxima of a given number of windows.

    {_AdaptivePooling.__doc__}

    Example:
        >>> AdaptiveMaxPooling2D((2, 3))(ops.ones((2, 7, 7, 4))).shape
        (2, 2, 3, 4)
    """

    rank = 2


@LAYERS.register()
class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    __doc__ = f"""The maxima of a given number of windows.

    {_AdaptivePooling.__doc__}

    Example:
        >>> AdaptiveMaxPooling3D(1)(ops.ones((2, 7, 7, 7, 4))).shape
        (2, 1, 1, 1, 4)
    """

    rank = 3


@LAYERS.register()
class AdaptiveAveragePooling1D(_AdaptiveAveragePooling):
    __doc__ = f"""The means of a given number of windows.

    {_AdaptivePooling.__doc__}

    Example:
        >>> AdaptiveAveragePooling1D(2)(ops.ones((2, 7, 4))).shape
        (2, 2, 4)
    """

    rank = 1


@LAYERS.register()
class AdaptiveAveragePooling2D(_AdaptiveAveragePooling):
    __doc__ = f"""The means of a given number of windows.

    {_AdaptivePooling.__doc__}

    Example:
        >>> AdaptiveAveragePooling2D((2, 3))(ops.ones((2, 7, 7, 4))).shape
        (2, 2, 3, 4)
    """

    rank = 2


@LAYERS.register()
class AdaptiveAveragePooling3D(_AdaptiveAveragePooling):
    __doc__ = f"""The means of a given number of windows.

    {_AdaptivePooling.__doc__}

    Example:
        >>> AdaptiveAveragePooling3D(1)(ops.ones((2, 7, 7, 7, 4))).shape
        (2, 1, 1, 1, 4)
    """

    rank = 3
