"""More of lamella.ops against keras.ops (JAX): one table for values, gradients and native code."""

from __future__ import annotations

import itertools
import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
import pytest

import lamella
from lamella import ops
from lamella.errors import DTypeError, GradientError, LamellaError, ShapeError
from lamella.frontend import TensorSpec, function, trace
from lamella.reference import evaluate

RNG = np.random.default_rng(0)
A = RNG.uniform(-2, 2, (3, 4)).astype("float32")
B = RNG.uniform(-2, 2, (3, 4)).astype("float32")
ROW = RNG.uniform(0.5, 2, (5,)).astype("float32")
UNIT = RNG.uniform(-0.95, 0.95, (3, 4)).astype("float32")
ABOVE_ONE = RNG.uniform(1.05, 4, (3, 4)).astype("float32")
CUBE = RNG.uniform(-2, 2, (2, 3, 5)).astype("float32")
IMAGE = RNG.uniform(-2, 2, (2, 3, 6, 7)).astype("float32")
STRIPS = RNG.uniform(-1, 1, (2, 6, 12)).astype("float32")
INTS = RNG.integers(-9, 9, (3, 4)).astype("int32")
POSITIVE_INTS = RNG.integers(1, 40, (3, 4)).astype("int32")
SMALL_INTS = RNG.integers(-3, 5, (3, 4)).astype("int32")
U = RNG.integers(0, 9, (3, 4)).astype("uint8")
FLAGS = RNG.integers(0, 2, (3, 4)).astype("bool")
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5, 1e-30, -1e30], "float32")
FINITE = SPECIAL[3:]
NANS = np.where(FLAGS, np.nan, A).astype("float32")
NO_NUMBERS = np.array([[np.nan, np.nan], [1, np.nan], [np.nan, 2]], "float32")
IDS = np.array([0, 2, 2, -1, 1], "int32")
ROWS = RNG.uniform(-2, 2, (5, 3)).astype("float32")
TIES = np.array([[1, 3], [3, 2], [3, 7], [9, 9], [0, 0]], "float32")
PLACES = np.array([[0, 1], [2, 3], [1, 0]], "int32")
THREE = RNG.uniform(-2, 2, (3,)).astype("float32")
HALVES = [A.astype("float16"), keras.ops.convert_to_numpy(keras.ops.cast(A, "bfloat16"))]

# (name, arguments, keyword arguments, what to check besides the values: g gradient to second order, n native code)
CASES: list[tuple[str, tuple, dict, str]] = []
for names, x, checks in [
    ("arctan sinc cosh sinh arcsinh tan cbrt erfc i0 fabs heaviside_ angle real", A, "gn"),
    ("arcsin arccos arctanh", UNIT, "gn"), ("arccosh", ABOVE_ONE, "gn"), ("hamming_", A, ""),
    ("arctan sinc cbrt arcsin i0 angle imag conj conjugate isreal signbit fabs real", INTS, ""),
    ("arctan sinc cbrt erfc i0 angle signbit fabs arcsin relu6 square", U, ""),
    ("arctan cbrt i0 signbit angle relu square hard_tanh relu6", FLAGS, ""),
    ("arctan arcsin arccos cbrt signbit angle fabs isreal real imag sparse_sigmoid", SPECIAL, ""),
    ("sinh cosh arcsinh tan", FINITE, ""),
    ("nanprod nancumsum nancumprod nanvar nanstd nanmedian nanargmax nanargmin", NANS, "n"),
    ("nanprod nanvar nanstd nanmedian nanargmax nanargmin", A, "gn"),
    ("nanprod nancumsum nanvar nanargmax median nanmedian corrcoef", INTS, ""), ("median corrcoef", A, "gn"),
    ("nanmedian nanargmax", U, ""), ("corrcoef", THREE, ""),
]:
    CASES += [(n, (x,), {}, checks) for n in names.split() if n[-1] != "_"]
CASES += [(n, (HALVES[i % 2],), {}, "") for i, n in enumerate("arctan sinc cbrt arcsinh i0 erfc nanvar nanmedian".split())]
for name in ("arctan2", "fmax", "fmin", "heaviside", "hypot"):
    CASES += [(name, (A, B), {}, "gn"), (name, (A, 0.5), {}, ""), (name, (INTS, POSITIVE_INTS), {}, ""), (name, (U, 2), {}, ""),
              (name, (SPECIAL, SPECIAL[::-1].copy()), {}, "") if name != "hypot" else (name, (A, INTS), {}, "")]
for name in ("gcd", "lcm"):
    CASES += [(name, (INTS, POSITIVE_INTS), {}, "n"), (name, (U, U[::-1].copy()), {}, ""), (name, (INTS, 6), {}, ""),
              (name, (np.array([12, 0, 7], "int8"), np.array([[18], [0]], "int8")), {}, "")]
for name in ("segment_max", "segment_min", "segment_prod", "segment_sum"):
    CASES += [(name, (ROWS, IDS), {"num_segments": 3}, "gn"), (name, (ROWS, IDS), {"num_segments": 4}, "n"),
              (name, (INTS, np.array([1, 1, 0])), {"num_segments": 3}, "n"),
              (name, (ROWS[:, 0].copy(), IDS), {"num_segments": 2}, "gn")]
for reduction in (None, "add", "max", "min", "mul"):
    CASES += [("scatter_update", (A, PLACES, THREE), {"reduction": reduction}, "gn"),
              ("scatter_update", (INTS, np.array([[0, 1], [0, 1]]), np.array([2, -3], "int32")), {"reduction": reduction}, "n")]
for method in ("linear", "lower", "higher", "midpoint", "nearest"):
    CASES += [("quantile", (CUBE, 0.37), {"axis": 1, "method": method}, "gn"),
              ("nanquantile", (NANS, np.array([0.3, 0.9], "float32")), {"axis": 1, "method": method}, "")]
for mode in ("valid", "same", "full"):
    CASES += [("correlate", (ROW, THREE), {"mode": mode}, "gn"), ("correlate", (THREE, ROW), {"mode": mode}, ""),
              ("correlate", (ROW[:4].copy(), ROW[1:].copy()), {"mode": mode}, ""),
              ("correlate", (INTS[0], INTS[1]), {"mode": mode}, "")]
for n in (1, 7):
    CASES += [(name, (n,), {}, "") for name in ("bartlett", "blackman", "hamming", "hanning")] + [("kaiser", (n, 3.5), {}, "")]
# fmt: off
CASES += [
    ("quantile", (CUBE, np.array([0.0, 0.61, 1.0], "float32")), {"axis": (0, 2), "method": "lower", "keepdims": True}, ""),
    ("percentile", (A, 40), {}, ""), ("nanpercentile", (NO_NUMBERS, 40), {"axis": 1}, ""),
    ("scatter_update", (A, PLACES[:, :1].copy(), B), {"reduction": "max"}, "gn"), ("hanning", (0,), {}, ""),
    ("quantile", (INTS, 0.5), {}, ""), ("quantile", (NANS, 0.5), {"axis": 0}, ""),
    ("linspace", (5, -3), {"num": 4, "dtype": "int32"}, ""), ("nanargmax", (NO_NUMBERS,), {"axis": 1}, ""),
    ("nanargmin", (NANS,), {"axis": 1, "keepdims": True}, ""), ("nanvar", (NO_NUMBERS,), {"axis": 0, "keepdims": True}, ""),
    ("nancumsum", (NANS,), {"axis": 1}, ""), ("nancumprod", (NANS,), {"axis": 0}, ""), ("nextafter", (A, B), {}, "n"),
    ("nextafter", (INTS, 2), {}, ""), ("nextafter", (SPECIAL[:4], np.float32(1)), {}, ""),
    ("nextafter", (HALVES[0], HALVES[0] + 1), {}, ""), ("ldexp", (A, SMALL_INTS), {}, "gn"), ("ldexp", (INTS, 3), {}, ""),
    ("ldexp", (np.float32([1.5, 1e-30, 1e30, 1.0]), np.int32([-3, 200, -190, 127])), {}, ""), ("ldexp", (HALVES[0], U), {}, ""),
    ("geomspace", (1.0, 100.0), {"num": 7}, ""), ("geomspace", (-1.0, -8.0), {"num": 4}, ""),
    ("geomspace", (2.0, 0.25), {"num": 4, "endpoint": False}, ""), ("geomspace", (1, 8), {"num": 4, "dtype": "int32"}, ""),
    ("geomspace", (ROW, ROW * 3), {"num": 3, "axis": 1}, ""),
    ("cdist", (CUBE, RNG.uniform(-2, 2, (4, 5)).astype("float32")), {}, "gn"), ("psnr", (A, B, 2.0), {}, "gn"),
    ("histogram", (ROW,), {"bins": 4}, "n"), ("histogram", (INTS.ravel(),), {}, ""),
    ("histogram", (A.ravel(),), {"bins": 3, "range": (-1, 1)}, ""), ("histogram", (np.full(3, 2.0, "float32"),), {"bins": 2}, ""),
    ("histogram", (SPECIAL[3:7],), {"bins": 2, "range": (0, 1.5)}, ""),
    ("unravel_index", (np.array([[5, -1], [0, 99]], "int32"), (2, 3)), {}, "n"),
    ("searchsorted", (np.sort(ROW), A), {"side": "right"}, "n"),
    ("searchsorted", (np.float32([1, 1, 2, np.nan]), np.float32([1, np.nan, 0, 3])), {}, ""),
    ("searchsorted", (INTS[0].copy() * 0, INTS), {}, ""),
    ("searchsorted", (np.float32([1, 1, 2, np.nan]), np.float32([1, np.nan, 0, 3])), {"side": "right"}, ""),
    ("digitize", (A, np.float32([2, 0.5, -1])), {}, "n"), ("isin", (INTS, np.array([3, 1, 1])), {"invert": True}, "n"),
    ("isin", (A, np.float32([])), {}, ""),
    ("unique", (INTS,), {"return_index": True, "return_inverse": True, "return_counts": True}, ""),
    ("unique", (NANS.ravel(),), {}, ""), ("unique", (TIES,), {"axis": 1, "return_counts": True}, ""),
    ("unique", (INTS,), {"size": 20, "return_counts": True, "return_index": True}, "n"),
    ("unique", (SMALL_INTS,), {"axis": 0, "size": 5, "fill_value": 7, "return_inverse": True}, "n"),
    ("slice", (CUBE, (0, 1, 2), (2, -1, -1)), {}, "gn"),
    ("slice_update", (CUBE, (1, 0, 2), np.ones((1, 2, 3), "float32")), {}, "gn"), ("bincount", (INTS.ravel(),), {}, ""),
    ("hsplit", (A, 2), {}, "g"), ("hsplit", (ROW, [2]), {}, ""), ("vsplit", (A, 3), {}, ""), ("dsplit", (CUBE, [1, 4]), {}, ""),
    ("rearrange", (IMAGE, "b c (h k) w -> (b h) w (c k)"), {"k": 2}, "gn"), ("rearrange", (A, "a b -> (b a)"), {}, ""),
    ("extract_sequences", (CUBE, 3, 2), {}, "gn"), ("extract_sequences", (ROW, 5, 1), {}, ""), ("unfold", (IMAGE, 2), {}, "gn"),
    ("unfold", (IMAGE, (3, 2)), {"dilation": (1, 2), "padding": (2, 1), "stride": (2, 3)}, "gn"),
    ("fold", (RNG.uniform(-1, 1, (2, 8, 30)).astype("float32"), (6, 7), 2), {}, "gn"),
    ("fold", (STRIPS, (6, 7), (3, 2)), {"dilation": (1, 2), "padding": (2, 1), "stride": (2, 3)}, "gn"),
    ("depth_to_space", (RNG.uniform(-1, 1, (2, 3, 4, 8)).astype("float32"), 2), {}, "gn"),
    ("space_to_depth", (IMAGE[:, :, :, :6], 3), {"data_format": "channels_first"}, ""),
    ("depth_to_space", (RNG.uniform(-1, 1, (2, 8, 3, 4)).astype("float32"), 2), {"data_format": "channels_first"}, "n"),
    ("space_to_depth", (RNG.uniform(-1, 1, (2, 4, 6, 3)).astype("float32"), 2), {}, "gn"), ("view", (A, "int32"), {}, "n"),
    ("view", (A, "uint8"), {}, "n"), ("view", (A, "float16"), {}, ""), ("view", (U, "int16"), {}, "n"),
    ("view", (U, "float32"), {}, ""), ("view", (FLAGS, "uint8"), {}, ""), ("view", (U, "bool"), {}, ""), ("view", (A,), {}, ""),
    ("mod", (INTS, 0), {}, "n"), ("floor_divide", (INTS, 3), {}, "n"), ("bitwise_left_shift", (FLAGS, FLAGS), {}, ""),
    ("fmod", (INTS, POSITIVE_INTS), {}, "n"), ("erfc", (np.linspace(-3, 9, 50, dtype="float32"),), {}, "n"),
]
# fmt: on
LOOSE = {"erfc": 2e-4, "i0": 1e-4, "tan": 1e-4}  # XLA's own error
IDENTIFIERS = [f"{i}-{c[0]}" for i, c in enumerate(CASES)]


@pytest.mark.parametrize(("name", "args", "kwargs", "checks"), CASES, ids=IDENTIFIERS)
def test_same_as_keras(name, args, kwargs, checks, op_as_keras):
    rough = {"float16": 2e-3, "bfloat16": 1.6e-2}.get(getattr(args[0], "dtype", np.dtype("float32")).name)
    op_as_keras(name, args, kwargs, rtol=rough or LOOSE.get(name, 2e-5), atol=rough or 2e-6)


GRADIENTS = [(c, i) for c, i in zip(CASES, IDENTIFIERS, strict=True) if "g" in c[3]]
NATIVE = [(c, i) for c, i in zip(CASES, IDENTIFIERS, strict=True) if "n" in c[3]]


@pytest.mark.parametrize("case", [c for c, _ in GRADIENTS], ids=[i for _, i in GRADIENTS])
def test_gradient_to_second_order(case, op_gradient):
    op_gradient(*case[:3])


@pytest.mark.parametrize("case", [c for c, _ in NATIVE], ids=[i for _, i in NATIVE])
def test_native(case, op_native):
    op_native(*case[:3])


def gradient_of(f, *values):
    """The gradient of sum(f) here, and by JAX."""
    tensors = [ops.convert_to_tensor(v) for v in values]
    with lamella.GradientTape() as tape:
        tape.watch(tensors)
        y = ops.sum(f(*tensors))
    return [g.numpy() for g in tape.gradient(y, tensors)]


@pytest.mark.parametrize("name", ["sinh", "arcsinh", "arctan", "arcsin", "sinc", "cosh", "i0", "tan", "cbrt", "erfc", "arccos"])
@pytest.mark.parametrize("at", [0.0, 0.5])
def test_gradients_at_zero_are_jaxs(name, at):
    jax = pytest.importorskip("jax")
    expected = jax.grad(getattr(keras.ops, name))(np.float32(at))
    np.testing.assert_allclose(gradient_of(getattr(ops, name), np.float32(at))[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["segment_max", "segment_min"])
def test_ties_in_segments_share_the_gradient_as_in_jax(name):
    jax = pytest.importorskip("jax")
    weights = np.float32([[1, 2], [0, 5], [3, 4]])
    expected = jax.grad(lambda x: (getattr(keras.ops, name)(x, IDS, num_segments=3) * weights).sum())(TIES)
    received = gradient_of(lambda x: getattr(ops, name)(x, IDS, num_segments=3) * weights, TIES)
    np.testing.assert_allclose(received[0], expected)


def test_large_numbers_do_not_overflow_early():
    np.testing.assert_allclose(ops.sinh([89.0, -89.0]), [2.2448064e38, -2.2448064e38], rtol=1e-6)
    np.testing.assert_allclose(ops.cosh([89.0, -89.0]), [2.2448064e38] * 2, rtol=1e-6)
    np.testing.assert_allclose(ops.arcsinh([1e30, -1e30]), [69.770699, -69.770699], rtol=1e-6)
    np.testing.assert_allclose(ops.arccosh([1e30, 3e38]), [69.770699, 89.289993], rtol=1e-6)
    assert np.isfinite(gradient_of(ops.arcsinh, np.float32(1e30))[0])


def test_chebyshev_series_of_the_bessel_function():
    x = np.linspace(-60, 60, 3001)
    np.testing.assert_allclose(ops.i0(x), np.i0(x), rtol=3e-14)
    np.testing.assert_allclose(ops.i0(x.astype("float32")), np.i0(x.astype("float32").astype(float)), rtol=1e-6)


def test_consecutive_fibonacci_numbers_take_the_most_steps():
    assert ops.gcd(np.int32(1836311903), np.int32(1134903170)).item() == 1
    assert ops.gcd(np.int64(7540113804746346429), np.int64(4660046610375530309)).item() == 1


@pytest.mark.parametrize("q", [0.25, [0.0, 0.5, 1.0]])
def test_quantile_with_a_q_known_at_run_time(q):
    traced = trace(lambda x, q: ops.quantile(x, q, axis=1), [TensorSpec((3, 4)), TensorSpec(np.shape(q))])
    np.testing.assert_allclose(evaluate(traced.graph, [A, np.float32(q)])[0], np.quantile(A, q, axis=1), rtol=1e-6)


def test_complex_tensors_are_pairs():
    z = ops.view_as_complex(A[:, :2])
    assert isinstance(z, tuple)
    np.testing.assert_array_equal(ops.view_as_real(z), A[:, :2])
    exact = A[:, 0] + 1j * A[:, 1]
    np.testing.assert_array_equal(ops.imag(ops.conj(z)), -exact.imag)
    np.testing.assert_allclose(ops.angle(z), np.angle(exact), rtol=1e-6)
    assert ops.isreal(z).numpy().tolist() == [False] * 3 and ops.real(exact).dtype == "float32"
    expected = np.asarray(keras.ops.polar(A[:, :2], B[:, :2]))
    received = ops.polar(A[:, :2], B[:, :2])
    np.testing.assert_allclose(received[0].numpy() + 1j * received[1].numpy(), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ShapeError, match="last axis of size 2"):
        ops.view_as_complex(A)


def test_argpartition():
    for kth in (0, 2, -1):
        order = ops.argpartition(A, kth, axis=1).numpy()
        values = np.take_along_axis(A, order, 1)
        assert (values[:, kth] == np.sort(A, 1)[:, kth]).all() and sorted(order[0]) == [0, 1, 2, 3]
    with pytest.raises(ShapeError, match="kth = 4"):
        ops.argpartition(A, 4)


def test_vectorized_map_and_vectorize():
    rows = ops.vectorized_map(lambda pair: (pair[0] + ops.sum(pair[1]), pair[1] * 2), [A, B])
    np.testing.assert_allclose(rows[0], A + B.sum(1, keepdims=True), rtol=1e-6)
    np.testing.assert_array_equal(rows[1], B * 2)
    product = ops.vectorize(ops.matmul, signature="(m,n),(n)->(m)")
    np.testing.assert_allclose(product(CUBE, ROW), CUBE @ ROW, rtol=1e-6)
    larger = ops.vectorize(lambda a, b, k: ops.where(a > b, a, b) * k, excluded={2})
    np.testing.assert_allclose(larger(A[:, None], ROW[:4, None], 3.0), np.maximum(A[:, None], ROW[:4, None]) * 3, rtol=1e-6)
    with pytest.raises(ValueError, match="no signature"):
        ops.vectorize(ops.matmul, signature="m,n->k")
    with pytest.raises(ValueError, match="function"):
        ops.vectorize(3)


@pytest.mark.parametrize(("n", "reverse"), [(1, False), (2, True), (8, False), (13, True)])
def test_associative_scan(n, reverse):
    x = RNG.uniform(0.5, 1.5, (2, n)).astype("float32")
    gates, inputs = x, x[::-1].copy()

    def linear(a, b):  # of the recurrence h = g h + x
        return [a[0] * b[0], a[1] * b[0] + b[1]]

    expected = keras.ops.associative_scan(linear, [gates, inputs], reverse=reverse, axis=1)
    received = ops.associative_scan(linear, [gates, inputs], reverse=reverse, axis=1)
    for e, r in zip(expected, received, strict=True):
        np.testing.assert_allclose(r, e, rtol=1e-5)


def test_switch():
    branches = [lambda x: x + 1, lambda x: x * 10, lambda x: -x]
    expected = [3.0, 3.0, 20.0, -2.0, -2.0]
    assert [float(ops.switch(i, branches, 2.0)) for i in (-1, 0, 1, 2, 7)] == expected
    traced = trace(lambda i, x: ops.switch(i, branches, x), [TensorSpec((), "int32"), TensorSpec(())])
    assert [float(evaluate(traced.graph, [np.int32(i), np.float32(2)])[0]) for i in (-1, 0, 1, 2, 7)] == expected


def log1pexp(x):
    e = ops.exp(x)
    return ops.log(1 + e), lambda upstream: upstream * (1 - 1 / (1 + e))


def test_custom_gradient():
    own = ops.custom_gradient(log1pexp)
    assert float(own(ops.convert_to_tensor(0.0))) == pytest.approx(np.log(2))
    assert gradient_of(own, np.float32(100.0))[0] == 1  # that of log(1 + e^x) itself is NaN
    weight = lamella.Variable(3.0)

    @ops.custom_gradient
    def scaled(pair, n):
        return (pair[0] * weight, n + 1), lambda upstream: (upstream[0] * weight * 2, pair[1] * 5, None)

    def loss(x, y):
        return scaled([x, y], 4)[0] + y

    for g, e in zip(gradient_of(loss, np.float32(2), np.float32(7)), (6, 36), strict=True):
        assert g == e
    with pytest.raises(GradientError, match="one gradient for each of 3"):
        gradient_of(ops.custom_gradient(lambda x, y, z: (x * y * z, lambda g: (g, g))), *np.float32([1, 2, 3]))


def test_custom_gradient_in_compiled_functions_and_to_second_order():
    own = ops.custom_gradient(log1pexp)

    def derivatives(x):
        with lamella.GradientTape() as outer:
            outer.watch(x)
            with lamella.GradientTape() as inner:
                inner.watch(x)
                y = own(x)
            first = inner.gradient(y, x)
        return y, first, outer.gradient(first, x)

    x = np.float32([-1.0, 0.5])
    s = 1 / (1 + np.exp(-x))
    for run in (derivatives, function(derivatives)):
        for got, want in zip(run(ops.convert_to_tensor(x)), (np.log1p(np.exp(x)), s, s * (1 - s)), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5)


def test_forward_derivatives():
    jax = pytest.importorskip("jax")

    def f(o):
        def body(h, x):
            return o.tanh(h * x[0] + x[1]), h

        return lambda x, y: (o.sum(x * o.sin(y)), o.scan(body, o.ones((4,)), (x, y))[0])

    (value, last), (dvalue, dlast) = keras.ops.jvp(f(keras.ops), (A, B), (B, A))
    (v, h), (dv, dh) = ops.jvp(f(ops), (A, B), (B, A))
    for got, want in ((v, value), (h, last), (dv, dvalue), (dh, dlast)):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    out = function(lambda x, t: ops.jvp(lambda z: (ops.exp(z), z + 1), (x,), (t,), has_aux=True))(A, B)
    np.testing.assert_allclose(out[1], jax.jvp(jax.numpy.exp, (A,), (B,))[1], rtol=1e-5)
    np.testing.assert_array_equal(out[2], A + 1)


@pytest.fixture(scope="module")
def speech():
    """Logits (n, frames, classes), labels, their lengths and the numbers of frames."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, 7, 5)).astype("float32")
    return x, rng.integers(1, 5, (3, 4)).astype("int32"), np.array([4, 2, 0], "int32"), np.array([7, 5, 3], "int32")


def test_ctc_loss(speech, op_as_keras, op_gradient):
    x, labels, *lengths = speech
    op_as_keras("ctc_loss", (labels, x, *lengths), {}, rtol=1e-5)
    op_gradient("ctc_loss", (labels, x, *lengths), {})
    shifted = ops.ctc_loss(labels - 1, np.roll(x, -1, axis=-1), *lengths, mask_index=4)
    np.testing.assert_allclose(shifted, ops.ctc_loss(labels, x, *lengths), rtol=1e-6)


@pytest.mark.parametrize("kwargs", [{}, {"merge_repeated": False}, {"mask_index": None}])
def test_greedy_ctc_decoding(speech, kwargs, op_as_keras):
    op_as_keras("ctc_decode", (speech[0], speech[3]), kwargs)


@pytest.mark.parametrize("blank", [0, 2])
def test_beam_search_finds_the_most_probable_labels(speech, blank):
    x, frames, count = speech[0][:, :5, :3], np.array([5, 4, 1]), 4
    paths, scores = (r.numpy() for r in ops.ctc_decode(x, frames, "beam_search", top_paths=count, mask_index=blank))
    assert paths.shape == (count, 3, 5) and paths.dtype == np.int32 and scores.shape == (3, count)
    log_p = ops.log_softmax(x).numpy()
    for sample, n in enumerate(frames):
        total: dict[tuple, float] = {}
        for alignment in itertools.product(range(3), repeat=int(n)):
            labels = tuple(c for c, _ in itertools.groupby(alignment) if c != blank)
            p = np.exp(sum(log_p[sample, t, c] for t, c in enumerate(alignment)))
            total[labels] = total.get(labels, 0.0) + p
        best = sorted(total.items(), key=lambda item: -item[1])[:count]
        for place, (labels, p) in enumerate(best):
            assert tuple(paths[place, sample, : len(labels)]) == labels and (paths[place, sample, len(labels) :] == -1).all()
            assert scores[sample, place] == pytest.approx(np.log(p), rel=1e-5)


def test_a_narrow_beam_follows_up_what_it_should(speech):
    """Results of Keras 3.15.1 (whose search takes ten seconds to compile)."""
    x, _, _, frames = speech
    paths, scores = ops.ctc_decode(x, frames, "beam_search", beam_width=2, top_paths=2, mask_index=None)
    labels = [[(0, 0, 3, 1, 2), (2, 1, 3), (2, 1, 0)], [(0, 0, 3, 1, 3), (2, 1, 2, 3), (2, 1)]]
    assert [[tuple(c for c in path if c >= 0) for path in row] for row in paths.numpy().tolist()] == labels
    np.testing.assert_allclose(scores, [[-4.2594814, -4.5616703], [-3.2579443, -3.8551233], [-1.9570296, -2.1822433]], rtol=1e-5)


def test_dynamic_blocks_along_several_axes():
    def both(x, i, j):
        return ops.slice(x, (i, 0, j), (1, 3, 2)), ops.slice_update(x, (i, 1, j), ops.zeros((1, 2, 2)))

    traced = trace(both, [TensorSpec(CUBE.shape), TensorSpec((), "int32"), TensorSpec((), "int64")])
    block, updated = evaluate(traced.graph, [CUBE, np.int32(1), np.int64(9)])  # the last start is moved so that it fits
    np.testing.assert_array_equal(block, CUBE[1:2, :, 3:5])
    expected = CUBE.copy()
    expected[1, 1:3, 3:5] = 0
    np.testing.assert_array_equal(updated, expected)


def test_namespaces():
    for part in ("numpy", "nn", "linalg"):
        ours, theirs = getattr(ops, part), getattr(keras.ops, part)
        assert all(getattr(ours, n) is getattr(ops, n) for n in dir(theirs) if n[0] != "_" and callable(getattr(theirs, n)))
    with pytest.raises(AttributeError, match="nothing"):
        _ = ops.nn.nothing


def test_every_name_of_keras_exists():
    missing = {n for n in dir(keras.ops) if n[0] != "_" and callable(getattr(keras.ops, n))} - set(dir(ops))
    assert not missing
    assert not {n for n in dir(keras.random) if n[0] != "_"} - set(dir(lamella.random))


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: ops.gcd(A, 2), DTypeError, "gcd takes integers"),
    (lambda: ops.ldexp(A, 0.5), DTypeError, "integer exponents"),
    (lambda: ops.quantile(A, 0.5, method="linaer"), ValueError, "Did you mean 'linear'"),
    (lambda: ops.correlate(A, ROW), ShapeError, "two vectors"),
    (lambda: ops.correlate(ROW, ROW, mode="ful"), ValueError, "'full', 'valid' or 'same'"),
    (lambda: ops.cdist(ROW, A), ShapeError, "points, coordinates"),
    (lambda: ops.histogram(A), ShapeError, "takes a vector"),
    (lambda: ops.histogram(ROW, bins=-1), ValueError, "not be negative"),
    (lambda: ops.histogram(ROW, bins=2.0), TypeError, "must be an int"),
    (lambda: ops.histogram(ROW, range=(2, 1)), ValueError, "lower and an upper"),
    (lambda: ops.psnr(A, ROW, 1.0), ShapeError, "one shape"),
    (lambda: ops.searchsorted(A, ROW), ShapeError, "takes a vector"),
    (lambda: ops.rearrange(A, "a b c -> a"), ShapeError, "names 3 axes"),
    (lambda: ops.rearrange(A, "a (b c) -> a b c"), ShapeError, "doesn't divide"),
    (lambda: ops.rearrange(A, "a b -> a"), ShapeError, "each axis once"),
    (lambda: ops.unfold(IMAGE, 9), ShapeError, "larger than the image"),
    (lambda: ops.fold(CUBE, (6, 7), 2), ShapeError, "fold needs"),
    (lambda: ops.depth_to_space(IMAGE, 2), ShapeError, "multiple of block_size"),
    (lambda: ops.space_to_depth(IMAGE, 2), ShapeError, "don't divide"),
    (lambda: ops.view(U, "float64"), ShapeError, "8 uint8 make one float64"),
    (lambda: ops.scatter_update(A, PLACES, THREE, reduction="mean"), ValueError, "'max', 'min' or 'mul'"),
    (lambda: ops.associative_scan(lambda a, b: a, [A, ROW]), ShapeError, "one size"),
    (lambda: ops.ctc_decode(CUBE, [1, 1], strategy="beam"), ValueError, "Known: beam_search, greedy"),
    (lambda: ops.ctc_loss(ROW, CUBE, [1], [1]), ShapeError, "ctc_loss takes"),
    (lambda: trace(lambda i: ops.slice(A, (0, i), (1, -1)), [TensorSpec((), "int32")]), ShapeError, "start must be a number"),
    (lambda: ops.extract_sequences(ROW, 9, 1), ShapeError, "shorter than a piece"),
    (lambda: trace(lambda x: ops.unique(x), [TensorSpec((3,))]), ShapeError, "needs `size`"),
    (lambda: trace(lambda x: ops.ctc_decode(x, [1], "beam_search"), [TensorSpec((1, 2, 3))]), LamellaError, "known"),
])
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
