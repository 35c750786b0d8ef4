"""Where the rows, columns and channels of images stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from lamella.errors import ShapeError, did_you_mean
from lamella.frontend import Tensor, convert_to_tensor
from lamella.ops.windows import is_channels_first


class Axes(NamedTuple):
    """The axes of an image, counted from the end: they serve single images and batches."""

    rows: int
    columns: int
    channels: int


def image_axes(data_format: str | None) -> Axes:
    """The axes of (rows, columns, channels), or of (channels, rows, columns) for "channels_first".

    Raises:
        ValueError: an unknown format.
    """
    return Axes(-2, -1, -3) if is_channels_first(data_format) else Axes(-3, -2, -1)


def check_images(what: str, shape: Sequence[Any]) -> None:
    """Raise a ShapeError that names `what` unless the shape is that of an image or of a batch of images."""
    if len(shape) not in (3, 4):
        raise ShapeError(f"{what} takes an image (3 axes) or a batch of images (4 axes), received shape {tuple(shape)}.")


def image_tensor(what: str, images: Any, data_format: str | None) -> tuple[Tensor, Axes]:
    """Images as a tensor, and where their axes are.

    Raises:
        ShapeError: another rank; names the function `what`.
        ValueError: an unknown format.
    """
    axes, x = image_axes(data_format), convert_to_tensor(images)
    check_images(what, x.shape)
    return x, axes


def check_choice(argument: str, value: Any, known: Iterable[str]) -> None:
    """Raise a ValueError with the closest spelling unless `value` is one of the known ones."""
    known = tuple(known)
    if value not in known:
        raise ValueError(f"Unknown {argument} {value!r}. {did_you_mean(str(value), known)}")
