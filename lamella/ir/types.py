"""Types of values: a static shape and an explicit dtype."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import ml_dtypes
import numpy as np

from lamella.errors import DTypeError

FLOATS = ("float16", "bfloat16", "float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTS = SIGNED + UNSIGNED
DTYPES = ("bool",) + INTS + FLOATS

_NUMPY = {name: np.dtype(name) for name in DTYPES if name != "bfloat16"} | {"bfloat16": np.dtype(ml_dtypes.bfloat16)}
_NAMES = {dtype: name for name, dtype in _NUMPY.items()}


def numpy_dtype(name: str) -> np.dtype:
    """The numpy dtype of an IR dtype name."""
    return _NUMPY[name]


def dtype_name(dtype: object) -> str:
    """The IR's name of anything that numpy takes as a dtype.

    Raises:
        DTypeError: strings, objects, complex numbers and other dtypes that no tensor can have.

    Example:
        >>> dtype_name(np.float32)
        'float32'
    """
    if isinstance(dtype, np.dtype) and dtype in _NAMES:
        return _NAMES[dtype]
    if isinstance(dtype, str) and dtype in _NUMPY:
        return dtype
    try:
        return _NAMES[np.dtype(dtype)]  # type: ignore[call-overload]
    except (KeyError, TypeError):
        raise DTypeError(f"A tensor can't have dtype {dtype!r}; expected one of {', '.join(DTYPES)}.") from None


def is_float(dtype: str) -> bool:
    return dtype in FLOATS


def wide(dtype: str) -> str:
    """The dtype that sums of this one are kept in: float32 for float16 and bfloat16, else itself.

    Example:
        >>> wide("bfloat16"), wide("float64")
        ('float32', 'float64')
    """
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def is_int(dtype: str) -> bool:
    return dtype in INTS


@dataclass(frozen=True)
class TensorType:
    """Shape and dtype of a value, printed as `float32[32,784]`.

    Example:
        >>> TensorType((2, 3), "float32")
        float32[2,3]
    """

    shape: tuple[int, ...]
    dtype: str

    def __post_init__(self) -> None:
        if self.dtype not in _NUMPY:
            raise DTypeError(f"Unknown dtype {self.dtype!r}; expected one of {', '.join(DTYPES)}.")

    @cached_property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @cached_property
    def nbytes(self) -> int:
        return self.size * _NUMPY[self.dtype].itemsize

    def __repr__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"
