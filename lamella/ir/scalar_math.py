"""Elementary functions as straight-line arithmetic over `ScalarOps`: no branches, no tables, no libm.

Each function is a polynomial or two, so a compiler turns it into vector instructions as it stands. `float16` and
`bfloat16` compute in float32 and round. The constants are in `float_format`.

Errors are the largest that were found, in units in the last place (ULP) of results in the normal range, among 8 million
float32 and 800 000 or more float64 arguments (20 000 for erf and pow) where the result is neither
infinite nor constant, against a reference of higher precision. `tests/test_scalar_math.py` holds them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

from lamella.ir.float_format import FORMATS, FloatFormat
from lamella.ir.scalar import ScalarOps, Value
from lamella.ir.types import is_float

# log((1 + d) / (1 - d)) = 2d + 2d^3 (1/3 + d^2 q(d^2)): q, and 1/3 in two parts; for pow in float64.
_POW_LOG = (0.2000000000000113, 0.14285714285048653, 0.11111111260137188, 0.09090892170048542, 0.0769337921912851,
            0.06628397289291557, 0.06598261891896834)
_THIRD = (0.3333333333333333, 1.850371707708594e-17)


def in_single(function: Callable[..., Value]) -> Callable[..., Value]:
    """Compute float16 and bfloat16 in float32 and round the result."""

    @functools.wraps(function)
    def wrapper(s: ScalarOps, *values: Value) -> Value:
        dtype = s.dtype(values[0])
        if dtype in FORMATS:
            return function(s, *values)
        return s.cast(function(s, *(s.cast(value, "float32") for value in values)), dtype)

    return wrapper


def like(s: ScalarOps, x: Value, value: float) -> Value:
    """A constant in x's dtype."""
    return s.const(value, s.dtype(x))


def format_of(s: ScalarOps, x: Value) -> FloatFormat:
    return FORMATS[s.dtype(x)]


def polynomial(s: ScalarOps, x: Value, coefficients: Sequence[float]) -> Value:
    """c0 + c1 x + c2 x^2 + ... by Horner's rule."""
    result = like(s, x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = s.fma(result, x, like(s, x, coefficient))
    return result


def copy_sign(s: ScalarOps, magnitude: Value, x: Value) -> Value:
    """`magnitude`, which is not negative, with the sign of x."""
    f = format_of(s, x)
    sign_bit = s.bit_and(s.bitcast(x, f.bits), s.const(f.sign, f.bits))
    return s.bitcast(s.bit_or(s.bitcast(magnitude, f.bits), sign_bit), s.dtype(x))


# Exponentials: exp, expm1, tanh, logistic, erf, erfc.


def _reduce_exponent(s: ScalarOps, x: Value) -> tuple[Value, Value]:
    """(r, n << mantissa) with x = n ln(2) + r and |r| <= ln(2) / 2.

    n is read from the low bits of a rounded sum: a conversion to integers would be undefined for NaN and huge x.
    """
    f = format_of(s, x)
    magic = like(s, x, f.round_to_integer)
    rounded = s.fma(x, like(s, x, 1 / math.log(2.0)), magic)
    n = s.sub(rounded, magic)
    r = s.fma(n, like(s, x, -f.ln2[0]), x)
    r = s.fma(n, like(s, x, -f.ln2[1]), r)
    return r, s.shift_left(s.bitcast(rounded, f.bits), s.const(f.mantissa, f.bits))


def _expm1_reduced(s: ScalarOps, r: Value) -> Value:
    """e^r - 1 = r + r^2 q(r) for |r| <= ln(2) / 2."""
    return s.fma(s.mul(r, r), polynomial(s, r, format_of(s, r).exp), r)


def _scaled_expm1(s: ScalarOps, x: Value, base: float = 1.0) -> tuple[Value, Value]:
    """(base * 2^n, m) with e^x = 2^n (1 + m), for base 1 or 1/2 and any x for which base * 2^n is a normal number."""
    f = format_of(s, x)
    r, exponent = _reduce_exponent(s, x)
    bits = f.one if base == 1.0 else f.one - (1 << f.mantissa)
    return s.bitcast(s.add(exponent, s.const(bits, f.bits)), s.dtype(x)), _expm1_reduced(s, r)


def _overflow(s: ScalarOps, x: Value, y: Value) -> Value:
    """y where e^x is finite, else infinity; NaN stays NaN."""
    return s.select(s.le(x, like(s, x, format_of(s, x).exp_range[1])), y, s.add(x, like(s, x, math.inf)))


def exp_of(s: ScalarOps, x: Value, low: Value | None = None) -> Value:
    """e^(x + low), low being a correction far below x."""
    f = format_of(s, x)
    r, exponent = _reduce_exponent(s, x)
    if low is not None:
        r = s.add(r, low)
    y = s.add(_expm1_reduced(s, r), like(s, x, 1.0))
    # Adding n to the exponent's bits, unlike multiplying by 2^n, also works for n = bias + 1.
    y = _overflow(s, x, s.bitcast(s.add(s.bitcast(y, f.bits), exponent), s.dtype(x)))
    return s.select(s.lt(x, like(s, x, f.exp_range[0])), like(s, x, 0.0), y)


@in_single
def exp(s: ScalarOps, x: Value) -> Value:
    """e^x = 2^n (1 + r + r^2 q(r)), x = n ln 2 + r.

    Results below the smallest normal number are 0 (float32: x < -87.3365, float64: x < -708.396).
    Error: float32 1.04, float64 0.98 ULP.
    """
    return exp_of(s, x)


@in_single
def expm1(s: ScalarOps, x: Value) -> Value:
    """e^x - 1 = 2^n m + (2^n - 1), m = e^r - 1, x = n ln 2 + r.

    Error: float32 1.55, float64 1.85 ULP; exact for subnormal x.
    """
    f = format_of(s, x)
    half, m = _scaled_expm1(s, _at_least(s, x, _vanishing(f)), base=0.5)  # 2^n itself overflows at the top
    y = s.fma(half, m, s.sub(half, like(s, x, 0.5)))
    y = _overflow(s, x, s.add(y, y))
    # Keeps -0 and subnormal numbers, whose half may not be representable.
    return s.select(s.lt(s.abs(x), like(s, x, 2.0 ** -(f.mantissa + 2))), x, y)


@in_single
def tanh(s: ScalarOps, x: Value) -> Value:
    """(1 - e) / (1 + e), e = e^(-2|x|) = 2^n (1 + m), with the sign of x.

    Error: float32 1.95, float64 2.05 ULP; exact for subnormal x.
    """
    one = like(s, x, 1.0)
    scale, m = _scaled_expm1(s, _at_least(s, s.mul(s.abs(x), like(s, x, -2.0)), _vanishing(format_of(s, x))))
    minus_top = s.fma(scale, m, s.sub(scale, one))
    bottom = s.fma(scale, m, s.add(scale, one))
    return copy_sign(s, s.div(s.abs(minus_top), bottom), x)


@in_single
def logistic(s: ScalarOps, x: Value) -> Value:
    """1 / (1 + e^-x), e^-x = 2^n (1 + m).

    Results below the smallest normal number are 0, as in `exp`. Error: float32 1.99, float64 1.97 ULP.
    """
    f = format_of(s, x)
    one, lowest = like(s, x, 1.0), like(s, x, f.exp_range[0])
    bounded = s.select(s.lt(x, lowest), lowest, x)
    scale, m = _scaled_expm1(s, _at_least(s, s.neg(bounded), _vanishing(f)))
    y = s.div(one, s.add(s.fma(scale, m, one), scale))
    return s.select(s.lt(x, lowest), like(s, x, 0.0), y)


@in_single
def erf(s: ScalarOps, x: Value) -> Value:
    """1 - e^-p = -(2^n m + (2^n - 1)), p = |x| + |x| g(|x|), with the sign of x.

    g is minimax for the error of erf, not of p. Error: float32 1.77, float64 1.55 ULP.
    """
    f = format_of(s, x)
    limit = like(s, x, f.erf_limit)
    magnitude = s.select(s.lt(limit, s.abs(x)), limit, s.abs(x))
    p = s.fma(magnitude, polynomial(s, magnitude, f.erf), magnitude)
    scale, m = _scaled_expm1(s, s.neg(p))
    return copy_sign(s, s.abs(s.fma(scale, m, s.sub(scale, like(s, x, 1.0)))), x)


@in_single
def erfc(s: ScalarOps, x: Value) -> Value:
    """e^(-x^2) h(q) / (1 + 2 |x|), q = (|x| - K) / (|x| + K), and 2 minus that for negative x; x^2 as an exact sum of two numbers.

    h is minimax for the relative error of (1 + 2 x) erfc(x) e^(x^2). Results below the smallest normal number are inexact or 0
    (float32: x > 9.19, float64: x > 26.54). Error: float32 4.75, float64 5.20 ULP.
    """
    f = format_of(s, x)
    one, limit, centre = like(s, x, 1.0), like(s, x, f.erfc_limit), like(s, x, f.erfc_centre)
    magnitude = s.select(s.lt(limit, s.abs(x)), limit, s.abs(x))
    h = polynomial(s, s.div(s.sub(magnitude, centre), s.add(magnitude, centre)), f.erfc)
    square = s.mul(magnitude, magnitude)
    rest = s.fma(s.neg(magnitude), magnitude, square)
    tail = s.div(s.mul(exp_of(s, s.neg(square), rest), h), s.fma(magnitude, like(s, x, 2.0), one))
    return s.select(s.lt(x, like(s, x, 0.0)), s.sub(like(s, x, 2.0), tail), tail)


def _vanishing(f: FloatFormat) -> float:
    """An x at which e^x is too small to change 1."""
    return -(f.mantissa + 3) * math.log(2.0)


def _at_least(s: ScalarOps, x: Value, bound: float) -> Value:
    """max(x, bound), NaN where x is NaN."""
    return s.select(s.lt(x, like(s, x, bound)), like(s, x, bound), x)


# Logarithms and powers.


def _split_logarithm(s: ScalarOps, x: Value) -> tuple[Value, Value]:
    """(e, f) as floats with x = 2^e (1 + f) and sqrt(1/2) <= 1 + f < sqrt(2), for positive x, subnormal ones too."""
    f = format_of(s, x)
    subnormal = s.lt(x, like(s, x, f.tiny))
    x = s.select(subnormal, s.mul(x, like(s, x, 2.0**f.mantissa)), x)
    bits = s.add(s.bitcast(x, f.bits), s.const(f.one - f.sqrt_half, f.bits))
    # The biased exponent becomes a float as the low bits of 2^mantissa; AVX2 can't convert 64-bit integers.
    offset = 2**f.mantissa
    field = s.shift_right(bits, s.const(f.mantissa, f.bits))
    field = s.bitcast(s.bit_or(field, s.const((f.bias + f.mantissa) << f.mantissa, f.bits)), s.dtype(x))
    bias = s.select(subnormal, like(s, x, offset + f.bias + f.mantissa), like(s, x, offset + f.bias))
    mantissa = s.add(s.bit_and(bits, s.const((1 << f.mantissa) - 1, f.bits)), s.const(f.sqrt_half, f.bits))
    return s.sub(field, bias), s.sub(s.bitcast(mantissa, s.dtype(x)), like(s, x, 1.0))


def log_of(s: ScalarOps, x: Value, correction: Value | None = None) -> Value:
    """log(x) + correction, the correction being far below log(x) unless x = 1."""
    form = format_of(s, x)
    e, f = _split_logarithm(s, x)
    d = s.div(f, s.add(f, like(s, x, 2.0)))
    z = s.mul(d, d)
    rest = s.fma(d, s.fma(z, polynomial(s, z, form.log), s.neg(f)), s.mul(e, like(s, x, form.ln2[1])))
    if correction is not None:
        rest = s.add(rest, correction)
    y = s.fma(e, like(s, x, form.ln2[0]), s.add(f, rest))
    return _log_specials(s, x, y)


def _log_specials(s: ScalarOps, x: Value, y: Value) -> Value:
    """y, but log(inf) = inf, log(nan) = nan, log(0) = -inf, log(negative) = nan."""
    zero = like(s, x, 0.0)
    y = s.select(s.lt(x, like(s, x, math.inf)), y, x)
    y = s.select(s.lt(x, zero), like(s, x, math.nan), y)
    return s.select(s.eq(x, zero), like(s, x, -math.inf), y)


@in_single
def log(s: ScalarOps, x: Value) -> Value:
    """e ln 2 + log(1 + f), x = 2^e (1 + f); log(1 + f) = f - d (f - d^2 w(d^2)), d = f / (2 + f).

    Subnormal x are right. Error: float32 0.90, float64 0.91 ULP.
    """
    return log_of(s, x)


@in_single
def log1p(s: ScalarOps, x: Value) -> Value:
    """log(u) + c / u, where u = 1 + x rounded and c is what the rounding lost.

    Error: float32 0.94, float64 0.89 ULP; exact for subnormal x.
    """
    one = like(s, x, 1.0)
    u = s.add(x, one)
    lost = s.sub(x, s.sub(u, one))
    y = log_of(s, u, s.div(lost, u))
    return s.select(s.eq(x, like(s, x, 0.0)), x, y)  # keeps -0


def _log_pair(s: ScalarOps, x: Value) -> tuple[Value, Value]:
    """log(x) as high + low with a relative error near 2^-64: `log_of` in unevaluated sums, float64 only."""
    form = format_of(s, x)
    e, f = _split_logarithm(s, x)
    # d + d_low = f / (2 + f)
    bottom = s.add(f, like(s, x, 2.0))
    bottom_low = s.sub(f, s.sub(bottom, like(s, x, 2.0)))
    d = s.div(f, bottom)
    remainder = s.fma(s.neg(d), bottom_low, s.fma(s.neg(d), bottom, f))
    d_low = s.div(remainder, bottom)
    # z + z_low = (d + d_low)^2
    z = s.mul(d, d)
    z_low = s.fma(s.add(d, d), d_low, s.fma(d, d, s.neg(z)))
    # c + c_low = 1/3 + z q(z)
    tail = s.mul(z, polynomial(s, z, _POW_LOG))
    third = like(s, x, _THIRD[0])
    c = s.add(third, tail)
    c_low = s.add(s.add(s.sub(third, c), tail), like(s, x, _THIRD[1]))
    # p + p_low = d z c
    zc, zc_low = _product(s, z, z_low, c, c_low)
    p, p_low = _product(s, d, d_low, zc, zc_low)
    # log(1 + f) = 2 (d + p), and e ln 2 before it
    half, half_low = _ordered_sum(s, d, p)
    half_low = s.add(half_low, s.add(d_low, p_low))
    base = s.mul(e, like(s, x, form.ln2[0]))
    base_low = s.fma(e, like(s, x, form.ln2[1]), s.fma(e, like(s, x, form.ln2[0]), s.neg(base)))
    high, low = _ordered_sum(s, base, s.add(half, half))
    low = s.add(low, s.add(base_low, s.add(half_low, half_low)))
    return _log_specials(s, x, high), low


def _product(s: ScalarOps, x: Value, x_low: Value, y: Value, y_low: Value) -> tuple[Value, Value]:
    """(x + x_low) (y + y_low) as a pair."""
    high = s.mul(x, y)
    return high, s.fma(x_low, y, s.fma(x, y_low, s.fma(x, y, s.neg(high))))


def _ordered_sum(s: ScalarOps, x: Value, y: Value) -> tuple[Value, Value]:
    """x + y as a pair, exact where x = 0 or |x| >= |y|."""
    high = s.add(x, y)
    return high, s.sub(y, s.sub(high, x))


@in_single
def pow(s: ScalarOps, x: Value, y: Value) -> Value:
    """x^y = sign * e^(y log|x|), with the special cases of C's pow, which are numpy's.

    float32 computes in float64 and rounds once, to subnormal results too. float64 carries log|x| and the product as
    pairs; its results below the smallest normal number are 0. Error: float32 0.51, float64 1.15 ULP.
    """
    if s.dtype(x) == "float32":
        wide_x, wide_y = s.cast(x, "float64"), s.cast(y, "float64")
        magnitude = exp_of(s, s.mul(wide_y, log_of(s, s.abs(wide_x))))
        return s.cast(_pow_specials(s, wide_x, wide_y, magnitude), "float32")
    high, low = _log_pair(s, s.abs(x))
    product = s.mul(y, high)
    product_low = s.fma(y, low, s.fma(y, high, s.neg(product)))
    return _pow_specials(s, x, y, exp_of(s, product, product_low))


def _pow_specials(s: ScalarOps, x: Value, y: Value, magnitude: Value) -> Value:
    """|x|^y with its sign, and the cases in which e^(y log|x|) is not the answer."""
    f = format_of(s, x)
    zero, one, infinity = like(s, x, 0.0), like(s, x, 1.0), like(s, x, math.inf)
    half = s.mul(y, like(s, x, 0.5))
    integer = s.eq(s.floor(y), y)  # infinities too
    odd = s.logical_and(integer, s.logical_not(s.eq(s.floor(half), half)))
    sign_bit = s.bit_and(s.bitcast(x, f.bits), s.const(f.sign, f.bits))  # of -0 and -inf too
    signed = s.bitcast(s.bit_xor(s.bitcast(magnitude, f.bits), sign_bit), s.dtype(x))
    result = s.select(odd, signed, magnitude)
    finite_negative = s.logical_and(s.lt(x, zero), s.lt(s.neg(infinity), x))
    result = s.select(s.logical_and(finite_negative, s.logical_not(integer)), like(s, x, math.nan), result)
    minus_one_to_infinity = s.logical_and(s.eq(x, like(s, x, -1.0)), s.eq(s.abs(y), infinity))
    is_one = s.logical_or(s.logical_or(s.eq(y, zero), s.eq(x, one)), minus_one_to_infinity)
    return s.select(is_one, one, result)


# Sine and cosine.


def _sine(s: ScalarOps, x: Value, quarters: int) -> Value:
    """sin(x + quarters pi / 2), x = n pi / 2 + r: sin(r) or cos(r) by the parity of n + quarters, and their sign."""
    f = format_of(s, x)
    magic = like(s, x, f.round_to_integer)
    rounded = s.fma(x, like(s, x, 2 / math.pi), magic)
    n = s.sub(rounded, magic)
    r = x
    for part in f.half_pi:  # Cody and Waite: the first step is exact
        r = s.fma(n, like(s, x, -part), r)
    # Beyond the limit n is no longer exact, so r = 0; x * 0 makes NaN of infinities and NaN.
    limit = like(s, x, 2.0 ** (f.mantissa - 3))
    r = s.select(s.le(s.abs(x), limit), r, s.mul(x, like(s, x, 0.0)))
    z = s.mul(r, r)
    sine = s.fma(s.mul(r, z), polynomial(s, z, f.sin), r)
    cosine = s.fma(z, s.fma(z, polynomial(s, z, f.cos), like(s, x, -0.5)), like(s, x, 1.0))
    quadrant = s.bitcast(rounded, f.bits)
    if quarters:
        quadrant = s.add(quadrant, s.const(quarters, f.bits))
    even = s.eq(s.bit_and(quadrant, s.const(1, f.bits)), s.const(0, f.bits))
    sign_shift = f.sign.bit_length() - 2  # bit 1 of the quadrant moves to the sign bit
    sign_bit = s.shift_left(s.bit_and(quadrant, s.const(2, f.bits)), s.const(sign_shift, f.bits))
    return s.bitcast(s.bit_xor(s.bitcast(s.select(even, sine, cosine), f.bits), sign_bit), s.dtype(x))


@in_single
def sin(s: ScalarOps, x: Value) -> Value:
    """r + r^3 p(r^2) or 1 - r^2 / 2 + r^4 q(r^2), x = n pi / 2 + r.

    Error: float32 1.55 ULP up to |x| = 1e5 and 1.95 up to 2^20; float64 1.45 up to 2^49. Beyond these limits the result
    is meaningless, but one of -1, 0 and 1.
    """
    return s.select(s.eq(x, like(s, x, 0.0)), x, _sine(s, x, 0))  # keeps -0


@in_single
def cos(s: ScalarOps, x: Value) -> Value:
    """sin(x + pi / 2), by the polynomials of `sin` and with its errors and limits."""
    return _sine(s, x, 1)


# Everything else.


@in_single
def rsqrt(s: ScalarOps, x: Value) -> Value:
    """1 / sqrt(x); rsqrt(0) = inf, rsqrt(-0) = -inf, nan for negative x. Error: 1.48 ULP."""
    return s.div(like(s, x, 1.0), s.sqrt(x))


def maximum(s: ScalarOps, x: Value, y: Value) -> Value:
    """The larger of x and y, NaN if either is. Of +0 and -0 it is x."""
    return _nan_of(s, y, s.select(s.lt(x, y), y, x))


def minimum(s: ScalarOps, x: Value, y: Value) -> Value:
    """The smaller of x and y, NaN if either is. Of +0 and -0 it is x."""
    return _nan_of(s, y, s.select(s.lt(y, x), y, x))


def _nan_of(s: ScalarOps, y: Value, result: Value) -> Value:
    """`result`, but y where y is NaN."""
    return s.select(s.eq(y, y), result, y) if is_float(s.dtype(y)) else result


def rem(s: ScalarOps, x: Value, y: Value) -> Value:
    """x - y floor(x / y), numpy's mod and Python's %: the sign of y.

    Integers: x rem 0 = 0. Floats: nan for y = 0 and infinite x, else exactly numpy's while |x / y| < 2^47
    (float64: 2^105); beyond that the quotient is not exact, and where it overflows the result is nan.
    """
    return _rem_float(s, x, y) if is_float(s.dtype(x)) else _rem_integer(s, x, y)


@in_single
def _rem_float(s: ScalarOps, x: Value, y: Value) -> Value:
    zero, divisor = like(s, x, 0.0), s.abs(y)
    left = s.abs(x)
    for _ in range(2):  # the rounded quotient may be 1 too large: the second round puts it right
        quotient = s.floor(s.div(left, divisor))
        reduced = s.fma(s.neg(quotient), divisor, left)
        left = s.select(s.eq(quotient, zero), left, reduced)  # 0 * inf would be NaN
    result = copy_sign(s, left, x)  # C's fmod, exact
    result = s.select(_signs_differ(s, result, y), s.add(result, y), result)
    return s.select(s.eq(result, zero), copy_sign(s, zero, y), result)


def _rem_integer(s: ScalarOps, x: Value, y: Value) -> Value:
    dtype = s.dtype(x)
    zero, one = s.const(0, dtype), s.const(1, dtype)
    trap = s.eq(y, zero)  # hardware traps on x / 0 and on min / -1; with divisor 1 both have the right remainder 0
    if dtype.startswith("u"):
        return s.truncated_remainder(x, s.select(trap, one, y))
    trap = s.logical_or(trap, s.eq(y, s.const(-1, dtype)))
    result = s.truncated_remainder(x, s.select(trap, one, y))
    return s.select(_signs_differ(s, result, y), s.add(result, y), result)


def _signs_differ(s: ScalarOps, x: Value, y: Value) -> Value:
    """x is negative and y positive, or x positive and y negative."""
    zero = s.const(0, s.dtype(x))
    below, above = s.logical_and(s.lt(x, zero), s.lt(zero, y)), s.logical_and(s.lt(zero, x), s.lt(y, zero))
    return s.logical_or(below, above)


def is_finite(s: ScalarOps, x: Value) -> Value:
    """Neither infinite nor NaN; always true of integers."""
    return s.lt(s.abs(x), like(s, x, math.inf)) if is_float(s.dtype(x)) else s.eq(x, x)


def sign(s: ScalarOps, x: Value) -> Value:
    """-1, 0 or 1; NaN of NaN."""
    zero, one = s.const(0, s.dtype(x)), s.const(1, s.dtype(x))
    below = s.select(s.lt(x, zero), s.sub(zero, one), s.add(x, zero))  # -0 + 0 = 0
    return s.select(s.lt(zero, x), one, below)
