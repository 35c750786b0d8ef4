"""Layers that put two images of a batch together: `MixUp`, `CutMix`."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor, bind, random
from lamella.nn.dtype_policy import is_float
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.image.base import RandomImageLayer, bounds
from lamella.nn.layers.layer import LAYERS
from lamella.settings import settings


class _Mixing(RandomImageLayer):
    """Base of layers that mix each image, and its label, with another one of the batch."""

    mixes_labels = True

    def _order(self, images: Tensor) -> Tensor:
        """Which image each image is mixed with: a random permutation of the batch."""
        numbers = bind("iota", shape=(images.shape[0],), axis=0, dtype="int32")
        return random.shuffle(numbers, seed=self.generator)

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """w label + (1 - w) label of the other image; as floats, so one-hot labels become probabilities."""
        return _mixed(labels, *transformation[:2]) if training else labels


def _mixed(x: Any, weight: Tensor, order: Tensor) -> Tensor:
    """w x + (1 - w) x[order] along the first axis; integers become floatx."""
    x = ops.convert_to_tensor(x)
    x = x if is_float(x.dtype) else ops.cast(x, settings.floatx)
    weight = ops.cast(ops.reshape(weight, (-1, *(1,) * (x.ndim - 1))), x.dtype)
    return weight * x + (1.0 - weight) * ops.take(x, order, axis=0)


@LAYERS.register()
class MixUp(_Mixing):
    """In training w x + (1 - w) x' for each image x and another one x' of its batch, and the same of their labels.

    w is Beta(alpha, alpha) distributed, one for each image; the others are the batch in random order. Pass a dict of "images" and
    "labels", one-hot or otherwise real; "segmentation_masks" are mixed too, and become floats.

    Args:
        alpha: positive. The smaller, the closer w to 0 or 1.
        data_format: "channels_last" (default) or "channels_first".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: alpha is not positive, a bad seed.

    Source: Zhang et al. 2017, arXiv:1710.09412; keras.layers.MixUp.

    Example:
        >>> import numpy as np
        >>> labels = np.eye(2, dtype="float32")
        >>> images = np.stack([np.zeros((1, 1, 1)), np.ones((1, 1, 1))])
        >>> mixed = MixUp(seed=3)({"images": images, "labels": labels}, training=True)
        >>> bool(np.allclose(mixed["images"].numpy().ravel(), mixed["labels"].numpy()[:, 1]))
        True
    """

    def __init__(self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.alpha = finite_float("alpha", alpha, self.name, 0.0)
        if not self.alpha:
            raise ValueError(f"alpha of layer {self.name!r} must be positive, received {alpha!r}.")

    def get_random_transformation(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The w of each image, (batch, 1, 1, 1), and the number of the other image, (batch,)."""
        weight = random.beta((images.shape[0], 1, 1, 1), self.alpha, self.alpha, "float32", self.generator)
        return weight, self._order(images)

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        return _mixed(images, *transformation)

    def transform_segmentation_masks(self, segmentation_masks: Tensor, transformation: Any, training: bool = True) -> Tensor:
        return _mixed(segmentation_masks, *transformation) if training else segmentation_masks

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


@LAYERS.register()
class CutMix(_Mixing):
    """In training a rectangle of each image replaced by that of another image of its batch; labels are mixed by area.

    The rectangle's sides are sqrt(1 - b) times the image's, b Beta(a, a) distributed and a uniform between the factors, for each
    image; all places within the image are equally likely, and pixels whose centre is inside are replaced. The label
    becomes w label + (1 - w) label of the other image, w the share of pixels that stay. Pass a dict of "images" and "labels",
    one-hot or otherwise real. (In Keras a is one for the whole batch, and w counts parts of pixels too.)

    Args:
        factor: (smallest, largest a) in [0, 1], or f for (0, f).
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor out of range, a bad seed.

    Source: Yun et al. 2019, arXiv:1905.04899; keras.layers.CutMix.

    Example:
        >>> import numpy as np
        >>> images, labels = np.stack([np.zeros((8, 8, 1)), np.ones((8, 8, 1))]), np.eye(2, dtype="float32")
        >>> mixed = CutMix((1.0, 1.0), seed=1)({"images": images, "labels": labels}, training=True)
        >>> bool(np.allclose(mixed["images"].numpy().mean((1, 2, 3)), mixed["labels"].numpy()[:, 1]))
        True
    """

    moves_pixels = True

    def __init__(self, factor: Any = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = bounds("factor", factor, self.name, 0.0, 1.0, "from zero")

    def get_random_transformation(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The w of each image, the number of the other one, and which pixels come from there."""
        alpha = self._uniform(images, self.factor) + 1e-6
        stays = random.beta(alpha.shape, alpha, alpha, "float32", self.generator)
        side = ops.sqrt(1.0 - stays)
        inside = [self._interval(images, axis, side) for axis in (self._axes.rows, self._axes.columns)]
        replaced = ops.logical_and(*inside)
        share = ops.mean(ops.cast(replaced, "float32"), (1, 2, 3), keepdims=True)
        return 1.0 - share, self._order(images), replaced

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        _, order, replaced = transformation
        return ops.where(replaced, ops.take(images, order, axis=0), images)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}
