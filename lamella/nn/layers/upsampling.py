"""`UpSampling1D`–`3D`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.naming_errors import errors_name
from lamella.nn.layers.spatial import Sizes, SpatialLayer
from lamella.ops.image.layout import check_choice
from lamella.ops.image.resizing import INTERPOLATIONS
from lamella.ops.windows import per_axis


class _UpSampling(SpatialLayer):
    """Each element repeated `size` times along the spatial axes.

    Args:
        size: factor, one int or one per spatial axis.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor below 1, unknown format.
    """

    def __init__(self, size: Any = 2, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        with errors_name(self):
            self._factors = per_axis(size, self.rank, "size")
        self.size: Any = self._factors[0] if self.rank == 1 else self._factors

    def call(self, inputs: Tensor) -> Tensor:
        for axis, factor in zip(self._spatial_axes, self._factors, strict=True):
            inputs = ops.repeat(inputs, factor, axis)
        return inputs

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Sizes:
        pairs = zip(self._spatial(input_shape), self._factors, strict=True)
        sizes = [None if n is None else n * factor for n, factor in pairs]
        return self._shape(input_shape[0], sizes, input_shape[self._channel_axis])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@LAYERS.register()
class UpSampling1D(_UpSampling):
    """Each step repeated; the channels stand last.

    Args:
        size: number of repetitions.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor below 1.

    Example:
        >>> UpSampling1D()(ops.convert_to_tensor([[[1.0], [3.0]]])).numpy().ravel().tolist()
        [1.0, 1.0, 3.0, 3.0]
    """

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(size, **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["data_format"]
        return config


@LAYERS.register()
class UpSampling2D(_UpSampling):
    """Images made larger by whole factors.

    "nearest" repeats each pixel. The others put the centre of output pixel j at (j + ½) / size − ½ and take a weighted
    mean of the pixels around it; see `ops.image.resize`.

    Args:
        size: factor, one int or (rows, columns).
        data_format: "channels_last" (default) or "channels_first".
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor below 1, unknown format or interpolation.

    Example:
        >>> layer = UpSampling2D((1, 2), interpolation="bilinear")
        >>> layer(ops.convert_to_tensor([[[[0.0], [1.0]]]])).numpy().ravel().tolist()
        [0.0, 0.25, 0.75, 1.0]
    """

    rank = 2

    def __init__(self, size: Any = 2, data_format: str | None = None, interpolation: str = "nearest",
                 **kwargs: Any) -> None:
        super().__init__(size, data_format, **kwargs)
        with errors_name(self):
            check_choice("interpolation", interpolation, INTERPOLATIONS)
        self.interpolation = interpolation

    def call(self, inputs: Tensor) -> Tensor:
        if self.interpolation == "nearest":
            return super().call(inputs)
        size = [inputs.shape[axis] * factor for axis, factor in zip(self._spatial_axes, self._factors, strict=True)]
        return ops.image.resize(inputs, size, self.interpolation, data_format=self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "interpolation": self.interpolation}


@LAYERS.register()
class UpSampling3D(_UpSampling):
    __doc__ = f"""Volumes made larger by whole factors.

    {_UpSampling.__doc__}

    Example:
        >>> UpSampling3D((1, 2, 3))(ops.ones((2, 2, 2, 2, 4))).shape
        (2, 2, 4, 6, 4)
    """

    rank = 3
