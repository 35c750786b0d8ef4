"""The geometry that convolutions and pools share: data formats, sizes per axis, padding, output sizes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lamella.errors import ShapeError, did_you_mean
from lamella.settings import settings

FORMATS = ("channels_last", "channels_first")


def is_channels_first(data_format: str | None) -> bool:
    """Whether the channels stand before the spatial axes; None is `config.image_data_format()`.

    Raises:
        ValueError: an unknown format.
    """
    if data_format not in (None, *FORMATS):
        raise ValueError(f"Unknown data_format {data_format!r}. {did_you_mean(str(data_format), FORMATS)}")
    return (data_format or settings.image_data_format) == "channels_first"


def per_axis(value: Any, count: int, argument: str, least: int = 1) -> tuple[int, ...]:
    """One int per spatial axis, from one for all or from a sequence.

    Raises:
        ValueError: no int, too small, or another number of them.

    Example:
        >>> per_axis(2, 3, "strides")
        (2, 2, 2)
    """
    values = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,) * count
    try:
        sizes = tuple(operator.index(n) for n in values)
    except TypeError:
        sizes = ()
    if len(sizes) != count or any(n < least for n in sizes) or any(isinstance(n, bool) for n in values):
        raise ValueError(f"{argument} must be an int >= {least} or {count} of them, received {value!r}.")
    return sizes


def padding_mode(padding: Any, causal: bool = False) -> str:
    """The name of a padding in lower case.

    Raises:
        ValueError: an unknown padding.
    """
    known = ["valid", "same", *(["causal"] if causal else [])]
    mode = padding.lower() if isinstance(padding, str) else padding
    if mode not in known:
        raise ValueError(f"Unknown padding {padding!r}. {did_you_mean(str(padding), known)}")
    return mode


@dataclass(frozen=True)
class Windows:
    """How windows lie along the spatial axes.

    Attributes:
        out: number of windows per axis.
        low, high: padding before and behind.
    """

    out: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]

    @property
    def padded(self) -> bool:
        return any(self.low) or any(self.high)


def windows(sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: str,
            dilation: Sequence[int] | None = None) -> Windows:
    """Where the windows lie.

    With k' = (k - 1) dilation + 1: "valid" gives floor((n - k') / stride) + 1 windows, "same" gives ceil(n / stride)
    with the padding split in two halves, the larger one behind; "causal" pads k' - 1 before.

    Args:
        sizes, window, strides, dilation: per spatial axis.
        padding: "valid", "same" or "causal".

    Raises:
        ShapeError: a window is larger than its axis.

    Example:
        >>> windows((6,), (3,), (2,), "same")
        Windows(out=(3,), low=(0,), high=(1,))
    """
    reach = [(k - 1) * d + 1 for k, d in zip(window, dilation or [1] * len(window), strict=True)]
    if padding == "same":
        out = [-(-n // s) for n, s in zip(sizes, strides, strict=True)]
        total = [max((o - 1) * s + k - n, 0) for o, s, k, n in zip(out, strides, reach, sizes, strict=True)]
        low = [t // 2 for t in total]
        return Windows(tuple(out), tuple(low), tuple(t - b for t, b in zip(total, low, strict=True)))
    low = [k - 1 for k in reach] if padding == "causal" else [0] * len(reach)
    if any(n + b < k for n, b, k in zip(sizes, low, reach, strict=True)):
        detail = f"window {tuple(window)}" + (f", dilated to {tuple(reach)}," if list(window) != reach else "")
        raise ShapeError(f"{detail} is larger than the spatial shape {tuple(sizes)} (padding {padding!r}).")
    out = [(n + b - k) // s + 1 for n, b, k, s in zip(sizes, low, reach, strides, strict=True)]
    return Windows(tuple(out), tuple(low), (0,) * len(reach))


def output_sizes(sizes: Sequence[int | None], window: Sequence[int], strides: Sequence[int], padding: str,
                 dilation: Sequence[int] | None = None) -> tuple[int | None, ...]:
    """Numbers of windows; None for an axis of unknown size."""
    reach = [(k - 1) * d + 1 for k, d in zip(window, dilation or [1] * len(window), strict=True)]
    known = [k if n is None else n for n, k in zip(sizes, reach, strict=True)]
    out = windows(known, window, strides, padding, dilation).out
    return tuple(None if n is None else count for n, count in zip(sizes, out, strict=True))
