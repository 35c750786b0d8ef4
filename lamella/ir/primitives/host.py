"""What the records of kind `host` share: primitives that numpy computes on every target, and matrices in their gradient rules.

Native programs call back into Python for them (`lamella/native/host.py`). Matrices stand in the last two axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.errors import DTypeError, ShapeError
from lamella.ir.core import Atom, Primitive, Sample
from lamella.ir.primitives.contract import matmul_spec
from lamella.ir.registry import register
from lamella.ir.types import TensorType, dtype_name, numpy_dtype

Types = TensorType | tuple[TensorType, ...]
DTYPES = ("float32", "float64")


def define(name: str, type_rule: Callable[..., Types], numpy: Callable[..., Any], vjp: Callable[..., Sequence[Atom | None]],
           samples: Sequence[Sample], tolerance: float = 64.0) -> None:
    meaning = _without_errors(type_rule, numpy)
    register(Primitive(name, "host", type_rule, meaning, vjp, samples=tuple(samples), tolerance=tolerance))


def _without_errors(type_rule: Callable[..., Types], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with NaN for matrices on which it fails (singular, no convergence ...), as in JAX and Keras."""

    def numpy(*arrays: np.ndarray, **params: Any) -> Any:
        types = type_rule(*(TensorType(a.shape, dtype_name(a.dtype)) for a in arrays), **params)
        try:
            with np.errstate(all="ignore"):
                found = function(*arrays, **params)
        except np.linalg.LinAlgError:
            if arrays[0].ndim > 2:
                rows = [numpy(*(a[i] for a in arrays), **params) for i in range(len(arrays[0]))]
                return tuple(map(np.stack, zip(*rows, strict=True))) if isinstance(types, tuple) else np.stack(rows)
            found = tuple(np.full(t.shape, np.nan) for t in types) if isinstance(types, tuple) else np.full(types.shape, np.nan)
        if isinstance(types, tuple):
            return tuple(np.asarray(y, numpy_dtype(t.dtype)) for y, t in zip(found, types, strict=True))
        return np.asarray(found, numpy_dtype(types.dtype))

    return numpy


def matrix(x: TensorType, square: bool = False) -> tuple[tuple[int, ...], int, int]:
    """(leading axes, rows, columns).

    Raises:
        ShapeError, DTypeError: no (square) matrices of float32 or float64.
    """
    if x.dtype not in DTYPES:
        raise DTypeError(f"takes float32 or float64, received {x.dtype}.")
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        raise ShapeError(f"expected {'square ' if square else ''}matrices in the last two axes, received shape {x.shape}.")
    return x.shape[:-2], x.shape[-2], x.shape[-1]


def transposed(b: Any, x: Atom) -> Atom:
    n = x.type.ndim
    return b.transpose(x, perm=(*range(n - 2), n - 1, n - 2))


def product(b: Any, x: Atom, *rest: Atom) -> Atom:
    """x @ y @ ..."""
    for y in rest:
        x = b.contract(x, y, spec=matmul_spec(x.type.shape, y.type.shape))
    return x


def column(b: Any, x: Atom) -> Atom:
    """(..., n) as (..., n, 1)."""
    return b.reshape(x, shape=(*x.type.shape, 1))


def row(b: Any, x: Atom) -> Atom:
    """(..., n) as (..., 1, n)."""
    return b.reshape(x, shape=(*x.type.shape[:-1], 1, x.type.shape[-1]))


def triangle(b: Any, x: Atom, upper: bool, offset: int = 0) -> Atom:
    """The elements with column - row >= offset (lower: <= offset); 0 elsewhere."""
    distance, bound = _column_minus_row(b, x.type), b.literal(offset, "int32")
    return b.select(b.ge(distance, bound) if upper else b.le(distance, bound), x, b.constant_like(x, 0))


def identity(b: Any, type: TensorType) -> Atom:
    """Identity matrices of that shape."""
    on = b.eq(_column_minus_row(b, type), b.literal(0, "int32"))
    one = b.select(on, b.literal(1, type.dtype), b.literal(0, type.dtype))
    return one if one.type.shape == type.shape else b.broadcast(one, shape=type.shape)


def _column_minus_row(b: Any, type: TensorType) -> Atom:
    n, m = type.shape[-2:]
    return b.sub(b.iota(shape=(1, m), axis=1, dtype="int32"), b.iota(shape=(n, 1), axis=0, dtype="int32"))


def symmetric(b: Any, x: Atom) -> Atom:
    """(x + x^T) / 2."""
    return b.mul(b.add(x, transposed(b, x)), b.constant_like(x, 0.5))


def inverse_transposed(b: Any, x: Atom) -> Atom:
    return b.solve(transposed(b, x), identity(b, x.type))
