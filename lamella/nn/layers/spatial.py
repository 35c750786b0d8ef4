"""`SpatialLayer`: what layers of one to three spatial axes share, the place of the channels above all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.layer import Layer
from lamella.nn.layers.naming_errors import errors_name
from lamella.ops.windows import is_channels_first

Sizes = tuple[int | None, ...]


class SpatialLayer(Layer):
    """Base of layers over (batch, *spatial, channels), or (batch, channels, *spatial) for "channels_first".

    Attributes:
        rank: number of spatial axes.
        data_format: "channels_last" or "channels_first".

    Raises:
        ValueError: an unknown data format.
    """

    rank = 1

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with errors_name(self):
            self.channels_first = is_channels_first(data_format)
        self.data_format = "channels_first" if self.channels_first else "channels_last"
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _channel_axis(self) -> int:
        return 1 if self.channels_first else -1

    @property
    def _spatial_axes(self) -> tuple[int, ...]:
        first = 2 if self.channels_first else 1
        return tuple(range(first, first + self.rank))

    def _spatial(self, shape: Sequence[int | None]) -> Sizes:
        return tuple(shape[axis] for axis in self._spatial_axes)

    def _shape(self, batch: int | None, spatial: Sequence[int | None], channels: int | None) -> Sizes:
        return (batch, channels, *spatial) if self.channels_first else (batch, *spatial, channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}
