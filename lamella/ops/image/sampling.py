"""Images read at real positions: `map_coordinates`, and `affine_transform` on top of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, cast, convert_to_tensor
from lamella.frontend.arithmetic import mod, to_floats
from lamella.ir.types import is_float
from lamella.ops.elementwise import absolute, clip, floor, minimum, sign, subtract, trunc
from lamella.ops.image.layout import Axes, check_choice, image_tensor
from lamella.ops.logic import logical_and, where
from lamella.ops.shaping import moveaxis, reshape

ORDERS = {"nearest": 0, "bilinear": 1}


def _reflect(index: Tensor, n: int) -> Tensor:
    index = mod(index, 2.0 * n)
    return minimum(index, subtract(2.0 * n - 1.0, index))


def _mirror(index: Tensor, n: int) -> Tensor:
    index = mod(index, max(2.0 * (n - 1), 1.0))
    return minimum(index, subtract(2.0 * (n - 1), index))


def _nearest(index: Tensor, n: int) -> Tensor:
    return clip(index, 0.0, n - 1.0)


# Fill mode -> which of n pixels stands for a (whole) position outside. "constant" looks at no pixel there.
FILL_MODES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "constant": _nearest,
    "nearest": _nearest,
    "wrap": lambda index, n: mod(index, float(n)),
    "mirror": _mirror,
    "reflect": _reflect,
}


class _Node(NamedTuple):
    """One of the two pixels beside a position along one axis (the only one for order 0).

    Attributes:
        pixel: its number, int32.
        weight: its share, None for all.
        inside: whether there is such a pixel, None where it does not matter.
    """

    pixel: Tensor
    weight: Tensor | None
    inside: Tensor | None


def _node(index: Tensor, weight: Tensor | None, n: int, fill_mode: str) -> _Node:
    inside = logical_and(index >= 0.0, index < float(n)) if fill_mode == "constant" else None
    return _Node(cast(FILL_MODES[fill_mode](index, n), "int32"), weight, inside)


def _nodes(position: Tensor, n: int, order: int, fill_mode: str) -> list[_Node]:
    if order == 0:
        return [_node(_rounded(position), None, n, fill_mode)]
    low = floor(position)
    share = position - low
    return [_node(low, 1.0 - share, n, fill_mode), _node(low + 1.0, share, n, fill_mode)]


def _rounded(x: Tensor) -> Tensor:
    """The nearest whole number, halves away from 0."""
    whole = trunc(x)
    return whole + where(absolute(x - whole) >= 0.5, sign(x), 0.0)


def _sample(table: Tensor, sizes: Sequence[int], positions: Sequence[Tensor], order: int, fill_mode: str,
            fill_value: Any, first: Any = 0) -> Tensor:
    """Values of a grid at real positions: the sum over the pixels around them of weight times value.

    Args:
        table: (pixels, *rest): the pixels of one or more grids, row by row; integers are rounded in the end.
        sizes: of one grid.
        positions: for each axis of the grid a float tensor, all of one shape.
        first: the row of `table` at which the grid begins.

    Returns:
        (*shape of the positions, *rest), in the table's dtype.
    """
    axes = [_nodes(p, n, order, fill_mode) for p, n in zip(positions, sizes, strict=True)]
    shape = positions[0].shape + (1,) * (table.ndim - 1)
    floats, fill = is_float(table.dtype), convert_to_tensor(fill_value, table.dtype)
    total: Any = None
    for corner in itertools.product(*axes):
        row: Any = first
        for node, stride in zip(corner, _strides(sizes), strict=True):
            row = row + node.pixel * stride
        value = bind("gather", table, row)
        if fill_mode == "constant":
            inside = _product(node.inside for node in corner)
            value = where(reshape(inside, shape), value, fill)
        if order:
            weight = reshape(_product(node.weight for node in corner), shape)
            value = value * weight if floats else cast(value, weight.dtype) * weight
        total = value if total is None else total + value
    return cast(total if floats or not order else _rounded(total), table.dtype)


def _strides(sizes: Sequence[int]) -> list[int]:
    return [math.prod(sizes[axis + 1 :]) for axis in range(len(sizes))]


def _product(factors: Any) -> Any:
    first, *rest = factors
    for factor in rest:
        first = logical_and(first, factor) if first.dtype == "bool" else first * factor
    return first


def map_coordinates(inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant",
                    fill_value: float = 0) -> Tensor:
    """The values of a tensor at real positions.

    Order 0 takes the nearest element, halves away from 0. Order 1 is the sum over the 2^n elements around the
    position, each times the product over the axes of 1 - |distance|.

    Args:
        inputs: tensor of n axes.
        coordinates: (n, ...): for each axis the positions; 0 is the first element.
        order: 0 or 1.
        fill_mode: what stands outside of a b c d: "constant" `fill_value`, "nearest" a a|a b c d|d d,
            "reflect" b a|a b c d|d c, "mirror" c b|a b c d|c b, "wrap" c d|a b c d|a b.
        fill_value: for "constant".

    Returns:
        A tensor of the shape of one axis' coordinates and the dtype of `inputs`; integers are rounded, halves away
        from 0.

    Raises:
        ShapeError: the number of coordinates is not that of the axes.
        ValueError: another order or an unknown fill mode.

    Source: keras.ops.image.map_coordinates.

    Example:
        >>> map_coordinates([0.0, 10.0, 20.0], [[0.5, 2.0, 2.5]], 1).numpy().tolist()
        [5.0, 20.0, 10.0]
    """
    x, places = convert_to_tensor(inputs), convert_to_tensor(coordinates)
    if places.ndim < 2 or places.shape[0] != x.ndim:
        raise ShapeError(f"map_coordinates needs coordinates of shape ({x.ndim}, ...) for inputs of shape {x.shape}, "
                         f"received {places.shape}.")
    if order not in (0, 1):
        raise ValueError(f"order of map_coordinates must be 0 (nearest) or 1 (linear), received {order!r}.")
    check_choice("fill_mode", fill_mode, FILL_MODES)
    (places,) = to_floats(places)  # type: ignore[assignment]
    return _sample(reshape(x, (x.size,)), x.shape, [places[i] for i in range(x.ndim)], order, fill_mode, fill_value)


def affine_transform(images: Any, transform: Any, interpolation: str = "bilinear", fill_mode: str = "constant",
                     fill_value: float = 0, data_format: str | None = None) -> Tensor:
    """Images turned, stretched, moved: each output pixel (x, y) shows the input at
    ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1.

    Args:
        images: (height, width, channels), or a batch of them; (channels, height, width) for "channels_first".
        transform: (a0, a1, a2, b0, b1, b2, c0, c1), one for all images, or one for each: (batch, 8).
        interpolation: "bilinear" or "nearest" (halves away from 0).
        fill_mode, fill_value: what lies outside, see `map_coordinates`.
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ShapeError: no image and no batch of images, or not 8 numbers for each.
        ValueError: an unknown interpolation, fill mode or format.

    Source: keras.ops.image.affine_transform. Keras on JAX gives c0 and c1 no such meaning.

    Example:
        >>> right = [1.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
        >>> affine_transform([[[1.0], [2.0], [3.0]]], right).numpy().ravel().tolist()
        [0.0, 1.0, 2.0]
    """
    x, axes = image_tensor("affine_transform", images, data_format)
    (matrix,) = to_floats(convert_to_tensor(transform))
    batch = 1 if x.ndim == 3 else x.shape[0]
    if matrix.shape not in ((8,), (1, 8), (batch, 8)):
        raise ShapeError(f"affine_transform needs a transform of shape (8,) or ({batch}, 8) for images of shape "
                         f"{x.shape}, received {matrix.shape}.")
    rows, columns = _transformed(matrix._tensor(), x.shape[axes.rows], x.shape[axes.columns])
    return read_images(x, axes, rows, columns, interpolation, fill_mode, fill_value)


def read_images(x: Tensor, axes: Axes, rows: Tensor, columns: Tensor, interpolation: str, fill_mode: str, fill_value: Any) -> Tensor:
    """An image or a batch of them, with every pixel of the result read at a place of its own.

    Args:
        rows, columns: float tensors (batch or 1, height, width), counted from 0 at the first pixel.

    Raises:
        ValueError: an unknown interpolation or fill mode.
    """
    check_choice("interpolation", interpolation, ORDERS)
    check_choice("fill_mode", fill_mode, FILL_MODES)
    single, first = x.ndim == 3, axes.channels == -3
    x = reshape(x, (1, *x.shape)) if single else x
    x = moveaxis(x, 1, -1) if first else x
    batch, height, width, channels = x.shape
    start = bind("iota", shape=(batch, 1, 1), axis=0, dtype="int32") * (height * width)
    out = _sample(reshape(x, (batch * height * width, channels)), (height, width), (rows, columns),
                  ORDERS[interpolation], fill_mode, fill_value, start)
    out = moveaxis(out, -1, 1) if first else out
    return reshape(out, out.shape[1:]) if single else out


def _transformed(matrix: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Rows and columns (batch or 1, height, width) that the output pixels show."""
    a0, a1, a2, b0, b1, b2, c0, c1 = (reshape(matrix[..., i], (-1, 1, 1)) for i in range(8))
    y = bind("iota", shape=(1, height, 1), axis=1, dtype=matrix.dtype)
    x = bind("iota", shape=(1, 1, width), axis=2, dtype=matrix.dtype)
    k = c0 * x + c1 * y + 1.0
    return (b0 * x + b1 * y + b2) / k, (a0 * x + a1 * y + a2) / k
