"""Layers that change colors: hue, saturation, grayscale, and several at once. The images have 3 channels: red, green, blue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.image.base import RandomImageLayer, bounds, checked_value_range
from lamella.nn.layers.image.light import RandomBrightness, RandomContrast
from lamella.nn.layers.layer import LAYERS


class _RandomHsv(RandomImageLayer):
    """Base of layers that change hue and saturation; subclasses define `_recolor`.

    Args:
        factor: (low, high) in [0, 1], or f for (0, f).
        value_range: smallest and largest value of a pixel.
        data_format: "channels_last" (default) or "channels_first".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = bounds("factor", factor, self.name, 0.0, 1.0, "from zero")
        self.value_range = checked_value_range(value_range, self.name)

    def _recolor(self, hue: Tensor, saturation: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        low, high = self.value_range
        hsv = ops.image.rgb_to_hsv((images - low) / (high - low), self.data_format)
        hue, saturation, value = ops.split(hsv, 3, self._axes.channels)
        hue, saturation = self._recolor(hue, saturation, ops.cast(transformation, images.dtype))
        hsv = ops.concatenate([hue, saturation, value], self._axes.channels)
        return ops.image.hsv_to_rgb(hsv, self.data_format) * (high - low) + low

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range}


@LAYERS.register()
class RandomHue(_RandomHsv):
    """In training the hue of each image turned by u / 2 of a circle, to either side; u uniform between the factors.

    Args:
        factor: (low, high) in [0, 1], or f for (0, f).
        value_range: smallest and largest value of a pixel.
        data_format: "channels_last" (default) or "channels_first".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor or value range out of range, a bad seed; not 3 channels.

    Source: keras.layers.RandomHue.

    Example:
        >>> import numpy as np
        >>> RandomHue((1.0, 1.0))(np.array([[[200, 0, 0]]], np.uint8), training=True).numpy().ravel().round().tolist()
        [0.0, 200.0, 200.0]
    """

    def get_random_transformation(self, images: Tensor) -> Tensor:
        """The turn of each image's hue, (batch, 1, 1, 1)."""
        return self._uniform(images, self.factor) * ops.where(self._coins(images, 0.5), -0.5, 0.5)

    def _recolor(self, hue: Tensor, saturation: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return hue + drawn, saturation


@LAYERS.register()
class RandomSaturation(_RandomHsv):
    """In training the saturation of each image times u / (1 - u), at most 1; u uniform between the factors.

    1/2 changes nothing, 0 makes gray. Keras limits the saturation by `value_range` instead, so that with (0, 255)
    pixels can leave the range.

    Args:
        factor: (low, high) in [0, 1], or f for (0, f).
        value_range: smallest and largest value of a pixel.
        data_format: "channels_last" (default) or "channels_first".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor or value range out of range, a bad seed; not 3 channels.

    Source: keras.layers.RandomSaturation.

    Example:
        >>> import numpy as np
        >>> RandomSaturation((0.0, 0.0))(np.array([[[200, 0, 0]]], np.uint8), training=True).numpy().ravel().tolist()
        [200.0, 200.0, 200.0]
    """

    def get_random_transformation(self, images: Tensor) -> Tensor:
        """The factor of each image's saturation, (batch, 1, 1, 1)."""
        u = self._uniform(images, self.factor)
        return u / (1.0 - u + 1e-7)

    def _recolor(self, hue: Tensor, saturation: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return hue, ops.clip(saturation * drawn, 0.0, 1.0)


@LAYERS.register()
class RandomGrayscale(RandomImageLayer):
    """In training some images gray: all channels become 0.2989 red + 0.5870 green + 0.1140 blue.

    Args:
        factor: the probability, in [0, 1].
        data_format: "channels_last" (default) or "channels_first".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor out of range, a bad seed; not 3 channels (or 1).

    Source: keras.layers.RandomGrayscale.

    Example:
        >>> import numpy as np
        >>> RandomGrayscale(1.0)(np.array([[[100, 0, 0]]], np.uint8), training=True).numpy().ravel().round(1)
        array([29.9, 29.9, 29.9], dtype=float32)
    """

    def __init__(self, factor: float = 0.5, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = finite_float("factor", factor, self.name, 0.0, 1.0)

    def get_random_transformation(self, images: Tensor) -> Tensor:
        """Which images become gray, (batch, 1, 1, 1)."""
        return self._coins(images, self.factor)

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        return ops.where(transformation, ops.image.rgb_to_grayscale(images, self.data_format), images)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


@LAYERS.register()
class RandomColorDegeneration(RandomImageLayer):
    """In training x + u (gray - x), moved into `value_range`: gray as in `RandomGrayscale`, u uniform between the factors, one
    for each image.

    Args:
        factor: (low, high) in [-1, 1], or f in [0, 1] for (0, f) as Keras documents. (It takes (-f, f) in fact.) Negative ones
            make colors stronger.
        value_range: smallest and largest value of a pixel.
        data_format: "channels_last" (default) or "channels_first".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor or value range out of range, a bad seed; not 3 channels (or 1).

    Source: keras.layers.RandomColorDegeneration.

    Example:
        >>> import numpy as np
        >>> RandomColorDegeneration((0.5, 0.5))(np.array([[[100, 0, 0]]], np.uint8), training=True).numpy().ravel().round(1)
        array([64.9, 14.9, 14.9], dtype=float32)
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = bounds("factor", factor, self.name, -1.0 if isinstance(factor, Sequence) else 0.0, 1.0, "from zero")
        self.value_range = checked_value_range(value_range, self.name)

    def get_random_transformation(self, images: Tensor) -> Tensor:
        """The u of each image, (batch, 1, 1, 1)."""
        return self._uniform(images, self.factor)

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        gray = ops.image.rgb_to_grayscale(images, self.data_format)
        return ops.clip(images + ops.cast(transformation, images.dtype) * (gray - images), *self.value_range)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range}


@LAYERS.register()
class RandomColorJitter(RandomImageLayer):
    """In training brightness, contrast, saturation and hue changed, in this order; see `RandomBrightness`, `RandomContrast`,
    `RandomSaturation` and `RandomHue`.

    Args:
        value_range: smallest and largest value of a pixel.
        brightness_factor, contrast_factor, saturation_factor, hue_factor: `factor` of these layers; None leaves one out.
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor or value range out of range, a bad seed; not 3 channels.

    Source: keras.layers.RandomColorJitter.

    Example:
        >>> import numpy as np
        >>> jitter = RandomColorJitter(brightness_factor=(0.1, 0.1), saturation_factor=(0.0, 0.0))
        >>> jitter(np.array([[[100, 0, 0]]], np.uint8), training=True).numpy().ravel().tolist()
        [125.5, 125.5, 125.5]
    """

    def __init__(self, value_range: Any = (0, 255), brightness_factor: Any = None, contrast_factor: Any = None,
                 saturation_factor: Any = None, hue_factor: Any = None, seed: int | None = None, data_format: str | None = None,
                 **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.value_range = checked_value_range(value_range, self.name)
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        parts = {"brightness": RandomBrightness, "contrast": RandomContrast, "saturation": RandomSaturation, "hue": RandomHue}
        self._steps: list[RandomImageLayer] = []
        for part, cls in parts.items():
            factor = getattr(self, f"{part}_factor")
            if factor is not None:
                layer = cls(factor, value_range=self.value_range, data_format=self.data_format, dtype=self.dtype_policy,
                            name=f"{self.name}_{part}")
                layer.generator = self.generator
                self._steps.append(layer)

    def get_random_transformation(self, images: Tensor) -> list[Any]:
        """What each step draws."""
        return [step.get_random_transformation(images) for step in self._steps]

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        for step, drawn in zip(self._steps, transformation, strict=True):
            images = step._transform(images, drawn, interpolation)
        return images

    def get_config(self) -> dict[str, Any]:
        names = ("value_range", "brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
