"""Layers that mix each pixel with its neighbours: sharpness, Gaussian blur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.checks import positive_int
from lamella.nn.layers.image.base import RandomImageLayer, bounds, checked_value_range
from lamella.nn.layers.layer import LAYERS
from lamella.ops.image.blurring import blur_each


@LAYERS.register()
class RandomSharpness(RandomImageLayer):
    """In training x + (1 - 2 u) (smooth - x), moved into `value_range`; u uniform between the factors, one for each image.

    smooth is 5/13 of the pixel and 1/13 of each of its 8 neighbours; zeros lie outside of the image. u = 1/2 changes nothing, 0
    smooths, 1 sharpens.

    Args:
        factor: (low, high) in [0, 1], or f for (0, f).
        value_range: smallest and largest value of a pixel.
        data_format: "channels_last" (default) or "channels_first".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor or value range out of range, a bad seed.

    Source: keras.layers.RandomSharpness.

    Example:
        >>> import numpy as np
        >>> spot = np.zeros((3, 3, 1)); spot[1, 1] = 13.0
        >>> RandomSharpness((0.0, 0.0))(spot, training=True).numpy()[1, :, 0].round(3).tolist()
        [1.0, 5.0, 1.0]
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = bounds("factor", factor, self.name, 0.0, 1.0, "from zero")
        self.value_range = checked_value_range(value_range, self.name)

    def get_random_transformation(self, images: Tensor) -> Tensor:
        """The u of each image, (batch, 1, 1, 1)."""
        return self._uniform(images, self.factor)

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        window = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13.0
        kernel = np.broadcast_to(window[:, :, None, None], (3, 3, images.shape[self._axes.channels], 1))
        smooth = ops.depthwise_conv(images, ops.convert_to_tensor(kernel, images.dtype), padding="same",
                                    data_format=self.data_format)
        share = ops.cast(1.0 - 2.0 * transformation, images.dtype)
        return ops.clip(images + share * (smooth - images), *self.value_range)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range}


@LAYERS.register()
class RandomGaussianBlur(RandomImageLayer):
    """In training some images blurred as by `ops.image.gaussian_blur`: for each a probability uniform between the factors decides,
    and its width and height of the bell curve are uniform between the sigmas. All are moved into `value_range`.

    Args:
        factor: (smallest, largest probability) in [0, 1], or f for (0, f).
        kernel_size: (width, height) of the window in pixels, odd, or one number for both.
        sigma: (smallest, largest) in [0, 1], in pixels, or s for (0, s). Keras draws one pair for the whole batch.
        value_range: smallest and largest value of a pixel.
        data_format: "channels_last" (default) or "channels_first".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor, sigma or value range out of range, an even window, a bad seed.

    Source: keras.layers.RandomGaussianBlur.

    Example:
        >>> import numpy as np
        >>> row = np.array([[[0.0], [100.0], [0.0]]])
        >>> RandomGaussianBlur((1.0, 1.0), (3, 1), (1.0, 1.0))(row, training=True).numpy().ravel().round().tolist()
        [27.0, 45.0, 27.0]
    """

    def __init__(self, factor: Any = 1.0, kernel_size: Any = 3, sigma: Any = 1.0, value_range: Any = (0, 255),
                 data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = bounds("factor", factor, self.name, 0.0, 1.0, "from zero")
        self.sigma = bounds("sigma", sigma, self.name, 0.0, 1.0, "from zero")
        sizes = tuple(kernel_size) if isinstance(kernel_size, Sequence) else (kernel_size, kernel_size)
        if len(sizes) != 2 or any(positive_int("kernel_size", size, self.name) % 2 == 0 for size in sizes):
            raise ValueError(f"kernel_size of layer {self.name!r} must be one or two odd numbers, received {kernel_size!r}.")
        self.kernel_size: tuple[int, int] = sizes
        self.value_range = checked_value_range(value_range, self.name)

    def get_random_transformation(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which images are blurred, and their two sigmas; each (batch, 1, 1, 1)."""
        blurred = self._coins(images, self._uniform(images, self.factor))
        across, down = (self._uniform(images, self.sigma) + 1e-6 for _ in range(2))
        return blurred, across, down

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        blurred, across, down = transformation
        done = ops.where(blurred, blur_each(images, self.kernel_size, (across, down), self._axes), images)
        return ops.clip(done, *self.value_range)

    def get_config(self) -> dict[str, Any]:
        names = ("factor", "kernel_size", "sigma", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
