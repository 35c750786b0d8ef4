"""`RandomFlip`."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.image.base import RandomImageLayer
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.naming_errors import errors_name
from lamella.ops.image.layout import check_choice

MODES = ("horizontal", "vertical", "horizontal_and_vertical")


@LAYERS.register()
class RandomFlip(RandomImageLayer):
    """In training each image mirrored with probability 1/2, left to right or top to bottom or, independently, both.

    With "horizontal_and_vertical" Keras 3 draws only once: images are turned by 180 degrees or stay.

    Args:
        mode: "horizontal", "vertical" or "horizontal_and_vertical".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: an unknown mode or format, a bad seed.

    Source: keras.layers.RandomFlip.

    Example:
        >>> import numpy as np
        >>> images = np.tile(np.array([[[1.0], [2.0]]]), (100, 1, 1, 1))
        >>> flipped = RandomFlip("horizontal", seed=1)(images, training=True).numpy()
        >>> sorted(set(map(tuple, flipped[:, 0, :, 0].tolist())))
        [(1.0, 2.0), (2.0, 1.0)]
    """

    moves_pixels = True

    def __init__(self, mode: str = "horizontal_and_vertical", seed: int | None = None, data_format: str | None = None,
                 **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        with errors_name(self):
            check_choice("mode", mode, MODES)
        self.mode = mode

    def get_random_transformation(self, images: Tensor) -> list[tuple[int, Tensor]]:
        """For each axis that may be mirrored: which images are."""
        axes = (("horizontal", self._axes.columns), ("vertical", self._axes.rows))
        return [(axis, self._coins(images, 0.5)) for name, axis in axes if name in self.mode]

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        for axis, mirrored in transformation:
            images = ops.where(mirrored, ops.flip(images, axis), images)
        return images

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}
