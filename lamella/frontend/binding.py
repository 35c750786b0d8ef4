"""`bind`: the only door from user code to primitives; and the conversion of anything to tensors."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from lamella.errors import DTypeError, ShapeError
from lamella.frontend.dtypes import result_type, standardize_dtype
from lamella.frontend.state import state
from lamella.frontend.tensor import Tensor, TensorLike
from lamella.ir import PRIMITIVES, TensorType, dtype_name, numpy_dtype
from lamella.reference import apply
from lamella.settings import settings

# Their numpy meaning may return a view of an input, or the input itself.
_ALIASING = frozenset(p.name for p in PRIMITIVES.values() if p.kind in ("move", "index", "control")) | {
    "stop_gradient",
    "bitcast",
}


def bind(name: str, *inputs: Any, **params: Any) -> Any:
    """Apply the primitive `name`.

    While tracing, appends an equation to the graph; otherwise evaluates with the reference interpreter, and open
    tapes record it. Inputs must already have the dtypes that the primitive asks for.

    Returns:
        A tensor, or a tuple of them if the primitive has several outputs.

    Raises:
        ShapeError, DTypeError: from the primitive's type rule.

    Example:
        >>> bind("add", np.float32(1), np.float32(2)).item()
        3.0
    """
    values = [x if isinstance(x, TensorLike) else convert_to_tensor(x) for x in inputs]
    if state.trace is not None:
        return state.trace.emit(name, values, params)
    if state.tapes:
        values = [x._tensor() for x in values]
    results = tuple(map(Tensor, _evaluate(name, values, params)))
    for tape in state.tapes:
        tape.record(PRIMITIVES[name], values, params, results)
    return results[0] if len(results) == 1 and name not in _TUPLES else results


_TUPLES = ("loop", "cond", "call", "custom_gradient")


def _evaluate(name: str, values: list[TensorLike], params: dict[str, Any]) -> list[np.ndarray]:
    primitive = PRIMITIVES[name]
    arrays = [x._concrete() for x in values]
    types = tuple([(a.shape, a.dtype) for a in arrays])
    try:
        _check(name, types, **params) if params else _check_once(name, types)
    except (ShapeError, DTypeError) as error:
        raise type(error)(f"{name}: {error}" + (f" (in {state.scope})" if state.scope else "")) from None
    if name in _ALIASING:  # a variable's array changes in place: its views must not outlive this call
        arrays = [a if type(x) is Tensor else a.copy() for x, a in zip(values, arrays, strict=True)]
    return list(apply(primitive, arrays, params))


def _check(name: str, types: tuple[tuple[tuple[int, ...], np.dtype], ...], **params: Any) -> None:
    PRIMITIVES[name].type_rule(*(TensorType(shape, dtype_name(dtype)) for shape, dtype in types), **params)


_check_once = functools.lru_cache(1024)(_check)  # most eager operations repeat what was right before


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Tensor:
    """Anything array-like as a tensor; arrays are copied.

    Python floats become `lamella.config.floatx`, Python ints int32; numpy arrays keep their dtype.

    Args:
        x: number, nested lists, numpy array, tensor, variable.
        dtype: of the result; None keeps the dtype of `x`.
        sparse, ragged: accepted for compatibility; tensors are dense.

    Raises:
        DTypeError: strings, objects and other things that aren't numbers.

    Example:
        >>> convert_to_tensor([1, 2, 3]).dtype
        'int32'
    """
    if isinstance(x, TensorLike):
        tensor = x._tensor()
        return tensor if dtype is None else cast(tensor, dtype)
    if isinstance(x, (list, tuple)) and _holds_tensors(x):
        return _stack([convert_to_tensor(item, dtype) for item in x])
    return Tensor(to_array(x, dtype))


def to_array(x: Any, dtype: Any = None) -> np.ndarray:
    """A fresh numpy array of `x`, with the dtype that `convert_to_tensor` gives."""
    array, name = array_and_dtype(x, dtype)
    return np.array(array, numpy_dtype(name))


def array_and_dtype(x: Any, dtype: Any = None) -> tuple[np.ndarray, str]:
    """`x` as an array, not copied if it is one, and the dtype that `convert_to_tensor` gives it."""
    array = np.asarray(x)
    if dtype is None:
        dtype = array.dtype if hasattr(x, "dtype") else _default_dtype(array)
    name = standardize_dtype(dtype)
    dtype_name(array.dtype)
    return array, name


def _default_dtype(array: np.ndarray) -> Any:
    """Python numbers came in as numpy's widest types."""
    if array.dtype == np.float64:
        return settings.floatx
    return np.int32 if array.dtype == np.int64 and _fits_int32(array) else array.dtype


def _fits_int32(array: np.ndarray) -> bool:
    return not array.size or (-(2**31) <= array.min() and array.max() < 2**31)


def _holds_tensors(x: Any) -> bool:
    return any(isinstance(item, TensorLike) or isinstance(item, (list, tuple)) and _holds_tensors(item) for item in x)


def _stack(rows: list[Tensor]) -> Tensor:
    rows = [t._tensor() for t in promote(*rows)]
    return bind("concat", *(bind("reshape", r, shape=(1, *r.shape)) for r in rows), axis=0)


def cast(x: Any, dtype: Any) -> Tensor:
    """`x` converted to `dtype`; floats are truncated towards 0 on the way to integers.

    Example:
        >>> cast([1.7, -1.7], "int32").numpy()
        array([ 1, -1], dtype=int32)
    """
    name = standardize_dtype(dtype)
    tensor = x if isinstance(x, TensorLike) else convert_to_tensor(x)
    return tensor._tensor() if tensor.dtype == name else bind("cast", tensor, dtype=name)


def is_number(x: Any) -> bool:
    """Python numbers and numpy scalars: they take the dtype of the tensor that they meet."""
    return isinstance(x, (bool, int, float, np.generic))


def promote(*values: Any) -> list[TensorLike]:
    """All values as tensors of one dtype.

    Numbers adapt to the tensors, tensors are promoted by `result_type`.
    """
    first = values[0]
    if isinstance(first, TensorLike) and all(isinstance(v, TensorLike) and v.dtype == first.dtype for v in values):
        return list(values)
    kinds = [
        _python_kind(v) if is_number(v) else v if isinstance(v, TensorLike) else convert_to_tensor(v) for v in values
    ]
    dtype = result_type(*(k.dtype if isinstance(k, TensorLike) else k for k in kinds))
    return [_with_dtype(k if isinstance(k, TensorLike) else v, dtype) for k, v in zip(kinds, values, strict=True)]


def _python_kind(x: Any) -> type:
    if isinstance(x, (bool, np.bool_)):
        return bool
    return int if isinstance(x, (int, np.integer)) else float


def _with_dtype(x: Any, dtype: str) -> TensorLike:
    if not isinstance(x, TensorLike):
        return Tensor(np.asarray(x, numpy_dtype(dtype)))
    return x if x.dtype == dtype else bind("cast", x, dtype=dtype)
