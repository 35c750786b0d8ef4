"""Checks on the host, before anything is compiled: sizes, ranges, missing numbers."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np

from lamella.errors import ShapeError


def check_positive_int(value: Any, name: str, least: int = 1) -> int:
    """`value` as an int that is at least 1, or `least`.

    Raises:
        ValueError: less, or no whole number.

    Example:
        >>> check_positive_int(32, "batch_size")
        32
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = int(value) if isinstance(value, float) and value.is_integer() else least - 1
    if number < least or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number of at least {least}, received {value!r}.")
    return number


def check_fraction(value: float, name: str) -> float:
    """`value` if it lies in [0, 1).

    Raises:
        ValueError: anything else.
    """
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name} must be at least 0 and less than 1, received {value!r}.")
    return float(value)


def check_finite(array: np.ndarray, name: str, strict: bool = False) -> None:
    """Warn when floats hold NaN or infinity, with their count and the first row.

    One pass (the sum of squares) decides the usual case; only a suspicious array is looked at in detail.

    Args:
        array: any.
        name: what it is, for the message.
        strict: whether to raise ValueError instead.

    Example:
        >>> check_finite(np.ones(3, np.float32), "x")
    """
    if array.dtype.kind != "f" or array.size == 0:
        return
    flat = array.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.dot(flat, flat)):
            return
    bad = ~np.isfinite(array)
    count = int(bad.sum())
    if count:
        row = int(np.argmax(bad.reshape(len(array), -1).any(axis=1)))
        text = f"{name} holds {count} values that are NaN or infinite, the first in row {row}"
        if strict:
            raise ValueError(f"{text}. Remove or fill them.")
        warnings.warn(f"{text}; the loss will be NaN too. Remove or fill them, or filter this warning.", stacklevel=4)


def check_lengths(parts: dict[str, list[np.ndarray]], where: str) -> int:
    """The number of rows that all arrays share.

    Args:
        parts: argument name (`"x"`, `"y"`, ...) to its arrays.
        where: the method that received them, for the message.

    Raises:
        ShapeError: different lengths; the message lists them all.
        ValueError: no rows, or a scalar.
    """
    for name, arrays in parts.items():
        for array in arrays:
            if array.ndim == 0:
                raise ShapeError(f"{where}: {name} is a scalar; expected an array whose first axis counts the samples.")
    lengths = {len(a) for arrays in parts.values() for a in arrays}
    if len(lengths) > 1:
        listed = "; ".join(
            f"{name}: {', '.join(str(len(a)) for a in arrays)}" for name, arrays in parts.items() if arrays
        )
        raise ShapeError(f"{where}: all arrays must have the same number of rows, received {listed}.")
    n = lengths.pop() if lengths else 0
    if n == 0:
        raise ValueError(f"{where}: x is empty; at least one row is needed.")
    return n
