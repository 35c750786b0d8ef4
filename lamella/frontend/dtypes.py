"""Dtype promotion: the lattice of Keras and JAX, with float64 and int64 kept."""

from __future__ import annotations

from functools import cache

from lamella.errors import DTypeError
from lamella.ir import dtype_name
from lamella.settings import settings

# Each dtype and the ones just above it. "int" and "float" are Python numbers: they take the other operand's dtype.
_ABOVE: dict[str, tuple[str, ...]] = {
    "bool": ("int",),
    "int": ("uint8", "int8"),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": ("float",),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("float",),
    "float": ("bfloat16", "float16"),
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64",),
    "float64": (),
}
_PYTHON = {bool: "bool", int: "int", float: "float"}


@cache
def _upper_bounds(dtype: str) -> frozenset[str]:
    return frozenset({dtype}).union(*map(_upper_bounds, _ABOVE[dtype]))


@cache
def _join(x: str, y: str) -> str:
    common = _upper_bounds(x) & _upper_bounds(y)
    (least,) = [c for c in common if common <= _upper_bounds(c)]
    return least


def result_type(*dtypes: object) -> str:
    """The dtype that operands are cast to before they meet.

    Args:
        *dtypes: names, numpy dtypes, or the Python types `bool`, `int`, `float`, which never widen a tensor of their
            kind.

    Raises:
        DTypeError: no tensor can have such a dtype.

    Example:
        >>> result_type("int32", "float32"), result_type("uint8", int), result_type("int32", float)
        ('float32', 'uint8', 'float32')
    """
    names = [_PYTHON[d] if isinstance(d, type) and d in _PYTHON else dtype_name(d) for d in dtypes]
    joined = names[0] if names else "float"
    for name in names[1:]:
        joined = _join(joined, name)
    return strong(joined)


def strong(name: str) -> str:
    """The dtype that a bare Python number gets."""
    return settings.floatx if name == "float" else "int32" if name == "int" else name


def standardize_dtype(dtype: object | None) -> str:
    """A dtype's name; None is `lamella.config.floatx`, Python's `float` and `int` are floatx and int32.

    Raises:
        DTypeError: no tensor can have this dtype.
    """
    if dtype is None:
        return settings.floatx
    if isinstance(dtype, type) and dtype in _PYTHON:
        return strong(_PYTHON[dtype])
    return dtype_name(dtype)


def check_integer(dtype: str, what: str) -> None:
    if "int" not in dtype:
        raise DTypeError(f"{what} must be integers, received {dtype}.")
