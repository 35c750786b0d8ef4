"""What users pass, as numpy arrays: ndarray, then `__array__`, `__dlpack__`, nested lists of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamella.errors import DTypeError, ShapeError
from lamella.settings import settings
from lamella.tree import map_structure


def as_array(x: Any, name: str = "data", strings: bool = False) -> np.ndarray:
    """One array-like object as a numpy array; nothing is copied where the object shares its memory.

    Args:
        x: ndarray, an object with `__array__` (pandas, polars, JAX, torch, Tensor) or `__dlpack__`, or nested lists of
            numbers.
        name: what the errors call it, such as `"x"`.
        strings: whether strings may be among it; lists of them become arrays of objects.

    Raises:
        ShapeError: a ragged list; the message names the first row that differs.
        DTypeError: strings (unless they may be), objects, complex numbers, or an object that is no array.

    Example:
        >>> as_array([[1, 2], [3, 4]]).shape
        (2, 2)
    """
    if strings and _holds_strings(x):
        return np.asarray(x, object if isinstance(x, (list, tuple)) else None)
    if isinstance(x, np.ndarray):
        return _numeric(x, name)
    if hasattr(x, "__array__"):
        return _numeric(_convert(np.asarray, x, name), name)
    if hasattr(x, "__dlpack__"):
        return _numeric(_convert(np.from_dlpack, x, name), name)
    if isinstance(x, (list, tuple, bool, int, float)):
        return _from_list(x, name)
    raise DTypeError(
        f"{name} is a {type(x).__name__}, which is no array: pass a numpy array, a data frame, a tensor, "
        "nested lists of numbers, or an iterable of batches."
    )


def as_arrays(x: Any, name: str = "data", strings: bool = False) -> Any:
    """A tree of arrays from a tree of array-likes; float64 becomes `floatx`, other dtypes stay.

    A list of numbers (nested or not) is one array, a list of arrays is several. See `as_array` for `strings`.

    Example:
        >>> as_arrays([[1.0, 2.0], [3.0, 4.0]]).dtype
        dtype('float32')
        >>> len(as_arrays([np.zeros(2), np.zeros(2)]))
        2
    """
    if x is None or is_array_like(x):
        return None if x is None else _to_floatx(as_array(x, name, strings))
    if isinstance(x, dict):
        return {key: as_arrays(value, f"{name}[{key!r}]", strings) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(as_arrays(value, f"{name}[{i}]", strings) for i, value in enumerate(x))
    return _to_floatx(as_array(x, name, strings))


def is_array_like(x: Any) -> bool:
    """Whether `x` is one array, and not a tree or a stream of them.

    Example:
        >>> is_array_like([[1, 2]]), is_array_like([np.zeros(2)]), is_array_like(iter([1]))
        (True, False, False)
    """
    if isinstance(x, (list, tuple)):
        return _is_list_of_numbers(x)
    return hasattr(x, "__array__") or hasattr(x, "__dlpack__") or isinstance(x, (bool, int, float))


def rows(tree: Any, index: Any) -> Any:
    """The rows `index` (a slice or integers) of every leaf; None stays None."""
    return map_structure(lambda leaf: None if leaf is None else leaf[index], tree)


def _is_list_of_numbers(x: Any) -> bool:
    """Judged by the first innermost item; strings count too, so that they reach the error about strings."""
    return isinstance(_innermost(x), (list, tuple, bool, int, float, str, bytes, np.generic))


def _innermost(x: Any) -> Any:
    while isinstance(x, (list, tuple)) and len(x):
        x = x[0]
    return x


def _holds_strings(x: Any) -> bool:
    if isinstance(x, (str, bytes, list, tuple)):
        return isinstance(_innermost(x), (str, bytes))
    kind = getattr(getattr(x, "dtype", None), "kind", "")
    return kind in tuple("US") or (kind == "O" and np.size(x) > 0 and isinstance(np.asarray(x).flat[0], (str, bytes)))


def _to_floatx(array: np.ndarray) -> np.ndarray:
    return array.astype(settings.floatx) if array.dtype == np.float64 else array


def _convert(function: Callable[[Any], Any], x: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(function(x))
    except (RuntimeError, TypeError, BufferError) as error:
        hint = " Call .detach() first." if hasattr(x, "requires_grad") else ""
        raise DTypeError(f"{name}: a {type(x).__name__} did not convert to numpy: {error}.{hint}") from error


def _numeric(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind in "fiub" or array.dtype.name == "bfloat16":
        return array
    if array.dtype.kind in "USO" and array.size:
        first = array.reshape(-1)[0]
        what = "strings" if array.dtype.kind in "US" or isinstance(first, str) else f"objects ({type(first).__name__})"
        raise DTypeError(f"{name} holds {what}, not numbers; the first is {first!r}. Encode them as numbers first, for "
                          "example with StringLookup or TextVectorization.")
    raise DTypeError(f"{name} has dtype {array.dtype}, which no tensor can have.")


def _from_list(x: Any, name: str) -> np.ndarray:
    try:
        return _numeric(np.asarray(x), name)
    except ValueError as error:
        if isinstance(error, ShapeError):
            raise
        raise ShapeError(_ragged_message(x, name)) from None


def _ragged_message(x: Any, name: str) -> str:
    """Find the first row whose shape is not that of row 0."""
    shapes = (_shape(row) for row in x)
    expected = next(shapes)
    for i, shape in enumerate(shapes, 1):
        if shape != expected:
            found = "uneven rows" if shape is None else shape
            return f"{name} is ragged: row 0 has shape {expected}, row {i} has {found}."
    return f"{name} is ragged: row 0 has uneven rows."


def _shape(row: Any) -> tuple[int, ...] | None:
    try:
        return np.shape(row)
    except ValueError:
        return None
