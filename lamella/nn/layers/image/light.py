"""Layers that change how light pixels are: brightness, contrast, inversion, solarization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.image.base import ImageLayer, RandomImageLayer, bounds, checked_value_range
from lamella.nn.layers.layer import LAYERS


@LAYERS.register()
class RandomBrightness(RandomImageLayer):
    """In training x + u (high - low) for each image, moved into [low, high] = value_range; u uniform between the factors.

    Args:
        factor: (smallest u, largest u) in [-1, 1], or f for (-f, f).
        value_range: smallest and largest value of a pixel.
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        **kwargs: `data_format`, and arguments of `Layer`.

    Raises:
        ValueError: a factor or value range out of range, a bad seed.

    Source: keras.layers.RandomBrightness. (Keras computes in the images' dtype: uint8 overflows.)

    Example:
        >>> import numpy as np
        >>> RandomBrightness((0.2, 0.2))(np.array([[[10], [250]]], np.uint8), training=True).numpy().ravel().tolist()
        [61.0, 255.0]
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.factor = bounds("factor", factor, self.name, -1.0, 1.0)
        self.value_range = checked_value_range(value_range, self.name)

    def get_random_transformation(self, images: Tensor) -> Tensor:
        """What is added to each image, (batch, 1, 1, 1)."""
        return self._uniform(images, self.factor) * (self.value_range[1] - self.value_range[0])

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        return ops.clip(images + ops.cast(transformation, images.dtype), *self.value_range)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range}


@LAYERS.register()
class RandomContrast(RandomImageLayer):
    """In training (x - m) c + m, moved into `value_range`: m the mean of the channel of that image, c uniform on
    [1 - lower, 1 + upper], one for each image.

    Args:
        factor: (lower, upper), both in [0, 1], or f for (f, f) as Keras documents. (It takes (0, f) in fact.)
        value_range: smallest and largest value of a pixel.
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        **kwargs: `data_format`, and arguments of `Layer`.

    Raises:
        ValueError: a factor or value range out of range, a bad seed.

    Source: keras.layers.RandomContrast.

    Example:
        >>> import numpy as np
        >>> RandomContrast((1.0, 0.0), seed=1).factor, RandomContrast(0.2).factor
        ((1.0, 0.0), (0.2, 0.2))
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        pair = tuple(factor) if isinstance(factor, Sequence) and not isinstance(factor, str) else (factor, factor)
        if len(pair) != 2:
            raise ValueError(f"factor of layer {self.name!r} must be a number or a pair of numbers in [0, 1], "
                             f"received {factor!r}.")
        self.factor = tuple(finite_float("factor", end, self.name, 0.0, 1.0) for end in pair)
        self.value_range = checked_value_range(value_range, self.name)

    def get_random_transformation(self, images: Tensor) -> Tensor:
        """The c of each image, (batch, 1, 1, 1)."""
        return self._uniform(images, (1.0 - self.factor[0], 1.0 + self.factor[1]))

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        mean = ops.mean(images, (self._axes.rows, self._axes.columns), keepdims=True)
        return ops.clip((images - mean) * ops.cast(transformation, images.dtype) + mean, *self.value_range)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range}


@LAYERS.register()
class RandomInvert(RandomImageLayer):
    """In training high + low - x for some images: for each a probability uniform between the factors decides.

    Args:
        factor: (smallest, largest probability) in [0, 1], or f for (0, f).
        value_range: (low, high), smallest and largest value of a pixel.
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor or value range out of range, a bad seed.

    Source: keras.layers.RandomInvert, which leaves `low` out.

    Example:
        >>> import numpy as np
        >>> RandomInvert((1.0, 1.0))(np.array([[[10], [250]]], np.uint8), training=True).numpy().ravel().tolist()
        [245.0, 5.0]
    """

    def __init__(self, factor: Any = 1.0, value_range: Any = (0, 255), seed: int | None = None,
                 data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = bounds("factor", factor, self.name, 0.0, 1.0, "from zero")
        self.value_range = checked_value_range(value_range, self.name)

    def get_random_transformation(self, images: Tensor) -> Tensor:
        """Which images are inverted, (batch, 1, 1, 1)."""
        return self._coins(images, self._uniform(images, self.factor))

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        return ops.where(transformation, sum(self.value_range) - images, images)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range}


@LAYERS.register()
class Solarization(RandomImageLayer):
    """In training y = x + a (high - low), moved into [low, high]; then high + low - y where y is at least
    low + t (high - low). a and t are drawn for each image.

    Args:
        addition_factor: (smallest, largest) a in [0, 1], or f for (0, f).
        threshold_factor: (smallest, largest) t in [0, 1], or f for (0, f).
        value_range: (low, high), smallest and largest value of a pixel.
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        **kwargs: `data_format`, and arguments of `Layer`.

    Raises:
        ValueError: a factor or value range out of range, a bad seed.

    Source: keras.layers.Solarization. (Of a pair of factors it scales only the second by 255.)

    Example:
        >>> import numpy as np
        >>> layer = Solarization(threshold_factor=(0.5, 0.5))
        >>> layer(np.array([[[10], [250]]], np.uint8), training=True).numpy().ravel().tolist()
        [10.0, 5.0]
    """

    def __init__(self, addition_factor: Any = 0.0, threshold_factor: Any = 0.0, value_range: Any = (0, 255),
                 seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.addition_factor = bounds("addition_factor", addition_factor, self.name, 0.0, 1.0, "from zero")
        self.threshold_factor = bounds("threshold_factor", threshold_factor, self.name, 0.0, 1.0, "from zero")
        self.value_range = checked_value_range(value_range, self.name)

    def get_random_transformation(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What is added to each image, and the value from which on pixels are inverted; (batch, 1, 1, 1)."""
        low, high = self.value_range
        added = self._uniform(images, self.addition_factor) * (high - low)
        return added, self._uniform(images, self.threshold_factor) * (high - low) + low

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        added, threshold = (ops.cast(number, images.dtype) for number in transformation)
        images = ops.clip(images + added, *self.value_range)
        return ops.where(images < threshold, images, sum(self.value_range) - images)

    def get_config(self) -> dict[str, Any]:
        names = ("addition_factor", "threshold_factor", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@LAYERS.register()
class AutoContrast(ImageLayer):
    """low + (x - min) / (max - min) (high - low), with the extrema of each channel of each image; always, not only in
    training. A channel of one value stays as it is.

    Args:
        value_range: (low, high), smallest and largest value of a pixel.
        **kwargs: `data_format`, and arguments of `Layer`.

    Raises:
        ValueError: a bad value range or format.

    Source: keras.layers.AutoContrast, which ignores the data format.

    Example:
        >>> import numpy as np
        >>> AutoContrast()(np.array([[[10], [20], [30]]], np.uint8)).numpy().ravel().tolist()
        [0.0, 127.5, 255.0]
    """

    acts_always = True

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value_range = checked_value_range(value_range, self.name)

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        space = (self._axes.rows, self._axes.columns)
        low, high = ops.min(images, space, keepdims=True), ops.max(images, space, keepdims=True)
        flat = ops.equal(high, low)
        share = (images - low) / ops.where(flat, 1.0, high - low)
        return ops.where(flat, images, share * (self.value_range[1] - self.value_range[0]) + self.value_range[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value_range": self.value_range}
