"""Images in files, as Pillow images and as arrays. Pillow is an optional extra."""

from __future__ import annotations

import os
import pathlib
import warnings
from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import ShapeError
from lamella.ops.image.layout import check_choice
from lamella.ops.windows import is_channels_first
from lamella.settings import settings

COLOR_MODES = {"grayscale": ("L", 1), "rgb": ("RGB", 3), "rgba": ("RGBA", 4)}
_FILTERS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def _pillow(what: str) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"{what} needs Pillow, which is not installed: pip install 'lamella[images]'.") from error
    return Image


def load_img(path: Any, color_mode: str = "rgb", target_size: Any = None, interpolation: str = "nearest",
             keep_aspect_ratio: bool = False) -> Any:
    """A Pillow image from a file.

    Args:
        path: a path, or an open binary file.
        color_mode: "rgb", "rgba" or "grayscale" (which keeps 16 and 32 bits).
        target_size: (height, width) to resize to.
        interpolation: Pillow's filter: "nearest", "bilinear", "bicubic", "lanczos", "box" or "hamming".
        keep_aspect_ratio: resize the largest centred window with the proportions of `target_size`.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: an unknown color mode or interpolation.

    Source: keras.utils.load_img.
    """
    check_choice("color_mode", color_mode, COLOR_MODES)
    check_choice("interpolation", interpolation, _FILTERS)
    pillow = _pillow("load_img")
    with pillow.open(os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else path) as file:
        file.load()
        mode = COLOR_MODES[color_mode][0]
        kept = color_mode == "grayscale" and file.mode in ("L", "I;16", "I")
        image = file.copy() if file.mode == mode or kept else file.convert(mode)
    if target_size is None or image.size == (target_size[1], target_size[0]):
        return image
    width, height = image.size
    high, wide = height, width
    if keep_aspect_ratio:
        high, wide = min(height, width * target_size[0] // target_size[1]), min(width, height * target_size[1] // target_size[0])
    left, top = (width - wide) // 2, (height - high) // 2
    resample = pillow.Resampling[interpolation.upper()]
    return image.resize((target_size[1], target_size[0]), resample, box=(left, top, left + wide, top + high))


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """A Pillow image (or an array) as an array of three axes.

    Args:
        img: the image.
        data_format: "channels_last" (default) or "channels_first".
        dtype: by default `lamella.config.floatx`.

    Raises:
        ShapeError: neither 2 nor 3 axes.

    Source: keras.utils.img_to_array.

    Example:
        >>> img_to_array([[0, 255]]).tolist()
        [[[0.0], [255.0]]]
    """
    x = np.asarray(img, settings.floatx if dtype is None else dtype)
    if x.ndim not in (2, 3):
        raise ShapeError(f"img_to_array takes an image of 2 or 3 axes, received shape {x.shape}.")
    x = x[..., None] if x.ndim == 2 else x
    return x.transpose(2, 0, 1) if is_channels_first(data_format) else x


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """A Pillow image from an array.

    Args:
        x: (height, width, channels) with 1, 3 or 4 channels; (channels, height, width) for "channels_first".
        data_format: "channels_last" (default) or "channels_first".
        scale: whether the smallest value becomes 0 and the largest 255; otherwise fractions are cut off.
        dtype: to compute in; by default `lamella.config.floatx`.

    Raises:
        ImportError: Pillow is not installed.
        ShapeError: not three axes, or another number of channels.

    Source: keras.utils.array_to_img.
    """
    pillow = _pillow("array_to_img")
    x = np.asarray(x, settings.floatx if dtype is None else dtype)
    x = x.transpose(1, 2, 0) if x.ndim == 3 and is_channels_first(data_format) else x
    if x.ndim != 3 or x.shape[2] not in (1, 3, 4):
        raise ShapeError(f"array_to_img takes one image of 1, 3 or 4 channels, received shape {x.shape}.")
    if scale:
        x = x - x.min()
        x = x / (x.max() or 1) * 255
    if x.shape[2] == 1:
        return pillow.fromarray(x[..., 0].astype("int32" if x.max() > 255 else "uint8"))
    return pillow.fromarray(x.astype("uint8"))


def save_img(path: Any, x: Any, data_format: str | None = None, file_format: str | None = None, scale: bool = True,
             **kwargs: Any) -> None:
    """Write an array to an image file.

    Args:
        path: of the file, or an open binary file.
        x, data_format, scale: see `array_to_img`.
        file_format: such as "png"; by default the ending of the path.
        **kwargs: of Pillow's `save`.

    Raises:
        ImportError: Pillow is not installed.
        ShapeError: see `array_to_img`.

    Source: keras.utils.save_img.
    """
    if file_format is None and isinstance(path, (str, os.PathLike)):
        file_format = pathlib.Path(path).suffix[1:]
    file_format = "jpeg" if file_format and file_format.lower() == "jpg" else file_format
    image = array_to_img(x, data_format, scale)
    if image.mode == "RGBA" and file_format and file_format.lower() == "jpeg":
        warnings.warn("save_img: JPEG files have no transparency; the image is saved as RGB.")
        image = image.convert("RGB")
    image.save(path, format=file_format, **kwargs)


def smart_resize(x: Any, size: Any, interpolation: str = "bilinear", data_format: str = "channels_last") -> Any:
    """Images resized without distortion: the largest centred window with the proportions of `size`; see `ops.image.resize`.

    Args:
        x: an image or a batch of them.
        size: (height, width).
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
        data_format: "channels_last" or "channels_first".

    Returns:
        An array for an array, else a tensor.

    Source: keras.preprocessing.image.smart_resize.

    Example:
        >>> smart_resize(np.arange(6.0).reshape(2, 3, 1), (1, 1)).item()
        2.0
    """
    resized = ops.image.resize(x, size, interpolation, crop_to_aspect_ratio=True, data_format=data_format)
    return resized.numpy() if isinstance(x, np.ndarray) else resized
