"""`Tensor`: an array in eager mode, a variable of the graph while tracing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from lamella.errors import LamellaError
from lamella.frontend.state import state
from lamella.ir import Atom, TensorType, dtype_name


class TensorLike:
    """What `Tensor` and `Variable` share; `arithmetic.py` and `indexing.py` add the operators.

    Attributes:
        _array: the value, or None while tracing.
    """

    __slots__ = ()
    __array_priority__ = 100  # numpy_array + tensor is a tensor
    _array: np.ndarray | None

    if TYPE_CHECKING:  # what arithmetic.py and indexing.py add

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __rand__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __ror__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __rxor__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __getitem__(self, key: Any) -> Tensor: ...

    @property
    def shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    @property
    def dtype(self) -> str:
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def _tensor(self) -> Tensor:
        """This value as a tensor that keeps it; tells open tapes about variables."""
        raise NotImplementedError

    def _concrete(self) -> np.ndarray:
        """The array itself, for reading at once, or an error while tracing."""
        raise NotImplementedError

    def numpy(self) -> np.ndarray:
        """A copy of the value as a numpy array.

        Raises:
            TracedValueError: while tracing.
        """
        return np.array(self._concrete())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self._concrete()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        if copy:
            return np.array(array)
        view = array.view()
        view.flags.writeable = False  # tensors never change
        return view

    def item(self) -> Any:
        """The only element as a Python number."""
        return self._concrete().item()

    def __float__(self) -> float:
        return float(self._concrete().item())

    def __int__(self) -> int:
        return int(self._concrete().item())

    def __index__(self) -> int:
        array = self._concrete()
        if array.dtype.kind not in "iu" or array.ndim:
            raise TypeError(
                f"Only an integer scalar can be an index; this tensor is {dtype_name(array.dtype)}{array.shape}."
            )
        return int(array)

    def __bool__(self) -> bool:
        return bool(self._concrete())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("A scalar tensor has no length.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError("Can't iterate over a scalar tensor.")
        return (self[i] for i in range(self.shape[0]))

    def __format__(self, spec: str) -> str:
        return (
            format(self._concrete().item(), spec)
            if not self.shape and self._array is not None
            else format(str(self), spec)
        )


class TracedValueError(LamellaError, TypeError):
    """A value was asked for that only exists when the compiled graph runs."""


class Tensor(TensorLike):
    """An immutable array with a static shape and dtype.

    Made by `lamella.ops.convert_to_tensor` and by every operation. Operators and indexing work as in numpy; a Python
    number takes the tensor's dtype, tensors of different dtypes are promoted as in Keras.

    Example:
        >>> x = Tensor(np.array([1.0, 2.0], np.float32))
        >>> x.shape, x.dtype
        ((2,), 'float32')
    """

    __slots__ = ("_array", "_atom", "_trace", "__weakref__")

    def __init__(self, array: np.ndarray | None, atom: Atom | None = None, trace: Any = None) -> None:
        self._array = array
        self._atom = atom
        self._trace = trace

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape if self._array is not None else self._atom.type.shape  # type: ignore[union-attr]

    @property
    def dtype(self) -> str:
        return dtype_name(self._array.dtype) if self._array is not None else self._atom.type.dtype  # type: ignore[union-attr]

    @property
    def _type(self) -> TensorType:
        return TensorType(self.shape, self.dtype)

    def _tensor(self) -> Tensor:
        return self

    def _concrete(self) -> np.ndarray:
        if self._array is None:
            raise TracedValueError(_traced_message(self))
        return self._array

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        if self._array is None:
            return f"<Tensor {self._type} (traced)>"
        text = np.array2string(self._array, separator=", ", threshold=20, prefix="<Tensor ")
        return f"<Tensor {text}, shape={self.shape}, dtype={self.dtype}>"


def _traced_message(tensor: Tensor) -> str:
    if tensor._trace is not state.trace:
        return (
            f"This tensor ({tensor._type}) belongs to the finished trace of {tensor._trace.name!r} and has no value. "
            "Return it from the function, or assign it to a Variable, to see its value."
        )
    source = tensor._trace.source_of(tensor)
    where = " ".join(
        filter(None, [source.scope and f"in layer {source.scope}", source.place and f"made at {source.place}"])
    )
    return (
        f"The value of a tensor ({tensor._type}{', ' + where if where else ''}) was asked for while "
        f"{tensor._trace.name!r} is "
        "being traced; it only exists when the compiled graph runs. Use lamella.ops (such as ops.where or "
        "ops.cond) instead of "
        "Python's if, float() or numpy, or call the function without @function."
    )
