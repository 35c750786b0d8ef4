"""Conversion, shapes, control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, convert_to_tensor, standardize_dtype
from lamella.frontend import cast as cast
from lamella.frontend import stop_gradient as _stop_gradient
from lamella.frontend.branching import cond as cond
from lamella.frontend.tensor import TensorLike
from lamella.ir.types import is_float, numpy_dtype
from lamella.ops.elementwise import clip
from lamella.ops.logic import to_bool, where
from lamella.ops.reduction import all
from lamella.ops.shaping import expand_dims, reshape
from lamella.ops.symbolic import Symbolic


def array(x: Any, dtype: Any = None) -> Tensor:
    """The same as `convert_to_tensor`."""
    return convert_to_tensor(x, dtype)


def copy(x: Any) -> Tensor:
    """Tensors never change, so a copy is the tensor itself."""
    return convert_to_tensor(x)


def convert_to_numpy(x: Any) -> np.ndarray:
    """A numpy array.

    Raises:
        TracedValueError: `x` is traced and has no value yet.
    """
    return convert_to_tensor(x).numpy()


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor or a variable of Lamella."""
    return isinstance(x, TensorLike)


def shape(x: Any) -> tuple[int, ...]:
    """The static shape; a symbolic tensor may have None in it."""
    return x.shape if isinstance(x, (TensorLike, Symbolic)) else np.shape(x)


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(shape(x))


def size(x: Any) -> int:
    """The number of elements."""
    return int(np.prod(shape(x), dtype=np.int64))


def dtype(x: Any) -> str:
    """The dtype's name."""
    return x.dtype if isinstance(x, (TensorLike, Symbolic)) else convert_to_tensor(x).dtype


def stop_gradient(variable: Any) -> Tensor:
    """The value, through which no gradient flows."""
    return _stop_gradient(variable)


def view(x: Any, dtype: Any = None) -> Tensor:
    """The same bytes as another dtype: the last axis grows or shrinks with the sizes of the dtypes; the lowest bits come first.

    Raises:
        ShapeError: the last axis isn't a multiple of what makes one new element.

    Example:
        >>> view([1.0, 2.0], "uint8").numpy()
        array([  0,   0, 128,  63,   0,   0,   0,  64], dtype=uint8)
    """
    x = convert_to_tensor(x)
    target = x.dtype if dtype is None else standardize_dtype(dtype)
    if target == x.dtype:
        return x
    old, new = (numpy_dtype(name).itemsize for name in (x.dtype, target))
    bits = cast(x, "uint8") if x.dtype == "bool" else bind("bitcast", x, dtype=f"uint{8 * old}")
    if old != new and not x.ndim:
        raise ShapeError(f"view: a scalar {x.dtype} can't become {target}, which has another size.")
    if old > new:
        bits = reshape(cast(_shifted(expand_dims(bits, -1), "shift_right", old // new, new), f"uint{8 * new}"), (*x.shape[:-1], -1))
    elif old < new:
        if x.shape[-1] % (new // old):
            raise ShapeError(f"view: {new // old} {x.dtype} make one {target}; the last axis of shape {x.shape} isn't a multiple.")
        parts = cast(reshape(bits, (*x.shape[:-1], -1, new // old)), f"uint{8 * new}")
        bits = bind("reduce_sum", _shifted(parts, "shift_left", new // old, old), axes=(x.ndim,))
    return bits != 0 if target == "bool" else bind("bitcast", bits, dtype=target)


def _shifted(bits: Tensor, direction: str, count: int, size: int) -> Tensor:
    """Element i of the last axis (or a copy of its only one) shifted by i times `size` bytes."""
    places = bind("iota", shape=(count,), axis=0, dtype=bits.dtype) * (8 * size)
    return bind(direction, bits, places)


def saturate_cast(x: Any, dtype: Any) -> Tensor:
    """Cast with values beyond the new dtype's range moved to its ends."""
    x = convert_to_tensor(x)
    if is_float(dtype) or dtype == "bool":
        return cast(x, dtype)
    info = np.iinfo(dtype)
    low, high = float(info.min), float(info.max)
    if is_float(x.dtype):
        while (
            float(np.asarray(high, ml_dtypes.finfo(x.dtype).dtype)) > info.max
        ):  # the bound itself must not round upwards
            high = float(np.nextafter(np.asarray(high, np.float32 if x.dtype != "float64" else np.float64), 0))
        return cast(clip(x, low, high), dtype)
    own = np.iinfo(x.dtype) if x.dtype != "bool" else None
    if own is None:
        return cast(x, dtype)
    return cast(clip(x, max(int(own.min), int(info.min)), min(int(own.max), int(info.max))), dtype)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Tensor:
    """By element the first choice whose condition holds, else the default."""
    result = default
    for condition, choice in list(zip(condlist, choicelist, strict=True))[::-1]:
        result = where(to_bool(condition), choice, result)
    return convert_to_tensor(result)


def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """|x1 - x2| <= atol + rtol |x2|; equal infinities are close."""
    x, y = convert_to_tensor(x1), convert_to_tensor(x2)
    close = (x == y) | (abs(x - y) <= abs(y) * rtol + atol) & (abs(y) != np.inf)
    return close | ((x != x) & (y != y)) if equal_nan else close


def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Whether all elements are close."""
    return all(isclose(x1, x2, rtol, atol, equal_nan))
