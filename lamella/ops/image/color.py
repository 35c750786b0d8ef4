"""Color spaces."""

from __future__ import annotations

from typing import Any

import ml_dtypes

from lamella.errors import DTypeError, ShapeError
from lamella.frontend import Tensor, cast
from lamella.frontend.arithmetic import to_floats
from lamella.ir.types import is_float
from lamella.ops.elementwise import absolute, clip, maximum, minimum, mod
from lamella.ops.image.layout import image_tensor
from lamella.ops.logic import where
from lamella.ops.shaping import split, squeeze, stack

# ITU-R BT.601, as Keras and TensorFlow round it.
_LUMA = (0.2989, 0.5870, 0.1140)


def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Tensor:
    """0.2989 red + 0.5870 green + 0.1140 blue; images of one channel stay as they are.

    Args:
        images: (height, width, 3 or 1), or a batch of them; (3 or 1, height, width) for "channels_first".
        data_format: "channels_last" (default) or "channels_first".

    Returns:
        Images of one channel and the same dtype; the fraction of integers is cut off.

    Raises:
        ShapeError: no image and no batch of images, or other channels.

    Source: keras.ops.image.rgb_to_grayscale.

    Example:
        >>> rgb_to_grayscale([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]).shape
        (1, 2, 1)
    """
    x, axes = image_tensor("rgb_to_grayscale", images, data_format)
    if x.shape[axes.channels] == 1:
        return x
    red, green, blue = _planes("rgb_to_grayscale", to_floats(x)[0]._tensor(), axes.channels)
    return cast(red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2], x.dtype)


def rgb_to_hsv(images: Any, data_format: str | None = None) -> Tensor:
    """Hue, saturation and value, all in [0, 1].

    Value v = max(red, green, blue), range d = v - min(red, green, blue), saturation d / v. The hue is a sixth of
    (green - blue) / d where red is the largest, of (blue - red) / d + 2 where green is, else of (red - green) / d + 4;
    1 is added to a negative one. Without range hue and saturation are 0.

    Args:
        images: floats in [0, 1], (height, width, 3), or a batch of them; (3, height, width) for "channels_first".
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ShapeError: no image and no batch of images, or not 3 channels.
        DTypeError: integers.

    Source: keras.ops.image.rgb_to_hsv.

    Example:
        >>> rgb_to_hsv([[[0.0, 0.5, 0.5]]]).numpy().ravel().tolist()
        [0.5, 1.0, 0.5]
    """
    x, axis = _float_images("rgb_to_hsv", images, data_format)
    x = where(absolute(x) < float(ml_dtypes.finfo(x.dtype).eps), 0.0, x)
    red, green, blue = _planes("rgb_to_hsv", x, axis)
    value = maximum(maximum(red, green), blue)
    spread = value - minimum(minimum(red, green), blue)
    saturation = where(value > 0, spread / where(value > 0, value, 1.0), 0.0)
    sixth = 1.0 / (6.0 * where(spread > 0, spread, 1.0))
    hue = where(value == green, sixth * (blue - red) + 2.0 / 6.0, sixth * (red - green) + 4.0 / 6.0)
    hue = where(value == red, sixth * (green - blue), hue)
    hue = where(hue < 0, hue + 1.0, hue)
    return _joined((where(spread > 0, hue, 0.0), saturation, value), axis)


def hsv_to_rgb(images: Any, data_format: str | None = None) -> Tensor:
    """The inverse of `rgb_to_hsv`: with h = 6 (hue mod 1), each color is value (1 - saturation + saturation c), where
    c is |h - 3| - 1 for red, 2 - |h - 2| for green, 2 - |h - 4| for blue, each moved into [0, 1].

    Args:
        images: floats in [0, 1], (height, width, 3), or a batch of them; (3, height, width) for "channels_first".
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ShapeError: no image and no batch of images, or not 3 channels.
        DTypeError: integers.

    Source: keras.ops.image.hsv_to_rgb.

    Example:
        >>> hsv_to_rgb([[[0.5, 1.0, 0.25]]]).numpy().ravel().tolist()
        [0.0, 0.25, 0.25]
    """
    x, axis = _float_images("hsv_to_rgb", images, data_format)
    hue, saturation, value = _planes("hsv_to_rgb", x, axis)
    h = mod(hue, 1.0) * 6.0
    shares = absolute(h - 3.0) - 1.0, 2.0 - absolute(h - 2.0), 2.0 - absolute(h - 4.0)
    return _joined([value * (1.0 - saturation + saturation * clip(c, 0.0, 1.0)) for c in shares], axis)


def _float_images(what: str, images: Any, data_format: str | None) -> tuple[Tensor, int]:
    x, axes = image_tensor(what, images, data_format)
    if not is_float(x.dtype):
        raise DTypeError(f"{what} takes floats in [0, 1], received {x.dtype}. Cast and divide by 255 first.")
    return x, axes.channels


def _planes(what: str, x: Tensor, axis: int) -> list[Tensor]:
    """The three channels, each with an axis of size 1."""
    if x.shape[axis] != 3:
        raise ShapeError(f"{what} takes images of 3 channels on axis {axis}, received shape {x.shape}.")
    return split(x, 3, axis)


def _joined(planes: Any, axis: int) -> Tensor:
    return stack([squeeze(plane, axis) for plane in planes], axis)
