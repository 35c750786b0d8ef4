"""Layers that bend images: `RandomPerspective`, `RandomElasticTransform`."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor, random
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.image.base import RandomImageLayer, bounds, checked_value_range
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.naming_errors import errors_name
from lamella.ops.image.layout import check_choice
from lamella.ops.image.sampling import FILL_MODES, ORDERS
from lamella.ops.image.warping import bend


@LAYERS.register()
class RandomPerspective(RandomImageLayer):
    """In training some images seen from elsewhere; for each a probability uniform between the factors decides.

    Each corner (x, y), counted from the top left one, moves to (x (1 + u), y (1 + v)), u and v uniform on [-scale / 2, scale / 2];
    the top left one stays.

    Args:
        factor: (smallest, largest probability) in [0, 1], or f for (0, f).
        scale: in [0, 1].
        interpolation: "bilinear" or "nearest"; masks are always read by "nearest".
        fill_value: what lies outside of the image.
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor or scale out of range, an unknown interpolation or format, a bad seed.

    Source: keras.layers.RandomPerspective.

    Example:
        >>> import numpy as np
        >>> still = RandomPerspective((1.0, 1.0), scale=0.0, interpolation="nearest")
        >>> still(np.array([[[1.0], [2.0]], [[3.0], [4.0]]]), training=True).numpy().ravel().tolist()
        [1.0, 2.0, 3.0, 4.0]
    """

    moves_pixels = True

    def __init__(self, factor: Any = 1.0, scale: float = 1.0, interpolation: str = "bilinear", fill_value: float = 0.0,
                 seed: int | None = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = bounds("factor", factor, self.name, 0.0, 1.0, "from zero")
        self.scale = finite_float("scale", scale, self.name, 0.0, 1.0)
        with errors_name(self):
            check_choice("interpolation", interpolation, ORDERS)
        self.interpolation, self.fill_value = interpolation, finite_float("fill_value", fill_value, self.name)

    def get_random_transformation(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which images change, (batch, 1, 1, 1); their corners before and after, (batch, 4, 2)."""
        height, width = self._size(images)
        changed = self._coins(images, self._uniform(images, self.factor))
        corners = ops.convert_to_tensor([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], "float32")
        half = self.scale / 2
        moves = random.uniform((images.shape[0], 4, 2), -half, half, "float32", self.generator)
        return changed, ops.broadcast_to(corners, moves.shape), corners + corners * moves

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        changed, start, end = transformation
        moved = ops.image.perspective_transform(images, start, end, interpolation, self.fill_value, self.data_format)
        return ops.where(changed, moved, images)

    def get_config(self) -> dict[str, Any]:
        names = ("factor", "scale", "interpolation", "fill_value")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@LAYERS.register()
class RandomElasticTransform(RandomImageLayer):
    """In training some images bent as if drawn on rubber; for each a probability uniform between the factors decides.

    See `ops.image.elastic_transform`, with sigma = 0.05 u min(height, width) and alpha = 0.1 u max(height, width), u uniform
    between the scales. All images are moved into `value_range`. In Keras u is one for the whole batch, and masks are
    bent in another way than their images.

    Args:
        factor: (smallest, largest probability) in [0, 1], or f for (0, f).
        scale: (smallest, largest u) in [0, 1], or s for (0, s).
        interpolation: "bilinear" or "nearest"; masks are always read by "nearest".
        fill_mode, fill_value: what lies outside, see `ops.image.map_coordinates`.
        value_range: smallest and largest value of a pixel.
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor, scale or value range out of range, an unknown interpolation, fill mode or format, a bad seed.

    Source: Simard, Steinkraus, Platt 2003, "Best practices for convolutional neural networks"; keras.layers.RandomElasticTransform.

    Example:
        >>> import numpy as np
        >>> line = np.zeros((40, 40, 1)); line[20] = 255.0
        >>> bent = RandomElasticTransform((1.0, 1.0), (1.0, 1.0), seed=1)(line, training=True).numpy()[..., 0]
        >>> len(set(bent.argmax(0).tolist())) > 1
        True
    """

    moves_pixels = True

    def __init__(self, factor: Any = 1.0, scale: Any = 1.0, interpolation: str = "bilinear", fill_mode: str = "reflect",
                 fill_value: float = 0.0, value_range: Any = (0, 255), seed: int | None = None, data_format: str | None = None,
                 **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = bounds("factor", factor, self.name, 0.0, 1.0, "from zero")
        self.scale = bounds("scale", scale, self.name, 0.0, 1.0, "from zero")
        with errors_name(self):
            check_choice("interpolation", interpolation, ORDERS)
            check_choice("fill_mode", fill_mode, FILL_MODES)
        self.interpolation, self.fill_mode = interpolation, fill_mode
        self.fill_value = finite_float("fill_value", fill_value, self.name)
        self.value_range = checked_value_range(value_range, self.name)

    def get_random_transformation(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which images are bent, (batch, 1, 1, 1); their u, (batch, 1, 1); and (2 batch, height, width) normal numbers."""
        batch = images.shape[0]
        bent = self._coins(images, self._uniform(images, self.factor))
        strength = random.uniform((batch, 1, 1), *self.scale, dtype="float32", seed=self.generator)
        return bent, strength, random.normal((2 * batch, *self._size(images)), dtype="float32", seed=self.generator)

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        bent, strength, noise = transformation
        size = self._size(images)
        sigma, alpha = strength * (0.05 * min(size)), strength * (0.1 * max(size))
        radius = int(6 * 0.05 * min(size) * self.scale[1]) // 2
        moved = bend(images, self._axes, noise, radius, ops.maximum(sigma, 1e-6), alpha, interpolation, self.fill_mode,
                     self.fill_value)
        return ops.where(bent, moved, images)

    def transform_images(self, images: Tensor, transformation: Any, training: bool = True) -> Tensor:
        images = super().transform_images(images, transformation, training)
        return ops.clip(images, *self.value_range) if training else images

    def get_config(self) -> dict[str, Any]:
        names = ("factor", "scale", "interpolation", "fill_mode", "fill_value", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
