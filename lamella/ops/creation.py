"""Tensors from nothing, and triangles and diagonals, which are comparisons of row and column numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamella.frontend import Tensor, bind, cast, convert_to_tensor, result_type, standardize_dtype
from lamella.frontend.arithmetic import to_floats
from lamella.frontend.tensor import TensorLike
from lamella.ops.axes import one_axis, shape_tuple
from lamella.ops.elementwise import add, divide, multiply, power, subtract
from lamella.ops.logic import where
from lamella.ops.reduction import sum
from lamella.ops.shaping import broadcast_to, expand_dims, moveaxis, reshape


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """Every element is `fill_value`."""
    value = convert_to_tensor(fill_value, standardize_dtype(dtype) if dtype is not None else None)
    return broadcast_to(value, shape_tuple(shape))


def zeros(shape: Any, dtype: Any = None) -> Tensor:
    """Zeros, by default of dtype `lamella.config.floatx`."""
    return full(shape, 0, standardize_dtype(dtype))


def ones(shape: Any, dtype: Any = None) -> Tensor:
    """Ones, by default of dtype `lamella.config.floatx`."""
    return full(shape, 1, standardize_dtype(dtype))


def empty(shape: Any, dtype: Any = None) -> Tensor:
    """The same as `zeros`: no program of Lamella sees what memory held before."""
    return zeros(shape, dtype)


def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """Every element is `fill_value`; shape (and by default dtype) of `x`."""
    x = x if isinstance(x, TensorLike) else convert_to_tensor(x)
    return full(x.shape, fill_value, dtype or x.dtype)


def zeros_like(x: Any, dtype: Any = None) -> Tensor:
    """Zeros with the shape (and by default dtype) of `x`."""
    return full_like(x, 0, dtype)


def ones_like(x: Any, dtype: Any = None) -> Tensor:
    """Ones with the shape (and by default dtype) of `x`."""
    return full_like(x, 1, dtype)


def empty_like(x: Any, dtype: Any = None) -> Tensor:
    """The same as `zeros_like`."""
    return zeros_like(x, dtype)


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Tensor:
    """start, start + step, ... below stop; with one argument 0, 1, ... below it.

    The arguments must be known numbers, for the shape follows from them.
    """
    numbers = [n for n in (start, stop, step) if n is not None]
    kinds = [n.dtype if hasattr(n, "dtype") else type(n) for n in numbers]
    name = standardize_dtype(dtype) if dtype is not None else result_type(*kinds)
    low, high = (0, start) if stop is None else (start, stop)
    values = np.arange(_number(low), _number(high), 1 if step is None else _number(step))
    first, by = (values[0], values[1] - values[0]) if len(values) > 1 else (_number(low), 1)
    if np.issubdtype(values.dtype, np.integer) and "int" in name:
        line = bind("iota", shape=values.shape, axis=0, dtype=name)
        line = line if by == 1 else multiply(line, int(by))
        return line if first == 0 else add(line, convert_to_tensor(int(first), name))
    return convert_to_tensor(values, name)


def _number(x: Any) -> Any:
    return x.item() if hasattr(x, "item") else x


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0
) -> Any:
    """`num` numbers evenly spaced from start to stop: (1 - t) start + t stop, t = i / (num - 1); integers are rounded down."""
    start, stop = convert_to_tensor(start), convert_to_tensor(stop)
    name = standardize_dtype(dtype) if dtype is not None else result_type(start.dtype, stop.dtype, float)
    work = name if "float" in name else "float32"
    low, high = cast(start, work), cast(stop, work)
    parts = num - 1 if endpoint else num
    step = divide(subtract(high, low), float(max(parts, 1)))
    line = bind("iota", shape=(num,), axis=0, dtype=work)
    along = reshape(line, (num,) + (1,) * step.ndim)
    t = divide(along, float(max(parts, 1)))
    values = add(multiply(low, subtract(1.0, t)), multiply(high, t))
    if endpoint and num > 1:
        values = where(along == num - 1, high, values)  # exactly, without rounding
    values = moveaxis(cast(values if "float" in name else bind("floor", values), name), 0, axis)
    return (values, step if parts else full(step.shape, math.nan)) if retstep else values


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10, dtype: Any = None, axis: int = 0
) -> Tensor:
    """base^y for y evenly spaced from start to stop."""
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    result = power(float(base), exponents)
    return cast(result, dtype) if dtype is not None else result


def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Tensor:
    """`num` numbers from start to stop, each a constant multiple of the one before: start (stop / start)^(i / (num - 1))."""
    start, stop = to_floats(convert_to_tensor(start), convert_to_tensor(stop))
    place = cast(linspace(0.0, 1.0, num, endpoint), start.dtype)
    values = multiply(start, power(divide(stop, start), reshape(place, (num,) + (1,) * max(start.ndim, stop.ndim))))
    if endpoint and num > 1:
        values = where(reshape(place, (num,) + (1,) * (values.ndim - 1)) == 1, stop, values)  # exactly, without rounding
    values = moveaxis(values, 0, axis)
    return values if dtype is None else cast(values, dtype)


def _rows_and_columns(n: int, m: int) -> tuple[Tensor, Tensor]:
    return bind("iota", shape=(n, 1), axis=0, dtype="int32"), bind("iota", shape=(1, m), axis=1, dtype="int32")


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """N x M, 1 on the k-th diagonal (column - row = k), 0 elsewhere."""
    rows, columns = _rows_and_columns(N, N if M is None else M)
    return cast(rows + k == columns, dtype)


def identity(n: int, dtype: Any = None) -> Tensor:
    """The identity matrix."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """N x M, 1 on and below the k-th diagonal."""
    rows, columns = _rows_and_columns(N, N if M is None else M)
    return cast(rows + k >= columns, dtype)


def tril(x: Any, k: int = 0) -> Tensor:
    """The last two axes with 0 above the k-th diagonal."""
    x = convert_to_tensor(x)
    rows, columns = _rows_and_columns(*x.shape[-2:])
    return where(rows + k >= columns, x, zeros((), x.dtype))


def triu(x: Any, k: int = 0) -> Tensor:
    """The last two axes with 0 below the k-th diagonal."""
    x = convert_to_tensor(x)
    rows, columns = _rows_and_columns(*x.shape[-2:])
    return where(rows + k <= columns, x, zeros((), x.dtype))


def diag(x: Any, k: int = 0) -> Tensor:
    """A vector as the k-th diagonal of a matrix of zeros; of a matrix, its k-th diagonal."""
    x = convert_to_tensor(x)
    if x.ndim == 2:
        return diagonal(x, k)
    n = x.shape[0] + abs(k)
    rows, columns = _rows_and_columns(n, n)
    zero = zeros((), x.dtype)
    padded = bind(
        "pad", x, zero, low=(max(-k, 0),), high=(max(k, 0),), interior=(0,)
    )  # the element of row i stands at i
    return where(rows + k == columns, expand_dims(padded, 1), zero)


def diagflat(x: Any, k: int = 0) -> Tensor:
    """The flattened tensor as the k-th diagonal of a matrix of zeros."""
    x = convert_to_tensor(x)
    return diag(reshape(x, (x.size,)), k)


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Elements with index on axis2 - index on axis1 = offset, along a new last axis."""
    x = convert_to_tensor(x)
    axis1, axis2 = one_axis(axis1, x.ndim), one_axis(axis2, x.ndim)
    front = moveaxis(x, (axis1, axis2), (0, 1))
    n, m = front.shape[:2]
    row, column = max(-offset, 0), max(offset, 0)
    length = max(min(n - row, m - column), 0)
    places = np.arange(length, dtype=np.int32)
    return moveaxis(front[places + row, places + column], 0, -1)


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sum of a diagonal."""
    return sum(diagonal(x, offset, axis1, axis2), -1)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of a vector's elements: x^(N-1), ..., x, 1 in each row, or the other way round."""
    x = convert_to_tensor(x)
    n = x.shape[0] if N is None else N
    exponents = arange(n) if increasing else arange(n - 1, -1, -1)
    return power(expand_dims(x, 1), cast(exponents, x.dtype))
