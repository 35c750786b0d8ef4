"""Correlations, distances and counts."""

from __future__ import annotations

from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, cast, convert_to_tensor
from lamella.frontend.arithmetic import to_floats
from lamella.ops.convolution import conv
from lamella.ops.creation import diagonal, linspace
from lamella.ops.elementwise import clip, log10, sqrt, square
from lamella.ops.linear import matmul
from lamella.ops.logic import where
from lamella.ops.reduction import max, mean, min, sum
from lamella.ops.scatter import segment_sum
from lamella.ops.shaping import expand_dims, pad, reshape, transpose
from lamella.ops.sorting import searchsorted


def corrcoef(x: Any) -> Tensor:
    """Pearson's correlation of each row with each row: C[i, j] / sqrt(C[i, i] C[j, j]), C the covariance, clipped to -1..1.

    Args:
        x: (variables, observations), or one variable, whose correlation with itself is 1.

    Example:
        >>> corrcoef([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]]).numpy()
        array([[ 1. , -0.5],
               [-0.5,  1. ]], dtype=float32)
    """
    (x,) = to_floats(convert_to_tensor(x))
    if x.ndim > 2:
        raise ShapeError(f"corrcoef takes (variables, observations), received shape {x.shape}.")
    rows = reshape(x, (-1, x.shape[-1]))
    rows = rows - mean(rows, -1, keepdims=True)
    products = matmul(rows, transpose(rows))
    size = sqrt(diagonal(products))
    result = clip(products / expand_dims(size, 1) / size, -1.0, 1.0)
    return result if x.ndim == 2 else reshape(result, ())


def correlate(x1: Any, x2: Any, mode: str = "valid") -> Tensor:
    """Cross-correlation of two vectors: out[k] = sum over i of x1[i + k] x2[i].

    Args:
        x1, x2: vectors; integers become floats.
        mode: "full": every k with an overlap; "valid": those where the shorter vector lies within the longer one; "same": as
            many as the longer one has elements, from the middle of "full".

    Raises:
        ValueError: another mode.
    """
    x, y = to_floats(convert_to_tensor(x1), convert_to_tensor(x2))
    if x.ndim != 1 or y.ndim != 1 or not x.size or not y.size:
        raise ShapeError(f"correlate takes two vectors with elements, received shapes {x.shape} and {y.shape}.")
    n, m = x.size, y.size
    short, long = sorted((n, m))
    middle = (short - 1) // 2 if n >= m else short // 2
    ranges = {"full": (0, n + m - 1), "valid": (short - 1, long - short + 1), "same": (middle, long)}
    if mode not in ranges:
        raise ValueError(f"mode must be 'full', 'valid' or 'same', received {mode!r}.")
    start, count = ranges[mode]
    padded = reshape(pad(x, (m - 1, m - 1)), (1, -1, 1))
    return reshape(conv(padded, reshape(y, (m, 1, 1))), (-1,))[start : start + count]


def cdist(x: Any, y: Any) -> Tensor:
    """Distances: out[..., i, j] = sqrt(sum over k of (x[..., i, k] - y[..., j, k])^2).

    Raises:
        ShapeError: a rank below 2, or different numbers of coordinates.
    """
    x, y = to_floats(convert_to_tensor(x), convert_to_tensor(y))
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1]:
        raise ShapeError(f"cdist takes (..., points, coordinates) twice, received shapes {x.shape} and {y.shape}.")
    return sqrt(sum(square(expand_dims(x, -2) - expand_dims(y, -3)), -1))


def histogram(x: Any, bins: int = 10, range: tuple[Any, Any] | None = None) -> tuple[Tensor, Tensor]:
    """How many elements lie in each of `bins` intervals of equal width; the last one holds its upper end, too.

    Args:
        x: vector.
        bins: number of intervals.
        range: lower and upper end; None: the smallest and the largest element. Elements outside aren't counted.

    Returns:
        The counts, as floats, and the bins + 1 edges.

    Raises:
        TypeError, ValueError: no int from 0 on, or a wrong range.

    Example:
        >>> counts, edges = histogram([1.0, 2.0, 2.5], bins=2)
        >>> counts.numpy(), edges.numpy()
        (array([1., 2.], dtype=float32), array([1.  , 1.75, 2.5 ], dtype=float32))
    """
    if isinstance(bins, bool) or not isinstance(bins, int):
        raise TypeError(f"bins must be an int, received {bins!r}.")
    if bins < 0:
        raise ValueError(f"bins must not be negative, received {bins}.")
    if range and (not isinstance(range, tuple) or len(range) != 2 or range[1] < range[0]):
        raise ValueError(f"range must be a tuple of a lower and an upper end, received {range!r}.")
    x = convert_to_tensor(x)
    if x.ndim > 1:
        raise ShapeError(f"histogram takes a vector, received shape {x.shape}.")
    x = reshape(to_floats(x)[0], (-1,))
    low, high = (cast(v, x.dtype) for v in (range or (min(x), max(x))))
    half = where(low == high, 0.5, 0.0)
    edges = linspace(low - half, high + half, bins + 1)
    place = where(x == edges[-1], bins, searchsorted(edges, x, side="right"))
    return segment_sum(cast(x == x, x.dtype), place - 1, bins), edges


def psnr(x1: Any, x2: Any, max_val: Any) -> Tensor:
    """The peak signal-to-noise ratio in decibels: 20 log10(max_val) - 10 log10(mean((x1 - x2)^2)).

    Raises:
        ShapeError: the shapes differ.
    """
    x, y = to_floats(convert_to_tensor(x1), convert_to_tensor(x2))
    if x.shape != y.shape:
        raise ShapeError(f"psnr takes two tensors of one shape, received {x.shape} and {y.shape}.")
    return 20 * log10(cast(max_val, y.dtype)) - 10 * log10(mean(square(x - y)))
