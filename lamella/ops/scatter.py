"""Writing rows at given places, and combining those that meet."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamella.frontend import Tensor, bind, cast, convert_to_tensor
from lamella.frontend.indexing import wrap_indices
from lamella.ir.types import is_float
from lamella.ops.axes import shape_tuple
from lamella.ops.elementwise import maximum
from lamella.ops.logic import logical_and, where
from lamella.ops.shaping import broadcast_to, reshape


def _segments(data: Any, segment_ids: Any, num_segments: int | None, neutral: Callable[[str], float], **combine: str) -> Tensor:
    """Rows combined by segment, starting from `neutral` of their dtype."""
    data, ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
    n = int(ids.numpy().max(initial=-1)) + 1 if num_segments is None else num_segments
    inside = reshape(logical_and(ids >= 0, ids < n), ids.shape + (1,) * (data.ndim - ids.ndim))
    start = convert_to_tensor(neutral(data.dtype), data.dtype)
    empty = bind("broadcast", start, shape=(n, *data.shape[ids.ndim :]))
    if not empty.size:
        return empty
    return bind("scatter" if combine else "scatter_add", empty, ids, where(inside, data, start), **combine)


def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """Sums of the rows with equal segment ids; rows whose id is negative or too large are dropped.

    Args:
        data: (n, ...).
        segment_ids: integers (n,).
        num_segments: rows of the result; None (only outside of traces) is the largest id + 1.
        sorted: accepted for compatibility.
    """
    return _segments(data, segment_ids, num_segments, lambda dtype: 0)


def segment_prod(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """Products of the rows with equal segment ids, 1 where there is none; see `segment_sum`."""
    return _segments(data, segment_ids, num_segments, lambda dtype: 1, combine="mul")


def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """The largest elements among the rows with equal segment ids, by column; -infinity (integers: the smallest number) where
    there is no row. Equal largest ones share the gradient; see `segment_sum`.
    """
    return _segments(data, segment_ids, num_segments, lowest, combine="max")


def segment_min(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """As `segment_max`, for the smallest elements; infinity (integers: the largest number) where there is no row."""
    return _segments(data, segment_ids, num_segments, highest, combine="min")


def lowest(dtype: str) -> float:
    """What is below every number of a dtype, or its smallest number."""
    return -math.inf if is_float(dtype) else int(np.iinfo(dtype).min)


def highest(dtype: str) -> float:
    """What is above every number of a dtype, or its largest number."""
    return math.inf if is_float(dtype) else int(np.iinfo(dtype).max)


def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Tensor:
    """How often (or with which total weight) each integer from 0 occurs, negative ones counting as 0; outside of traces the
    length is max(x) + 1 at least.
    """
    x = maximum(cast(x, "int32"), 0)
    n = max(minlength, int(x.numpy().max(initial=-1)) + 1) if x._array is not None else minlength
    counted = convert_to_tensor(weights) if weights is not None else bind("broadcast", convert_to_tensor(1, "int32"), shape=x.shape)
    if x.ndim == 1:
        return segment_sum(counted, x, n)
    from_rows = [bincount(row, None if weights is None else w, n) for row, w in zip(x, counted, strict=True)]
    return convert_to_tensor(from_rows)


def _flat_positions(indices: Any, shape: tuple[int, ...]) -> tuple[Tensor, int]:
    """Row-major numbers of the slots that `indices (..., k)` name in the first k axes of `shape`."""
    index = convert_to_tensor(indices)
    k = index.shape[-1]
    flat: Any = 0
    for a in range(k):
        flat = wrap_indices(index[..., a], shape[a], a) + (flat * shape[a] if a else 0)
    return flat, k


def scatter(indices: Any, values: Any, shape: Any) -> Tensor:
    """A tensor of zeros to which each value is added at its place.

    Args:
        indices: integers (..., k): a place in the first k axes.
        values: (..., rest of the shape).
        shape: of the result.
    """
    size = shape_tuple(shape)
    values = convert_to_tensor(values)
    flat, k = _flat_positions(indices, size)
    zeros = bind("broadcast", convert_to_tensor(0, values.dtype), shape=(math.prod(size[:k]), *size[k:]))
    return reshape(bind("scatter_add", zeros, flat, values), size)


def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Tensor:
    """`inputs` with the elements at `indices` replaced by `updates`, or combined with them.

    Args:
        inputs: tensor.
        indices: integers (..., k): a place in the first k axes.
        updates: (..., rest of the shape).
        reduction: None (of several updates of one place the last counts), "add", "max", "min" or "mul".

    Raises:
        ValueError: another reduction.
    """
    if reduction not in (None, "add", "max", "min", "mul"):
        raise ValueError(f"reduction must be None, 'add', 'max', 'min' or 'mul', received {reduction!r}.")
    x = convert_to_tensor(inputs)
    flat, k = _flat_positions(indices, x.shape)
    rows = reshape(x, (math.prod(x.shape[:k]), *x.shape[k:]))
    new = broadcast_to(cast(updates, x.dtype), (*flat.shape, *x.shape[k:]))
    if reduction == "add":
        return reshape(bind("scatter_add", rows, flat, new), x.shape)
    return reshape(bind("scatter", rows, flat, new, combine=reduction or "set"), x.shape)
