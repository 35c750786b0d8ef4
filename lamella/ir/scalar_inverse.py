"""Inverse functions as straight-line arithmetic over `ScalarOps`: atan2, asin, acos, cbrt. See `scalar_math`."""

from __future__ import annotations

import math

from lamella.ir.scalar import ScalarOps, Value
from lamella.ir.scalar_math import copy_sign, exp_of, format_of, in_single, like, log_of, polynomial

_FOLD = math.sqrt(2.0) - 1  # tan(pi / 8)


@in_single
def atan2(s: ScalarOps, y: Value, x: Value) -> Value:
    """The angle of the point (x, y): k pi / 4 +- atan(u), the smaller coordinate over the larger folded to |u| <= tan(pi / 8).

    atan(u) = u + u^3 p(u^2). Special cases as C's atan2. Error: float32 2.17, float64 2.16 ULP.
    """
    f = format_of(s, x)
    zero, one, infinity = (like(s, x, v) for v in (0.0, 1.0, math.inf))
    swap = s.lt(s.abs(x), s.abs(y))
    large, small = s.select(swap, s.abs(y), s.abs(x)), s.select(swap, s.abs(x), s.abs(y))
    diagonal = s.logical_and(s.eq(small, infinity), s.eq(large, infinity))
    small, large = s.select(diagonal, one, small), s.select(s.logical_or(diagonal, s.eq(large, zero)), one, large)
    huge = s.lt(like(s, x, 0.25 / f.tiny), large)  # the sum of both must not overflow
    large, small = (s.select(huge, s.mul(v, like(s, x, 0.25)), v) for v in (large, small))
    fold = s.lt(s.mul(large, like(s, x, _FOLD)), small)
    u = s.div(s.select(fold, s.sub(small, large), small), s.select(fold, s.add(small, large), large))
    z = s.mul(u, u)
    angle = s.fma(s.mul(u, z), polynomial(s, z, f.atan), u)
    left = _is_negative(s, x)
    k = s.select(fold, one, zero)
    k = s.select(swap, s.sub(like(s, x, 2.0), k), k)
    k = s.select(left, s.sub(like(s, x, 4.0), k), k)
    turned = s.logical_or(s.logical_and(swap, s.logical_not(left)), s.logical_and(left, s.logical_not(swap)))
    angle = s.fma(k, like(s, x, f.half_pi[1] / 2), s.select(turned, s.neg(angle), angle))
    return copy_sign(s, s.abs(s.fma(k, like(s, x, f.half_pi[0] / 2), angle)), y)


def _is_negative(s: ScalarOps, x: Value) -> Value:
    """The sign bit, of -0 too."""
    f = format_of(s, x)
    return s.logical_not(s.eq(s.bit_and(s.bitcast(x, f.bits), s.const(f.sign, f.bits)), s.const(0, f.bits)))


def _asin_parts(s: ScalarOps, x: Value) -> tuple[Value, Value, Value]:
    """(outer, r, c): r + c = asin(r) where r = |x|, or sqrt((1 - |x|) / 2) where `outer` says that |x| > 1/2."""
    half = like(s, x, 0.5)
    magnitude = s.abs(x)
    outer = s.lt(half, magnitude)
    z = s.select(outer, s.mul(s.sub(like(s, x, 1.0), magnitude), half), s.mul(magnitude, magnitude))
    r = s.select(outer, s.sqrt(z), magnitude)
    return outer, r, s.mul(s.mul(r, z), polynomial(s, z, format_of(s, x).asin))


@in_single
def asin(s: ScalarOps, x: Value) -> Value:
    """x + x^3 p(x^2) for |x| <= 1/2, else pi / 2 - 2 asin(sqrt((1 - |x|) / 2)); nan beyond 1.

    Error: float32 2.03, float64 1.99 ULP, above 1.3 only where the result comes out just below 1.
    """
    high, low, _ = format_of(s, x).half_pi
    outer, r, c = _asin_parts(s, x)
    minus_two = like(s, x, -2.0)
    far = s.add(s.fma(r, minus_two, like(s, x, high)), s.fma(c, minus_two, like(s, x, low)))
    return copy_sign(s, s.abs(s.select(outer, far, s.add(r, c))), x)


@in_single
def acos(s: ScalarOps, x: Value) -> Value:
    """pi / 2 - asin(x) for |x| <= 1/2, else 2 asin(sqrt((1 - |x|) / 2)), and pi minus that for negative x; nan beyond 1.

    Error: float32 1.14, float64 1.15 ULP.
    """
    high, low, _ = format_of(s, x).half_pi
    outer, r, c = _asin_parts(s, x)
    a = s.add(r, c)
    negative = s.lt(x, like(s, x, 0.0))
    twice = s.add(a, a)
    far = s.select(negative, s.add(s.sub(like(s, x, 2 * low), twice), like(s, x, 2 * high)), twice)
    near = s.add(s.sub(like(s, x, low), s.select(negative, s.neg(a), a)), like(s, x, high))
    return s.select(outer, far, near)


@in_single
def cbrt(s: ScalarOps, x: Value) -> Value:
    """sign(x) e^(log|x| / 3): float32 in float64; float64 with a Newton step, on numbers that are scaled so that cubes stay normal.

    Error: float32 0.51, float64 0.71 ULP.
    """
    if s.dtype(x) == "float32":
        wide = s.cast(s.abs(x), "float64")
        return copy_sign(s, s.cast(exp_of(s, s.mul(log_of(s, wide), like(s, wide, 1 / 3))), "float32"), x)
    large = s.lt(like(s, x, 1.0), s.abs(x))
    m = s.mul(s.abs(x), s.select(large, like(s, x, 2.0**-300), like(s, x, 2.0**300)))
    y = exp_of(s, s.mul(log_of(s, m), like(s, x, 1 / 3)))
    square = s.mul(y, y)
    excess = s.fma(square, y, s.fma(s.fma(y, y, s.neg(square)), y, s.neg(m)))  # y^3 - m
    better = s.sub(y, s.div(excess, s.mul(square, like(s, x, 3.0))))
    y = s.select(s.lt(like(s, x, 0.0), s.abs(better)), better, y)  # 0 and infinity are right already, their steps are not
    return copy_sign(s, s.mul(s.abs(y), s.select(large, like(s, x, 2.0**100), like(s, x, 2.0**-100))), x)
