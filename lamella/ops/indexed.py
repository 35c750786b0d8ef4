"""Reading and writing by index, sorting, segments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, cast, convert_to_tensor, promote
from lamella.frontend.indexing import checked_index, wrap_indices
from lamella.frontend.tensor import TensorLike
from lamella.ir.types import is_float
from lamella.ops.axes import one_axis, shape_tuple
from lamella.ops.elementwise import bitwise_not, equal, greater, less_equal
from lamella.ops.logic import isnan, where
from lamella.ops.reduction import max, sum
from lamella.ops.shaping import expand_dims, moveaxis, ravel, reshape


def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """x[..., indices, ...] along `axis` (None: of the flattened tensor); negative indices count from the end.

    Raises:
        IndexError: outside of traces, an index is out of range. In a compiled program it is moved into the range.
    """
    x = ravel(x) if axis is None else convert_to_tensor(x)
    axis = one_axis(axis or 0, x.ndim)
    if isinstance(indices, int):
        return x[(builtin_slice(None),) * axis + (indices,)]
    index = wrap_indices(cast(indices, "int32") if not hasattr(indices, "dtype") else indices, x.shape[axis], axis)
    if axis == 0:
        return bind("gather", x, index)
    gathered = bind("gather", moveaxis(x, axis, 0), index)
    return moveaxis(gathered, tuple(range(index.ndim)), tuple(range(axis, axis + index.ndim)))


def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """For each position, the element of x whose index along `axis` is given there; other axes broadcast."""
    if axis is None:
        return take(ravel(x), ravel(indices), 0)
    x = convert_to_tensor(x)
    axis = one_axis(axis, x.ndim)
    index = wrap_indices(indices, x.shape[axis], axis)
    if index.ndim != x.ndim:
        raise ShapeError(f"take_along_axis needs indices with {x.ndim} axes, received shape {index.shape}.")
    shape = tuple(
        index.shape[a] if a == axis else n
        for a, n in enumerate(np.broadcast_shapes(_without(x.shape, axis), _without(index.shape, axis)))
    )
    full = tuple(x.shape[a] if a == axis else n for a, n in enumerate(shape))
    x = x if x.shape == full else bind("broadcast", x, shape=full)
    flat: Any = 0
    for a, n in enumerate(full):  # row-major position of each wanted element
        part = (
            cast(index, "int32")
            if a == axis
            else bind("iota", shape=tuple(shape[a] if i == a else 1 for i in range(x.ndim)), axis=a, dtype="int32")
        )
        flat = part + (flat * n if a else 0)
    flat = flat if flat.shape == shape else bind("broadcast", flat, shape=shape)
    return bind("gather", reshape(x, (x.size,)), flat)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(1 if a == axis else n for a, n in enumerate(shape))


def get_item(x: Any, key: Any) -> Tensor:
    """x[key]."""
    return convert_to_tensor(x)[key]


def _sorted(x: Any, axis: int) -> tuple[Tensor, Tensor, int]:
    x = convert_to_tensor(x)
    axis = one_axis(axis, x.ndim)
    values, order = bind("sort", moveaxis(x, axis, -1))
    return values, order, axis


def sort(x: Any, axis: int = -1) -> Tensor:
    """Ascending along `axis`; NaN last."""
    values, _, axis = _sorted(x, axis)
    return moveaxis(values, -1, axis)


def argsort(x: Any, axis: int = -1) -> Tensor:
    """The positions that sort `x` along `axis`, int32; equal elements keep their order."""
    if axis is None:
        x, axis = ravel(x), -1
    _, order, axis = _sorted(x, axis)
    return moveaxis(order, -1, axis)


def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest elements along the last axis, descending, and their positions (int32); of equal ones the first."""
    x = convert_to_tensor(x)
    if not 0 <= k <= x.shape[-1]:
        raise ShapeError(f"top_k: k = {k} must lie within 0..{x.shape[-1]}, the size of the last axis.")
    number = is_float(x.dtype)
    values, order = bind("sort", bind("neg", x) if number else bitwise_not(x))  # both reverse the order
    values, order = values[..., :k], order[..., :k]
    return bind("neg", values) if number else bitwise_not(values), order


def in_top_k(targets: Any, predictions: Any, k: int) -> Tensor:
    """Whether fewer than k classes have a larger prediction than the target's; NaN counts as the smallest."""
    predictions = convert_to_tensor(predictions)
    chosen = take_along_axis(predictions, expand_dims(targets, -1), -1)
    chosen = where(isnan(chosen), -math.inf, chosen)
    return less_equal(sum(greater(predictions, chosen), -1) + 1, k)


def median(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The middle element of the sorted ones, or the mean of the two in the middle."""
    x = convert_to_tensor(x)
    axes = (
        tuple(range(x.ndim))
        if axis is None
        else tuple(one_axis(a, x.ndim) for a in (axis if isinstance(axis, Sequence) else [axis]))
    )
    rest = [a for a in range(x.ndim) if a not in axes]
    rows = reshape(moveaxis(x, rest, tuple(range(len(rest)))), (*(x.shape[a] for a in rest), -1))
    values, n = sort(rows), rows.shape[-1]
    middle = (values[..., (n - 1) // 2] + values[..., n // 2]) / 2
    middle = where(isnan(values[..., -1]), math.nan, middle)  # NaN sorts last
    return reshape(middle, tuple(1 if a in axes else m for a, m in enumerate(x.shape))) if keepdims else middle


def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Tensor:
    """How many elements of the sorted vector are smaller (`side="right"`: not larger) than each value, int32."""
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right', received {side!r}.")
    sequence, wanted = promote(sorted_sequence, values)
    wanted = expand_dims(wanted, -1)
    return sum(wanted > sequence if side == "left" else wanted >= sequence, -1)


def digitize(x: Any, bins: Any) -> Tensor:
    """How many of the ascending `bins` are not larger than each element, int32."""
    return searchsorted(bins, x, side="right")


def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element of x1 is among those of x2."""
    x, y = promote(x1, x2)
    found = max(equal(expand_dims(x, -1), ravel(y)), -1)
    return ~found if invert else found


def slice(inputs: Any, start_indices: Any, shape: Any) -> Tensor:
    """The block of the given shape that starts at `start_indices`; a start that is only known at run time is moved so
    that it fits.
    """
    x = convert_to_tensor(inputs)
    out, size = x, shape_tuple(shape)
    for axis, (start, n) in enumerate(zip(_starts(start_indices), size, strict=True)):
        if isinstance(start, TensorLike):
            moved = bind("dynamic_slice", moveaxis(out, axis, 0), start, size=n)
            out = moveaxis(moved, 0, axis)
        else:
            low = checked_index(start, x.shape[axis] + 1, axis)
            out = out[(builtin_slice(None),) * axis + (builtin_slice(low, low + n),)]
    return out


builtin_slice = type(np.s_[:])


def _starts(start_indices: Any) -> list[Any]:
    """Numbers where they are known, int tensors where not."""
    starts = list(start_indices)
    return [s if isinstance(s, TensorLike) and getattr(s, "_array", None) is None else int(s) for s in starts]


def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Tensor:
    """`inputs` with the block that starts at `start_indices` replaced by `updates`."""
    x, new = convert_to_tensor(inputs), cast(updates, convert_to_tensor(inputs).dtype)
    starts = _starts(start_indices)
    if any(isinstance(s, TensorLike) for s in starts):
        return _dynamic_update(x, starts, new)
    low = tuple(starts)
    high = tuple(n - s - m for n, s, m in zip(x.shape, low, new.shape, strict=True))
    if min((*low, *high), default=0) < 0:
        raise ShapeError(f"slice_update: a block of shape {new.shape} at {starts} doesn't lie within shape {x.shape}.")
    interior = (0,) * x.ndim
    inside = bind(
        "pad",
        bind("broadcast", convert_to_tensor(True), shape=new.shape),
        convert_to_tensor(False),
        low=low,
        high=high,
        interior=interior,
    )
    padded = bind("pad", new, convert_to_tensor(0, x.dtype), low=low, high=high, interior=interior)
    return where(inside, padded, x)


def _dynamic_update(x: Tensor, starts: list[Any], new: Tensor) -> Tensor:
    dynamic = [a for a, s in enumerate(starts) if isinstance(s, TensorLike)]
    whole = all(
        n == m and s == 0
        for a, (n, m, s) in enumerate(zip(x.shape, new.shape, starts, strict=True))
        if a not in dynamic
    )
    if len(dynamic) > 1 or not whole:
        raise NotImplementedError(
            "slice_update with a start known only at run time along one axis, whole along the others, is available."
        )
    (axis,) = dynamic
    moved = bind("dynamic_update_slice", moveaxis(x, axis, 0), moveaxis(new, axis, 0), starts[axis])
    return moveaxis(moved, 0, axis)


def nonzero(x: Any) -> tuple[Tensor, ...]:
    """The positions of nonzero elements, one int32 vector per axis; only outside of traces, for the shape depends on
    values.
    """
    return where(x)
