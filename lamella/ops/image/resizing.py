"""`resize`: one contraction with a constant matrix per axis, or a gather for "nearest"."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamella.frontend import Tensor, bind, convert_to_tensor
from lamella.frontend.arithmetic import contract, to_floats
from lamella.ir.types import is_float
from lamella.ops.core import saturate_cast
from lamella.ops.elementwise import round
from lamella.ops.image.layout import Axes, check_choice, image_tensor
from lamella.ops.shaping import moveaxis, pad, reshape
from lamella.ops.windows import per_axis


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, 1.0 - x)


def _keys(x: np.ndarray) -> np.ndarray:
    """Keys 1981, with a = -1/2."""
    near, far = (1.5 * x - 2.5) * x * x + 1.0, ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _lanczos(radius: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.where(x <= radius, np.sinc(x) * np.sinc(x / radius), 0.0)


KERNELS = {"bilinear": _triangle, "bicubic": _keys, "lanczos3": _lanczos(3), "lanczos5": _lanczos(5)}
INTERPOLATIONS = ("nearest", *KERNELS)


def resize(images: Any, size: Any, interpolation: str = "bilinear", antialias: bool = False,
           crop_to_aspect_ratio: bool = False, pad_to_aspect_ratio: bool = False, fill_mode: str = "constant",
           fill_value: float = 0.0, data_format: str | None = None) -> Tensor:
    """Images of another height and width.

    The centre of output pixel j lies at s = (j + 1/2) n / m - 1/2, where an axis of n pixels gets m. Along each axis
    out[j] = sum over i of k(|s - i|) x[i] / sum over i of k(|s - i|), with the kernel k of the interpolation:
    "bilinear" max(0, 1 - d); "bicubic" that of Keys with a = -1/2; "lanczos3" and "lanczos5"
    sinc(d) sinc(d / radius) up to the radius. "nearest" takes pixel floor((j + 1/2) n / m).

    Args:
        images: (height, width, channels), or a batch of them; (channels, height, width) for "channels_first". The
            result has their dtype: integers are rounded, halves to the even one.
        size: (height, width) of the result.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
        antialias: stretch the kernel by n / m where an axis shrinks, so that every pixel counts.
        crop_to_aspect_ratio: resize the largest centred window with the proportions of `size`.
        pad_to_aspect_ratio: put `fill_value` at both sides of the shorter axis, so that all of the image is seen with
            its proportions. An odd pixel is not added, as in Keras.
        fill_mode: "constant".
        fill_value: of the padding.
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ShapeError: no image and no batch of images.
        ValueError: a size below 1, an unknown interpolation, fill mode or format, or both ways to keep the proportions.

    Source: keras.ops.image.resize.

    Example:
        >>> resize([[[0.0], [1.0]]], (1, 4)).numpy().ravel().tolist()
        [0.0, 0.25, 0.75, 1.0]
    """
    given, axes = image_tensor("resize", images, data_format)
    size = per_axis(size, 2, "size")
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    check_choice("fill_mode", fill_mode, ("constant",))
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("resize can crop_to_aspect_ratio or pad_to_aspect_ratio, not both.")
    x = given
    if crop_to_aspect_ratio:
        x = _cropped(x, axes, size)
    if pad_to_aspect_ratio:
        x = _padded(to_floats(x)[0]._tensor(), axes, size, fill_value)
    if interpolation == "nearest":
        x = _nearest(x, axes, size)
    else:
        for axis, m in zip((axes.rows, axes.columns), size, strict=True):
            if x.shape[axis] != m:
                x = _resampled(x, axis, m, interpolation, antialias)
    return saturate_cast(x if is_float(given.dtype) else round(x), given.dtype)


def _cropped(x: Tensor, axes: Axes, size: tuple[int, ...]) -> Tensor:
    height, width = x.shape[axes.rows], x.shape[axes.columns]
    window = max(min(height, width * size[0] // size[1]), 1), max(min(width, height * size[1] // size[0]), 1)
    key: list[Any] = [slice(None)] * x.ndim
    for axis, n in zip((axes.rows, axes.columns), window, strict=True):
        start = (x.shape[axis] - n) // 2
        key[axis] = slice(start, start + n)
    return x[tuple(key)]


def _padded(x: Tensor, axes: Axes, size: tuple[int, ...], fill_value: float) -> Tensor:
    height, width = x.shape[axes.rows], x.shape[axes.columns]
    window = max(height, width * size[0] // size[1]), max(width, height * size[1] // size[0])
    margins = [(0, 0)] * x.ndim
    for axis, n in zip((axes.rows, axes.columns), window, strict=True):
        margins[axis] = ((n - x.shape[axis]) // 2,) * 2
    return pad(x, margins, constant_values=fill_value)


def _nearest(x: Tensor, axes: Axes, size: tuple[int, ...]) -> Tensor:
    """One gather of pixels; all axes before the rows count as a batch."""
    height, width = x.shape[axes.rows], x.shape[axes.columns]
    rows, columns = ((2 * np.arange(m, dtype=np.int32) + 1) * n // (2 * m) for n, m in zip((height, width), size, strict=True))
    batch, pixel = x.shape[: axes.rows], x.shape[x.ndim + axes.columns + 1 :]
    table = reshape(x, (math.prod(batch) * height * width, *pixel))
    first = bind("iota", shape=(math.prod(batch), 1, 1), axis=0, dtype="int32") * (height * width)
    return reshape(bind("gather", table, first + (rows[:, None] * width + columns)), (*batch, *size, *pixel))


def _resampled(x: Tensor, axis: int, m: int, interpolation: str, antialias: bool) -> Tensor:
    (x,) = to_floats(x)  # type: ignore[assignment]
    axis %= x.ndim
    weights = convert_to_tensor(resampling_matrix(x.shape[axis], m, interpolation, antialias), x.dtype)
    letters = "abcd"[: x.ndim]
    old, lead, behind = letters[axis], letters[:axis], letters[axis + 1 :]
    if math.prod(x.shape[axis + 1 :]) < 8:  # so few channels fill no vector register: the new axis does, once it is last
        return moveaxis(contract(x, weights, f"{letters},m{old}->{lead}{behind}m"), -1, axis)
    return contract(weights, x, f"m{old},{letters}->{lead}m{behind}")


def resampling_matrix(n: int, m: int, interpolation: str, antialias: bool = False) -> np.ndarray:
    """The (m, n) matrix whose row j holds the weights of the n pixels in output pixel j; see `resize`.

    Example:
        >>> resampling_matrix(2, 4, "bilinear").tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    stretch = max(n / m, 1.0) if antialias else 1.0
    centers = (np.arange(m) + 0.5) * (n / m) - 0.5
    weights = KERNELS[interpolation](np.abs(centers[:, None] - np.arange(n)) / stretch)
    return weights / weights.sum(1, keepdims=True)
