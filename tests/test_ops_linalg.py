"""Linear algebra and Fourier transforms against keras.ops (JAX), in compiled programs and backwards; and how these call Python."""

from __future__ import annotations

import dataclasses
import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
import pytest

import lamella
from lamella import executor, ops
from lamella.errors import DTypeError, GradientError, LamellaError, ShapeError
from lamella.frontend import TensorSpec, function, trace
from lamella.ir import PRIMITIVES, Builder, TensorType
from lamella.native import cache, simplify
from lamella.reference import evaluate
from lamella.settings import settings as config

RNG = np.random.default_rng(0)
SQUARE = (RNG.standard_normal((4, 4)) + 2 * np.eye(4)).astype("float32")
BATCH = (RNG.standard_normal((2, 3, 3)) + 2 * np.eye(3)).astype("float32")
TALL = RNG.standard_normal((2, 5, 3)).astype("float32")
WIDE = RNG.standard_normal((3, 5)).astype("float32")
DEFINITE = (BATCH @ BATCH.transpose(0, 2, 1) + np.eye(3)).astype("float32")
RIGHT = RNG.standard_normal((4, 2)).astype("float32")
VECTOR = RNG.standard_normal(4).astype("float32")
SIGNAL = RNG.standard_normal((2, 24)).astype("float32")
PAIR = tuple(RNG.standard_normal((2, 2, 3, 6)).astype("float32"))
SPECTRUM = tuple(RNG.standard_normal((2, 2, 7, 5)).astype("float32"))
LOW_RANK = np.outer(VECTOR, VECTOR).astype("float32")
FACTOR = np.linalg.cholesky(DEFINITE)

# (name, arguments, keyword arguments, g: gradient to second order)
# fmt: off
CASES = [
    ("cholesky", (DEFINITE,), {}, "g"), ("cholesky", (DEFINITE,), {"upper": True}, "g"),
    ("cholesky_inverse", (FACTOR[0],), {}, "g"), ("cholesky_inverse", (FACTOR[0].T.copy(),), {"upper": True}, ""),
    ("det", (SQUARE,), {}, "g"), ("det", (BATCH,), {}, ""), ("slogdet", (-SQUARE,), {}, "g"), ("logdet", (BATCH,), {}, "g"),
    ("inv", (BATCH,), {}, "g"), ("inv", (np.array([[2, 1], [1, 3]], "int32"),), {}, ""), ("solve", (SQUARE, RIGHT), {}, "g"),
    ("solve", (SQUARE, VECTOR), {}, "g"), ("solve", (BATCH, TALL[:, :3]), {}, ""), ("solve_triangular", (SQUARE, RIGHT), {}, "g"),
    ("solve_triangular", (SQUARE, RIGHT), {"lower": True}, "g"), ("lu_factor", (SQUARE,), {}, "g"), ("lu_factor", (TALL,), {}, ""),
    ("lu_factor", (WIDE,), {}, ""), ("svd", (TALL,), {"compute_uv": False}, "g"), ("pinv", (TALL,), {}, "g"),
    ("pinv", (WIDE,), {}, "g"), ("pinv", (LOW_RANK,), {"rcond": 1e-3}, ""), ("lstsq", (TALL[0], VECTOR[:1].repeat(5)), {}, "g"),
    ("lstsq", (WIDE, RIGHT[:3]), {}, "g"), ("lstsq", (LOW_RANK, RIGHT), {}, ""), ("matrix_rank", (TALL,), {}, ""),
    ("matrix_rank", (LOW_RANK,), {}, ""), ("matrix_rank", (SQUARE,), {"tol": 2.0}, ""), ("norm", (SQUARE,), {}, "g"),
    ("norm", (TALL,), {"ord": "fro", "axis": (1, 2)}, "g"), ("norm", (TALL,), {}, ""),
    ("norm", (TALL,), {"axis": 1, "ord": -1}, ""), ("fft", (PAIR,), {}, "g"), ("fft2", (PAIR,), {}, "g"),
    ("ifft2", (PAIR,), {}, "g"), ("rfft", (SIGNAL,), {}, "g"), ("rfft", (SIGNAL,), {"fft_length": 15}, "g"),
    ("rfft", (SIGNAL,), {"fft_length": 30}, ""), ("irfft", (SPECTRUM,), {}, "g"), ("irfft", (SPECTRUM,), {"fft_length": 9}, "g"),
    ("irfft", (SPECTRUM,), {"fft_length": 6}, ""), ("stft", (SIGNAL, 6, 3, 8), {}, "g"),
    ("stft", (SIGNAL, 5, 2, 5), {"window": "hamming", "center": False}, ""), ("stft", (SIGNAL, 4, 4, 9), {"window": None}, ""),
    ("stft", (SIGNAL, 4, 3, 4), {"window": VECTOR}, ""), ("istft", (SPECTRUM, 6, 3, 8), {}, "g"),
    ("istft", (SPECTRUM, 8, 4, 8), {"window": None, "center": False}, ""),
    ("istft", (SPECTRUM, 8, 4, 8), {"length": 11, "window": "hamming"}, ""),
]
CASES += [("norm", (TALL,), {"axis": (2, 1), "ord": ord, "keepdims": ord == 2}, "g")
          for ord in (1, -1, np.inf, -np.inf, 2, -2, "nuc")]
# fmt: on


@pytest.mark.parametrize(("name", "args", "kwargs", "checks"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_same_as_keras(name, args, kwargs, checks, op_as_keras, op_gradient, op_native):
    op_as_keras(name, args, kwargs, rtol=2e-4, atol=1e-5)
    op_native(name, args, kwargs)
    if checks:
        op_gradient(name, args, kwargs)


def flat(value):
    return [a for v in value for a in flat(v)] if isinstance(value, (list, tuple)) else [np.asarray(value)]


def up_to_signs(name, x, **kwargs):
    """A decomposition, put together again, and the factors' sizes: what doesn't depend on the signs of the vectors."""
    parts = [np.asarray(p, np.float64) for p in flat(getattr(ops, name)(x, **kwargs))]
    theirs = [np.asarray(p) for p in flat(getattr(keras.ops, name)(x, **kwargs))]
    assert [p.shape for p in parts] == [p.shape for p in theirs]
    for p, t in zip(parts, theirs, strict=True):
        np.testing.assert_allclose(np.abs(p), np.abs(t), rtol=1e-3, atol=1e-4)
    return parts


@pytest.mark.parametrize("x", [SQUARE, TALL, WIDE], ids=["square", "tall", "wide"])
def test_factors_make_up_the_matrix(x):
    q, r = up_to_signs("qr", x)
    np.testing.assert_allclose(q @ r, x, atol=1e-5)
    u, s, v = up_to_signs("svd", x, full_matrices=False)
    np.testing.assert_allclose(u * s[..., None, :] @ v, x, atol=1e-5)
    n, m = x.shape[-2:]
    q, r = (p.numpy() for p in ops.qr(x, mode="complete"))
    np.testing.assert_allclose(q @ r, x, atol=1e-5)
    u, s, v = (p.numpy() for p in ops.svd(x))
    assert q.shape[-1] == n and u.shape[-1] == n and v.shape[-2] == m
    np.testing.assert_allclose(np.swapaxes(u, -1, -2) @ u, np.broadcast_to(np.eye(n), u.shape), atol=1e-5)


def test_eigenvectors():
    w, v = up_to_signs("eigh", DEFINITE)
    np.testing.assert_allclose(v * w[:, None, :] @ v.transpose(0, 2, 1), DEFINITE, rtol=1e-4, atol=1e-5)
    rotation = np.array([[1.0, -2.0, 0.5], [2.0, 1.0, 0.0], [0.3, 0.2, 3.0]], "float32")
    (w_real, w_imag), (v_real, v_imag) = ops.eig(rotation)
    w, v = w_real.numpy() + 1j * w_imag.numpy(), v_real.numpy() + 1j * v_imag.numpy()
    np.testing.assert_allclose(rotation @ v, v * w, atol=1e-5)
    theirs = np.asarray(keras.ops.eig(rotation)[0])
    np.testing.assert_allclose(np.sort_complex(w), np.sort_complex(theirs), rtol=1e-5)


def loss(o, name):
    """A smooth function of a decomposition that doesn't depend on signs and phases."""
    weights = np.linspace(0.3, 1.7, 9, dtype="float32").reshape(3, 3)

    def function_of(x):
        if name == "svd":
            u, s, v = o.svd(x, full_matrices=False)
            return o.sum(o.matmul(u * o.exp(-s)[..., None, :], v) ** 2 * 0.3) + o.sum(o.log(s))
        if name == "qr":
            q, r = o.qr(x)
            return o.sum(o.matmul(q, o.transpose(q, (0, 2, 1))) ** 3) + o.sum(r**2 * weights)
        w, v = o.eigh(x)
        return o.sum(o.matmul(v * o.tanh(w)[..., None, :], o.transpose(v, (0, 2, 1))) ** 2 * weights) + o.sum(w**3)

    return function_of


@pytest.mark.parametrize(("name", "x"), [("svd", TALL), ("svd", TALL.transpose(0, 2, 1).copy()), ("qr", TALL), ("eigh", DEFINITE)])
def test_gradients_of_decompositions_are_jaxs(name, x):
    jax = pytest.importorskip("jax")
    expected = jax.grad(loss(keras.ops, name))(x)

    def gradient(x):
        with lamella.GradientTape() as tape:
            tape.watch(x)
            y = loss(ops, name)(x)
        return tape.gradient(y, x)

    for run in (gradient, function(gradient)):
        np.testing.assert_allclose(run(ops.convert_to_tensor(x)), expected, rtol=2e-3, atol=1e-4 * np.abs(expected).max())


def test_gradient_of_complex_eigenvalues(op_gradient):
    """Up to second order; of a matrix with a pair of complex eigenvalues, and none equal."""
    traced = trace(lambda x: ops.eig(x)[0], [TensorSpec((3, 3), "float64")])
    x = np.array([[1.0, -2.0, 0.5], [2.0, 1.0, 0.0], [0.3, 0.2, 3.0]])
    lamella.autodiff.check_gradients(traced.graph, [x], evaluate, order=2, tolerance=1e-4)


def test_wide_matrices_have_a_qr_gradient(op_gradient):
    op_gradient("qr", (WIDE,), {})


def test_equal_eigenvalues_have_a_finite_gradient():
    x = ops.convert_to_tensor(np.eye(3, dtype="float32"))
    with lamella.GradientTape() as tape:
        tape.watch(x)
        w, v = ops.eigh(x)
        y = ops.sum(ops.matmul(v * w, ops.transpose(v)))
    np.testing.assert_allclose(np.diag(tape.gradient(y, x).numpy()), 1, atol=1e-6)  # what turns equal ones' vectors counts as 0


def test_failures_give_nan_for_their_matrix_alone():
    x = np.stack([BATCH[0], np.zeros((3, 3), "float32")])
    for run in (ops.inv, function(ops.inv)):
        result = run(x).numpy()
        np.testing.assert_allclose(result[0], np.linalg.inv(BATCH[0]), rtol=1e-4)
        assert np.isnan(result[1]).all()
    with pytest.raises(ValueError, match="isn't positive definite"):
        ops.cholesky(-DEFINITE)
    assert np.isnan(function(ops.cholesky)(-DEFINITE).numpy()).all()
    assert np.isnan(ops.eigh(np.full((2, 2), np.nan, "float32"))[0].numpy()).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int32"])
def test_dtypes(dtype):
    x = ops.cast(np.round(DEFINITE), dtype)
    for result in (ops.cholesky(x), ops.inv(x), ops.eigh(x)[0], ops.det(x), ops.norm(x, ord=2, axis=(1, 2))):
        assert result.dtype == (dtype if "float" in dtype else "float32")
    assert ops.lu_factor(x)[1].dtype == "int32"


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: ops.inv(TALL), ShapeError, "square matrices"), (lambda: ops.det(VECTOR), ShapeError, r"\(\.\.\., rows, columns\)"),
    (lambda: ops.solve(SQUARE, RIGHT[:3]), ShapeError, "solve takes"),
    (lambda: ops.qr(TALL, mode="full"), ValueError, "'reduced' or"), (lambda: ops.lstsq(SQUARE, TALL), ShapeError, "lstsq takes"),
    (lambda: ops.norm(SQUARE, ord="max"), ValueError, "no matrix norm"),
    (lambda: ops.norm(VECTOR, ord="fro"), ValueError, "no vector norm"), (lambda: ops.norm(TALL, ord=2), ValueError, "one axis"),
    (lambda: ops.fft(SIGNAL), ValueError, "tuple of two"), (lambda: ops.fft((SIGNAL, SIGNAL[:1])), ShapeError, "one shape"),
    (lambda: ops.fft(([1, 2], [3, 4])), DTypeError, "takes floats"),
    (lambda: ops.stft(SIGNAL, 9, 2, 8), ValueError, "at least sequence_length"),
    (lambda: ops.stft(SIGNAL, 4, 2, 8, window="han"), ValueError, "Did you mean 'hann'"),
    (lambda: ops.stft(np.arange(9), 4, 2, 8), DTypeError, "float32 or float64"),
    (lambda: ops.istft(SPECTRUM, 4, 2, 8, window=[1.0]), ValueError, "must have 4 elements"),
    (lambda: trace(lambda x: function_gradient(ops.qr, x), [TensorSpec((5, 3))]), GradientError, "mode='reduced'"),
])
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def function_gradient(f, x):
    with lamella.GradientTape() as tape:
        tape.watch(x)
        q, r = f(x, mode="complete")
    return tape.gradient([q, r], x)


# How compiled programs call Python.


def newton_step(i, x):
    """Towards the square root of a matrix."""
    return (x + ops.solve(x, ops.convert_to_tensor(DEFINITE[0]))) / 2.0


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_calls_within_loops_and_any_number_of_threads(threads, monkeypatch):
    monkeypatch.setattr(config, "threads", threads)
    root = function(lambda x: ops.fori_loop(0, 12, newton_step, x))(np.eye(3, dtype="float32")).numpy()
    np.testing.assert_allclose(root @ root, DEFINITE[0], rtol=1e-4, atol=1e-4)


def test_the_disk_cache_keeps_programs_that_call_python(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))
    b = Builder()
    x = b.input(TensorType((3, 3), "float32"))
    graph = b.build([b.det(b.add(x, x)), *b.qr(x, complete=False)])
    first = executor.compile(graph)(BATCH[0])
    assert cache.load(lamella.ir.format_graph(graph), {}).host_calls
    second = executor.compile(graph)(BATCH[0])
    for a, e in zip(second, first, strict=True):
        np.testing.assert_array_equal(a, e)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_exception_within_a_call_becomes_an_error_after_it(threads, monkeypatch):
    calls = []

    def broken(x):
        calls.append(1)
        raise MemoryError("no room")

    monkeypatch.setattr(config, "threads", threads)
    monkeypatch.setitem(PRIMITIVES, "det", dataclasses.replace(PRIMITIVES["det"], numpy=broken))
    body = Builder()
    body.input(TensorType((), "int64"))
    x = body.input(TensorType((3, 3), "float32"))
    step = body.build([body.add(x, body.broadcast(body.det(x), shape=(3, 3)))], "step")
    b = Builder()
    x = b.input(TensorType((3, 3), "float32"))
    graph = b.build(b.loop(b.literal(0, "int64"), b.literal(50, "int64"), x, body=step, n_carry=1))
    call = executor.compile(graph).bind([BATCH[0]])
    for _ in range(2):  # the program can be called again
        calls.clear()
        call.progress[1] = 0
        with pytest.raises(LamellaError, match="det failed inside of a compiled program: no room"):
            call.run()
        assert len(calls) == 1 and call.progress[0] == 1  # it stopped after the step


def test_an_interrupt_within_a_call_stays_one(monkeypatch):
    def interrupted(x):
        raise KeyboardInterrupt

    monkeypatch.setitem(PRIMITIVES, "det", dataclasses.replace(PRIMITIVES["det"], numpy=interrupted))
    b = Builder()
    graph = b.build([b.det(b.input(TensorType((3, 3), "float32")))])
    with pytest.raises(KeyboardInterrupt):
        executor.compile(graph)(BATCH[0])


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_long_rows_are_sorted(dtype):
    n = simplify.SORT_BY_RANK + 7
    x = RNG.standard_normal((3, n)).astype("float32")
    x[0, :20], x[1, 5:9] = np.nan, np.inf
    x = np.round(np.clip(np.nan_to_num(x), -3, 3)).astype(dtype) if dtype != "float32" else x
    b = Builder()
    graph = b.build(list(b.sort(b.input(TensorType(x.shape, dtype)))))
    exe = executor.compile(graph)
    assert exe.text("schedule").split()[-2:] == ["host", "sort"]
    for got, want in zip(exe(x), evaluate(graph, [x]), strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_training_step_through_a_solver_learns():
    """Ridge regression inside of the loss: the features that make it good are found."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((60, 6)).astype("float32")
    y = np.tanh(x @ rng.standard_normal((6, 1))).astype("float32")
    weights = lamella.Variable(0.1 * rng.standard_normal((6, 4)).astype("float32"))

    @function
    def step():
        with lamella.GradientTape() as tape:
            f = ops.tanh(ops.matmul(x, weights))
            ridge = ops.matmul(ops.transpose(f), f) + 1e-2 * ops.eye(4)
            loss = ops.mean((ops.matmul(f, ops.solve(ridge, ops.matmul(ops.transpose(f), y))) - y) ** 2)
        weights.assign_sub(0.5 * tape.gradient(loss, weights))
        return loss

    losses = [float(step()) for _ in range(60)]
    assert losses[-1] < 0.3 * losses[0]
