"""Elementwise primitives: written for scalars, lifted once.

Each line below holds a whole record: numpy meaning, gradient and scalar definition. Inputs broadcast like numpy's and must have one
dtype; the gradient towards a broadcast input is summed back by `lift_vjp`, so that no rule mentions shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamella.errors import DTypeError, ShapeError
from lamella.ir import scalar_inverse, scalar_math
from lamella.ir.core import Atom, Primitive, Sample
from lamella.ir.registry import register
from lamella.ir.types import FLOATS, INTS, TensorType, is_float, numpy_dtype

FLOAT_ONLY = FLOATS
NUMBERS = INTS + FLOATS
ANY = ("bool",) + NUMBERS


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape by numpy's rule, or ShapeError that names all shapes."""
    if len(set(shapes)) == 1:
        return shapes[0]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"shapes {' and '.join(map(str, shapes))} don't broadcast together.") from None


def _type_rule(dtypes: tuple[str, ...], result: str | None) -> Callable[..., TensorType]:
    def rule(*types: TensorType) -> TensorType:
        dtype = types[0].dtype
        if any(t.dtype != dtype for t in types):
            raise DTypeError(f"expected inputs of one dtype, received {' and '.join(t.dtype for t in types)}; cast one.")
        if dtype not in dtypes:
            raise DTypeError(f"doesn't take {dtype}; expected one of {', '.join(dtypes)}.")
        return TensorType(broadcast_shapes(*(t.shape for t in types)), result or dtype)

    return rule


def lift_vjp(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Turn `rule(b, ct, out, *inputs) -> cotangents` for scalars into the rule for broadcast tensors."""

    def vjp(b: Any, cts: Any, inputs: Any, outputs: Any, **params: Any) -> list[Atom | None]:
        (ct,), (out,) = cts, outputs
        grads = rule(b, ct, out, *inputs, **params)
        return [None if g is None else b.sum_to(_broadcast(b, g, out.type.shape), x.type.shape)
                for g, x in zip(grads, inputs, strict=True)]

    return vjp


def _broadcast(b: Any, x: Atom, shape: tuple[int, ...]) -> Atom:
    return x if x.type.shape == shape else b.emit("broadcast", x, shape=shape)


def _define(name: str, numpy: Callable[..., Any], scalar: Callable[..., Any], vjp: Callable[..., Any] | None = None, *,
            arity: int, dtypes: tuple[str, ...] = FLOAT_ONLY, result: str | None = None, low: float = -2.0, high: float = 2.0,
            smooth: bool = True, tolerance: float = 8.0) -> Primitive:
    dtype = "float32" if "float32" in dtypes else dtypes[0]
    if dtype in INTS:
        low, high = 0, 9

    def sample(*shapes: tuple[int, ...]) -> Sample:
        return Sample(tuple((shape, dtype, low, high) for shape in shapes), differentiable=vjp is not None and smooth)

    if arity == 1:
        samples = tuple(sample(shape) for shape in [(), (1,), (7,), (3, 37), (0, 4), (5, 1, 19)])
    else:
        pairs = [((), ()), ((7,), (7,)), ((3, 37), (37,)), ((5, 1), (1, 4)), ((4, 1, 17), (3, 1)), ((), (2, 33)), ((0, 3), (3,))]
        samples = tuple(sample(*pair) for pair in pairs)
    return register(Primitive(name, "elementwise", _type_rule(dtypes, result), _exact(numpy, name), lift_vjp(vjp) if vjp else None,
                              scalar, samples, tolerance))


def _exact(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """numpy may widen small dtypes and warns on overflow; the IR keeps the dtype and stays silent."""

    def numpy(*arrays: Any, **params: Any) -> Any:
        with np.errstate(all="ignore"):
            out = np.asarray(function(*arrays, **params))
        comparison = out.dtype == np.bool_
        return out if comparison else out.astype(arrays[0].dtype, copy=False)

    numpy.__name__ = name
    return numpy


def _logistic(x: Any) -> Any:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


_ERF_SPLIT, _SERIES_TERMS, _FRACTION_TERMS = 1.6, 45, 75


def _erf_parts(x: Any) -> tuple[Any, Any]:
    """erf and erfc of |x| in float64: the everywhere convergent series for small |x|, a continued fraction beyond."""
    z = np.abs(np.asarray(x, np.float64))
    small = np.minimum(z, _ERF_SPLIT)
    term, total = small.copy(), small.copy()
    for n in range(1, _SERIES_TERMS):  # erf x = 2/sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!!
        term = term * 2 * small * small / (2 * n + 1)
        total = total + term
    series = 2 / np.sqrt(np.pi) * np.exp(-small * small) * total
    large = np.clip(z, _ERF_SPLIT, 30.0)
    fraction = large
    for n in range(_FRACTION_TERMS, 0, -1):
        fraction = large + n / 2 / fraction
    tail = np.exp(-large * large) / (np.sqrt(np.pi) * fraction)
    return np.where(z < _ERF_SPLIT, series, 1 - tail), np.where(z < _ERF_SPLIT, 1 - series, tail)


def _erf(x: Any) -> Any:
    return np.where(np.isnan(x), np.nan, np.copysign(_erf_parts(x)[0], x))


def _erfc(x: Any) -> Any:
    part, rest = _erf_parts(x)
    return np.where(np.isnan(x), np.nan, np.where(np.signbit(x), 1 + part, rest))


TWO_OVER_SQRT_PI = 1.1283791670955126

# Unary: name, numpy, scalar definition, gradient. `c(x, v)` is a literal of x's dtype.
_define("neg", np.negative, lambda s, x: s.neg(x), lambda b, g, y, x: [b.neg(g)], arity=1, dtypes=NUMBERS)
_define("abs", np.abs, lambda s, x: s.abs(x),  # gradient at 0 is 0
        lambda b, g, y, x: [b.mul(g, sign(b, x))], arity=1, dtypes=NUMBERS)
_define("floor", np.floor, lambda s, x: s.floor(x), lambda b, g, y, x: [None], arity=1, smooth=False)
_define("ceil", np.ceil, lambda s, x: s.neg(s.floor(s.neg(x))), lambda b, g, y, x: [None], arity=1, smooth=False)
_define("round", np.round, lambda s, x: s.round(x), lambda b, g, y, x: [None], arity=1, smooth=False)
_define("exp", np.exp, scalar_math.exp, lambda b, g, y, x: [b.mul(g, y)], arity=1)
_define("log", np.log, scalar_math.log, lambda b, g, y, x: [b.div(g, x)], arity=1, low=0.1, high=9.0)
_define("log1p", np.log1p, scalar_math.log1p, lambda b, g, y, x: [b.div(g, b.add(x, b.constant_like(x, 1)))], arity=1, low=-0.5)
_define("expm1", np.expm1, scalar_math.expm1, lambda b, g, y, x: [b.mul(g, b.add(y, b.constant_like(x, 1)))], arity=1)
_define("sqrt", np.sqrt, lambda s, x: s.sqrt(x), lambda b, g, y, x: [b.div(b.mul(g, b.constant_like(x, 0.5)), y)],
        arity=1, low=0.1, high=9.0)
_define("rsqrt", lambda x: 1 / np.sqrt(x), scalar_math.rsqrt,
        lambda b, g, y, x: [b.mul(b.mul(g, b.constant_like(x, -0.5)), b.div(y, x))], arity=1, low=0.1, high=9.0)
_define("sin", np.sin, scalar_math.sin, lambda b, g, y, x: [b.mul(g, b.cos(x))], arity=1, low=-9.0, high=9.0)
_define("cos", np.cos, scalar_math.cos, lambda b, g, y, x: [b.neg(b.mul(g, b.sin(x)))], arity=1, low=-9.0, high=9.0)
_define("tanh", np.tanh, scalar_math.tanh, lambda b, g, y, x: [b.mul(g, b.sub(b.constant_like(x, 1), b.mul(y, y)))], arity=1)
_define("logistic", _logistic, scalar_math.logistic,
        lambda b, g, y, x: [b.mul(g, b.mul(y, b.sub(b.constant_like(x, 1), y)))], arity=1, low=-9.0, high=9.0)
_define("erf", _erf, scalar_math.erf,
        lambda b, g, y, x: [b.mul(g, _erf_slope(b, x))], arity=1)
_define("erfc", _erfc, scalar_math.erfc, lambda b, g, y, x: [b.neg(b.mul(g, _erf_slope(b, x)))], arity=1)
_define("asin", np.arcsin, scalar_inverse.asin, lambda b, g, y, x: [b.mul(g, _asin_slope(b, x))], arity=1, low=-0.95, high=0.95)
_define("acos", np.arccos, scalar_inverse.acos, lambda b, g, y, x: [b.neg(b.mul(g, _asin_slope(b, x)))],
        arity=1, low=-0.95, high=0.95)
_define("cbrt", np.cbrt, scalar_inverse.cbrt, lambda b, g, y, x: [b.div(g, b.mul(b.constant_like(x, 3), b.mul(y, y)))],
        arity=1, low=0.1, high=9.0)
_define("is_finite", np.isfinite, scalar_math.is_finite, arity=1, result="bool", smooth=False)
_define("logical_not", np.logical_not, lambda s, x: s.logical_not(x), arity=1, dtypes=("bool",), smooth=False)
_define("stop_gradient", lambda x: x, lambda s, x: x, lambda b, g, y, x: [None], arity=1, dtypes=ANY, smooth=False)

# Binary.
_define("add", np.add, lambda s, x, y: s.add(x, y), lambda b, g, z, x, y: [g, g], arity=2, dtypes=NUMBERS)
_define("sub", np.subtract, lambda s, x, y: s.sub(x, y), lambda b, g, z, x, y: [g, b.neg(g)], arity=2, dtypes=NUMBERS)
_define("mul", np.multiply, lambda s, x, y: s.mul(x, y), lambda b, g, z, x, y: [b.mul(g, y), b.mul(g, x)], arity=2, dtypes=NUMBERS)
_define("div", np.divide, lambda s, x, y: s.div(x, y),
        lambda b, g, z, x, y: [b.div(g, y), b.neg(b.div(b.mul(g, z), y))], arity=2, low=0.5, high=3.0)
_define("rem", np.mod, scalar_math.rem,  # sign of the divisor, as Python's %
        lambda b, g, z, x, y: [g, b.neg(b.mul(g, b.floor(b.div(x, y))))], arity=2, low=1.1, high=1.9, dtypes=NUMBERS)
_define("atan2", np.arctan2, scalar_inverse.atan2, lambda b, g, z, y, x: _atan2_vjp(b, g, y, x), arity=2, low=0.3)
_define("pow", np.power, scalar_math.pow,
        lambda b, g, z, x, y: [b.mul(g, b.mul(y, b.pow(x, b.sub(y, b.constant_like(y, 1))))), _pow_exponent(b, g, z, x)],
        arity=2, low=0.2, high=2.5, tolerance=16.0)
# max and min: where both are equal each side takes half of the gradient, as JAX and Keras do.
_define("max", np.maximum, scalar_math.maximum, lambda b, g, z, x, y: _extremum(b, g, z, x, y), arity=2, dtypes=NUMBERS)
_define("min", np.minimum, scalar_math.minimum, lambda b, g, z, x, y: _extremum(b, g, z, x, y), arity=2, dtypes=NUMBERS)
for _name, _numpy, _scalar in [
    ("eq", np.equal, lambda s, x, y: s.eq(x, y)),
    ("ne", np.not_equal, lambda s, x, y: s.logical_not(s.eq(x, y))),
    ("lt", np.less, lambda s, x, y: s.lt(x, y)),
    ("le", np.less_equal, lambda s, x, y: s.le(x, y)),
    ("gt", np.greater, lambda s, x, y: s.lt(y, x)),
    ("ge", np.greater_equal, lambda s, x, y: s.le(y, x)),
]:
    _define(_name, _numpy, _scalar, arity=2, dtypes=ANY, result="bool", smooth=False)
_define("logical_and", np.logical_and, lambda s, x, y: s.logical_and(x, y), arity=2, dtypes=("bool",), smooth=False)
_define("logical_or", np.logical_or, lambda s, x, y: s.logical_or(x, y), arity=2, dtypes=("bool",), smooth=False)
for _name, _numpy, _scalar in [
    ("bit_and", np.bitwise_and, lambda s, x, y: s.bit_and(x, y)),
    ("bit_or", np.bitwise_or, lambda s, x, y: s.bit_or(x, y)),
    ("bit_xor", np.bitwise_xor, lambda s, x, y: s.bit_xor(x, y)),
    ("shift_left", np.left_shift, lambda s, x, y: s.shift_left(x, y)),
    ("shift_right", np.right_shift, lambda s, x, y: s.shift_right(x, y)),
]:
    _define(_name, _numpy, _scalar, arity=2, dtypes=INTS, smooth=False)


def sign(b: Any, x: Atom) -> Atom:
    """-1, 0 or 1, as selects."""
    zero, one = b.constant_like(x, 0), b.constant_like(x, 1)
    return b.select(b.gt(x, zero), one, b.select(b.lt(x, zero), b.neg(one), zero))


def _erf_slope(b: Any, x: Atom) -> Atom:
    """2 / sqrt(pi) e^(-x^2)."""
    return b.mul(b.constant_like(x, TWO_OVER_SQRT_PI), b.exp(b.neg(b.mul(x, x))))


def _asin_slope(b: Any, x: Atom) -> Atom:
    """1 / sqrt(1 - x^2)."""
    return b.rsqrt(b.sub(b.constant_like(x, 1), b.mul(x, x)))


def _atan2_vjp(b: Any, g: Atom, y: Atom, x: Atom) -> list[Atom]:
    """(x, -y) / (x^2 + y^2)."""
    scaled = b.div(g, b.add(b.mul(x, x), b.mul(y, y)))
    return [b.mul(scaled, x), b.neg(b.mul(scaled, y))]


def _pow_exponent(b: Any, g: Atom, z: Atom, x: Atom) -> Atom:
    """d x^y / dy = x^y log x, and 0 where x = 0 (JAX's and Keras' convention)."""
    positive = b.gt(x, b.constant_like(x, 0))
    safe = b.select(positive, x, b.constant_like(x, 1))
    return b.mul(g, b.mul(z, b.log(safe)))


def _extremum(b: Any, g: Atom, z: Atom, x: Atom, y: Atom) -> list[Atom]:
    half, zero = b.constant_like(x, 0.5), b.constant_like(x, 0)
    both = b.eq(x, y)
    shared = b.select(both, b.mul(g, half), g)
    return [b.select(b.eq(x, z), shared, zero), b.select(b.eq(y, z), shared, zero)]


def _select_type(c: TensorType, x: TensorType, y: TensorType) -> TensorType:
    if c.dtype != "bool":
        raise DTypeError(f"expected a bool condition, received {c.dtype}.")
    if x.dtype != y.dtype:
        raise DTypeError(f"expected two values of one dtype, received {x.dtype} and {y.dtype}; cast one.")
    return TensorType(broadcast_shapes(c.shape, x.shape, y.shape), x.dtype)


def _select_vjp(b: Any, g: Atom, z: Atom, c: Atom, x: Atom, y: Atom) -> list[Atom | None]:
    zero = b.constant_like(g, 0)
    return [None, b.select(c, g, zero), b.select(c, zero, g)]


register(Primitive(
    "select", "elementwise", _select_type, lambda c, x, y: np.where(c, x, y), lift_vjp(_select_vjp),
    lambda s, c, x, y: s.select(c, x, y),
    (Sample((((7,), "bool"), ((7,), "float32"), ((), "float32"))),
     Sample((((3, 1), "bool"), ((3, 20), "float32"), ((20,), "float32"))),
     Sample((((), "bool"), ((5,), "int32", 0, 9), ((5,), "int32", 0, 9)), differentiable=False)),
))


def _cast_vjp(b: Any, g: Atom, y: Atom, x: Atom, dtype: str) -> list[Atom | None]:
    return [b.cast(g, dtype=x.type.dtype) if is_float(x.type.dtype) and is_float(dtype) else None]


def _cast_numpy(x: Any, dtype: str) -> Any:
    with np.errstate(all="ignore"):
        return np.asarray(x).astype(numpy_dtype(dtype))


register(Primitive(
    "cast", "elementwise", lambda x, dtype: TensorType(x.shape, dtype), _cast_numpy, lift_vjp(_cast_vjp),
    lambda s, x, dtype: s.cast(x, dtype),
    tuple(Sample((((3, 21), source, 0, 9),), {"dtype": target}, differentiable=False)
          for source in ("float32", "int32", "uint8", "float64", "bool", "int64", "float16", "bfloat16")
          for target in ("float32", "int32", "uint8", "float64", "bool", "int64", "float16", "bfloat16") if source != target),
))


def _bitcast_type(x: TensorType, dtype: str) -> TensorType:
    if numpy_dtype(x.dtype).itemsize != numpy_dtype(dtype).itemsize:
        raise DTypeError(f"{x.dtype} and {dtype} differ in size.")
    return TensorType(x.shape, dtype)


register(Primitive(
    "bitcast", "elementwise", _bitcast_type, lambda x, dtype: np.asarray(x).view(numpy_dtype(dtype)), None,
    lambda s, x, dtype: s.bitcast(x, dtype),
    (Sample((((9,), "float32"),), {"dtype": "uint32"}, differentiable=False),
     Sample((((9,), "uint32", 0, 2**30),), {"dtype": "float32"}, differentiable=False)),
))
