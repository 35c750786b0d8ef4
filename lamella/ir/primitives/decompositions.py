"""Eigenvalues, singular values, orthogonal factors, and the discrete Fourier transform."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.errors import DTypeError, GradientError, ShapeError
from lamella.ir.core import Atom, Sample
from lamella.ir.primitives.host import (
    DTYPES,
    Types,
    column,
    define,
    identity,
    matrix,
    product,
    row,
    symmetric,
    transposed,
    triangle,
)
from lamella.ir.types import TensorType

_RNG = np.random.default_rng(0)


def _matrices(*shape: int) -> np.ndarray:
    """Matrices for samples, with eigenvalues and singular values far apart."""
    spread = np.diag(np.arange(1.0, 1 + 3 * min(shape[-2:]), 3))
    spread = np.pad(spread, [(0, n - len(spread)) for n in shape[-2:]])
    return (_RNG.uniform(-0.5, 0.5, shape) + spread).astype(np.float32)


def _differences(b: Any, x: Atom) -> Atom:
    """1 / (x[j] - x[i]) at (i, j), and 0 where both are equal."""
    gap = b.sub(row(b, x), column(b, x))
    equal = b.eq(gap, b.constant_like(x, 0))
    return b.select(equal, b.constant_like(x, 0), b.div(b.constant_like(x, 1), b.select(equal, b.constant_like(x, 1), gap)))


def _diagonal(b: Any, x: Atom, type: TensorType) -> Atom:
    return b.mul(column(b, x), identity(b, type))


def _eigh_type(x: TensorType) -> Types:
    lead, n, _ = matrix(x, square=True)
    return TensorType((*lead, n), x.dtype), x


def _eigh_numpy(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.linalg.eigh((x + np.swapaxes(x, -1, -2)) / 2))


def _eigh_vjp(b: Any, cts: Any, inputs: Any, outputs: Any) -> list[Atom]:
    """V (diag(dw) + (V^T dV) / (w[j] - w[i])) V^T."""
    (w, v), (dw, dv) = outputs, cts
    inner = b.full(v.type, 0) if dw is None else _diagonal(b, dw, v.type)
    if dv is not None:
        inner = b.add(inner, b.mul(_differences(b, w), product(b, transposed(b, v), dv)))
    return [symmetric(b, product(b, v, inner, transposed(b, v)))]


# Eigenvalues, ascending, and eigenvectors of the symmetric part.
define("eigh", _eigh_type, _eigh_numpy, _eigh_vjp, [Sample((_matrices(4, 4),)), Sample((_matrices(2, 3, 3),))])


Complex = tuple[Any, Any]  # real and imaginary part


def _complex_product(b: Any, x: Complex, y: Complex) -> Complex:
    return (b.sub(product(b, x[0], y[0]), product(b, x[1], y[1])), b.add(product(b, x[0], y[1]), product(b, x[1], y[0])))


def _adjoint(b: Any, x: Complex) -> Complex:
    return transposed(b, x[0]), b.neg(transposed(b, x[1]))


def _complex_solve(b: Any, a: Complex, y: Complex) -> Complex:
    """a^-1 y as a real system of twice the size."""
    axis, n = a[0].type.ndim - 2, a[0].type.shape[-1]
    left, right = b.concat(a[0], a[1], axis=axis), b.concat(b.neg(a[1]), a[0], axis=axis)
    x = b.solve(b.concat(left, right, axis=axis + 1), b.concat(*y, axis=axis))

    def part(start: int) -> Atom:
        low = (0,) * axis + (start, 0)
        return b.slice(x, start=low, stop=(*x.type.shape[:-2], start + n, n), stride=(1,) * x.type.ndim)

    return part(0), part(n)


def _eig_type(x: TensorType) -> Types:
    lead, n, _ = matrix(x, square=True)
    w = TensorType((*lead, n), x.dtype)
    return w, w, x, x


def _eig_numpy(x: np.ndarray) -> tuple[np.ndarray, ...]:
    w, v = np.linalg.eig(x)
    return w.real, w.imag, v.real, v.imag


def _eig_vjp(b: Any, cts: Any, inputs: Any, outputs: Any) -> list[Atom]:
    """The real part of V^-H (diag(dw) + (V^H dV - V^H V diag(Re(V^H dV))) / conj(w[j] - w[i])) V^H, for what doesn't depend on
    the phases of the eigenvectors (Boeddeker et al. 2017, "On the computation of complex-valued gradients").
    """
    dw, dv = ([b.full(y.type, 0) if ct is None else ct for y, ct in zip(outputs[at], cts[at], strict=True)]
              for at in (slice(0, 2), slice(2, 4)))
    w, v = outputs[:2], outputs[2:]
    adjoint = _adjoint(b, v)
    towards = _complex_product(b, adjoint, dv)
    own = b.reduce_sum(b.mul(towards[0], identity(b, towards[0].type)), axes=(towards[0].type.ndim - 2,))
    rest = [b.sub(t, b.mul(g, row(b, own))) for t, g in zip(towards, _complex_product(b, adjoint, v), strict=True)]
    gap = [b.sub(row(b, part), column(b, part)) for part in w]
    size = b.add(b.mul(gap[0], gap[0]), b.mul(gap[1], gap[1]))
    zero, one = b.constant_like(size, 0), b.constant_like(size, 1)
    equal = b.eq(size, zero)
    scale = b.select(equal, zero, b.div(one, b.select(equal, one, size)))  # 1 / conj(gap) = gap / |gap|^2
    quotient = (b.mul(scale, b.sub(b.mul(rest[0], gap[0]), b.mul(rest[1], gap[1]))),
                b.mul(scale, b.add(b.mul(rest[0], gap[1]), b.mul(rest[1], gap[0]))))
    inner = [b.add(q, _diagonal(b, d, q.type)) for q, d in zip(quotient, dw, strict=True)]
    return [_complex_solve(b, adjoint, _complex_product(b, (inner[0], inner[1]), adjoint))[0]]


# Eigenvalues and eigenvectors of any square matrix, each as real and imaginary part.
define("eig", _eig_type, _eig_numpy, _eig_vjp, [Sample((_matrices(3, 3),)), Sample((_matrices(2, 3, 3),))])


def _svd_type(x: TensorType, full: bool) -> Types:
    lead, n, m = matrix(x)
    k = min(n, m)
    return (TensorType((*lead, n, n if full else k), x.dtype), TensorType((*lead, k), x.dtype),
            TensorType((*lead, m if full else k, m), x.dtype))


def _svd_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, full: bool) -> list[Atom]:
    """Townsend 2016, "Differentiating the singular value decomposition"."""
    (u, s, vt), (du, ds, dvt) = outputs, cts
    n, m = inputs[0].type.shape[-2:]
    if full and n != m:
        if du is not None or dvt is not None:
            raise GradientError("svd(full_matrices=True) of a matrix that isn't square has a gradient for its singular values "
                                "only; use full_matrices=False.")
        u, _, vt = b.svd(inputs[0], full=False)
    square = TensorType((*s.type.shape, s.type.shape[-1]), s.type.dtype)
    inner = b.full(square, 0) if ds is None else _diagonal(b, ds, square)
    outer = None
    ut, v = transposed(b, u), transposed(b, vt)
    gaps = _differences(b, b.mul(s, s))
    if du is not None:
        turned = b.mul(gaps, product(b, ut, du))
        inner = b.add(inner, b.mul(b.add(turned, transposed(b, turned)), row(b, s)))
        if n > m:
            outer = b.div(b.sub(du, product(b, u, ut, du)), row(b, s))
    if dvt is not None:
        dv = transposed(b, dvt)
        turned = b.mul(gaps, product(b, vt, dv))
        inner = b.add(inner, b.mul(b.add(turned, transposed(b, turned)), column(b, s)))
    total = product(b, u, inner, vt)
    if outer is not None:
        total = b.add(total, product(b, outer, vt))
    if dvt is not None and m > n:
        beyond = b.div(b.sub(dv, product(b, v, vt, dv)), row(b, s))
        total = b.add(total, product(b, u, transposed(b, beyond)))
    return [total]


# u, singular values (descending) and v transposed.
define("svd", _svd_type, lambda x, full: tuple(np.linalg.svd(x, full_matrices=full)), _svd_vjp,
       [Sample((_matrices(*shape),), {"full": full}) for shape, full in (((4, 4), True), ((2, 5, 3), False), ((3, 5), False))])


def _qr_type(x: TensorType, complete: bool) -> Types:
    lead, n, m = matrix(x)
    if n < m:
        raise ShapeError(f"qr takes matrices with at least as many rows as columns, received shape {x.shape}.")
    k = n if complete else m
    return TensorType((*lead, n, k), x.dtype), TensorType((*lead, k, m), x.dtype)


def _qr_numpy(x: np.ndarray, complete: bool) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.linalg.qr(x, mode="complete" if complete else "reduced"))


def _qr_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, complete: bool) -> list[Atom]:
    """(dQ + Q copyltu(R dR^T - dQ^T Q)) R^-T; copyltu mirrors the lower triangle (Walter and Lehmann 2012)."""
    (q, r), (dq, dr) = outputs, cts
    if q.type.shape[-1] != r.type.shape[-1]:
        raise GradientError("qr(mode='complete') of a matrix that isn't square has no gradient; use mode='reduced'.")
    dq = b.full(q.type, 0) if dq is None else dq
    inner = b.neg(product(b, transposed(b, dq), q))
    if dr is not None:
        inner = b.add(inner, product(b, r, transposed(b, triangle(b, dr, upper=True))))
    mirrored = b.add(triangle(b, inner, False), transposed(b, triangle(b, inner, False, -1)))
    total = b.add(dq, product(b, q, mirrored))
    return [transposed(b, b.solve(r, transposed(b, total)))]


define("qr", _qr_type, _qr_numpy, _qr_vjp,
       [Sample((_matrices(*shape),), {"complete": complete}) for shape, complete in (((4, 4), True), ((2, 5, 3), False))])


def _fft_type(x: TensorType, y: TensorType, inverse: bool) -> Types:
    if x.dtype not in DTYPES:
        raise DTypeError(f"takes float32 or float64, received {x.dtype}.")
    if x != y or not x.ndim or not x.shape[-1]:
        raise ShapeError(f"expected real and imaginary parts of one type with elements in the last axis, received {x} and {y}.")
    return x, y


def _fft_numpy(x: np.ndarray, y: np.ndarray, inverse: bool) -> tuple[np.ndarray, np.ndarray]:
    z = x + 1j * y
    out = np.fft.ifft(z, norm="forward") if inverse else np.fft.fft(z)
    return out.real, out.imag


def _fft_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, inverse: bool) -> list[Atom]:
    """The transform's matrix is symmetric, so its adjoint is the transform in the other direction."""
    parts = [b.full(y.type, 0) if ct is None else ct for y, ct in zip(outputs, cts, strict=True)]
    return list(b.fft(*parts, inverse=not inverse))


# Real and imaginary part of sum over j of z[j] e^(-2 pi i j k / n) along the last axis; with `inverse` e^(+2 pi i j k / n), not
# divided by n.
define("fft", _fft_type, _fft_numpy, _fft_vjp,
       [Sample(((shape, "float32"), (shape, "float32")), {"inverse": inverse}) for shape, inverse in
        (((8,), False), ((3, 7), True), ((2, 3, 12), False))])
