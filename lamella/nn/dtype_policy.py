"""The two dtypes of a layer: that of its variables and that of its computation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.errors import DTypeError
from lamella.settings import settings

FLOATS = ("float16", "bfloat16", "float32", "float64")
_MIXED = {"mixed_float16": ("float32", "float16"), "mixed_bfloat16": ("float32", "bfloat16")}
_PLAIN = (*FLOATS, "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def dtype_pair(dtype: Any) -> tuple[str, str]:
    """(variable dtype, computation dtype) of what a user passes as `dtype=`.

    Args:
        dtype: None (the default float), a dtype name, a numpy dtype, `"mixed_float16"`, `"mixed_bfloat16"`, or the
            config of a Keras dtype policy.

    Raises:
        DTypeError: no such dtype.

    Example:
        >>> dtype_pair("mixed_bfloat16"), dtype_pair(None)
        (('float32', 'bfloat16'), ('float32', 'float32'))
    """
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name")
    name = settings.floatx if dtype is None else str(getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype))
    if name in _MIXED:
        return _MIXED[name]
    if name not in _PLAIN:
        raise DTypeError(f"Unknown dtype {dtype!r}. Known: {', '.join((*_PLAIN, *_MIXED))}.")
    return name, name


def is_float(dtype: Any) -> bool:
    """Whether a dtype (a name or a numpy dtype) is a float type.

    Example:
        >>> is_float("bfloat16"), is_float("int32")
        (True, False)
    """
    return str(dtype) in FLOATS
