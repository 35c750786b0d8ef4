"""`CenterCrop` and `RandomCrop`."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor, bind, random
from lamella.nn.layers.checks import positive_int
from lamella.nn.layers.image.base import ImageLayer, RandomImageLayer
from lamella.nn.layers.layer import LAYERS


def _center_crop(images: Tensor, layer: Any, interpolation: str) -> Tensor:
    """The window in the middle; of smaller images the largest one with the same proportions, resized."""
    size, (height, width) = (layer.height, layer.width), layer._size(images)
    if height < size[0] or width < size[1]:
        return ops.image.resize(images, size, interpolation, crop_to_aspect_ratio=True, data_format=layer.data_format)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    return ops.image.crop_images(images, top, left, target_height=size[0], target_width=size[1],
                                 data_format=layer.data_format)


@LAYERS.register()
class CenterCrop(ImageLayer):
    """The window in the middle of images; an odd pixel remains at its bottom and right.

    Of images that are smaller on some axis the largest window with the same proportions is resized (bilinear).

    Args:
        height, width: of the result.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a size below 1, an unknown format.

    Source: keras.layers.CenterCrop.

    Example:
        >>> import numpy as np
        >>> CenterCrop(1, 2)(np.array([[[10], [20], [30], [40], [50]]], np.uint8)).numpy().ravel().tolist()
        [20.0, 30.0]
    """

    moves_pixels = True
    acts_always = True

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.height, self.width = (positive_int(name, n, self.name) for name, n in (("height", height), ("width", width)))

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        return _center_crop(images, self, interpolation)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}


@LAYERS.register()
class RandomCrop(RandomImageLayer):
    """In training a window of each image at a random place, all places equally likely; otherwise as `CenterCrop`.

    Images that are smaller on some axis go as in `CenterCrop` too. In Keras all images of a batch are cut at the same
    place, and images pass unchanged outside of training, whatever their size.

    Args:
        height, width: of the result.
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a size below 1, an unknown format, a bad seed.

    Source: keras.layers.RandomCrop.

    Example:
        >>> import numpy as np
        >>> x = np.arange(20.0).reshape(1, 20, 1)
        >>> window = RandomCrop(1, 3, seed=1)(x, training=True).numpy().ravel()
        >>> (window - window[0]).tolist(), RandomCrop(1, 4)(x, training=False).numpy().ravel().tolist()
        ([0.0, 1.0, 2.0], [8.0, 9.0, 10.0, 11.0])
    """

    moves_pixels = True
    acts_always = True

    def __init__(self, height: int, width: int, seed: int | None = None, data_format: str | None = None,
                 **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.height, self.width = (positive_int(name, n, self.name) for name, n in (("height", height), ("width", width)))

    def get_random_transformation(self, images: Tensor) -> Any:
        """First row and first column of each image's window, (batch, 1, 1) int32; None where images are too small."""
        height, width = self._size(images)
        if height < self.height or width < self.width:
            return None
        shape = (images.shape[0], 1, 1)
        return tuple(random.randint(shape, 0, room + 1, "int32", self.generator)
                     for room in (height - self.height, width - self.width))

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        if transformation is None:
            return _center_crop(images, self, interpolation)
        first = self.data_format == "channels_first"
        x = ops.moveaxis(images, 1, -1) if first else images
        batch, height, width, channels = x.shape
        image, row, column = (bind("iota", shape=tuple(n if a == axis else 1 for a in range(3)), axis=axis, dtype="int32")
                              for axis, n in enumerate((batch, self.height, self.width)))
        top, left = transformation
        pixels = (image * height + top + row) * width + left + column
        out = bind("gather", ops.reshape(x, (batch * height * width, channels)), pixels)
        return ops.moveaxis(out, -1, 1) if first else out

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}
