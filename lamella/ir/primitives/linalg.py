"""Linear systems, determinants, Cholesky and LU factors, pseudoinverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.errors import GradientError, ShapeError
from lamella.ir.core import Atom, Sample
from lamella.ir.primitives.host import (
    Types,
    column,
    define,
    identity,
    inverse_transposed,
    matrix,
    product,
    symmetric,
    transposed,
    triangle,
)
from lamella.ir.types import TensorType

_RNG = np.random.default_rng(0)


def _matrices(*shape: int) -> np.ndarray:
    """Well conditioned matrices for samples."""
    return (_RNG.standard_normal(shape) + 2 * np.eye(*shape[-2:])).astype(np.float32)


def _definite(*shape: int) -> np.ndarray:
    x = _matrices(*shape)
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1], dtype=np.float32)


def _square_type(x: TensorType) -> TensorType:
    matrix(x, square=True)
    return x


def _solve_type(a: TensorType, y: TensorType) -> TensorType:
    lead, n, _ = matrix(a, square=True)
    other, rows, _ = matrix(y)
    if lead != other or rows != n or a.dtype != y.dtype:
        raise ShapeError(f"expected (..., n, n) and (..., n, k) of one dtype, received {a} and {y}.")
    return y


def _solve_vjp(b: Any, cts: Any, inputs: Any, outputs: Any) -> list[Atom]:
    dy = b.solve(transposed(b, inputs[0]), cts[0])
    return [b.neg(product(b, dy, transposed(b, outputs[0]))), dy]


define("solve", _solve_type, np.linalg.solve, _solve_vjp,
       [Sample((_matrices(4, 4), ((4, 3), "float32"))), Sample((_matrices(2, 3, 3), ((2, 3, 1), "float32")))])


def _cholesky_numpy(x: np.ndarray) -> np.ndarray:
    return np.linalg.cholesky((x + np.swapaxes(x, -1, -2)) / 2)


def _cholesky_vjp(b: Any, cts: Any, inputs: Any, outputs: Any) -> list[Atom]:
    """Murray 2016, "Differentiation of the Cholesky decomposition"."""
    upper = transposed(b, outputs[0])
    inner = triangle(b, product(b, upper, triangle(b, cts[0], upper=False)), upper=False)
    inner = b.sub(inner, b.mul(b.mul(inner, identity(b, inner.type)), b.constant_like(inner, 0.5)))
    return [symmetric(b, transposed(b, b.solve(upper, transposed(b, b.solve(upper, inner)))))]


# The lower factor of the symmetric part.
define("cholesky", _square_type, _cholesky_numpy, _cholesky_vjp, [Sample((_definite(4, 4),)), Sample((_definite(2, 3, 3),))])


def _det_vjp(b: Any, cts: Any, inputs: Any, outputs: Any) -> list[Atom]:
    """Jacobi's formula; NaN at singular matrices."""
    scale = b.mul(cts[0], outputs[0])
    return [b.mul(column(b, column(b, scale)), inverse_transposed(b, inputs[0]))]


def _slogdet_vjp(b: Any, cts: Any, inputs: Any, outputs: Any) -> list[Atom | None]:
    if cts[1] is None:
        return [None]
    return [b.mul(column(b, column(b, cts[1])), inverse_transposed(b, inputs[0]))]


def _scalar_type(x: TensorType) -> TensorType:
    return TensorType(matrix(x, square=True)[0], x.dtype)


define("det", _scalar_type, np.linalg.det, _det_vjp, [Sample((_matrices(4, 4),)), Sample((_matrices(3, 2, 2),))])
# Sign of the determinant, and logarithm of its size.
define("slogdet", lambda x: (_scalar_type(x), _scalar_type(x)), lambda x: tuple(np.linalg.slogdet(x)), _slogdet_vjp,
       [Sample((_matrices(4, 4),)), Sample((_matrices(3, 2, 2),))])


def _lu_type(x: TensorType) -> Types:
    lead, n, m = matrix(x)
    return x, TensorType((*lead, min(n, m)), "int32"), TensorType((*lead, n), "int32")


def _lu_numpy(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gauss's elimination with partial pivoting."""
    a, (n, m) = np.array(x), x.shape[-2:]
    pivots = np.zeros((*a.shape[:-2], min(n, m)), np.int32)
    rows = np.broadcast_to(np.arange(n, dtype=np.int32), a.shape[:-1]).copy()
    for at in np.ndindex(a.shape[:-2]):
        lu, pivot, order = a[at], pivots[at], rows[at]
        for j in range(min(n, m)):
            pivot[j] = p = j + np.argmax(np.abs(lu[j:, j]))
            lu[[j, p]], order[[j, p]] = lu[[p, j]], order[[p, j]]
            if lu[j, j] != 0:
                lu[j + 1 :, j] /= lu[j, j]
            lu[j + 1 :, j + 1 :] -= np.outer(lu[j + 1 :, j], lu[j, j + 1 :])
    return a, pivots, rows


def _lu_vjp(b: Any, cts: Any, inputs: Any, outputs: Any) -> list[Atom]:
    """x = P L U: P L^-T [strictly lower part of L^T dL + upper part of dU U^T] U^-T."""
    lu, _, rows = outputs
    n, m = lu.type.shape[-2:]
    if n != m:
        raise GradientError(f"lu has a gradient for square matrices only, received shape {lu.type.shape}.")
    lower, upper = b.add(triangle(b, lu, False, -1), identity(b, lu.type)), triangle(b, lu, True)
    inner = b.add(triangle(b, product(b, transposed(b, lower), triangle(b, cts[0], False, -1)), False, -1),
                  triangle(b, product(b, triangle(b, cts[0], True), transposed(b, upper)), True))
    left = b.solve(transposed(b, lower), inner)
    both = transposed(b, b.solve(upper, transposed(b, left)))
    numbers = b.iota(shape=(n, 1), axis=0, dtype="int32")
    places = b.eq(b.reshape(rows, shape=(*rows.type.shape[:-1], 1, n)), numbers)  # P
    return [product(b, b.select(places, b.constant_like(lu, 1), b.constant_like(lu, 0)), both)]


# L below the diagonal and U on and above it; the row exchanged with each row in turn; the rows in the order of the factors.
define("lu", _lu_type, _lu_numpy, _lu_vjp, [Sample((_matrices(4, 4),)), Sample((_matrices(2, 3, 3),))])


def _pinv_type(x: TensorType, rcond: float) -> TensorType:
    lead, n, m = matrix(x)
    return TensorType((*lead, m, n), x.dtype)


def _pinv_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, rcond: float) -> list[Atom]:
    """Golub and Pereyra 1973, for matrices of constant rank: dP = -P dA P + P P^T dA^T (1 - A P) + (1 - P A) dA^T P^T P."""
    (a,), (p,) = inputs, outputs
    pt, ct = transposed(b, p), transposed(b, cts[0])
    beyond = product(b, ct, p, pt)
    before = product(b, pt, p, ct)
    total = b.sub(b.sub(beyond, product(b, a, p, beyond)), product(b, pt, cts[0], pt))
    return [b.add(total, b.sub(before, product(b, before, p, a)))]


define("pinv", _pinv_type, lambda x, rcond: np.linalg.pinv(x, rcond), _pinv_vjp,
       [Sample((_matrices(*shape),), {"rcond": 1e-6}) for shape in ((4, 4), (2, 5, 3), (3, 5))])
