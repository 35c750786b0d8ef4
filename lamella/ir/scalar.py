"""The operations that scalar definitions are written over, and their meaning in numpy.

`scalar_math.exp(s, x)` and its like receive `s`, an object with the methods of `ScalarOps`, and opaque values. With
`NumpyScalar` the same definition computes on arrays; with the native compiler's emitter it becomes vector instructions.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from lamella.ir.types import dtype_name, numpy_dtype

Value = Any  # an array, an LLVM value ...: scalar definitions never look inside


class ScalarOps(Protocol):
    """What a backend provides. Both operands of a binary operation have one dtype; nothing converts silently.

    Floating point is strict: the definitions count on `fma` being rounded once, and on an emitter that neither
    reassociates nor assumes away NaN, infinity and the sign of 0.
    """

    def dtype(self, x: Value) -> str: ...

    def const(self, value: float, dtype: str) -> Value: ...

    def add(self, x: Value, y: Value) -> Value: ...  # integers wrap around
    def sub(self, x: Value, y: Value) -> Value: ...
    def mul(self, x: Value, y: Value) -> Value: ...
    def div(self, x: Value, y: Value) -> Value: ...  # floats only
    def neg(self, x: Value) -> Value: ...  # floats: flips the sign bit, also of 0 and NaN
    def fma(self, x: Value, y: Value, z: Value) -> Value: ...  # x * y + z, rounded once
    def abs(self, x: Value) -> Value: ...
    def sqrt(self, x: Value) -> Value: ...
    def floor(self, x: Value) -> Value: ...
    def round(self, x: Value) -> Value: ...  # half to even

    def truncated_remainder(self, x: Value, y: Value) -> Value:
        """x - y * trunc(x / y) of integers (LLVM's srem and urem); the caller keeps y from 0 and -1."""
        ...

    def eq(self, x: Value, y: Value) -> Value: ...  # comparisons are ordered: False where an operand is NaN
    def lt(self, x: Value, y: Value) -> Value: ...
    def le(self, x: Value, y: Value) -> Value: ...
    def select(self, condition: Value, x: Value, y: Value) -> Value: ...

    def logical_and(self, x: Value, y: Value) -> Value: ...
    def logical_or(self, x: Value, y: Value) -> Value: ...
    def logical_not(self, x: Value) -> Value: ...

    def bit_and(self, x: Value, y: Value) -> Value: ...
    def bit_or(self, x: Value, y: Value) -> Value: ...
    def bit_xor(self, x: Value, y: Value) -> Value: ...
    def shift_left(self, x: Value, y: Value) -> Value: ...
    def shift_right(self, x: Value, y: Value) -> Value: ...  # logical if unsigned, arithmetic if signed

    def cast(self, x: Value, dtype: str) -> Value: ...  # numpy's astype: floats truncate towards 0
    def bitcast(self, x: Value, dtype: str) -> Value: ...


class NumpyScalar:
    """`ScalarOps` over numpy arrays.

    Example:
        >>> s = NumpyScalar()
        >>> float(s.fma(np.float32(2), np.float32(3), np.float32(4)))
        10.0
    """

    def dtype(self, x: Value) -> str:
        return dtype_name(x.dtype)

    def const(self, value: float, dtype: str) -> Value:
        return np.asarray(value, numpy_dtype(dtype))

    def add(self, x: Value, y: Value) -> Value:
        return _quiet(np.add, x, y)

    def sub(self, x: Value, y: Value) -> Value:
        return _quiet(np.subtract, x, y)

    def mul(self, x: Value, y: Value) -> Value:
        return _quiet(np.multiply, x, y)

    def div(self, x: Value, y: Value) -> Value:
        return _quiet(np.divide, x, y)

    def neg(self, x: Value) -> Value:
        return np.negative(x)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        if x.dtype == np.float64:
            return _quiet(_fma64, x, y, z)
        # A product of two float32 is exact in float64, so only the sum is rounded twice.
        wide = _quiet(lambda: x.astype(np.float64) * y.astype(np.float64) + z.astype(np.float64))
        return self.cast(wide, dtype_name(x.dtype))

    def abs(self, x: Value) -> Value:
        return np.abs(x)

    def sqrt(self, x: Value) -> Value:
        return _quiet(np.sqrt, x)

    def floor(self, x: Value) -> Value:
        return np.floor(x)

    def round(self, x: Value) -> Value:
        return np.rint(x)

    def truncated_remainder(self, x: Value, y: Value) -> Value:
        return np.fmod(x, y)

    def eq(self, x: Value, y: Value) -> Value:
        return np.equal(x, y)

    def lt(self, x: Value, y: Value) -> Value:
        return np.less(x, y)

    def le(self, x: Value, y: Value) -> Value:
        return np.less_equal(x, y)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        return np.where(condition, x, y)

    def logical_and(self, x: Value, y: Value) -> Value:
        return np.logical_and(x, y)

    def logical_or(self, x: Value, y: Value) -> Value:
        return np.logical_or(x, y)

    def logical_not(self, x: Value) -> Value:
        return np.logical_not(x)

    def bit_and(self, x: Value, y: Value) -> Value:
        return np.bitwise_and(x, y)

    def bit_or(self, x: Value, y: Value) -> Value:
        return np.bitwise_or(x, y)

    def bit_xor(self, x: Value, y: Value) -> Value:
        return np.bitwise_xor(x, y)

    def shift_left(self, x: Value, y: Value) -> Value:
        return np.left_shift(x, y)

    def shift_right(self, x: Value, y: Value) -> Value:
        return np.right_shift(x, y)

    def cast(self, x: Value, dtype: str) -> Value:
        return _quiet(np.asarray(x).astype, numpy_dtype(dtype))

    def bitcast(self, x: Value, dtype: str) -> Value:
        return np.asarray(x).view(numpy_dtype(dtype))


def _quiet(function: Any, *args: Value) -> Value:
    """Overflow, 0/0 and the like are answers here, not warnings."""
    with np.errstate(all="ignore"):
        return np.asarray(function(*args))


_SPLITTER = 2.0**27 + 1  # Veltkamp: cuts a float64 into two halves of 26 bits, whose products are exact


def _fma64(x: Value, y: Value, z: Value) -> Value:
    """x * y + z with the product and the sum kept as unevaluated pairs: rounded once, but for subnormal results."""
    product = x * y
    x_high = _SPLITTER * x - (_SPLITTER * x - x)
    y_high = _SPLITTER * y - (_SPLITTER * y - y)
    x_low, y_low = x - x_high, y - y_high
    product_error = x_low * y_low - (((product - x_high * y_high) - x_low * y_high) - x_high * y_low)
    total = product + z
    z_part = total - product
    total_error = (product - (total - z_part)) + (z - z_part)
    error = product_error + total_error
    return np.where(np.isfinite(error), total + error, total)  # the halves of huge numbers overflow
