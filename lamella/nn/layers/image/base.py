"""What image layers share: single images and batches, images with labels and masks, the training flag, seeds, ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, random
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.layer import Layer
from lamella.nn.layers.naming_errors import errors_name
from lamella.ops.image.layout import check_images, image_axes


class ImageLayer(Layer):
    """Base of layers from images to images.

    The data are images (height, width, channels) or a batch of them, integers or floats; the result is in the layer's
    dtype. Or they are a dict with "images" and, if wanted, "segmentation_masks" (of the same height and width), which
    go the same way, "labels" and others, which stay as they are (`MixUp` and `CutMix` mix the labels too).

    Subclasses define `_transform` on batches, and `get_random_transformation` if they draw something.

    Args:
        data_format: "channels_last" (default) or "channels_first".

    Attributes:
        moves_pixels: whether segmentation masks go the same way.
        mixes_labels: whether labels change with the images.
        acts_always: whether the layer also acts outside of training.
    """

    moves_pixels = False
    mixes_labels = False
    acts_always = False
    interpolation = "bilinear"

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with errors_name(self):
            self._axes = image_axes(data_format)
        self.data_format = "channels_first" if self._axes.channels == -3 else "channels_last"
        self.built = True

    def get_random_transformation(self, images: Tensor) -> Any:
        """What is drawn for a batch of images."""
        del images

    def transform_images(self, images: Tensor, transformation: Any, training: bool = True) -> Tensor:
        """A batch of images after a transformation that `get_random_transformation` gave."""
        images = ops.cast(images, self.compute_dtype)
        return self._transform(images, transformation, self.interpolation) if training or self.acts_always else images

    def transform_segmentation_masks(self, segmentation_masks: Tensor, transformation: Any, training: bool = True) -> Tensor:
        """A batch of masks after it: classes are never mixed, so the interpolation is "nearest"."""
        if not self.moves_pixels or not (training or self.acts_always):
            return segmentation_masks
        return self._transform(segmentation_masks, transformation, "nearest")

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """A batch of labels after it."""
        return labels

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        raise NotImplementedError

    def call(self, data: Any, training: bool = True) -> Any:
        parts = self._checked(data)
        single = parts["images"].ndim == 3
        steps: dict[str, Any] = {"images": self.transform_images, "segmentation_masks": self.transform_segmentation_masks}
        if self.mixes_labels:
            steps["labels"] = self.transform_labels
        batches = {key: ops.expand_dims(parts[key], 0) if single else parts[key] for key in steps if key in parts}
        with errors_name(self):
            drawn = self.get_random_transformation(batches["images"]) if training else None
            done = {key: steps[key](batch, drawn, training) for key, batch in batches.items()}
        results = {**parts, **{key: ops.squeeze(batch, 0) if single else batch for key, batch in done.items()}}
        return results if isinstance(data, dict) else results["images"]

    def compute_output_spec(self, data: Any, **kwargs: Any) -> Any:
        self._checked(data)
        return super().compute_output_spec(data, **kwargs)

    def _checked(self, data: Any) -> dict[str, Any]:
        """The data as a dict.

        Raises:
            ValueError: a dict without images, or with bounding boxes.
            ShapeError: no images, or masks of another size.
        """
        parts = data if isinstance(data, dict) else {"images": data}
        if "images" not in parts or "bounding_boxes" in parts:
            raise ValueError(f"Layer {self.name!r} takes images, or a dict with 'images' and perhaps 'segmentation_masks' and "
                             f"'labels'; bounding boxes are not available. Received the keys {list(parts)}.")
        images: Any = parts["images"]
        masks: Any = parts.get("segmentation_masks", images)
        check_images(f"Layer {self.name!r}", images.shape)
        pairs = zip(images.shape, masks.shape, range(-images.ndim, 0), strict=False)
        if masks.ndim != images.ndim or any(a != b for a, b, axis in pairs if axis != self._axes.channels):
            raise ShapeError(f"Layer {self.name!r} needs segmentation masks of the images' size, with an axis of channels; "
                             f"received images of shape {images.shape} and masks of shape {masks.shape}.")
        return parts

    def _size(self, images: Tensor) -> tuple[int, int]:
        """Height and width."""
        return images.shape[self._axes.rows], images.shape[self._axes.columns]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class RandomImageLayer(ImageLayer):
    """Base of image layers that draw for each image of a batch anew, and act in training only.

    Called by itself a layer counts as training unless told otherwise, as in Keras; inside of a model the model's flag
    counts.

    Args:
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        data_format: "channels_last" (default) or "channels_first".
    """

    def __init__(self, seed: int | None = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.seed = seed
        with errors_name(self):
            self.generator = random.SeedGenerator(seed)

    def _uniform(self, images: Tensor, ends: tuple[float, float]) -> Tensor:
        """One number for each image: (batch, 1, 1, 1), float32."""
        return random.uniform((images.shape[0], 1, 1, 1), *ends, dtype="float32", seed=self.generator)

    def _coins(self, images: Tensor, probability: Any) -> Tensor:
        """For each image whether an event of this probability happens: (batch, 1, 1, 1)."""
        return self._uniform(images, (0.0, 1.0)) < probability

    def _interval(self, images: Tensor, axis: int, share: Tensor) -> Tensor:
        """Which places along an axis lie, with their centre, in a random interval: `share` (batch, 1, 1, 1) of the axis long, all
        positions equally likely.
        """
        n, axis = images.shape[axis], axis % images.ndim
        length = share * n
        start = self._uniform(images, (0.0, 1.0)) * (n - length)
        shape = tuple(n if a == axis else 1 for a in range(images.ndim))
        place = bind("iota", shape=shape, axis=axis, dtype="float32") + 0.5
        return ops.logical_and(place >= start, place < start + length)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


def bounds(argument: str, value: Any, layer_name: str, low: float, high: float,
           single: str = "both sides") -> tuple[float, float]:
    """The ends of the range that a factor is drawn from.

    Args:
        argument: its name.
        value: a pair, or one number f: "both sides" takes it as (-|f|, |f|), "from zero" as (0, f).
        low, high: limits of what may be given.

    Raises:
        ValueError: no such number; names the layer, the argument and the limits.

    Example:
        >>> bounds("factor", 0.2, "zoom", -1.0, 1.0), bounds("factor", (0.3, 0.1), "zoom", -1.0, 1.0)
        ((-0.2, 0.2), (0.1, 0.3))
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != 2:
            raise ValueError(f"{argument} of layer {layer_name!r} must be a number or a pair of numbers in [{low}, {high}], "
                             f"received {value!r}.")
        first, second = sorted(finite_float(argument, end, layer_name, low, high) for end in value)
        return first, second
    number = finite_float(argument, value, layer_name, low, high)
    return (0.0, number) if single == "from zero" else (-abs(number), abs(number))


def checked_value_range(value: Any, layer_name: str) -> tuple[float, float]:
    """The smallest and the largest value of a pixel.

    Raises:
        ValueError: not two different numbers; names the layer.
    """
    pair = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if len(pair) != 2 or pair[0] == pair[1]:
        raise ValueError(f"value_range of layer {layer_name!r} must be a pair of different numbers, received {value!r}.")
    low, high = sorted(finite_float("value_range", end, layer_name) for end in pair)
    return low, high
