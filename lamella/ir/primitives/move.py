"""Moves: values change place, not value.

`after(x, *others)` is `x`, but the compiler neither looks through it nor computes it before the others.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamella.errors import DTypeError, ShapeError
from lamella.ir.core import Atom, Primitive, Sample
from lamella.ir.registry import register
from lamella.ir.types import TensorType


def _reshape_type(x: TensorType, shape: tuple[int, ...]) -> TensorType:
    if math.prod(shape) != x.size:
        raise ShapeError(f"can't reshape {x.shape} ({x.size} elements) to {shape} ({math.prod(shape)} elements).")
    return TensorType(tuple(shape), x.dtype)


register(Primitive(
    "reshape", "move", _reshape_type, lambda x, shape: np.reshape(x, shape),
    lambda b, cts, inputs, outputs, shape: [b.reshape_to(cts[0], inputs[0].type.shape)],
    samples=(Sample((((6, 4), "float32"),), {"shape": (3, 8)}), Sample((((6, 4), "float32"),), {"shape": (24,)}),
             Sample((((1,), "float32"),), {"shape": ()}), Sample((((2, 3, 4), "float32"),), {"shape": (2, 1, 12)}),
             Sample((((0, 4), "float32"),), {"shape": (4, 0)}))))


register(Primitive(
    "after", "move", lambda x, *others: x, lambda x, *others: x,
    lambda b, cts, inputs, outputs: [cts[0], *[None] * (len(inputs) - 1)],
    samples=(Sample((((6, 35), "float32"), ((3,), "float32"))), Sample((((6, 4), "int32"), ((), "float32"), ((2, 3), "bool"))))))


def _transpose_type(x: TensorType, perm: tuple[int, ...]) -> TensorType:
    if sorted(perm) != list(range(x.ndim)):
        raise ShapeError(f"perm {perm} must be a permutation of the {x.ndim} axes of shape {x.shape}.")
    return TensorType(tuple(x.shape[p] for p in perm), x.dtype)


register(Primitive(
    "transpose", "move", _transpose_type, lambda x, perm: np.transpose(x, perm),
    lambda b, cts, inputs, outputs, perm: [b.transpose(cts[0], perm=tuple(int(i) for i in np.argsort(perm)))],
    samples=(Sample((((6, 35), "float32"),), {"perm": (1, 0)}), Sample((((2, 3, 17), "float32"),), {"perm": (1, 0, 2)}),
             Sample((((2, 3, 17), "float32"),), {"perm": (2, 0, 1)}))))


def _broadcast_type(x: TensorType, shape: tuple[int, ...]) -> TensorType:
    try:
        fits = np.broadcast_shapes(x.shape, shape) == tuple(shape)
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"can't broadcast {x.shape} to {shape}.")
    return TensorType(tuple(shape), x.dtype)


register(Primitive(
    "broadcast", "move", _broadcast_type, lambda x, shape: np.broadcast_to(x, shape),
    lambda b, cts, inputs, outputs, shape: [b.sum_to(cts[0], inputs[0].type.shape)],
    samples=(Sample((((), "float32"),), {"shape": (3, 20)}), Sample((((5,), "float32"),), {"shape": (4, 5)}),
             Sample((((3, 1), "float32"),), {"shape": (3, 33)}), Sample((((1, 7), "float32"),), {"shape": (2, 3, 7)}))))


def _pad_type(x: TensorType, value: TensorType, low: Any, high: Any, interior: Any) -> TensorType:
    if value.shape != () or value.dtype != x.dtype:
        raise DTypeError(f"the padding value must be a scalar {x.dtype}, received {value}.")
    shape = tuple(lo + hi + n + max(n - 1, 0) * i for n, lo, hi, i in zip(x.shape, low, high, interior, strict=True))
    if any(n < 0 for n in shape) or any(i < 0 for i in interior):
        raise ShapeError(f"padding {low}, {high}, interior {interior} of shape {x.shape} leaves a negative size {shape}.")
    return TensorType(shape, x.dtype)


def _pad_numpy(x: np.ndarray, value: Any, low: Any, high: Any, interior: Any) -> np.ndarray:
    """Negative `low` or `high` cut elements off."""
    spread = tuple(n + max(n - 1, 0) * i for n, i in zip(x.shape, interior, strict=True))
    full = tuple(n + max(lo, 0) + max(hi, 0) for n, lo, hi in zip(spread, low, high, strict=True))
    out = np.full(full, value, x.dtype)
    out[tuple(slice(max(lo, 0), max(lo, 0) + n, i + 1) for lo, n, i in zip(low, spread, interior, strict=True))] = x
    return out[tuple(slice(max(-lo, 0), n - max(-hi, 0)) for lo, hi, n in zip(low, high, full, strict=True))]


def _pad_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, low: Any, high: Any, interior: Any) -> list[Atom | None]:
    x, (ct,) = inputs[0], cts
    zero = b.literal(0, ct.type.dtype)
    opened = b.pad(ct, zero, low=tuple(-n for n in low), high=tuple(-n for n in high), interior=(0,) * len(low))
    dx = b.slice(opened, start=(0,) * len(low), stop=opened.type.shape, stride=tuple(i + 1 for i in interior))
    one = b.literal(1, ct.type.dtype)
    outside = b.pad(b.full(x.type, 0), one, low=low, high=high, interior=interior)
    return [dx, b.reduce_sum(b.mul(ct, outside), axes=tuple(range(ct.type.ndim)))]


register(Primitive("pad", "move", _pad_type, _pad_numpy, _pad_vjp, samples=tuple(
    Sample(((shape, "float32"), ((), "float32")), {"low": low, "high": high, "interior": interior})
    for shape, low, high, interior in [((5,), (2,), (3,), (0,)), ((3, 18), (1, 0), (0, 2), (0, 0)),
                                       ((3, 5), (0, 1), (1, 0), (1, 2)),
                                       ((6, 4), (-1, 0), (0, -2), (0, 0))])))


def _slice_type(x: TensorType, start: Any, stop: Any, stride: Any) -> TensorType:
    for n, lo, hi, step in zip(x.shape, start, stop, stride, strict=True):
        if not 0 <= lo <= hi <= n or step < 1:
            raise ShapeError(f"slice {start}..{stop} with stride {stride} doesn't lie within shape {x.shape}.")
    return TensorType(tuple(-(-(hi - lo) // step) for lo, hi, step in zip(start, stop, stride, strict=True)), x.dtype)


def _slice_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, start: Any, stop: Any, stride: Any) -> list[Atom]:
    (x,), (ct,) = inputs, cts
    spread = [n + max(n - 1, 0) * (s - 1) for n, s in zip(ct.type.shape, stride, strict=True)]
    high = tuple(n - lo - m for n, lo, m in zip(x.type.shape, start, spread, strict=True))
    return [b.pad(ct, b.literal(0, ct.type.dtype), low=tuple(start), high=high, interior=tuple(s - 1 for s in stride))]


register(Primitive(
    "slice", "move", _slice_type,
    lambda x, start, stop, stride: x[tuple(map(slice, start, stop, stride))], _slice_vjp, samples=tuple(
        Sample(((shape, "float32"),), {"start": start, "stop": stop, "stride": stride})
        for shape, start, stop, stride in [((7,), (2,), (6,), (1,)), ((4, 40), (1, 3), (3, 39), (1, 1)),
                                           ((5, 9), (0, 1), (5, 9), (2, 3))])))


def _concat_type(*xs: TensorType, axis: int) -> TensorType:
    first = xs[0]
    for x in xs[1:]:
        same = x.ndim == first.ndim and all(n == m for i, (n, m) in enumerate(zip(x.shape, first.shape, strict=True)) if i != axis)
        if not same or x.dtype != first.dtype:
            raise ShapeError(f"can't concatenate {first} and {x} along axis {axis}: other axes and dtypes must agree.")
    return TensorType(tuple(sum(x.shape[i] for x in xs) if i == axis else n for i, n in enumerate(first.shape)), first.dtype)


def _concat_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, axis: int) -> list[Atom]:
    grads, at = [], 0
    for x in inputs:
        shape, size = cts[0].type.shape, x.type.shape[axis]
        start = tuple(at if i == axis else 0 for i in range(len(shape)))
        stop = tuple(at + size if i == axis else n for i, n in enumerate(shape))
        grads.append(b.slice(cts[0], start=start, stop=stop, stride=(1,) * len(shape)))
        at += size
    return grads


register(Primitive("concat", "move", _concat_type, lambda *xs, axis: np.concatenate(xs, axis=axis), _concat_vjp, samples=(
    Sample((((2, 3), "float32"), ((2, 20), "float32")), {"axis": 1}),
    Sample((((2, 3), "float32"), ((1, 3), "float32"), ((4, 3), "float32")), {"axis": 0}))))


def _reverse_type(x: TensorType, axes: tuple[int, ...]) -> TensorType:
    if any(not 0 <= a < x.ndim for a in axes):
        raise ShapeError(f"axes {axes} must lie within 0..{x.ndim - 1} for shape {x.shape}.")
    return x


register(Primitive(
    "reverse", "move", _reverse_type, lambda x, axes: np.flip(x, axes),
    lambda b, cts, inputs, outputs, axes: [b.reverse(cts[0], axes=axes)],
    samples=(Sample((((3, 21), "float32"),), {"axes": (1,)}), Sample((((3, 21), "float32"),), {"axes": (0, 1)}))))
