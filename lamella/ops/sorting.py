"""Sorting, and what follows from an order: the largest elements, places in a sorted sequence, distinct elements."""

from __future__ import annotations

import math
from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, cast, convert_to_tensor, is_tracing, promote
from lamella.ir.types import is_float
from lamella.ops.axes import one_axis
from lamella.ops.elementwise import bitwise_not, equal, greater, less_equal, minimum
from lamella.ops.indexed import take, take_along_axis
from lamella.ops.logic import isnan, logical_and, logical_not, logical_or, where
from lamella.ops.reduction import any, cumsum, sum
from lamella.ops.scatter import scatter_update, segment_sum
from lamella.ops.shaping import concatenate, expand_dims, flip, moveaxis, ravel, reshape


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


def argpartition(x: Any, kth: int, axis: int = -1) -> Tensor:
    """Positions along `axis` (None: in the flattened tensor) in an order in which the kth element stands where sorting would put
    it, those before it are not larger and those behind it not smaller: all of them sorted.
    """
    x = convert_to_tensor(x)
    n = x.size if axis is None else x.shape[one_axis(axis, x.ndim)]
    if not -n <= kth < n:
        raise ShapeError(f"argpartition: kth = {kth} is out of range for {n} elements.")
    return argsort(x, axis)


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


def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Tensor:
    """How many elements of the sorted vector are smaller (`side="right"`: not larger) than each value, int32, by binary search.
    NaN counts as the largest.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right', received {side!r}.")
    sequence, wanted = (v._tensor() for v in promote(convert_to_tensor(sorted_sequence), convert_to_tensor(values)))
    if sequence.ndim != 1:
        raise ShapeError(f"searchsorted takes a vector, received shape {sequence.shape}; see vectorized_map.")
    before = _not_after if side == "right" else _before
    n = sequence.shape[0]
    found: Tensor = wanted != wanted
    found = cast(found, "int32") * 0
    for step in [1 << bit for bit in reversed(range(n.bit_length()))]:
        further = found + step
        fits = logical_and(further <= n, before(take(sequence, minimum(further, n) - 1), wanted))
        found = where(fits, further, found)
    return found


def _before(x: Tensor, y: Tensor) -> Tensor:
    return logical_or(x < y, logical_and(x == x, y != y))


def _not_after(x: Tensor, y: Tensor) -> Tensor:
    return logical_or(x <= y, y != y)


def digitize(x: Any, bins: Any) -> Tensor:
    """How many of the ascending `bins` are not larger than each element (descending: how many are larger), int32."""
    bins = convert_to_tensor(bins)
    if not bins.size:
        return searchsorted(bins, x, side="right")
    up, down = searchsorted(bins, x, side="right"), searchsorted(flip(bins), x, side="right")
    return where(bins[-1] >= bins[0], up, bins.shape[0] - down)


def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element of x1 is among those of x2."""
    x, y = promote(x1, x2)
    known = sort(ravel(y))
    if known.size:
        place = minimum(searchsorted(known, x), known.size - 1)
        found = equal(take(known, place), x)
    else:
        found = logical_and(x == x, False)
    return logical_not(found) if invert else found


def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct elements, ascending.

    Args:
        x: tensor.
        sorted: accepted for compatibility: the elements always are.
        return_index: whether to return the position of each element's first occurrence, too.
        return_inverse: and for each element of x its position in the result.
        return_counts: and how often each element occurs.
        axis: what is distinct are the slices along this axis; None: single elements.
        size: number of results: more are cut off, fewer are filled up. None only outside of traces, where the number is known.
        fill_value: of missing results; None repeats the smallest.

    Raises:
        ShapeError: in a trace without `size`.

    Example:
        >>> values, counts = unique([3, 1, 1], return_counts=True)
        >>> values.numpy(), counts.numpy()
        (array([1, 3], dtype=int32), array([2, 1], dtype=int32))
    """
    x = convert_to_tensor(x)
    if size is None and is_tracing():
        raise ShapeError("unique in a compiled function needs `size`: the shape of its result depends on values.")
    along = 0 if axis is None else one_axis(axis, x.ndim)
    rows = ravel(x) if axis is None else moveaxis(x, along, 0)
    n, flat = rows.shape[0], reshape(rows, (rows.shape[0], -1)) if rows.size else rows
    order = _lexical_order(flat)
    ordered = take(flat, order, 0)
    fresh = concatenate([bind("broadcast", convert_to_tensor(True), shape=(min(n, 1),)), any(ordered[1:] != ordered[:-1], 1)])
    number = cumsum(cast(fresh, "int32")) - 1  # of the distinct element that stands at each place of the order
    if size is None:
        size = int(number[-1]) + 1 if n else 0
    first = segment_sum(where(fresh, order, 0), number, size)
    count = segment_sum(cast(fresh, "int32") * 0 + 1, number, size)
    missing = count == 0
    first = where(missing, order[0], first) if n else first
    values = take(rows, first, 0)
    if fill_value is not None:
        values = where(reshape(missing, (size,) + (1,) * (rows.ndim - 1)), cast(fill_value, x.dtype), values)
    results = [moveaxis(values, 0, along)]
    if return_index:
        results.append(first)
    if return_inverse:
        inverse = scatter_update(order * 0, expand_dims(order, -1), number)
        results.append(reshape(inverse, x.shape) if axis is None else inverse)
    if return_counts:
        results.append(count)
    return results[0] if len(results) == 1 else tuple(results)


def _lexical_order(rows: Tensor) -> Tensor:
    """The positions that sort rows: by the last column first, by the first one last, keeping the order of equal ones."""
    order: Tensor = bind("iota", shape=rows.shape[:1], axis=0, dtype="int32")
    for column in reversed(range(rows.shape[1])):
        order = take(order, argsort(take(rows[:, column], order)))
    return order
