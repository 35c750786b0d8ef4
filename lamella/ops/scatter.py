"""Adding and writing rows at given places."""

from __future__ import annotations

import math
from typing import Any

from lamella.frontend import Tensor, bind, cast, convert_to_tensor
from lamella.frontend.indexing import wrap_indices
from lamella.ops.axes import shape_tuple
from lamella.ops.logic import logical_and, where
from lamella.ops.shaping import reshape


def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """Sums of the rows with equal segment ids; rows whose id is negative or too large are dropped.

    Args:
        data: (n, ...).
        segment_ids: integers (n,).
        num_segments: rows of the result; None (only outside of traces) is the largest id + 1.
    """
    data, ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
    n = int(ids.numpy().max(initial=-1)) + 1 if num_segments is None else num_segments
    inside = reshape(logical_and(ids >= 0, ids < n), ids.shape + (1,) * (data.ndim - ids.ndim))
    kept = where(inside, data, convert_to_tensor(0, data.dtype))
    zeros = bind("broadcast", convert_to_tensor(0, data.dtype), shape=(n, *data.shape[ids.ndim :]))
    return bind("scatter_add", zeros, ids, kept)


def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Tensor:
    """How often (or with which total weight) each integer from 0 occurs; outside of traces the length is max(x) + 1
    at least.
    """
    x = convert_to_tensor(x)
    n = max(minlength, int(x.numpy().max(initial=-1)) + 1) if x._array is not None else minlength
    counted = (
        convert_to_tensor(weights)
        if weights is not None
        else bind("broadcast", convert_to_tensor(1, "int32"), shape=x.shape)
    )
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
    """`inputs` with the elements at `indices` replaced by `updates`, or with these added (`reduction="add"`).

    Indices must be distinct when replacing: updates of one place would add up.
    """
    if reduction not in (None, "add"):
        raise NotImplementedError(f"scatter_update(reduction={reduction!r}); available: None and 'add'.")
    x = convert_to_tensor(inputs)
    updates = cast(updates, x.dtype)
    flat, k = _flat_positions(indices, x.shape)
    rows = reshape(x, (math.prod(x.shape[:k]), *x.shape[k:]))
    if reduction == "add":
        return reshape(bind("scatter_add", rows, flat, updates), x.shape)
    hits = bind(
        "scatter_add",
        bind("broadcast", convert_to_tensor(0, "int32"), shape=rows.shape[:1]),
        flat,
        bind("broadcast", convert_to_tensor(1, "int32"), shape=flat.shape),
    )
    hit = reshape(hits > 0, (rows.shape[0],) + (1,) * (rows.ndim - 1))
    new = bind("scatter_add", bind("broadcast", convert_to_tensor(0, x.dtype), shape=rows.shape), flat, updates)
    return reshape(where(hit, new, rows), x.shape)
