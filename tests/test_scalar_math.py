"""Accuracy, special values and properties of `lamella.ir.scalar_math` and `scalar_inverse`, computed with `NumpyScalar`."""

from __future__ import annotations

import math
from fractions import Fraction

import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.ir import scalar_inverse, scalar_math
from lamella.ir.scalar import NumpyScalar

S = NumpyScalar()
FLOATS = (np.float32, np.float64)
INF, NAN = math.inf, math.nan
mpmath.mp.dps = 40


def _uniform(low: float, high: float):
    return lambda rng, n: rng.uniform(low, high, n)


def _magnitudes(low: float, high: float, negative: bool = True):
    """Numbers of every size between low and high."""

    def sample(rng, n):
        sign = rng.choice([-1.0, 1.0], n) if negative else 1.0
        return sign * np.exp(rng.uniform(math.log(low), math.log(high), n))

    return sample


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def _mp_logistic(x):
    return 1 / (1 + mpmath.exp(-x))


_erf64 = np.vectorize(math.erf, otypes=[np.float64])
_erfc64 = np.vectorize(math.erfc, otypes=[np.float64])

# name: (reference in float64, reference in mpmath, ULP of float32 and float64, arguments of float32, of float64)
UNARY = {
    "exp": (np.exp, mpmath.exp, 1.04, 0.98, [_uniform(-87.3, 88.7)], [_uniform(-708.3, 709.7)]),
    "expm1": (np.expm1, mpmath.expm1, 1.55, 1.85,
              [_uniform(-20, 88.7), _uniform(-1.5, 1.5), _magnitudes(1e-37, 1)],
              [_uniform(-40, 709.7), _uniform(-1.5, 1.5), _magnitudes(1e-300, 1)]),
    "log": (np.log, mpmath.log, 0.9, 0.92,
            [_magnitudes(1e-44, 3e38, negative=False), _uniform(0.3, 3)],
            [_magnitudes(1e-320, 1e308, negative=False), _uniform(0.3, 3)]),
    "log1p": (np.log1p, mpmath.log1p, 0.95, 0.9,
              [_magnitudes(1e-37, 3e38, negative=False), _uniform(-0.99999, 3), _magnitudes(1e-37, 0.9)],
              [_magnitudes(1e-300, 1e308, negative=False), _uniform(-0.99999, 3), _magnitudes(1e-300, 0.9)]),
    "tanh": (np.tanh, mpmath.tanh, 1.95, 2.05,
             [_uniform(-10, 10), _uniform(-1, 1), _magnitudes(1e-37, 1)],
             [_uniform(-20, 20), _uniform(-1, 1), _magnitudes(1e-300, 1)]),
    "logistic": (_logistic, _mp_logistic, 2.0, 2.0,
                 [_uniform(-87, 20), _uniform(-4, 4)], [_uniform(-708, 40), _uniform(-4, 4)]),
    "sin": (np.sin, mpmath.sin, 1.55, 1.45, [_uniform(-7, 7), _magnitudes(1e-5, 1e5)],
            [_uniform(-7, 7), _magnitudes(1e-5, 1e8)]),
    "cos": (np.cos, mpmath.cos, 1.55, 1.45, [_uniform(-7, 7), _magnitudes(1e-5, 1e5)],
            [_uniform(-7, 7), _magnitudes(1e-5, 1e8)]),
    "erf": (_erf64, mpmath.erf, 1.77, 1.55, [_uniform(-4.1, 4.1), _magnitudes(1e-37, 1)],
            [_uniform(-6.1, 6.1), _magnitudes(1e-300, 1)]),
    "erfc": (_erfc64, mpmath.erfc, 4.8, 5.2, [_uniform(-4, 9.1), _magnitudes(1e-37, 9)],
             [_uniform(-6, 26.5), _magnitudes(1e-300, 26)]),
    "asin": (np.arcsin, mpmath.asin, 2.03, 1.99, [_uniform(-1, 1), _magnitudes(1e-37, 1)],
             [_uniform(-1, 1), _magnitudes(1e-300, 1)]),
    "acos": (np.arccos, mpmath.acos, 1.14, 1.16, [_uniform(-1, 1), lambda rng, n: 1 - rng.uniform(0, 1e-4, n)],
             [_uniform(-1, 1), lambda rng, n: 1 - rng.uniform(0, 1e-9, n)]),
    "cbrt": (np.cbrt, lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), 0.51, 0.72, [_magnitudes(1e-44, 3e38)],
             [_magnitudes(1e-300, 1e308)]),
    "rsqrt": (lambda x: 1 / np.sqrt(x), lambda x: 1 / mpmath.sqrt(x), 1.48, 1.48,
              [_magnitudes(1e-37, 3e38, negative=False)], [_magnitudes(1e-300, 1e308, negative=False)]),
}


def _draw(samplers, n: int, dtype) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([sample(rng, n) for sample in samplers]).astype(dtype)


def _ulp_against_float64(y: np.ndarray, reference: np.ndarray) -> float:
    assert y.dtype == np.float32
    return float(np.max(np.abs(y - reference) / np.spacing(np.abs(reference).astype(np.float32))))


def _ulp_against_mpmath(y: np.ndarray, reference: list) -> float:
    assert y.dtype == np.float64
    high = np.array([float(r) for r in reference])
    spacing = np.spacing(np.abs(high))
    # The part of the reference that float64 can't hold is divided before it is rounded, or it would underflow.
    rest = [float((r - mpmath.mpf(h)) / mpmath.mpf(u))
            for r, h, u in zip(reference, high.tolist(), spacing.tolist(), strict=True)]
    return float(np.max(np.abs((y - high) / spacing - np.array(rest))))


def _apply(name: str, *values, dtype=np.float32) -> np.ndarray:
    function = getattr(scalar_math, name, None) or getattr(scalar_inverse, name)
    return function(S, *(np.asarray(value, dtype) for value in values))


@pytest.mark.parametrize("name", UNARY)
def test_error_in_float32(name):
    reference, _, bound, _, samplers, _ = UNARY[name]
    x = _draw(samplers, 100_000, np.float32)
    assert _ulp_against_float64(_apply(name, x), reference(x.astype(np.float64))) <= bound


@pytest.mark.parametrize("name", UNARY)
def test_error_in_float64(name):
    _, reference, _, bound, _, samplers = UNARY[name]
    x = _draw(samplers, 3_000, np.float64)
    expected = [reference(mpmath.mpf(v)) for v in x.tolist()]
    assert _ulp_against_mpmath(_apply(name, x, dtype=np.float64), expected) <= bound


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_trigonometry_stays_accurate_near_its_zeros_and_up_to_its_limit(name):
    zeros = (np.arange(1, 2**20 / 1.6) * (np.pi / 2)).astype(np.float32)
    assert _ulp_against_float64(_apply(name, zeros), UNARY[name][0](zeros.astype(np.float64))) <= 1.95
    x = _draw([_uniform(-(2.0**49), 2.0**49)], 2_000, np.float64)
    reference = [getattr(mpmath, name)(mpmath.mpf(v)) for v in x.tolist()]
    assert _ulp_against_mpmath(_apply(name, x, dtype=np.float64), reference) <= 1.45
    for dtype, beyond in ((np.float32, [3e6, 1e20, -3e38]), (np.float64, [1e16, -1e300])):
        assert set(np.abs(_apply(name, beyond, dtype=dtype)).tolist()) <= {0.0, 1.0}


def test_pow_error():
    rng = np.random.default_rng(0)
    x = np.concatenate([_magnitudes(1e-30, 1e30, negative=False)(rng, 50_000), rng.uniform(0.5, 2, 50_000)])
    y = np.concatenate([rng.uniform(-1.2, 1.2, 50_000), rng.uniform(-120, 120, 50_000)])
    x, y = x.astype(np.float32), y.astype(np.float32)
    assert _ulp_against_float64(_apply("pow", x, y), np.power(x.astype(np.float64), y.astype(np.float64))) <= 0.51

    near_one = 1 + _magnitudes(1e-9, 0.3)(rng, 3_000)
    x = np.concatenate([_magnitudes(1e-300, 1e300, negative=False)(rng, 2_000), near_one])
    y = np.concatenate([rng.uniform(-1, 1, 2_000), rng.uniform(-700, 700, 3_000) / np.log(near_one)])
    reference = [mpmath.power(mpmath.mpf(a), mpmath.mpf(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert _ulp_against_mpmath(_apply("pow", x, y, dtype=np.float64), reference) <= 1.15


def _points(rng, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of the plane near and far, and close to the diagonals and the axes."""
    x, y = rng.uniform(-1, 1, (2, n))
    far = [_magnitudes(1e-30, 1e30)(rng, n) for _ in range(2)]
    return np.concatenate([x, far[0], x]), np.concatenate([y, far[1], x * (1 + _magnitudes(1e-9, 0.5)(rng, n))])


def test_atan2_error():
    x, y = (v.astype(np.float32) for v in _points(np.random.default_rng(0), 50_000))
    reference = np.arctan2(y.astype(np.float64), x.astype(np.float64))
    normal = np.abs(reference) >= np.finfo(np.float32).tiny
    assert _ulp_against_float64(_apply("atan2", y, x)[normal], reference[normal]) <= 2.17
    x, y = _points(np.random.default_rng(1), 2_000)
    reference = [mpmath.atan2(mpmath.mpf(b), mpmath.mpf(a)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert _ulp_against_mpmath(_apply("atan2", y, x, dtype=np.float64), reference) <= 2.16


@pytest.mark.parametrize("dtype", FLOATS)
def test_atan2_special_values_are_numpys(dtype):
    info = np.finfo(dtype)
    values = np.array([0.0, -0.0, 1, -1, 0.5, -2, INF, -INF, NAN, info.max, -info.max, info.tiny, -info.tiny], dtype)
    y, x = (grid.ravel() for grid in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = np.arctan2(y, x)
    result = _apply("atan2", y, x, dtype=dtype)
    np.testing.assert_allclose(result, expected, rtol=2 * info.eps, atol=info.tiny)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(result)[numbers], np.signbit(expected)[numbers])


def _assert_same(y: np.ndarray, expected, dtype) -> None:
    """Equal, including NaN and the sign of 0."""
    expected = np.asarray(expected, dtype)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(y)[numbers], np.signbit(expected)[numbers])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("name", "x", "expected"), [
    ("exp", [0.0, -0.0, INF, -INF, 800, -800], [1, 1, INF, 0, INF, 0]),
    ("expm1", [0.0, -0.0, INF, -INF, 800, -800], [0.0, -0.0, INF, -1, INF, -1]),
    ("log", [0.0, -0.0, 1, INF, -1, -INF], [-INF, -INF, 0, INF, NAN, NAN]),
    ("log1p", [0.0, -0.0, -1, INF, -2, -INF], [0.0, -0.0, -INF, INF, NAN, NAN]),
    ("sin", [0.0, -0.0, INF, -INF], [0.0, -0.0, NAN, NAN]),
    ("cos", [0.0, -0.0, INF, -INF], [1, 1, NAN, NAN]),
    ("tanh", [0.0, -0.0, INF, -INF, 30, -30], [0.0, -0.0, 1, -1, 1, -1]),
    ("logistic", [0.0, -0.0, INF, -INF, 800, -800], [0.5, 0.5, 1, 0, 1, 0]),
    ("erf", [0.0, -0.0, INF, -INF, 7, -7], [0.0, -0.0, 1, -1, 1, -1]),
    ("erfc", [0.0, -0.0, INF, -INF, 30, -30], [1, 1, 0, 2, 0, 2]),
    ("asin", [0.0, -0.0, 1, -1, 1.5, INF, -INF], [0.0, -0.0, np.pi / 2, -np.pi / 2, NAN, NAN, NAN]),
    ("acos", [0.0, -0.0, 1, -1, -1.5, INF, -INF], [np.pi / 2, np.pi / 2, 0.0, np.pi, NAN, NAN, NAN]),
    ("cbrt", [0.0, -0.0, INF, -INF, 8, -27], [0.0, -0.0, INF, -INF, 2, -3]),
    ("rsqrt", [0.0, -0.0, 4, INF, -1], [INF, -INF, 0.5, 0, NAN]),
    ("sign", [0.0, -0.0, 3, -3, INF, -INF], [0.0, 0.0, 1, -1, 1, -1]),
])
def test_special_values(name, x, expected, dtype):
    _assert_same(_apply(name, [*x, NAN], dtype=dtype), [*expected, NAN], dtype)


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_with_a_payload_stays_nan(dtype):
    bits = np.array([1, 2**20 + 511], np.uint64) + np.array(np.inf, dtype).view(f"u{dtype().itemsize}")
    x = bits.astype(f"u{dtype().itemsize}").view(dtype)
    for name in UNARY:
        assert np.isnan(_apply(name, x, dtype=dtype)).all(), name


@pytest.mark.parametrize("dtype", FLOATS)
def test_edges_of_the_range_of_exp(dtype):
    info = np.finfo(dtype)
    top = dtype(np.log(np.longdouble(info.max)))
    for name in ("exp", "expm1"):
        assert np.isfinite(_apply(name, np.nextafter(top, dtype(0)), dtype=dtype))
        assert np.isinf(_apply(name, np.nextafter(np.nextafter(top, dtype(INF)), dtype(INF)), dtype=dtype))
    bottom = dtype(np.log(np.longdouble(info.tiny)))
    below, above = (np.arange(1, 20) * step * np.spacing(-bottom) + bottom for step in (-1, 1))
    assert (_apply("exp", below, dtype=dtype) <= info.tiny).all()
    np.testing.assert_allclose(_apply("exp", above, dtype=dtype), np.exp(above), rtol=2 * info.eps)


@pytest.mark.parametrize("dtype", FLOATS)
def test_subnormal_arguments(dtype):
    x = np.array([1, 3, 1000]) * np.finfo(dtype).smallest_subnormal
    for name in ("expm1", "log1p", "sin", "tanh", "asin"):
        np.testing.assert_array_equal(_apply(name, [x, -x], dtype=dtype), [x, -x])
    np.testing.assert_allclose(_apply("log", x, dtype=dtype), np.log(x), rtol=np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", FLOATS)
def test_pow_special_values_are_numpys(dtype):
    values = [0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 1.5, -1.5, INF, -INF, NAN, 2.0**60, 1e30, -1e30]
    values = np.array(values, dtype)
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    special = (expected == 0) | ~np.isfinite(expected) | (np.abs(expected) == 1)
    result = _apply("pow", x, y, dtype=dtype)
    _assert_same(result[special], expected[special], dtype)
    np.testing.assert_allclose(result[~special], expected[~special], rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", FLOATS)
def test_maximum_and_minimum_are_numpys(dtype):
    values = np.array([0, 1, -1, 2.5, INF, -INF, NAN], dtype)
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    np.testing.assert_array_equal(_apply("maximum", x, y, dtype=dtype), np.maximum(x, y))
    np.testing.assert_array_equal(_apply("minimum", x, y, dtype=dtype), np.minimum(x, y))
    np.testing.assert_array_equal(_apply("is_finite", values, dtype=dtype), np.isfinite(values))


@pytest.mark.parametrize("dtype", FLOATS)
def test_float_rem_is_numpys(dtype):
    rng = np.random.default_rng(0)
    values = np.array([0.0, -0.0, 1, -1, 2, -3, 0.1, -0.3, 7.5, 1e-30, -1e-30, 1e30, INF, -INF, NAN], dtype)
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    x = np.concatenate([x, rng.uniform(-1e3, 1e3, 20_000), rng.uniform(-1, 1, 20_000) * 2.0**30]).astype(dtype)
    y = np.concatenate([y, rng.uniform(-3, 3, 40_000)]).astype(dtype)
    with np.errstate(all="ignore"):
        quotient, expected = x.astype(np.float64) / y, np.mod(x, y)
    supported = ~(np.isfinite(quotient) & (np.abs(quotient) >= 2.0**45))
    _assert_same(_apply("rem", x, y, dtype=dtype)[supported], expected[supported], dtype)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8, np.uint32, np.uint64])
def test_integer_functions_are_numpys(dtype):
    info = np.iinfo(dtype)
    values = np.unique(np.array([info.min, info.min + 1, info.max, info.max - 1, 0, 1, 2, 3, 7, 100], dtype))
    if info.min < 0:
        values = np.concatenate([values, np.array([-1, -2, -7, -100], dtype)])
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        _assert_same(_apply("rem", x, y, dtype=dtype), np.mod(x, y), dtype)
    _assert_same(_apply("maximum", x, y, dtype=dtype), np.maximum(x, y), dtype)
    _assert_same(_apply("minimum", x, y, dtype=dtype), np.minimum(x, y), dtype)
    _assert_same(_apply("sign", values, dtype=dtype), np.sign(values), dtype)
    assert _apply("is_finite", values, dtype=dtype).all()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_is_rounded_single_precision(dtype):
    x = np.linspace(0.1, 4, 200).astype(dtype)
    single = x.astype(np.float32)
    for name in UNARY:
        result = _apply(name, x, dtype=dtype)
        assert result.dtype == dtype
        rounded = _apply(name, single).astype(dtype)
        np.testing.assert_array_equal(result.astype(np.float32), rounded.astype(np.float32))  # NaN of bfloat16 isn't equal to NaN
    np.testing.assert_array_equal(_apply("pow", x, x, dtype=dtype), _apply("pow", single, single).astype(dtype))
    np.testing.assert_array_equal(_apply("rem", x, x[::-1], dtype=dtype), np.mod(single, single[::-1]).astype(dtype))
    np.testing.assert_array_equal(_apply("maximum", x, x[::-1], dtype=dtype), np.maximum(x, x[::-1]))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("name", "low", "high"), [
    ("exp", -87, 88), ("expm1", -20, 80), ("log", 0.01, 100), ("log1p", -0.9, 100),
    ("tanh", -10, 10), ("logistic", -80, 20), ("erf", -4, 4), ("asin", -1, 1), ("cbrt", -9, 9),
])
def test_monotonic(name, low, high, dtype):
    """On a grid whose steps change the result by more than its error, except where it is constant."""
    y = _apply(name, np.linspace(low, high, 2_001), dtype=dtype)
    assert (np.diff(y) >= -np.spacing(np.abs(y[1:]))).all()
    assert (np.abs(y) <= 1).all() or name not in ("tanh", "logistic", "erf")


floats32 = st.floats(width=32, allow_nan=False)


@settings(deadline=None)
@given(floats32)
def test_odd_and_even_functions(x):
    for name in ("tanh", "erf", "cbrt"):
        np.testing.assert_array_equal(_apply(name, -x), -_apply(name, x))
    if abs(x) <= 2**20:
        np.testing.assert_array_equal(_apply("sin", -x), -_apply("sin", x))
        np.testing.assert_array_equal(_apply("cos", -x), _apply("cos", x))


@settings(deadline=None)
@given(st.floats(min_value=2.0**-125, width=32, allow_infinity=False))
def test_exp_undoes_log(x):
    """The rounding of log x, |log x| eps / 2, is the relative error of the result."""
    result = float(_apply("exp", _apply("log", x)))
    assert math.isclose(result, x, rel_tol=2.0**-23 * (2 + abs(math.log(x)))) or (math.isinf(result) and x > 3.4e38)


@settings(deadline=None)
@given(st.floats(min_value=-80, max_value=80, width=32))
def test_logistic_and_its_mirror_sum_to_one(x):
    assert abs(float(_apply("logistic", x)) + float(_apply("logistic", -x)) - 1) <= 2.0**-22


@settings(deadline=None)
@given(floats32, floats32)
def test_rem_lies_between_zero_and_the_divisor(x, y):
    if math.isinf(x) or y == 0 or (not math.isinf(y) and abs(x / y) > 2.0**45):
        return
    result = float(_apply("rem", x, y))
    assert 0 <= result <= y if y > 0 else y <= result <= 0


@settings(deadline=None, max_examples=300)
@given(st.floats(-1e100, 1e100), st.floats(-1e100, 1e100), st.floats(-1e200, 1e200))
def test_emulated_fma_rounds_once(x, y, z):
    """Against exact rational arithmetic, where no term underflows."""
    if min((abs(v) for v in (x, y, z) if v), default=1) < 1e-100:
        return
    result = float(S.fma(*(np.asarray(v) for v in (x, y, z))))
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    assert abs(Fraction(result) - exact) <= Fraction(math.ulp(float(exact))) * Fraction(51, 100)
