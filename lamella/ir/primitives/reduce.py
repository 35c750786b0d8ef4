"""Reductions. The axes are dropped; the order of summation is fixed by shapes alone, never by the number of threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamella.errors import DTypeError, ShapeError
from lamella.ir.core import Atom, Primitive, Sample
from lamella.ir.registry import register
from lamella.ir.types import FLOATS, INTS, TensorType, dtype_name, numpy_dtype, wide


def drop_axes(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def _check_axes(x: TensorType, axes: tuple[int, ...]) -> None:
    if list(axes) != sorted(set(axes)) or any(not 0 <= a < x.ndim for a in axes):
        raise ShapeError(f"axes {axes} must be distinct, ascending and within 0..{x.ndim - 1} for shape {x.shape}.")


def _type_rule(dtypes: tuple[str, ...], empty_ok: bool) -> Callable[..., TensorType]:
    def rule(x: TensorType, axes: tuple[int, ...]) -> TensorType:
        _check_axes(x, axes)
        if x.dtype not in dtypes:
            raise DTypeError(f"doesn't take {x.dtype}; expected one of {', '.join(dtypes)}.")
        if not empty_ok and 0 in (x.shape[a] for a in axes):
            raise ShapeError(f"an empty axis has no extremum: shape {x.shape}, axes {axes}.")
        return TensorType(drop_axes(x.shape, axes), x.dtype)

    return rule


def _wide(function: Callable[..., Any]) -> Callable[..., Any]:
    """float16 and bfloat16 accumulate in float32, as native code does."""

    def numpy(x: np.ndarray, axes: Any) -> np.ndarray:
        dtype = numpy_dtype(wide(dtype_name(x.dtype)))
        with np.errstate(all="ignore"):
            return np.asarray(function(x, axis=axes, dtype=dtype)).astype(x.dtype, copy=False)

    return numpy


def expand(b: Any, y: Atom, x_type: TensorType, axes: tuple[int, ...]) -> Atom:
    """A reduced value with its axes put back as 1, so that it broadcasts against the input."""
    return b.reshape_to(y, tuple(1 if i in axes else n for i, n in enumerate(x_type.shape)))


def _sum_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, axes: tuple[int, ...]) -> list[Atom]:
    (x,) = inputs
    return [b.broadcast(expand(b, cts[0], x.type, axes), shape=x.type.shape)]


def _extremum_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, axes: tuple[int, ...]) -> list[Atom]:
    """Ties share the gradient equally (JAX's and Keras' convention)."""
    (x,), (y,) = inputs, outputs
    zero, one = b.constant_like(x, 0), b.constant_like(x, 1)
    hit = b.select(b.eq(x, expand(b, y, x.type, axes)), one, zero)
    share = b.div(cts[0], b.reduce_sum(hit, axes=axes))
    return [b.mul(hit, expand(b, share, x.type, axes))]


def _prod_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, axes: tuple[int, ...]) -> list[Atom]:
    """d prod / dx_i = product of the others, right also with one or more zeros among them."""
    (x,), (y,) = inputs, outputs
    zero, one = b.constant_like(x, 0), b.constant_like(x, 1)
    is_zero = b.eq(x, zero)
    zeros = b.reduce_sum(b.select(is_zero, one, zero), axes=axes)
    rest = b.reduce_prod(b.select(is_zero, one, x), axes=axes)  # product of the nonzero ones
    none = b.select(b.eq(zeros, zero), y, zero)
    single = b.select(b.eq(zeros, one), rest, zero)
    expand_ = [expand(b, v, x.type, axes) for v in (none, single, cts[0])]
    others = b.select(is_zero, expand_[1], b.div(expand_[0], b.select(is_zero, one, x)))
    return [b.mul(expand_[2], others)]


def _samples(dtype: str = "float32", low: float = -2.0, high: float = 2.0, differentiable: bool = True) -> tuple[Sample, ...]:
    cases: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((7,), (0,)), ((3, 37), (1,)), ((3, 37), (0,)), ((40, 3), (0, 1)), ((4, 5, 18), (0, 2)), ((4, 5, 18), (1,)),
        ((2, 3, 4, 5), (1, 2)), ((1,), (0,)), ((), ()), ((6, 1), (1,)), ((300, 2), (0,)), ((3, 0), (0,)),
        ((5000,), (0,)), ((2, 3), ())]
    return tuple(Sample(((shape, dtype, low, high),), {"axes": axes}, differentiable) for shape, axes in cases)


def _extremum_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    def numpy(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        return np.asarray(function(x, axis=axes))

    return numpy


NUMBERS = INTS + FLOATS
register(Primitive("reduce_sum", "reduce", _type_rule(NUMBERS, True), _wide(np.sum), _sum_vjp, samples=_samples()))
register(Primitive("reduce_prod", "reduce", _type_rule(NUMBERS, True), _wide(np.prod), _prod_vjp,
                   samples=_samples(low=0.5, high=1.5)[:12], tolerance=64.0))
for _name, _function in [("reduce_max", np.max), ("reduce_min", np.min)]:
    register(Primitive(_name, "reduce", _type_rule(("bool",) + NUMBERS, False), _extremum_numpy(_function), _extremum_vjp,
                       samples=_samples()))


def _argmax_type(x: TensorType, axis: int) -> TensorType:
    _check_axes(x, (axis,))
    if x.shape[axis] == 0:
        raise ShapeError(f"argmax of an empty axis: shape {x.shape}, axis {axis}.")
    return TensorType(drop_axes(x.shape, (axis,)), "int32")


register(Primitive("argmax", "reduce", _argmax_type, lambda x, axis: np.argmax(x, axis=axis).astype(np.int32),
                   lambda b, cts, inputs, outputs, axis: [None], samples=tuple(
    Sample(((shape, "float32"),), {"axis": axis}, differentiable=False)
    for shape, axis in [((7,), 0), ((3, 37), 1), ((3, 37), 0), ((4, 5, 18), 1), ((6, 1), 1), ((32, 10), 1)])))


def _cumsum_type(x: TensorType, axis: int) -> TensorType:
    _check_axes(x, (axis,))
    return x


def _cumsum_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, axis: int) -> list[Atom]:
    return [b.reverse(b.cumsum(b.reverse(cts[0], axes=(axis,)), axis=axis), axes=(axis,))]


register(Primitive("cumsum", "reduce", _cumsum_type, lambda x, axis: _wide(np.cumsum)(x, axis), _cumsum_vjp,
                   samples=tuple(
    Sample(((shape, "float32"),), {"axis": axis}) for shape, axis in [((7,), 0), ((3, 19), 1), ((3, 19), 0), ((2, 5, 4), 1)])))
