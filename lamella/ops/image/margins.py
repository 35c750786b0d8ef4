"""Rows and columns cut off or added at the edges: `crop_images`, `pad_images`."""

from __future__ import annotations

import operator
from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.ops.image.layout import image_tensor
from lamella.ops.shaping import pad


def crop_images(images: Any, top_cropping: int | None = None, left_cropping: int | None = None,
                bottom_cropping: int | None = None, right_cropping: int | None = None, target_height: int | None = None,
                target_width: int | None = None, data_format: str | None = None) -> Tensor:
    """Rows and columns cut off.

    Args:
        images: (height, width, channels), or a batch of them; (channels, height, width) for "channels_first".
        top_cropping, bottom_cropping, target_height: rows to cut off, and rows that remain; two of them.
        left_cropping, right_cropping, target_width: the same of columns.
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ShapeError: no image and no batch of images, or more is cut off than there is.
        ValueError: not two of the three are given, or one is negative.

    Source: keras.ops.image.crop_images.

    Example:
        >>> crop_images([[[1.0], [2.0], [3.0]]], 0, 1, target_height=1, target_width=1).numpy().item()
        2.0
    """
    x, axes = image_tensor("crop_images", images, data_format)
    key: list[Any] = [slice(None)] * x.ndim
    for axis, names, before, behind, target in (
            (axes.rows, ("top_cropping", "bottom_cropping", "target_height"), top_cropping, bottom_cropping, target_height),
            (axes.columns, ("left_cropping", "right_cropping", "target_width"), left_cropping, right_cropping, target_width)):
        n = x.shape[axis]
        cut = _margins("crop_images", names, before, behind, None if target is None else n - target, target, x.shape)
        if sum(cut) > n:
            raise ShapeError(f"crop_images: {names[0]} {cut[0]} and {names[1]} {cut[1]} leave nothing of shape {x.shape}.")
        key[axis] = slice(cut[0], n - cut[1])
    return x[tuple(key)]


def pad_images(images: Any, top_padding: int | None = None, left_padding: int | None = None,
               bottom_padding: int | None = None, right_padding: int | None = None, target_height: int | None = None,
               target_width: int | None = None, data_format: str | None = None) -> Tensor:
    """Zeros around images.

    Args:
        images: (height, width, channels), or a batch of them; (channels, height, width) for "channels_first".
        top_padding, bottom_padding, target_height: rows to add, and rows of the result; two of them.
        left_padding, right_padding, target_width: the same of columns.
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ShapeError: no image and no batch of images, or the target is too small.
        ValueError: not two of the three are given, or one is negative.

    Source: keras.ops.image.pad_images.

    Example:
        >>> pad_images([[[1.0]]], 0, 1, target_height=1, target_width=3).numpy().ravel().tolist()
        [0.0, 1.0, 0.0]
    """
    x, axes = image_tensor("pad_images", images, data_format)
    widths = [(0, 0)] * x.ndim
    for axis, names, before, behind, target in (
            (axes.rows, ("top_padding", "bottom_padding", "target_height"), top_padding, bottom_padding, target_height),
            (axes.columns, ("left_padding", "right_padding", "target_width"), left_padding, right_padding, target_width)):
        n = x.shape[axis]
        widths[axis] = _margins("pad_images", names, before, behind, None if target is None else target - n, target, x.shape)
    return pad(x, widths)


def _margins(what: str, names: tuple[str, ...], before: int | None, behind: int | None, both: int | None,
             target: int | None, shape: tuple[int, ...]) -> tuple[int, int]:
    """The margins before and behind, one of which may follow from `both` together."""
    given = dict(zip(names, (before, behind, target), strict=True))
    if list(given.values()).count(None) != 1:
        raise ValueError(f"{what} needs two of {', '.join(names)}, received {given}.")
    if any(value is not None and operator.index(value) < 0 for value in given.values()):
        raise ValueError(f"{what}: {', '.join(names)} must be >= 0, received {given}.")
    if both is None:
        assert before is not None and behind is not None
        return before, behind
    rest = both - (before or 0) - (behind or 0)
    if rest < 0:
        raise ShapeError(f"{what}: images of shape {shape} do not fit {given}.")
    return (rest if before is None else before), (rest if behind is None else behind)
