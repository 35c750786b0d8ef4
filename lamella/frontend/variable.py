"""`Variable`: state that programs read and assign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.errors import DTypeError, LamellaError, ShapeError
from lamella.frontend.binding import array_and_dtype, bind, cast, convert_to_tensor, is_number, promote, to_array
from lamella.frontend.dtypes import standardize_dtype
from lamella.frontend.state import init_scope, state
from lamella.frontend.tensor import Tensor, TensorLike, TracedValueError
from lamella.ir import dtype_name, numpy_dtype
from lamella.ir.types import is_float

ALIGNMENT = 64  # bytes; one cache line, so that vector loads of native code never straddle two


def aligned_empty(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """An uninitialized C-contiguous array that starts on a cache line."""
    numpy = numpy_dtype(dtype)
    nbytes = int(np.prod(shape, dtype=np.int64)) * numpy.itemsize
    raw = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes].view(numpy).reshape(shape)


class Variable(TensorLike):
    """An array that keeps its place in memory and changes in place.

    Usable wherever a tensor is. In a trace, the first read makes it an input of the graph, and what is assigned
    becomes an output, written back into the same memory when the compiled graph runs.

    Args:
        initial: value, or a function `(shape, dtype) -> value` that is called outside of traces and tapes.
        trainable: whether tapes watch it without being asked.
        dtype: None keeps the dtype of `initial`.
        name: last part of `path`; the name scopes in effect are the rest.
        shape: for a function `initial` only.
        autocast: whether a layer with a mixed dtype policy reads it in its computation dtype.

    Raises:
        LamellaError: `initial` is a traced tensor; give a function instead.

    Example:
        >>> v = Variable([1.0, 2.0], name="w")
        >>> v.assign_add([0.5, 0.5]).numpy()
        array([1.5, 2.5], dtype=float32)
    """

    _array: np.ndarray

    def __init__(
        self,
        initial: Any,
        trainable: bool = True,
        dtype: Any = None,
        name: str = "variable",
        shape: Sequence[int] | None = None,
        autocast: bool = True,
    ) -> None:
        self.name = name
        self.path = f"{state.scope}/{name}" if state.scope else name
        self.trainable = trainable
        self.autocast = autocast
        value, name_of_dtype = self._initial(initial, dtype, shape)
        self._array = aligned_empty(value.shape, name_of_dtype)
        np.copyto(self._array, value, casting="unsafe")

    def _initial(self, initial: Any, dtype: Any, shape: Sequence[int] | None) -> tuple[np.ndarray, str]:
        if callable(initial):
            with init_scope():
                initial = initial(tuple(shape or ()), dtype=standardize_dtype(dtype))
        if isinstance(initial, Tensor) and initial._array is None:
            raise LamellaError(
                f"Variable {self.path!r} can't start from a traced tensor ({initial._type}), for it "
                f"outlives the trace. "
                "Give a function (shape, dtype) -> value; it runs outside of the trace."
            )
        return array_and_dtype(initial._concrete() if isinstance(initial, Tensor) else initial, dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def dtype(self) -> str:
        """The dtype that it is read in: its own, or that of the autocast scope around."""
        return state.autocast if state.autocast and self.autocast and is_float(self._dtype) else self._dtype

    @property
    def _dtype(self) -> str:
        """Its own dtype, in which it is stored and assigned."""
        return dtype_name(self._array.dtype)

    def _concrete(self) -> np.ndarray:
        if state.trace is not None:
            raise TracedValueError(
                f"The value of variable {self.path!r} was asked for while {state.trace.name!r} is being "
                f"traced; it only "
                "exists when the compiled graph runs. Use it as a tensor instead."
            )
        return self._array if self.dtype == self._dtype else self._array.astype(numpy_dtype(self.dtype))

    def _tensor(self) -> Tensor:
        return self.value()

    def value(self) -> Tensor:
        """The present value as a tensor of `dtype`, which later assignments don't change."""
        return cast(self._stored(), self.dtype)

    def _stored(self) -> Tensor:
        """The present value in the variable's own dtype."""
        if state.trace is not None:
            return state.trace.read(self)
        tensor = Tensor(self._array.copy())
        for tape in state.tapes:
            tape.read(self, tensor)
        return tensor

    def assign(self, value: Any) -> Variable:
        """Replace the value.

        Raises:
            ShapeError: the shape differs; nothing is broadcast.
            DTypeError: the value would have to be cast to another kind, such as float to int.
        """
        if state.trace is not None:
            tensor = (
                value._tensor() if isinstance(value, TensorLike) else convert_to_tensor(value, self._dtype_for(value))
            )
            self._check(tensor.shape, tensor.dtype)
            state.trace.assign(self, cast(tensor, self._dtype))
            return self
        array = value._concrete() if isinstance(value, TensorLike) else to_array(value, self._dtype_for(value))
        self._check(array.shape, dtype_name(array.dtype))
        np.copyto(self._array, array, casting="same_kind")
        return self

    def assign_add(self, value: Any) -> Variable:
        """Add `value` (broadcast to this shape) to the value."""
        return self.assign(bind("add", *promote(self._stored(), value)))

    def assign_sub(self, value: Any) -> Variable:
        """Subtract `value` (broadcast to this shape) from the value."""
        return self.assign(bind("sub", *promote(self._stored(), value)))

    def _dtype_for(self, value: Any) -> str | None:
        """Python numbers take the variable's dtype, if it is at least of their kind."""
        kind = np.asarray(value).dtype if is_number(value) or isinstance(value, (list, tuple)) else None
        return self._dtype if kind is not None and np.can_cast(kind, self._array.dtype, "same_kind") else None

    def _check(self, shape: tuple[int, ...], dtype: str) -> None:
        if shape != self.shape:
            raise ShapeError(f"Variable {self.path!r} has shape {self.shape}; can't assign a value of shape {shape}.")
        if not np.can_cast(numpy_dtype(dtype), self._array.dtype, "same_kind"):
            raise DTypeError(
                f"Variable {self.path!r} is {self._dtype}; can't assign a {dtype} value. Cast it with ops.cast first."
            )

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        text = np.array2string(self._array, separator=", ", threshold=20)
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self._dtype}, value={text}>"
