"""Axes as users write them, made canonical."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from lamella.errors import ShapeError


def one_axis(axis: int, ndim: int, what: str = "axis") -> int:
    """A single axis, 0 <= axis < ndim.

    Raises:
        ShapeError: out of range.
    """
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{what} {axis} is out of range for a tensor with {ndim} axes.")
    return axis % ndim


def many_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Ascending distinct axes; None is all of them.

    Raises:
        ShapeError: out of range, or one given twice.
    """
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, Sequence) else (axis,)
    axes = [one_axis(a, ndim) for a in given]
    if len(set(axes)) != len(axes):
        raise ShapeError(f"axis {axis} names an axis twice.")
    return tuple(sorted(axes))


def shape_tuple(shape: Any) -> tuple[int, ...]:
    """A shape from a number, a sequence or a tensor."""
    if isinstance(shape, Sequence):
        return tuple(operator.index(n) for n in shape)
    try:
        return (operator.index(shape),)
    except TypeError:
        return tuple(operator.index(n) for n in shape)


def kept_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with reduced axes of size 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))
