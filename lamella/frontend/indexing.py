"""`tensor[...]` as primitives: integers, slices, None, Ellipsis, integer arrays, and (eagerly) boolean masks."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from lamella.errors import DTypeError, ShapeError
from lamella.frontend.binding import bind, cast, convert_to_tensor
from lamella.frontend.tensor import Tensor, TensorLike
from lamella.ir.types import SIGNED, is_int


def getitem(x: TensorLike, key: Any) -> Tensor:
    """`x[key]` with numpy's meaning.

    Raises:
        IndexError: an index is out of range, or there are more indices than axes.
        DTypeError: an index array isn't integer (or, outside of traces, bool).
    """
    items = _expand(list(key) if isinstance(key, tuple) else [key], x.shape)
    sliced, new_axes, arrays = _basic(x, items)
    out = _advanced(sliced, arrays) if arrays else sliced
    if new_axes and arrays:
        raise IndexError("None can't be combined with index arrays; use ops.expand_dims on the result.")
    for axis in new_axes:
        out = expand_dim(out, axis)
    return out


def _expand(items: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """Replace the Ellipsis, and masks by integer arrays; one item per axis, plus Nones."""
    items = [part for item in items for part in _open_mask(item)]
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexError("An index can hold only one Ellipsis (...).")
    used = sum(item is not None and item is not Ellipsis for item in items)
    if used > len(shape):
        raise IndexError(f"Too many indices: {used} for a tensor of shape {shape}.")
    fill = [slice(None)] * (len(shape) - used)
    return items[: dots[0]] + fill + items[dots[0] + 1 :] if dots else items + fill


def _open_mask(item: Any) -> list[Any]:
    if isinstance(item, (bool, np.bool_)):
        raise IndexError("True and False are no indices; use None, or ops.where.")
    if item is None or item is Ellipsis or isinstance(item, (int, slice, np.integer)):
        return [item]
    if isinstance(item, float):
        raise DTypeError(f"An index must be an integer, received {item}.")
    array = item if isinstance(item, (TensorLike, np.ndarray)) else np.asarray(item, None if len(item) else np.int32)
    if "int" not in str(array.dtype) and array.dtype != "bool":
        raise DTypeError(f"Indices must be integers or bools, received {array.dtype}.")
    if array.dtype == "bool":
        return list(np.nonzero(np.asarray(array)))  # its shape depends on values: an error while tracing
    if array.ndim == 0 and (isinstance(array, np.ndarray) or array._array is not None):
        return [operator.index(array[()]) if isinstance(array, np.ndarray) else operator.index(array)]
    return [array]


def _basic(x: TensorLike, items: list[Any]) -> tuple[Tensor, list[int], dict[int, Any]]:
    """Apply slices and integers; where new axes go, and the index arrays by axis of the sliced tensor."""
    bounds, reverse, dropped, new_axes, arrays = [], [], [], [], {}
    axis = out_axis = 0
    for item in items:
        if item is None:
            new_axes.append(out_axis)
            out_axis += 1
            continue
        n = x.shape[axis]
        if isinstance(item, slice):
            bound, flip = _bounds(item, n)
            bounds.append(bound)
            reverse += [axis] if flip else []
            out_axis += 1
        elif isinstance(item, (int, np.integer)):
            at = checked_index(int(item), n, axis)
            bounds.append((at, at + 1, 1))
            dropped.append(axis)
        else:
            bounds.append((0, n, 1))
            arrays[axis - len(dropped)] = item
            out_axis += 1
        axis += 1
    out = x._tensor()
    if any(b != (0, n, 1) for b, n in zip(bounds, x.shape, strict=True)):
        start, stop, stride = (tuple(b[i] for b in bounds) for i in range(3))
        out = bind("slice", out, start=start, stop=stop, stride=stride)
    if reverse:
        out = bind("reverse", out, axes=tuple(reverse))
    if dropped:
        out = bind("reshape", out, shape=tuple(n for a, n in enumerate(out.shape) if a not in dropped))
    return out, new_axes, arrays


def _bounds(item: slice, n: int) -> tuple[tuple[int, int, int], bool]:
    """Start, stop and positive stride, and whether to reverse afterwards."""
    start, stop, step = item.indices(n)
    count = len(range(start, stop, step))
    if count == 0:
        return (0, 0, 1), False
    last = start + (count - 1) * step
    low, high = min(start, last), max(start, last)
    return (low, high + 1, abs(step) if count > 1 else 1), step < 0 and count > 1


def checked_index(index: int, n: int, axis: int) -> int:
    """A Python index with negative ones counted from the end."""
    if not -n <= index < n:
        raise IndexError(f"Index {index} is out of range for axis {axis} with size {n}.")
    return index % n


def _advanced(x: Tensor, arrays: dict[int, Any]) -> Tensor:
    """Gather along the axes that have index arrays: they are moved to the front and merged into one."""
    axes = list(arrays)
    indices = [wrap_indices(arrays[a], x.shape[a], a) for a in axes]
    shape = np.broadcast_shapes(*(i.shape for i in indices))
    rest = [a for a in range(x.ndim) if a not in arrays]
    front = _transpose(x, axes + rest)
    sizes = front.shape[: len(axes)]
    merged = bind("reshape", front, shape=(math.prod(sizes), *front.shape[len(axes) :]))
    flat: Tensor = indices[0]
    for index, n in zip(indices[1:], sizes[1:], strict=True):
        flat = bind("add", bind("mul", flat, convert_to_tensor(n, flat.dtype)), cast(index, flat.dtype))
    if flat.shape != shape:
        flat = bind("broadcast", flat, shape=shape)
    out = bind("gather", merged, flat)
    adjacent = axes == list(range(axes[0], axes[0] + len(axes)))
    if not adjacent or axes[0] == 0:
        return out
    k = len(shape)  # numpy puts the axes of adjacent index arrays where these stood
    return _transpose(out, [*range(k, k + axes[0]), *range(k), *range(k + axes[0], out.ndim)])


def wrap_indices(indices: Any, n: int, axis: int = 0) -> Tensor:
    """Indices with negative ones counted from the end; out of range ones raise when their values are known.

    Raises:
        IndexError: eagerly, naming the index, the axis and its size.
        DTypeError: the indices aren't integers.
    """
    tensor = indices._tensor() if isinstance(indices, TensorLike) else convert_to_tensor(indices)
    if not is_int(tensor.dtype):
        raise DTypeError(f"Indices must be integers, received {tensor.dtype}.")
    if tensor._array is not None:
        return Tensor(_wrap_known(tensor._array, n, axis))
    if tensor.dtype not in SIGNED:
        return tensor
    zero, size = convert_to_tensor(0, tensor.dtype), convert_to_tensor(n, tensor.dtype)
    return bind("select", bind("lt", tensor, zero), bind("add", tensor, size), tensor)


def _wrap_known(array: np.ndarray, n: int, axis: int) -> np.ndarray:
    if array.size and not (-n <= array.min() and array.max() < n):
        wrong = array[(array < -n) | (array >= n)].flat[0]
        raise IndexError(f"Index {wrong} is out of range for axis {axis} with size {n}.")
    return np.where(array < 0, array + n, array).astype(array.dtype) if array.dtype.kind == "i" else array


def _transpose(x: Tensor, perm: list[int]) -> Tensor:
    return x if perm == list(range(x.ndim)) else bind("transpose", x, perm=tuple(perm))


def expand_dim(x: TensorLike, axis: int) -> Tensor:
    """A new axis of size 1 at position `axis` of the result."""
    if not -x.ndim - 1 <= axis <= x.ndim:
        raise ShapeError(f"Can't insert axis {axis} into shape {x.shape}.")
    axis %= x.ndim + 1
    return bind("reshape", x, shape=x.shape[:axis] + (1,) + x.shape[axis:])


setattr(TensorLike, "__getitem__", getitem)  # noqa: B010
