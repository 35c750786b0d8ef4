"""`GlobalMaxPooling1D`–`3D`, `GlobalAveragePooling1D`–`3D`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.checks import check_mask
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.spatial import Sizes, SpatialLayer


class _GlobalPooling(SpatialLayer):
    """One value per channel.

    Args:
        data_format: "channels_last" (default) or "channels_first".
        keepdims: whether the spatial axes stay, with size 1.
        **kwargs: arguments of `Layer`.
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.keepdims = bool(keepdims)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Sizes:
        channels = input_shape[self._channel_axis]
        return self._shape(input_shape[0], [1] * self.rank if self.keepdims else [], channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "keepdims": self.keepdims}


class _GlobalMaxPooling(_GlobalPooling):
    def call(self, inputs: Tensor) -> Tensor:
        return ops.max(inputs, self._spatial_axes, self.keepdims)


class _GlobalAveragePooling(_GlobalPooling):
    def call(self, inputs: Tensor) -> Tensor:
        return ops.mean(inputs, self._spatial_axes, self.keepdims)


@LAYERS.register("GlobalMaxPool1D")
class GlobalMaxPooling1D(_GlobalMaxPooling):
    __doc__ = f"""The largest element of each channel; equal ones share the gradient. Masks are not looked at.

    {_GlobalPooling.__doc__}

    Example:
        >>> GlobalMaxPooling1D()(ops.convert_to_tensor([[[1.0], [3.0]]])).numpy().tolist()
        [[3.0]]
    """

    rank = 1


@LAYERS.register("GlobalMaxPool2D")
class GlobalMaxPooling2D(_GlobalMaxPooling):
    __doc__ = f"""The largest element of each channel; equal ones share the gradient.

    {_GlobalPooling.__doc__}

    Example:
        >>> GlobalMaxPooling2D(keepdims=True)(ops.ones((2, 7, 7, 4))).shape
        (2, 1, 1, 4)
    """

    rank = 2


@LAYERS.register("GlobalMaxPool3D")
class GlobalMaxPooling3D(_GlobalMaxPooling):
    __doc__ = f"""The largest element of each channel; equal ones share the gradient.

    {_GlobalPooling.__doc__}

    Example:
        >>> GlobalMaxPooling3D()(ops.ones((2, 7, 7, 7, 4))).shape
        (2, 4)
    """

    rank = 3


@LAYERS.register("GlobalAvgPool1D")
class GlobalAveragePooling1D(_GlobalAveragePooling):
    __doc__ = f"""The mean of each channel: with a mask, over the steps that it keeps (NaN if there are none).

    {_GlobalPooling.__doc__}

    Example:
        >>> x = ops.convert_to_tensor([[[1.0], [3.0]]])
        >>> GlobalAveragePooling1D()(x).numpy().tolist()
        [[2.0]]
        >>> GlobalAveragePooling1D()(x, mask=ops.convert_to_tensor([[True, False]])).numpy().tolist()
        [[1.0]]
    """

    rank = 1
    supports_masking = True

    def call(self, inputs: Tensor, mask: Any = None) -> Tensor:
        if mask is None:
            return super().call(inputs)
        check_mask(mask, (inputs.shape[0], *(inputs.shape[axis] for axis in self._spatial_axes)), self.name)
        kept = ops.expand_dims(ops.cast(mask, inputs.dtype), self._channel_axis)
        axis = self._spatial_axes
        return ops.sum(inputs * kept, axis, self.keepdims) / ops.sum(kept, axis, self.keepdims)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return None


@LAYERS.register("GlobalAvgPool2D")
class GlobalAveragePooling2D(_GlobalAveragePooling):
    __doc__ = f"""The mean of each channel.

    {_GlobalPooling.__doc__}

    Example:
        >>> GlobalAveragePooling2D()(ops.ones((2, 7, 7, 4))).shape
        (2, 4)
    """

    rank = 2


@LAYERS.register("GlobalAvgPool3D")
class GlobalAveragePooling3D(_GlobalAveragePooling):
    __doc__ = f"""The mean of each channel.

    {_GlobalPooling.__doc__}

    Example:
        >>> GlobalAveragePooling3D(keepdims=True)(ops.ones((2, 7, 7, 7, 4))).shape
        (2, 1, 1, 1, 4)
    """

    rank = 3
