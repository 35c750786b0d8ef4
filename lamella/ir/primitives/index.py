"""Indexed reads and writes on axis 0, sorting.

`scatter` and `scatter_add` are for places that may repeat; they go through the updates in order.

Indices are integers within range. The front end checks what users pass; the IR clamps, so that native code never reads outside.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.errors import DTypeError, ShapeError
from lamella.ir.core import Atom, Primitive, Sample
from lamella.ir.registry import register
from lamella.ir.types import TensorType, is_int, wide


def _check_index(index: TensorType, what: str) -> None:
    if not is_int(index.dtype):
        raise DTypeError(f"{what} must be integers, received {index.dtype}.")


def _gather_type(x: TensorType, indices: TensorType) -> TensorType:
    _check_index(indices, "indices")
    if x.ndim == 0 or (x.shape[0] == 0 and indices.size):
        raise ShapeError(f"can't gather from {x}: axis 0 is missing or empty.")
    return TensorType(indices.shape + x.shape[1:], x.dtype)


def _clamp(indices: np.ndarray, n: int) -> np.ndarray:
    return np.clip(indices.astype(np.int64), 0, max(n - 1, 0))


def _gather_vjp(b: Any, cts: Any, inputs: Any, outputs: Any) -> list[Atom | None]:
    """Rows that were read often get long sums, so these are float32 at least."""
    x, indices = inputs
    sums = TensorType(x.type.shape, wide(x.type.dtype))
    return [b.cast_to(b.scatter_add(b.full(sums, 0), indices, b.cast_to(cts[0], sums.dtype)), x.type.dtype), None]


register(Primitive("gather", "index", _gather_type, lambda x, i: x[_clamp(i, x.shape[0])], _gather_vjp, samples=(
    Sample((((9, 20), "float32"), ((5,), "int32", 0, 8))), Sample((((9,), "float32"), ((2, 3), "int64", 0, 8))),
    Sample((((4, 2, 3), "uint8", 0, 99), ((6,), "int32", 0, 3)), differentiable=False))))


def _scatter_add_type(x: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
    _check_index(indices, "indices")
    expected = TensorType(indices.shape + x.shape[1:], x.dtype)
    if updates != expected:
        raise ShapeError(f"updates must be {expected}, received {updates}.")
    return x


def _scatter_add_numpy(x: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    out = np.array(x)
    np.add.at(out, _clamp(indices, x.shape[0]), updates)
    return out


register(Primitive(
    "scatter_add", "index", _scatter_add_type, _scatter_add_numpy,
    lambda b, cts, inputs, outputs: [cts[0], None, b.gather(cts[0], inputs[1])], samples=(
        Sample((((9, 20), "float32"), ((5,), "int32", 0, 8), ((5, 20), "float32"))),
        Sample((((4,), "float32"), ((2, 3), "int64", 0, 3), ((2, 3), "float32"))))))


COMBINATIONS: dict[str, Any] = {"set": lambda old, new: new, "max": np.maximum, "min": np.minimum, "mul": np.multiply}


def _scatter_type(x: TensorType, indices: TensorType, updates: TensorType, combine: str) -> TensorType:
    if combine not in COMBINATIONS:
        raise ShapeError(f"combine must be one of {', '.join(COMBINATIONS)}, received {combine!r}.")
    return _scatter_add_type(x, indices, updates)


def _scatter_numpy(x: np.ndarray, indices: np.ndarray, updates: np.ndarray, combine: str) -> np.ndarray:
    out, at = np.array(x), _clamp(indices, x.shape[0])
    if combine == "set":
        out[at] = updates  # the last one stays
    else:
        COMBINATIONS[combine].at(out, at, updates)
    return out


def _scatter_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, combine: str) -> list[Atom | None]:
    x, indices, updates = inputs
    rule = {"set": _set_vjp, "mul": _scatter_mul_vjp}.get(combine, _scatter_extremum_vjp)
    dx, du = rule(b, cts[0], x, indices, updates, outputs[0])
    return [dx, None, du]


def _set_vjp(b: Any, ct: Atom, x: Atom, indices: Atom, updates: Atom, out: Atom) -> tuple[Atom, Atom]:
    """The last update of a place takes its gradient."""
    flat = b.iota(shape=(indices.type.size,), axis=0, dtype="int32")
    number = b.reshape_to(flat, indices.type.shape)
    last = b.scatter(b.full(TensorType(x.type.shape[:1], "int32"), 0), indices, number, combine="set")
    won = b.reshape_to(b.eq(b.gather(last, indices), number), indices.type.shape + (1,) * (x.type.ndim - 1))
    zero = b.constant_like(ct, 0)
    return b.scatter(ct, indices, b.full(updates.type, 0), combine="set"), b.select(won, b.gather(ct, indices), zero)


def _scatter_extremum_vjp(b: Any, ct: Atom, x: Atom, indices: Atom, updates: Atom, out: Atom) -> tuple[Atom, Atom]:
    """Ties share the gradient equally."""
    one, zero = b.constant_like(x, 1), b.constant_like(x, 0)
    mine = b.select(b.eq(x, out), one, zero)
    theirs = b.select(b.eq(updates, b.gather(out, indices)), one, zero)
    share = b.div(ct, b.max(b.scatter_add(mine, indices, theirs), one))
    return b.mul(mine, share), b.mul(theirs, b.gather(share, indices))


def _scatter_mul_vjp(b: Any, ct: Atom, x: Atom, indices: Atom, updates: Atom, out: Atom) -> tuple[Atom, Atom]:
    """The product of the other factors of each place, right also with zeros among them."""
    one, zero = b.constant_like(x, 1), b.constant_like(x, 0)
    is_zero = [b.eq(v, zero) for v in (x, updates)]
    counted = [b.select(z, one, zero) for z in is_zero]
    safe = [b.select(z, one, v) for z, v in zip(is_zero, (x, updates), strict=True)]
    zeros = b.scatter_add(counted[0], indices, counted[1])
    rest = b.scatter(safe[0], indices, safe[1], combine="mul")
    none, single = b.mul(ct, b.select(b.eq(zeros, zero), rest, zero)), b.mul(ct, b.select(b.eq(zeros, one), rest, zero))

    def towards(z: Atom, v: Atom, others: Atom, alone: Atom) -> Atom:
        return b.select(z, alone, b.div(others, v))

    return (towards(is_zero[0], safe[0], none, single),
            towards(is_zero[1], safe[1], b.gather(none, indices), b.gather(single, indices)))


_ROWS = (((9, 20), "float32"), ((5,), "int32", 0, 3), ((5, 20), "float32"))
register(Primitive("scatter", "index", _scatter_type, _scatter_numpy, _scatter_vjp, samples=(
    *(Sample(_ROWS, {"combine": combine}) for combine in COMBINATIONS),
    Sample((((4,), "float32"), ((2, 3), "int64", 0, 3), ((2, 3), "float32")), {"combine": "set"}),
    Sample((((4, 2), "int32", 0, 9), ((5,), "int32", 0, 3), ((5, 2), "int32", 0, 9)), {"combine": "max"}, differentiable=False))))


def _dynamic_slice_type(x: TensorType, start: TensorType, size: int) -> TensorType:
    _check_index(start, "start")
    if start.shape != () or x.ndim == 0 or not 0 <= size <= x.shape[0]:
        raise ShapeError(f"can't take {size} rows of {x} from start {start}: start must be a scalar, size within axis 0.")
    return TensorType((size,) + x.shape[1:], x.dtype)


def _dynamic_slice_numpy(x: np.ndarray, start: Any, size: int) -> np.ndarray:
    """The start is moved so that the slice fits."""
    at = int(np.clip(int(start), 0, x.shape[0] - size))
    return x[at:at + size]


def _dynamic_slice_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, size: int) -> list[Atom | None]:
    x, start = inputs
    return [b.dynamic_update_slice(b.full(x.type, 0), cts[0], start), None]


register(Primitive("dynamic_slice", "index", _dynamic_slice_type, _dynamic_slice_numpy, _dynamic_slice_vjp, samples=(
    Sample((((9, 20), "float32"), ((), "int64", 0, 5)), {"size": 4}),
    Sample((((9,), "int32", 0, 99), ((), "int64", 0, 5)), {"size": 4}, differentiable=False))))


def _dynamic_update_slice_type(x: TensorType, update: TensorType, start: TensorType) -> TensorType:
    _check_index(start, "start")
    fits = update.ndim == x.ndim > 0 and update.shape[1:] == x.shape[1:] and update.shape[0] <= x.shape[0]
    if start.shape != () or not fits or update.dtype != x.dtype:
        raise ShapeError(f"can't write {update} into {x} at a start of type {start}.")
    return x


def _dynamic_update_slice_numpy(x: np.ndarray, update: np.ndarray, start: Any) -> np.ndarray:
    at = int(np.clip(int(start), 0, x.shape[0] - update.shape[0]))
    out = np.array(x)
    out[at:at + update.shape[0]] = update
    return out


def _dynamic_update_slice_vjp(b: Any, cts: Any, inputs: Any, outputs: Any) -> list[Atom | None]:
    x, update, start = inputs
    hole = b.dynamic_update_slice(cts[0], b.full(update.type, 0), start)
    return [hole, b.dynamic_slice(cts[0], start, size=update.type.shape[0]), None]


register(Primitive(
    "dynamic_update_slice", "index", _dynamic_update_slice_type, _dynamic_update_slice_numpy, _dynamic_update_slice_vjp, samples=(
        Sample((((9, 20), "float32"), ((3, 20), "float32"), ((), "int64", 0, 6))),
        Sample((((9,), "float32"), ((1,), "float32"), ((), "int32", 0, 8))))))


def _sort_type(x: TensorType) -> tuple[TensorType, TensorType]:
    if x.ndim == 0:
        raise ShapeError("can't sort a scalar.")
    return x, TensorType(x.shape, "int32")


def _sort_numpy(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(x, axis=-1, kind="stable")
    return np.take_along_axis(x, order, -1), order.astype(np.int32)


def _sort_vjp(b: Any, cts: Any, inputs: Any, outputs: Any) -> list[Atom | None]:
    """Send each sorted cotangent back to where its value came from, by flat positions."""
    (x,), (_, order) = inputs, outputs
    ct = cts[0]
    if ct is None:
        return [None]
    n = x.type.shape[-1]
    rows = x.type.size // n if n else 0
    base = b.iota(shape=(rows, n), axis=0, dtype="int32")
    flat = b.add(b.mul(base, b.literal(n, "int32")), b.reshape_to(order, (rows, n)))
    zeros = b.full(TensorType((x.type.size,), x.type.dtype), 0)
    out = b.scatter_add(zeros, b.reshape_to(flat, (rows * n,)), b.reshape_to(ct, (rows * n,)))
    return [b.reshape_to(out, x.type.shape)]


register(Primitive("sort", "index", _sort_type, _sort_numpy, _sort_vjp, samples=(
    Sample((((9,), "float32"),)), Sample((((3, 20), "float32"),)))))
