"""`extract_patches` and `extract_patches_3d`: windows of images as channels."""

from __future__ import annotations

from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, convert_to_tensor
from lamella.ops.indexed import take
from lamella.ops.patches import window_places
from lamella.ops.shaping import expand_dims, moveaxis, pad, reshape, squeeze, transpose
from lamella.ops.windows import is_channels_first, padding_mode, per_axis, windows


def extract_patches(images: Any, size: Any, strides: Any = None, dilation_rate: Any = 1, padding: str = "valid",
                    data_format: str | None = None) -> Tensor:
    """Every window of an image as one pixel: its elements row by row, the channels of each together.

    Args:
        images: (height, width, channels), or a batch of them; (channels, height, width) for "channels_first".
        size: of the windows, one int or two; with three, `extract_patches_3d` is meant.
        strides: from one window to the next; by default `size`, so that the windows do not overlap.
        dilation_rate: step between the elements of a window.
        padding: "valid", or "same" with zeros outside.
        data_format: "channels_last" (default) or "channels_first".

    Returns:
        (batch, rows, columns, elements of a window · channels), or that with the channels second.

    Raises:
        ShapeError: no image and no batch of images, or a window larger than the image.
        ValueError: sizes below 1, an unknown padding or format.

    Source: keras.ops.image.extract_patches.

    Example:
        >>> extract_patches([[[1], [2], [3], [4]]], (1, 2)).numpy().tolist()
        [[[1, 2], [3, 4]]]
    """
    rank = 3 if isinstance(size, (list, tuple)) and len(size) == 3 else 2
    return _patches("extract_patches", rank, images, size, strides, dilation_rate, padding, data_format)


def extract_patches_3d(volumes: Any, size: Any, strides: Any = None, dilation_rate: Any = 1, padding: str = "valid",
                       data_format: str | None = None) -> Tensor:
    """Every window of a volume as one element; see `extract_patches`.

    Args:
        volumes: (depth, height, width, channels), or a batch of them; the channels first for "channels_first".
        size: of the windows, one int or three.
        strides, dilation_rate, padding, data_format: see `extract_patches`.

    Raises:
        ShapeError, ValueError: see `extract_patches`.

    Source: keras.ops.image.extract_patches_3d.

    Example:
        >>> extract_patches_3d([[[[1], [2]]], [[[3], [4]]]], (2, 1, 1)).numpy().tolist()
        [[[[1, 3], [2, 4]]]]
    """
    return _patches("extract_patches_3d", 3, volumes, size, strides, dilation_rate, padding, data_format)


def _patches(name: str, rank: int, images: Any, size: Any, strides: Any, dilation_rate: Any, padding: str,
             data_format: str | None) -> Tensor:
    first = is_channels_first(data_format)
    x = convert_to_tensor(images)
    if x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(f"{name} takes {rank} spatial axes and channels, or a batch of these, received shape {x.shape}.")
    batch = x if x.ndim == rank + 2 else expand_dims(x, 0)
    batch = moveaxis(batch, 1, -1) if first else batch
    window, gap = per_axis(size, rank, "size"), per_axis(dilation_rate, rank, "dilation_rate")
    step = per_axis(strides or window, rank, "strides")
    where = windows(batch.shape[1:-1], window, step, padding_mode(padding), gap)
    batch = pad(batch, [(0, 0), *zip(where.low, where.high, strict=True), (0, 0)]) if where.padded else batch
    for axis in range(rank):  # each spatial axis becomes two: windows and their elements
        batch = take(batch, window_places(where.out[axis], step[axis], window[axis], gap[axis]), 1 + 2 * axis)
    counts, elements = range(1, 2 * rank, 2), range(2, 2 * rank + 1, 2)
    out = reshape(transpose(batch, (0, *counts, *elements, 2 * rank + 1)), (batch.shape[0], *where.out, -1))
    out = moveaxis(out, -1, 1) if first else out
    return out if x.ndim == rank + 2 else squeeze(out, 0)
