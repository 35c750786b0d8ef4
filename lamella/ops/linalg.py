"""Linear algebra on matrices in the last two axes. Factors and systems are LAPACK's, through numpy, in compiled programs too.

float16 and bfloat16 are computed in float32. Matrices on which an algorithm fails (singular ones) give NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, cast, convert_to_tensor
from lamella.frontend.arithmetic import to_floats
from lamella.ops.axes import kept_shape, many_axes
from lamella.ops.calculus import jvp as jvp
from lamella.ops.creation import eye, triu
from lamella.ops.creation import tril as _tril
from lamella.ops.elementwise import absolute, not_equal, square
from lamella.ops.elementwise import sqrt as _sqrt
from lamella.ops.linear import matmul
from lamella.ops.reduction import max, min, sum
from lamella.ops.shaping import broadcast_to, concatenate, expand_dims, moveaxis, reshape, squeeze, swapaxes

_HALVES = ("float16", "bfloat16")


def _matrices(name: str, x: Any, square: bool = True) -> Tensor:
    """Floats with at least two axes.

    Raises:
        ShapeError: fewer axes, or matrices that aren't square.
    """
    (x,) = to_floats(convert_to_tensor(x))
    if x.ndim < 2:
        raise ShapeError(f"{name} takes (..., rows, columns), received shape {x.shape}.")
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name} takes square matrices, received shape {x.shape}.")
    return x


def _bind(name: str, *tensors: Tensor, **params: Any) -> Any:
    """A primitive on float32 or float64, its float results in the dtype of what came in."""
    dtype = tensors[0].dtype
    if dtype not in _HALVES:
        return bind(name, *tensors, **params)
    out = bind(name, *(cast(x, "float32") for x in tensors), **params)

    def back(y: Tensor) -> Tensor:
        return cast(y, dtype) if y.dtype == "float32" else y

    return tuple(map(back, out)) if isinstance(out, tuple) else back(out)


def cholesky(x: Any, upper: bool = False) -> Tensor:
    """The lower triangular L with L L^T = x, or its transpose. Only the symmetric part of x counts.

    Args:
        x: (..., n, n), positive definite.
        upper: whether to return the transpose.

    Raises:
        ValueError: outside of traces, x isn't positive definite; in a compiled program the result is NaN.

    Example:
        >>> cholesky([[4.0, 2.0], [2.0, 5.0]]).numpy()
        array([[2., 0.],
               [1., 2.]], dtype=float32)
    """
    factor = _bind("cholesky", _matrices("cholesky", x))
    if factor._array is not None and np.isnan(factor._array).any():
        raise ValueError("cholesky: the matrix isn't positive definite.")
    return swapaxes(factor, -2, -1) if upper else factor


def cholesky_inverse(x: Any, upper: bool = False) -> Tensor:
    """The inverse of the matrix with that Cholesky factor: (L L^T)^-1 = L^-T L^-1.

    Args:
        x: (..., n, n), the factor.
        upper: whether it is the upper one, U with U^T U.
    """
    x = _matrices("cholesky_inverse", x)
    inverse = solve_triangular(x, eye(x.shape[-1], dtype=x.dtype), lower=not upper)
    turned = swapaxes(inverse, -2, -1)
    return matmul(inverse, turned) if upper else matmul(turned, inverse)


def det(x: Any) -> Tensor:
    """The determinant of (..., n, n). Its gradient at singular matrices is NaN."""
    return _bind("det", _matrices("det", x))


def slogdet(x: Any) -> tuple[Tensor, Tensor]:
    """Sign of the determinant, and the logarithm of its absolute value, which does not overflow.

    Example:
        >>> sign, log = slogdet([[0.0, 1.0], [1.0, 0.0]])
        >>> sign.item(), log.item()
        (-1.0, 0.0)
    """
    return _bind("slogdet", _matrices("slogdet", x))


def logdet(x: Any) -> Tensor:
    """The logarithm of the determinant's absolute value."""
    return slogdet(x)[1]


def inv(x: Any) -> Tensor:
    """The inverse of (..., n, n).

    Example:
        >>> inv([[2.0, 0.0], [0.0, 4.0]]).numpy()
        array([[0.5 , 0.  ],
               [0.  , 0.25]], dtype=float32)
    """
    x = _matrices("inv", x)
    return solve(x, broadcast_to(eye(x.shape[-1], dtype=x.dtype), x.shape))


def solve(a: Any, b: Any) -> Tensor:
    """The x with a x = b.

    Args:
        a: (..., n, n).
        b: (..., n, k), or (..., n) if it has one axis less than a.

    Raises:
        ShapeError: the shapes don't fit.
    """
    a, b = to_floats(convert_to_tensor(a), convert_to_tensor(b))
    a = _matrices("solve", a)
    vector = b.ndim == a.ndim - 1
    right = expand_dims(b, -1) if vector else b
    if right.ndim < 2 or right.shape[-2] != a.shape[-1]:
        raise ShapeError(f"solve takes (..., n, n) and (..., n) or (..., n, k), received shapes {a.shape} and {b.shape}.")
    lead = np.broadcast_shapes(a.shape[:-2], right.shape[:-2])
    x = _bind("solve", broadcast_to(a, lead + a.shape[-2:]), broadcast_to(right, lead + right.shape[-2:]))
    return squeeze(x, -1) if vector else x


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Tensor:
    """As `solve`, where only the upper (lower) triangle of a counts."""
    return solve(_tril(a) if lower else triu(a), b)


def lu_factor(x: Any) -> tuple[Tensor, Tensor]:
    """Factors of x with exchanged rows: L (with ones on its diagonal) below the diagonal, U on and above it; and with which row
    each one was exchanged in turn, int32.
    """
    return _bind("lu", _matrices("lu_factor", x, square=False))[:2]


def qr(x: Any, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    """Q with orthonormal columns and an upper triangular R with Q R = x.

    Args:
        x: (..., n, m).
        mode: "reduced": Q (..., n, min(n, m)); "complete": Q (..., n, n).

    Raises:
        ValueError: another mode.
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode must be 'reduced' or 'complete', received {mode!r}.")
    x = _matrices("qr", x, square=False)
    n, m = x.shape[-2:]
    if n >= m:
        return _bind("qr", x, complete=mode == "complete")
    q, r = _bind("qr", x[..., :n], complete=False)
    return q, concatenate([r, matmul(swapaxes(q, -2, -1), x[..., n:])], -1)


def eigh(x: Any) -> tuple[Tensor, Tensor]:
    """Eigenvalues, ascending, and eigenvectors (columns) of the symmetric part of (..., n, n)."""
    return _bind("eigh", _matrices("eigh", x))


def eig(x: Any) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Eigenvalues and eigenvectors (columns) of (..., n, n): complex, so each is a tuple (real part, imaginary part).

    The gradient is right for what doesn't depend on the phases of the eigenvectors.
    """
    w_real, w_imag, v_real, v_imag = _bind("eig", _matrices("eig", x))
    return (w_real, w_imag), (v_real, v_imag)


def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """u, s and v with u diag(s) v = x, the singular values s descending.

    Args:
        x: (..., n, m).
        full_matrices: whether u is (..., n, n) and v (..., m, m), not just their min(n, m) columns and rows that matter.
        compute_uv: whether to return u and v, too.
    """
    x = _matrices("svd", x, square=False)
    if not compute_uv:
        return _bind("svd", x, full=False)[1]
    return _bind("svd", x, full=bool(full_matrices))


def _epsilon(x: Tensor) -> float:
    """Rounding of the dtype times the larger side of the matrix."""
    return float(ml_dtypes.finfo(x.dtype).eps) * sorted(x.shape[-2:])[1]


def pinv(x: Any, rcond: float | None = None) -> Tensor:
    """The Moore-Penrose pseudoinverse of (..., n, m).

    Args:
        x: matrices.
        rcond: singular values up to this fraction of the largest one count as 0; None: 10 max(n, m) times the dtype's rounding.
    """
    x = _matrices("pinv", x, square=False)
    return _bind("pinv", x, rcond=10 * _epsilon(x) if rcond is None else float(rcond))


def lstsq(a: Any, b: Any, rcond: float | None = None) -> Tensor:
    """The x of smallest norm among those with the least |a x - b|, by the pseudoinverse.

    Args:
        a: (n, m).
        b: (n,) or (n, k).
        rcond: as for `pinv`; None: max(n, m) times the dtype's rounding.
    """
    a, b = to_floats(convert_to_tensor(a), convert_to_tensor(b))
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ShapeError(f"lstsq takes (n, m) and (n,) or (n, k), received shapes {a.shape} and {b.shape}.")
    return matmul(pinv(a, _epsilon(a) if rcond is None else rcond), b)


def matrix_rank(x: Any, tol: float | None = None) -> Tensor:
    """How many singular values exceed `tol` (None: max(n, m) times the dtype's rounding times the largest), int32."""
    x = _matrices("matrix_rank", x, square=False)
    s = svd(x, compute_uv=False)
    bound = max(s, -1, keepdims=True) * _epsilon(x) if tol is None else expand_dims(cast(tol, s.dtype), -1)
    return sum(cast(s > bound, "int32"), -1)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """A norm of vectors or matrices.

    Args:
        x: tensor; integers become floats.
        ord: of vectors: None or 2 sqrt(sum x^2), 1 sum |x|, inf max |x|, -inf min |x|, 0 how many aren't 0, else
            (sum |x|^p)^(1/p). Of matrices: None or "fro" sqrt(sum x^2), 1 and inf the largest sum |x| of a column and row, 2 the
            largest singular value, -1, -inf and -2 the smallest of these, "nuc" the sum of singular values.
        axis: one axis of vectors, or two of matrices; None: x is a vector or a matrix (with `ord` None: of any rank, taken as a
            vector).
        keepdims: whether reduced axes stay with size 1.

    Raises:
        ValueError: there is no such norm.
    """
    (x,) = to_floats(convert_to_tensor(x))
    axes = many_axes(axis, x.ndim) if axis is None or isinstance(axis, int) else tuple(int(a) % x.ndim for a in axis)
    if ord is None and (axis is None or len(axes) <= 2):
        return _sqrt(sum(square(x), axes, keepdims))
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    raise ValueError(f"norm(ord={ord!r}) needs one axis (vectors) or two (matrices); received axis {axis} for shape {x.shape}.")


def _vector_norm(x: Tensor, ord: Any, axis: int, keepdims: bool) -> Tensor:
    if isinstance(ord, str):
        raise ValueError(f"norm: there is no vector norm {ord!r}.")
    size = absolute(x)
    if ord == 2:
        return _sqrt(sum(square(x), axis, keepdims))
    if ord in (math.inf, -math.inf):
        return (max if ord > 0 else min)(size, axis, keepdims)
    if ord == 0:
        return sum(cast(not_equal(x, 0.0), x.dtype), axis, keepdims)
    return sum(size, axis, keepdims) if ord == 1 else sum(size**ord, axis, keepdims) ** (1.0 / ord)


def _matrix_norm(x: Tensor, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    by_sums: dict[Any, tuple[int, Callable[..., Tensor]]] = {1: (0, max), -1: (0, min), math.inf: (1, max), -math.inf: (1, min)}
    by_values: dict[Any, Callable[..., Tensor]] = {2: max, -2: min, "nuc": sum}
    if ord == "fro":
        return _sqrt(sum(square(x), axes, keepdims))
    if ord in by_values:
        values = svd(moveaxis(x, axes, (-2, -1)), compute_uv=False)
        result = by_values[ord](values, -1)
    elif ord in by_sums:
        first, extremum = by_sums[ord]
        result = extremum(sum(absolute(moveaxis(x, axes, (-2, -1))), -2 + first), -1)
    else:
        raise ValueError(f"norm: there is no matrix norm {ord!r}.")
    return reshape(result, kept_shape(x.shape, axes)) if keepdims else result
