"""The operators of tensors, with promotion of dtypes. `lamella.ops` offers the same functions under Keras' names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella.errors import DTypeError, ShapeError
from lamella.frontend.binding import bind, cast, convert_to_tensor, promote
from lamella.frontend.dtypes import result_type
from lamella.frontend.tensor import Tensor, TensorLike
from lamella.ir import ContractSpec, einsum_spec
from lamella.ir.types import SIGNED, is_float, is_int

Binary = Callable[[Any, Any], Tensor]


def numeric(*values: TensorLike) -> list[TensorLike]:
    """Arithmetic on bools happens in int32."""
    return [cast(v, "int32") for v in values] if values[0].dtype == "bool" else list(values)


def _named(operation: Binary, name: str, doc: str) -> Binary:
    operation.__name__ = operation.__qualname__ = name
    operation.__doc__ = f"""{doc}

    Args:
        x1, x2: tensors or numbers; shapes broadcast, dtypes are promoted.
    """
    return operation


def _arithmetic(name: str) -> Binary:
    def operation(x1: Any, x2: Any) -> Tensor:
        return bind(name, *numeric(*promote(x1, x2)))

    return operation


def _comparison(primitive: str, name: str, doc: str) -> Binary:
    def operation(x1: Any, x2: Any) -> Tensor:
        return bind(primitive, *promote(x1, x2))

    return _named(operation, name, doc)


subtract = _named(_arithmetic("sub"), "subtract", "x1 - x2.")
equal = _comparison("eq", "equal", "x1 = x2.")
not_equal = _comparison("ne", "not_equal", "x1 differs from x2.")
less = _comparison("lt", "less", "x1 < x2.")
less_equal = _comparison("le", "less_equal", "x1 <= x2.")
greater = _comparison("gt", "greater", "x1 > x2.")
greater_equal = _comparison("ge", "greater_equal", "x1 >= x2.")


def _with_bools(primitive: str, logical: str, name: str, doc: str) -> Binary:
    """Two bools stay bool, as in numpy: their sum, product and extrema are logical operations."""

    def operation(x1: Any, x2: Any) -> Tensor:
        x, y = promote(x1, x2)
        return bind(logical if x.dtype == "bool" else primitive, x, y)

    return _named(operation, name, doc)


add = _with_bools("add", "logical_or", "add", "x1 + x2.")
multiply = _with_bools("mul", "logical_and", "multiply", "x1 * x2.")
maximum = _with_bools("max", "logical_or", "maximum", "The larger of x1 and x2; equal ones share the gradient.")
minimum = _with_bools("min", "logical_and", "minimum", "The smaller of x1 and x2; equal ones share the gradient.")


def to_floats(*values: Any) -> list[TensorLike]:
    """Promoted to a common float dtype; integers become `floatx`."""
    promoted = (
        promote(*values)
        if len(values) > 1
        else [values[0] if isinstance(values[0], TensorLike) else convert_to_tensor(values[0])]
    )
    dtype = promoted[0].dtype
    return promoted if is_float(dtype) else [cast(v, result_type(dtype, float)) for v in promoted]


def divide(x1: Any, x2: Any) -> Tensor:
    """x1 / x2; integers become floats first."""
    return bind("div", *to_floats(x1, x2))


true_divide = divide


def floor_divide(x1: Any, x2: Any) -> Tensor:
    """The largest integer not above x1 / x2, in the operands' dtype; integers are exact up to 2^53, and 0 where x2 is 0."""
    x, y = numeric(*promote(x1, x2))
    if is_float(x.dtype):
        return bind("floor", bind("div", x, y))
    zero, one = convert_to_tensor(0, y.dtype), convert_to_tensor(1, y.dtype)
    none = bind("eq", y, zero)
    quotient = bind("div", cast(x, "float64"), cast(bind("select", none, one, y), "float64"))
    return bind("select", none, zero, cast(bind("floor", quotient), x.dtype))


def mod(x1: Any, x2: Any) -> Tensor:
    """x1 - x2 * floor(x1 / x2): the remainder has the sign of x2, as Python's %; of integers 0 where x2 is 0."""
    return bind("rem", *numeric(*promote(x1, x2)))


def power(x1: Any, x2: Any) -> Tensor:
    """x1^x2. Small constant exponents become products; integers are computed in float64."""
    if isinstance(x2, (int, float)) and not isinstance(x2, bool) and (small := _small_power(x1, x2)) is not None:
        return small
    x, y = numeric(*promote(x1, x2))
    if is_float(x.dtype):
        return bind("pow", x, y)
    return cast(bind("round", bind("pow", cast(x, "float64"), cast(y, "float64"))), x.dtype)


def _small_power(x: Any, y: float) -> Tensor | None:
    base = x._tensor() if isinstance(x, TensorLike) else convert_to_tensor(x)
    if not is_float(base.dtype):
        return None
    if y == 2:
        return bind("mul", base, base)
    if y == 3:
        return bind("mul", bind("mul", base, base), base)
    return base if y == 1 else bind("sqrt", base) if y == 0.5 else None


def negative(x: Any) -> Tensor:
    """-x."""
    return bind("neg", numeric(convert_to_tensor(x))[0])


def absolute(x: Any) -> Tensor:
    """The absolute value."""
    x = convert_to_tensor(x)
    return x if x.dtype == "bool" else bind("abs", x)


def _bitwise(integers: str, bools: str | None) -> Binary:
    def operation(x: Any, y: Any) -> Tensor:
        x, y = promote(x, y)
        if x.dtype == "bool":
            return bind(bools, x, y) if bools else not_equal(x, y)
        if not is_int(x.dtype):
            raise DTypeError(f"{integers} takes bools or integers, received {x.dtype}.")
        return bind(integers, x, y)

    return operation


bitwise_and, bitwise_or = _bitwise("bit_and", "logical_and"), _bitwise("bit_or", "logical_or")
bitwise_xor = _bitwise("bit_xor", None)


def bitwise_not(x: Any) -> Tensor:
    """~x: every bit flipped; `not` of bools."""
    x = convert_to_tensor(x)
    if x.dtype == "bool":
        return bind("logical_not", x)
    ones = -1 if x.dtype in SIGNED else 2 ** int(x.dtype.removeprefix("uint")) - 1
    return bind("sub", convert_to_tensor(ones, x.dtype), x)


def matmul(x1: Any, x2: Any) -> Tensor:
    """x1 @ x2 with numpy's rules: `(..., m, k) @ (..., k, n)`, batch axes broadcast, a vector loses its axis.

    float16 and bfloat16 are summed in float32 and rounded once; integers are computed in float64.

    Raises:
        ShapeError: the inner sizes differ, or the batch axes don't broadcast.
    """
    x, y = promote(x1, x2)
    if not x.shape or not y.shape:
        raise ShapeError(f"matmul needs at least one axis in each operand; received shapes {x.shape} and {y.shape}.")
    if x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
        which = "second to last" if y.ndim > 1 else "only"
        raise ShapeError(f"matmul: the last axis of {x.shape} doesn't fit the {which} axis of {y.shape}.")
    if x.ndim == 1 or y.ndim == 1 or (x.ndim > 1 and y.ndim == 2):
        lead = _BATCH[: max(x.ndim, y.ndim) - 2] if max(x.ndim, y.ndim) > 2 else ""
        left = (lead if x.ndim > 2 else "") + "mk"[2 - min(x.ndim, 2) :]
        right = (lead if y.ndim > 2 else "") + "kn"[: y.ndim if y.ndim < 2 else 2]
        out = lead + ("m" if x.ndim > 1 else "") + ("n" if y.ndim > 1 else "")
        return contract(x, y, f"{left},{right}->{out}")
    return _batched_matmul(x, y)


_BATCH = "abcdefghijl"


def _batched_matmul(x: TensorLike, y: TensorLike) -> Tensor:
    """A batch axis of size 1 that the other operand stretches is dropped from the contraction."""
    rank = max(x.ndim, y.ndim)
    names = _BATCH[: rank - 2]
    sizes = [dict(zip(names[rank - v.ndim :], v.shape[:-2], strict=True)) for v in (x, y)]
    out = {c: max((s[c] for s in sizes if c in s), key=lambda n: n != 1) for c in names}
    if any(n not in (1, out[c]) for s in sizes for c, n in s.items()):
        raise ShapeError(f"matmul: the batch axes of {x.shape} and {y.shape} don't broadcast.")
    kept = ["".join(c for c, n in s.items() if n == out[c]) for s in sizes]
    operands = [
        v if len(k) == v.ndim - 2 else bind("reshape", v, shape=tuple(out[c] for c in k) + v.shape[-2:])
        for v, k in zip((x, y), kept, strict=True)
    ]
    return contract(operands[0], operands[1], f"{kept[0]}mk,{kept[1]}kn->{names}mn")


def contract(x: TensorLike, y: TensorLike, equation: str | ContractSpec) -> Tensor:
    """The sum of products of two tensors of one dtype. Integers are computed in float64, exact up to 2^53; float16 and bfloat16 are
    summed in float32 and rounded once."""
    spec = einsum_spec(equation, x.shape, y.shape) if isinstance(equation, str) else equation
    if is_float(x.dtype):
        return bind("contract", x, y, spec=spec)
    dtype = "bool" if x.dtype == "bool" else x.dtype
    return cast(bind("contract", cast(x, "float64"), cast(y, "float64"), spec=spec), dtype)


def swapped(operation: Binary) -> Binary:
    return lambda x, y: operation(y, x)


def _equality(operation: Binary) -> Callable[[Any, Any], Any]:
    """`tensor == None` and comparisons with strings are plain False, as for any Python object."""
    return lambda x, y: NotImplemented if y is None or isinstance(y, str) else operation(x, y)


OPERATORS: dict[str, Callable[..., Any]] = {
    "__neg__": negative,
    "__pos__": convert_to_tensor,
    "__abs__": absolute,
    "__invert__": bitwise_not,
    "__eq__": _equality(equal),
    "__ne__": _equality(not_equal),
    "__lt__": less,
    "__le__": less_equal,
    "__gt__": greater,
    "__ge__": greater_equal,
}
for _name, _operation in [
    ("add", add),
    ("sub", subtract),
    ("mul", multiply),
    ("truediv", divide),
    ("floordiv", floor_divide),
    ("mod", mod),
    ("pow", power),
    ("matmul", matmul),
    ("and", bitwise_and),
    ("or", bitwise_or),
    ("xor", bitwise_xor),
]:
    OPERATORS[f"__{_name}__"], OPERATORS[f"__r{_name}__"] = _operation, swapped(_operation)
for _name, _operation in OPERATORS.items():
    setattr(TensorLike, _name, _operation)
