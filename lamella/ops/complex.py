"""Complex numbers. Lamella has no complex dtypes: a complex tensor is a tuple (real part, imaginary part), as for Keras' `fft`."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.errors import ShapeError
from lamella.frontend import Tensor, convert_to_tensor, promote
from lamella.frontend.arithmetic import to_floats
from lamella.frontend.tensor import TensorLike
from lamella.ops.creation import zeros_like
from lamella.ops.elementwise import cos, equal, negative, sin
from lamella.ops.shaping import stack
from lamella.ops.trigonometry import arctan2

Pair = tuple[Tensor, Tensor]


def parts_of(x: Any) -> Pair | None:
    """Real and imaginary part of a complex tensor (or of complex numbers in numpy); None if `x` is real."""
    if isinstance(x, tuple) and len(x) == 2 and all(isinstance(part, TensorLike) for part in x):
        return x[0]._tensor(), x[1]._tensor()
    if isinstance(x, TensorLike) or not np.iscomplexobj(x):
        return None
    values = np.asarray(x)
    return convert_to_tensor(values.real), convert_to_tensor(values.imag)


def real(x: Any) -> Tensor:
    """The real part; of a real tensor, itself."""
    parts = parts_of(x)
    return parts[0] if parts else convert_to_tensor(x)


def imag(x: Any) -> Tensor:
    """The imaginary part; of a real tensor, zeros."""
    parts = parts_of(x)
    return parts[1] if parts else zeros_like(x)


def conjugate(x: Any) -> Any:
    """The same real part, the opposite imaginary part; of a real tensor, itself."""
    parts = parts_of(x)
    return (parts[0], negative(parts[1])) if parts else convert_to_tensor(x)


conj = conjugate


def isreal(x: Any) -> Tensor:
    """Whether the imaginary part is 0."""
    return equal(imag(x), 0)


def angle(x: Any) -> Tensor:
    """The angle in the complex plane, arctan2(imaginary part, real part): of real numbers 0 or pi."""
    return arctan2(imag(x), real(x))


def polar(abs_: Any, angle: Any) -> Pair:
    """The complex number with the given absolute value and angle: (abs cos(angle), abs sin(angle)).

    Example:
        >>> [part.item() for part in polar(2.0, 0.0)]
        [2.0, 0.0]
    """
    size, turn = to_floats(abs_, angle)
    return size * cos(turn), size * sin(turn)


def view_as_complex(x: Any) -> Pair:
    """The last axis, of size 2, taken as real and imaginary part.

    Raises:
        ShapeError: another size.
    """
    x = convert_to_tensor(x)
    if not x.ndim or x.shape[-1] != 2:
        raise ShapeError(f"view_as_complex needs a last axis of size 2 (real and imaginary part), received shape {x.shape}.")
    return x[..., 0], x[..., 1]


def view_as_real(x: Any) -> Tensor:
    """Real and imaginary part along a new last axis."""
    return stack(promote(real(x), imag(x)), -1)
