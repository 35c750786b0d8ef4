"""`RandomErasing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor, random
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.image.base import RandomImageLayer, bounds, checked_value_range
from lamella.nn.layers.layer import LAYERS


@LAYERS.register()
class RandomErasing(RandomImageLayer):
    """In training a rectangle of some images replaced by one value or by noise.

    Its height is the image's times the root of u, its width the image's times the root of v, both uniform between the
    scales; all places within the image are equally likely, and pixels whose centre is inside are replaced. Whether an
    image is changed decides a probability that is uniform between the factors.

    Args:
        factor: (smallest, largest probability) in [0, 1], or f for (0, f).
        scale: (low, high) in [0, 1], or s for (0, s).
        fill_value: a number, or one for each channel; None takes for every value its own one, normally distributed
            with standard deviation `value_range[1]`. Moved into the value range.
        value_range: smallest and largest value of a pixel.
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor, scale, fill value or value range out of range, a bad seed.

    Source: Zhong et al. 2017, arXiv:1708.04896; keras.layers.RandomErasing.

    Example:
        >>> import numpy as np
        >>> layer = RandomErasing((1.0, 1.0), scale=(0.25, 0.25), fill_value=0.0, seed=1)
        >>> int(layer(np.ones((8, 8, 1)), training=True).numpy().sum())
        48
    """

    def __init__(self, factor: Any = 1.0, scale: Any = (0.02, 0.33), fill_value: Any = None, value_range: Any = (0, 255),
                 seed: int | None = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = bounds("factor", factor, self.name, 0.0, 1.0, "from zero")
        self.scale = bounds("scale", scale, self.name, 0.0, 1.0, "from zero")
        self.value_range = checked_value_range(value_range, self.name)
        self.fill_value = fill_value
        for number in fill_value if isinstance(fill_value, Sequence) else () if fill_value is None else (fill_value,):
            finite_float("fill_value", number, self.name)

    def get_random_transformation(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Where images are erased, a bool for each pixel; and by what."""
        erased = self._coins(images, self._uniform(images, self.factor))
        for axis in (self._axes.rows, self._axes.columns):
            erased = ops.logical_and(erased, self._interval(images, axis, ops.sqrt(self._uniform(images, self.scale))))
        return erased, self._fill(images)

    def _fill(self, images: Tensor) -> Tensor:
        if self.fill_value is None:
            fill = random.normal(images.shape, 0.0, self.value_range[1], "float32", self.generator)
        else:
            fill = ops.convert_to_tensor(self.fill_value, "float32")
        if fill.ndim == 1:
            fill = ops.reshape(fill, (-1, 1, 1) if self.data_format == "channels_first" else (1, 1, -1))
        return ops.clip(fill, *self.value_range)

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        erased, fill = transformation
        return ops.where(erased, ops.cast(fill, images.dtype), images)

    def get_config(self) -> dict[str, Any]:
        names = ("factor", "scale", "fill_value", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
