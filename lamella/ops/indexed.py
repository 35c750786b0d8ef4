"""Reading and writing by index."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, cast, convert_to_tensor
from lamella.frontend.indexing import checked_index, wrap_indices
from lamella.frontend.tensor import TensorLike
from lamella.ops.axes import one_axis, shape_tuple
from lamella.ops.elementwise import clip, floor_divide, mod
from lamella.ops.logic import where
from lamella.ops.shaping import moveaxis, ravel, reshape


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


def slice(inputs: Any, start_indices: Any, shape: Any) -> Tensor:
    """The block of the given shape that starts at `start_indices`; -1 in the shape takes all that remains. A start that is only
    known at run time is moved so that the block fits.
    """
    x = convert_to_tensor(inputs)
    out = x
    for axis, (start, n) in enumerate(zip(_starts(start_indices), shape_tuple(shape), strict=True)):
        if n == -1 and isinstance(start, TensorLike):
            raise ShapeError(f"slice: the size along axis {axis} is -1, so its start must be a number.")
        out = _part(out, axis, start, x.shape[axis] - start if n == -1 else n)
    return out


builtin_slice = type(np.s_[:])


def _starts(start_indices: Any) -> list[Any]:
    """Numbers where they are known, int tensors where not."""
    starts = list(start_indices)
    return [s if isinstance(s, TensorLike) and getattr(s, "_array", None) is None else int(s) for s in starts]


def _part(x: Tensor, axis: int, start: Any, n: int) -> Tensor:
    """n elements along an axis."""
    if isinstance(start, TensorLike):
        return moveaxis(bind("dynamic_slice", moveaxis(x, axis, 0), start, size=n), 0, axis)
    low = checked_index(start, x.shape[axis] + 1, axis)
    return x[(builtin_slice(None),) * axis + (builtin_slice(low, low + n),)]


def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Tensor:
    """`inputs` with the block that starts at `start_indices` replaced by `updates`. A start that is only known at run time is
    moved so that the block fits.

    Raises:
        ShapeError: the block doesn't lie within the inputs.
    """
    x = convert_to_tensor(inputs)
    new, starts = cast(updates, x.dtype), _starts(start_indices)
    known = [0 if isinstance(s, TensorLike) else s for s in starts]
    if any(s < 0 or s + m > n for n, s, m in zip(x.shape, known, new.shape, strict=True)):
        raise ShapeError(f"slice_update: a block of shape {new.shape} at {starts} doesn't lie within shape {x.shape}.")
    return _replaced(x, starts, new, 0)


def _replaced(x: Tensor, starts: list[Any], new: Tensor, axis: int) -> Tensor:
    """Take the part along the first axis, replace in that, and put it back."""
    if axis == x.ndim:
        return new
    start, n = starts[axis], new.shape[axis]
    if n == x.shape[axis]:
        return _replaced(x, starts, new, axis + 1)
    part = _replaced(_part(x, axis, start, n), starts, new, axis + 1)
    at = cast(start, "int32")
    return moveaxis(bind("dynamic_update_slice", moveaxis(x, axis, 0), moveaxis(part, axis, 0), at), 0, axis)


def nonzero(x: Any) -> tuple[Tensor, ...]:
    """The positions of nonzero elements, one int32 vector per axis; only outside of traces, for the shape depends on
    values.
    """
    return where(x)


def unravel_index(indices: Any, shape: Any) -> tuple[Tensor, ...]:
    """The index along each axis of positions in the flattened tensor; negative ones count from the end, those beyond it are moved
    into it.

    Example:
        >>> [i.item() for i in unravel_index(5, (2, 3))]
        [1, 2]
    """
    sizes = shape_tuple(shape)
    total = math.prod(sizes)
    rest = convert_to_tensor(indices)
    rest = clip(where(rest < 0, rest + total, rest), 0, total - 1)
    parts = []
    for n in reversed(sizes):
        parts.append(mod(rest, n))
        rest = floor_divide(rest, n)
    return tuple(reversed(parts))
