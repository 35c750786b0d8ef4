"""Blocks of images as columns and back, and blocks of pixels as channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, convert_to_tensor
from lamella.ops.indexed import take
from lamella.ops.scatter import scatter_update
from lamella.ops.shaping import expand_dims, moveaxis, pad, ravel, reshape, transpose
from lamella.ops.windows import is_channels_first, per_axis


def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Tensor:
    """Overlapping pieces of the last axis: out[..., i, k] = x[..., sequence_stride i + k].

    Args:
        x: (..., n).
        sequence_length: elements of a piece.
        sequence_stride: elements from one piece to the next.

    Returns:
        (..., (n - sequence_length) // sequence_stride + 1, sequence_length).

    Example:
        >>> extract_sequences([1, 2, 3, 4, 5], 3, 2).numpy().tolist()
        [[1, 2, 3], [3, 4, 5]]
    """
    x = convert_to_tensor(x)
    count = (x.shape[-1] - sequence_length) // sequence_stride + 1
    if count < 1:
        raise ShapeError(f"extract_sequences: the last axis of shape {x.shape} is shorter than a piece of {sequence_length}.")
    return take(x, window_places(count, sequence_stride, sequence_length, 1), -1)


def window_places(count: int, stride: int, window: int, dilation: int) -> Tensor:
    """(count, window): where the elements of each window stand."""
    starts = bind("iota", shape=(count, 1), axis=0, dtype="int32") * stride
    return starts + bind("iota", shape=(1, window), axis=1, dtype="int32") * dilation


def _geometry(
    size: Sequence[int], kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[Tensor, list[tuple[int, int]]]:
    """Flat positions (windows, elements of a window) in the padded image, and the padding."""
    window, gap, step = per_axis(kernel_size, 2, "kernel_size"), per_axis(dilation, 2, "dilation"), per_axis(stride, 2, "stride")
    border = per_axis(padding, 2, "padding", least=0)
    full = [n + 2 * p for n, p in zip(size, border, strict=True)]
    counts = [(n - d * (k - 1) - 1) // s + 1 for n, d, k, s in zip(full, gap, window, step, strict=True)]
    if min(counts) < 1:
        raise ShapeError(f"A window of {window} with dilation {gap} is larger than the image {tuple(size)} with padding {border}.")
    rows, columns = (window_places(*spec) for spec in zip(counts, step, window, gap, strict=True))
    places = reshape(rows, (counts[0], 1, window[0], 1)) * full[1] + reshape(columns, (1, counts[1], 1, window[1]))
    return reshape(places, (counts[0] * counts[1], window[0] * window[1])), [(0, 0), (0, 0), *((p, p) for p in border)]


def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Every window of an image as a column (im2col).

    Args:
        x: (n, channels, height, width).
        kernel_size, dilation, padding, stride: one int or two.

    Returns:
        (n, channels times elements of a window, windows).

    Raises:
        ShapeError: the window is larger than the image.

    Example:
        >>> unfold([[[[1, 2], [3, 4]]]], 2).numpy().ravel().tolist()
        [1, 2, 3, 4]
    """
    x = convert_to_tensor(x)
    n, channels, *size = x.shape
    places, widths = _geometry(size, kernel_size, dilation, padding, stride)
    image = reshape(pad(x, widths), (n, channels, -1))
    windows = take(image, places, -1)  # (n, channels, windows, elements)
    return reshape(transpose(windows, (0, 1, 3, 2)), (n, -1, places.shape[0]))


def fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Columns added to the windows of an image that `unfold` takes them from (col2im).

    Args:
        x: (n, channels times elements of a window, windows).
        output_size: height and width.
        kernel_size, dilation, padding, stride: one int or two.

    Returns:
        (n, channels, height, width).

    Raises:
        ShapeError: the sizes don't fit.
    """
    x = convert_to_tensor(x)
    size = per_axis(output_size, 2, "output_size")
    places, widths = _geometry(size, kernel_size, dilation, padding, stride)
    windows, elements = places.shape
    if x.ndim != 3 or x.shape[1] % elements or x.shape[2] != windows:
        raise ShapeError(f"fold needs (n, a multiple of {elements} elements, {windows} windows), received shape {x.shape}.")
    n, channels = x.shape[0], x.shape[1] // elements
    columns = transpose(reshape(x, (n, channels, elements, windows)), (3, 2, 0, 1))
    height, width = (m + 2 * p for m, (p, _) in zip(size, widths[2:], strict=True))
    empty = bind("broadcast", convert_to_tensor(0, x.dtype), shape=(height * width, n, channels))
    image = scatter_update(empty, expand_dims(ravel(places), -1), reshape(columns, (-1, n, channels)), "add")
    image = reshape(moveaxis(image, 0, -1), (n, channels, height, width))
    (top, left) = widths[2][0], widths[3][0]
    return image[:, :, top : top + size[0], left : left + size[1]]


def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Tensor:
    """Channels spread over blocks of pixels: block_size^2 channels become a square, the rest stay channels.

    Args:
        x: (n, height, width, channels), or (n, channels, height, width) for "channels_first".
        block_size: side of a block.

    Raises:
        ShapeError: the number of channels isn't a multiple of block_size^2.

    Example:
        >>> depth_to_space([[[[1, 2, 3, 4]]]], 2).numpy()[0, :, :, 0].tolist()
        [[1, 2], [3, 4]]
    """
    x, b = convert_to_tensor(x), block_size
    first = is_channels_first(data_format)
    n, h, w, c = _nhwc(x, first)
    if c % (b * b):
        raise ShapeError(f"depth_to_space: {c} channels aren't a multiple of block_size^2 = {b * b}.")
    rest = c // (b * b)
    if first:
        return reshape(transpose(reshape(x, (n, rest, b, b, h, w)), (0, 1, 4, 2, 5, 3)), (n, rest, h * b, w * b))
    return reshape(transpose(reshape(x, (n, h, w, b, b, rest)), (0, 1, 3, 2, 4, 5)), (n, h * b, w * b, rest))


def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Tensor:
    """Blocks of pixels as channels: the inverse of `depth_to_space`.

    Raises:
        ShapeError: height or width isn't a multiple of block_size.
    """
    x, b = convert_to_tensor(x), block_size
    first = is_channels_first(data_format)
    n, h, w, c = _nhwc(x, first)
    if h % b or w % b:
        raise ShapeError(f"space_to_depth: {h} x {w} pixels don't divide into blocks of {b} x {b}.")
    if first:
        return reshape(transpose(reshape(x, (n, c, h // b, b, w // b, b)), (0, 1, 3, 5, 2, 4)), (n, c * b * b, h // b, w // b))
    return reshape(transpose(reshape(x, (n, h // b, b, w // b, b, c)), (0, 1, 3, 2, 4, 5)), (n, h // b, w // b, c * b * b))


def _nhwc(x: Tensor, first: bool) -> tuple[int, ...]:
    if x.ndim != 4:
        raise ShapeError(f"Expected images with 4 axes, received shape {x.shape}.")
    n, a, b, c = x.shape
    return (n, b, c, a) if first else (n, a, b, c)
