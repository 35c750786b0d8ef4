"""Functions that move elements without changing them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, cast, convert_to_tensor, promote
from lamella.frontend.indexing import expand_dim
from lamella.ops.axes import many_axes, one_axis, shape_tuple


def reshape(x: Any, newshape: Any) -> Tensor:
    """The same elements in row-major order; one size may be -1 and follows from the others.

    Example:
        >>> reshape([[1, 2], [3, 4]], (-1,)).numpy()
        array([1, 2, 3, 4], dtype=int32)
    """
    x = convert_to_tensor(x)
    shape = shape_tuple(newshape)
    if -1 in shape:
        rest = -math.prod(shape)
        if shape.count(-1) > 1 or (rest and x.size % rest) or not rest:
            raise ShapeError(f"Can't reshape {x.shape} ({x.size} elements) to {shape}.")
        shape = tuple(x.size // rest if n == -1 else n for n in shape)
    return x if shape == x.shape else bind("reshape", x, shape=shape)


def ravel(x: Any) -> Tensor:
    """All elements along one axis."""
    return reshape(x, (-1,)) if convert_to_tensor(x).size else reshape(x, (0,))


def transpose(x: Any, axes: Sequence[int] | None = None) -> Tensor:
    """Axes in the order `axes`; None reverses them."""
    x = convert_to_tensor(x)
    perm = tuple(range(x.ndim))[::-1] if axes is None else tuple(one_axis(a, x.ndim) for a in axes)
    return x if perm == tuple(range(x.ndim)) else bind("transpose", x, perm=perm)


def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """Axes `source` stand at `destination` afterwards; the others keep their order."""
    x = convert_to_tensor(x)
    sources, targets = (
        [one_axis(a, x.ndim) for a in (v if isinstance(v, Sequence) else [v])] for v in (source, destination)
    )
    order = [a for a in range(x.ndim) if a not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return transpose(x, order)


def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """Exchange two axes."""
    x = convert_to_tensor(x)
    order = list(range(x.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, order)


def expand_dims(x: Any, axis: Any) -> Tensor:
    """New axes of size 1 at the positions `axis` of the result."""
    x = convert_to_tensor(x)
    axes = list(axis) if isinstance(axis, Sequence) else [axis]
    for a in sorted(many_axes(axes, x.ndim + len(axes))):
        x = expand_dim(x, a)
    return x


def squeeze(x: Any, axis: Any = None) -> Tensor:
    """Without the axes `axis`, which must have size 1; None drops all such axes."""
    x = convert_to_tensor(x)
    axes = tuple(i for i, n in enumerate(x.shape) if n == 1) if axis is None else many_axes(axis, x.ndim)
    if any(x.shape[a] != 1 for a in axes):
        raise ShapeError(f"Can't squeeze axis {axis} of shape {x.shape}: its size isn't 1.")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def broadcast_to(x: Any, shape: Any) -> Tensor:
    """Axes of size 1 and missing leading axes repeated to `shape`."""
    x = convert_to_tensor(x)
    target = shape_tuple(shape)
    return x if target == x.shape else bind("broadcast", x, shape=target)


def concatenate(xs: Sequence[Any], axis: int = 0) -> Tensor:
    """Tensors one after the other along `axis`; dtypes are promoted."""
    tensors = promote(*(convert_to_tensor(x) for x in xs))
    axis = one_axis(axis, tensors[0].ndim)
    return tensors[0]._tensor() if len(tensors) == 1 else bind("concat", *tensors, axis=axis)


def stack(x: Sequence[Any], axis: int = 0) -> Tensor:
    """Tensors of one shape along a new axis.

    Raises:
        ShapeError: the shapes differ.
    """
    tensors = [convert_to_tensor(item) for item in x]
    if len({t.shape for t in tensors}) > 1:
        raise ShapeError(f"stack needs equal shapes, received {', '.join(str(t.shape) for t in tensors)}.")
    return concatenate([expand_dim(t, axis) for t in tensors], one_axis(axis, tensors[0].ndim + 1))


def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Tensor]:
    """The slices along `axis`, without it."""
    x = convert_to_tensor(x)
    axis = one_axis(axis, x.ndim)
    if num not in (None, x.shape[axis]):
        raise ShapeError(f"Can't unstack axis {axis} of shape {x.shape} into {num}.")
    return [x[(slice(None),) * axis + (i,)] for i in range(x.shape[axis])]


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Equal parts along `axis` (a number of them), or parts between the given positions.

    Raises:
        ShapeError: the size isn't a multiple of the number of parts.
    """
    x = convert_to_tensor(x)
    axis = one_axis(axis, x.ndim)
    n = x.shape[axis]
    if isinstance(indices_or_sections, int):
        if n % indices_or_sections:
            raise ShapeError(
                f"Can't split axis {axis} of size {n} into {indices_or_sections} equal parts; see array_split."
            )
        cuts = list(range(n // indices_or_sections, n, n // indices_or_sections)) if n else []
    else:
        cuts = [int(i) for i in indices_or_sections]
    bounds = zip([0, *cuts], [*cuts, n], strict=True)
    return [x[(slice(None),) * axis + (slice(low, max(low, high)),)] for low, high in bounds]


def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """As `split`; sizes that don't divide evenly give longer parts first."""
    if not isinstance(indices_or_sections, int):
        return split(x, indices_or_sections, axis)
    x = convert_to_tensor(x)
    parts, more = divmod(x.shape[axis], indices_or_sections)
    sizes = [parts + (i < more) for i in range(indices_or_sections)]
    return split(x, [int(n) for n in np.cumsum(sizes)[:-1]], axis)


def vsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """`split` along axis 0."""
    return split(x, indices_or_sections, 0)


def hsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """`split` along axis 1, of a vector along axis 0."""
    x = convert_to_tensor(x)
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


def dsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """`split` along axis 2."""
    return split(x, indices_or_sections, 2)


def _stack_along(axis: int, minimum: int) -> Any:
    def function(xs: Sequence[Any]) -> Tensor:
        tensors = [convert_to_tensor(x) for x in xs]
        raised = [t if t.ndim >= minimum else _raise_rank(t, minimum) for t in tensors]
        return concatenate(raised, axis if raised[0].ndim > axis else 0)

    return function


def _raise_rank(x: Tensor, rank: int) -> Tensor:
    """As numpy's atleast_2d and atleast_3d: rows, and rows of one channel."""
    if rank == 3:
        return reshape(x, (1, x.size, 1) if x.ndim < 2 else (*x.shape, 1))
    return reshape(x, (1,) * (rank - x.ndim) + x.shape)


vstack, hstack, dstack = _stack_along(0, 2), _stack_along(1, 1), _stack_along(2, 3)
vstack.__doc__, hstack.__doc__, dstack.__doc__ = (
    "Rows below each other.",
    "Along axis 1, vectors along axis 0.",
    "Along axis 2.",
)


def append(x1: Any, x2: Any, axis: int | None = None) -> Tensor:
    """x2 after x1 along `axis`; None flattens both."""
    return concatenate([ravel(x1), ravel(x2)]) if axis is None else concatenate([x1, x2], axis)


def flip(x: Any, axis: Any = None) -> Tensor:
    """The order of elements reversed along `axis` (None: along all)."""
    x = convert_to_tensor(x)
    axes = many_axes(axis, x.ndim)
    return bind("reverse", x, axes=axes) if axes else x


def fliplr(x: Any) -> Tensor:
    """Columns in reverse order."""
    return flip(x, 1)


def flipud(x: Any) -> Tensor:
    """Rows in reverse order."""
    return flip(x, 0)


def roll(x: Any, shift: Any, axis: Any = None) -> Tensor:
    """Elements moved by `shift` positions, those that leave at the end come in at the start."""
    x = convert_to_tensor(x)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    pairs = zip(shift, axis, strict=True) if isinstance(axis, Sequence) else [(shift, axis)]
    for by, a in pairs:
        a = one_axis(a, x.ndim)
        by = int(by) % x.shape[a] if x.shape[a] else 0
        if by:
            lead = (slice(None),) * a
            x = concatenate([x[(*lead, slice(-by, None))], x[(*lead, slice(None, -by))]], a)
    return x


def rot90(array: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """Turned by k quarter turns from axes[0] towards axes[1]."""
    x = convert_to_tensor(array)
    first, second = axes
    k %= 4
    if k == 2:
        return flip(x, axes)
    if k == 1:
        return swapaxes(flip(x, second), first, second)
    return flip(swapaxes(x, first, second), second) if k == 3 else x


def tile(x: Any, repeats: Any) -> Tensor:
    """The whole tensor repeated along each axis."""
    x = convert_to_tensor(x)
    counts = shape_tuple(repeats)
    rank = max(x.ndim, len(counts))
    counts, sizes = (1,) * (rank - len(counts)) + counts, (1,) * (rank - x.ndim) + x.shape
    spread = bind("reshape", x, shape=tuple(n for size in sizes for n in (1, size)))
    wide = bind("broadcast", spread, shape=tuple(n for pair in zip(counts, sizes, strict=True) for n in pair))
    return reshape(wide, tuple(c * n for c, n in zip(counts, sizes, strict=True)))


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element repeated in place along `axis` (None: of the flattened tensor); `repeats` may differ by position."""
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = ravel(x), 0
    axis = one_axis(axis, x.ndim)
    counts = np.asarray(repeats).reshape(-1)
    if counts.size > 1:
        return x[(slice(None),) * axis + (np.repeat(np.arange(x.shape[axis], dtype=np.int32), counts),)]
    wide = expand_dim(x, axis + 1)
    wide = broadcast_to(wide, wide.shape[: axis + 1] + (int(counts[0]),) + wide.shape[axis + 2 :])
    return reshape(wide, x.shape[:axis] + (x.shape[axis] * int(counts[0]),) + x.shape[axis + 1 :])


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Tensor:
    """`pad_width[i]` = (before, after) elements added along axis i; one pair or one number serves all axes.

    Args:
        mode: `"constant"` (`constant_values`, default 0), `"reflect"`, `"symmetric"`, or another mode of `numpy.pad`
            that only repeats elements.
    """
    x = convert_to_tensor(x)
    widths = [tuple(int(n) for n in pair) for pair in np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))]
    if mode == "constant":
        value = cast(0 if constant_values is None else constant_values, x.dtype)
        low, high = (tuple(w[i] for w in widths) for i in (0, 1))
        return bind("pad", x, value, low=low, high=high, interior=(0,) * x.ndim)
    if constant_values is not None:
        raise ValueError(f"constant_values is for mode='constant' only; mode is {mode!r}.")
    for axis, width in enumerate(widths):
        if width != (0, 0):
            where_from = np.pad(np.arange(x.shape[axis], dtype=np.int32), width, mode=mode)  # type: ignore[call-overload]
            x = x[(slice(None),) * axis + (where_from,)]
    return x


def meshgrid(*x: Any, indexing: str = "xy") -> list[Tensor]:
    """Coordinates of a grid: every vector broadcast along the axes of the others; "xy" exchanges the first two axes."""
    vectors = [ravel(v) for v in x]
    order = [1, 0, *range(2, len(vectors))] if indexing == "xy" and len(vectors) > 1 else list(range(len(vectors)))
    shape = tuple(vectors[i].size for i in order)
    lines = [reshape(v, tuple(-1 if order[a] == i else 1 for a in range(len(order)))) for i, v in enumerate(vectors)]
    return [broadcast_to(line, shape) for line in lines]


def diff(a: Any, n: int = 1, axis: int = -1) -> Tensor:
    """a[i + 1] - a[i] along `axis`, n times."""
    x = convert_to_tensor(a)
    axis = one_axis(axis, x.ndim)
    lead = (slice(None),) * axis
    for _ in range(n):
        upper, lower = x[(*lead, slice(1, None))], x[(*lead, slice(None, -1))]
        x = upper != lower if x.dtype == "bool" else upper - lower
    return x
