"""The native compiler against the reference interpreter: every primitive's samples, their gradients, and whole programs."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella import executor
from lamella.autodiff import gradient_graph
from lamella.ir import (
    PRIMITIVES,
    Builder,
    ContractSpec,
    Graph,
    Literal,
    Sample,
    TensorType,
    dtype_name,
    einsum_spec,
    matmul_spec,
    numpy_dtype,
)
from lamella.ir.types import is_float
from lamella.native import executable, kernel, pipeline
from lamella.reference import evaluate, widen
from lamella.settings import settings as config

CASES = [(name, i) for name, p in PRIMITIVES.items() for i in range(len(p.samples))]


@pytest.fixture(autouse=True)
def _no_disk_cache(monkeypatch):
    monkeypatch.setattr(config, "cache_dir", "")


@pytest.fixture(params=[1, 2, 3])
def threads(request, monkeypatch):
    """Team sizes, with even the smallest kernels shared between threads."""
    monkeypatch.setattr(config, "threads", request.param)
    monkeypatch.setattr(kernel, "SERIAL_BELOW", 1)
    return request.param


def draw(rng: np.random.Generator, spec) -> np.ndarray:
    if isinstance(spec, np.ndarray):
        return spec
    shape, dtype, *limits = spec
    low, high = limits or (-2, 2)
    if dtype == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if is_float(dtype):
        return np.asarray(rng.uniform(low, high, shape)).astype(numpy_dtype(dtype))
    return np.asarray(rng.integers(low, high + 1, shape)).astype(numpy_dtype(dtype))


def sample_graph(name: str, sample: Sample) -> tuple[Graph, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    arrays = [draw(rng, spec) for spec in sample.inputs]
    b = Builder()
    inputs = [b.input(TensorType(a.shape, dtype_name(a.dtype))) for a in arrays]
    out = b.emit(name, *inputs, **sample.params)
    return b.build(list(out) if isinstance(out, tuple) else [out], name), arrays


def assert_close(graph: Graph, arrays: list[np.ndarray], tolerance: float) -> None:
    """Native results lie within `tolerance` roundings of the float64 meaning, relative to the result's scale."""
    received = executor.compile(graph)(*arrays)
    if any(e.primitive.name == "bitcast" for e in graph.eqns):  # bits of a float32 have no wider meaning
        exact = evaluate(graph, arrays)
    else:
        wide = [np.asarray(a, np.float64) if is_float(v.dtype) else a for a, v in zip(arrays, graph.inputs, strict=True)]
        exact = evaluate(widen(graph), wide)
    for got, want, atom in zip(received, exact, graph.outputs, strict=True):
        assert got.dtype == numpy_dtype(atom.type.dtype) and got.shape == want.shape
        if not is_float(atom.type.dtype):
            np.testing.assert_array_equal(got, want)
            continue
        scale = np.max(np.abs(want), initial=1e-30, where=np.isfinite(want))
        epsilon = float(np.finfo(np.float16).eps if numpy_dtype(atom.type.dtype).itemsize == 2 else np.finfo(np.float32).eps)
        if atom.type.dtype == "bfloat16":
            epsilon = 2.0**-8
        np.testing.assert_allclose(got.astype(np.float64), want, rtol=0, atol=tolerance * epsilon * scale)


@pytest.mark.parametrize(("name", "i"), CASES, ids=[f"{n}-{i}" for n, i in CASES])
def test_every_sample_agrees_with_the_float64_meaning(name, i):
    graph, arrays = sample_graph(name, PRIMITIVES[name].samples[i])
    assert_close(graph, arrays, PRIMITIVES[name].tolerance)


@pytest.mark.parametrize("name", [n for n, p in PRIMITIVES.items() if p.samples])
def test_bits_do_not_depend_on_the_number_of_threads(name, monkeypatch):
    monkeypatch.setattr(kernel, "SERIAL_BELOW", 1)
    for sample in PRIMITIVES[name].samples[:6]:
        graph, arrays = sample_graph(name, sample)
        exe = executor.compile(graph)
        results = []
        for threads in (1, 2, 3):
            monkeypatch.setattr(config, "threads", threads)
            results.append([r.tobytes() for r in exe(*arrays)])
        assert results[0] == results[1] == results[2]


DIFFERENTIABLE = [(n, i) for n, i in CASES if PRIMITIVES[n].samples[i].differentiable and PRIMITIVES[n].vjp is not None]


@pytest.mark.parametrize(("name", "i"), DIFFERENTIABLE[::2], ids=[f"{n}-{i}" for n, i in DIFFERENTIABLE[::2]])
def test_gradients_agree_with_the_float64_meaning(name, i):
    graph, arrays = sample_graph(name, PRIMITIVES[name].samples[i])
    wrt = [k for k, v in enumerate(graph.inputs) if is_float(v.dtype)]
    gradient = gradient_graph(graph, wrt)
    rng = np.random.default_rng(1)
    cotangents = [draw(rng, (v.shape, v.dtype)) for v in gradient.inputs[len(graph.inputs):]]
    assert_close(gradient, [*arrays, *cotangents], 64.0)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60),
       st.sampled_from(["mk,kn->mn", "km,kn->mn", "mk,nk->mn", "km,nk->nm"]))
@settings(max_examples=40, deadline=None)
def test_matrix_products_of_any_size(m, n, k, equation):
    sizes = {"m": m, "n": n, "k": k}
    shapes = [tuple(sizes[c] for c in names) for names in equation.split("->")[0].split(",")]
    rng = np.random.default_rng(m * 10007 + n * 101 + k)
    arrays = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    b = Builder()
    x, y = (b.input(TensorType(s, "float32")) for s in shapes)
    (got,) = executor.compile(b.build([b.contract(x, y, spec=einsum_spec(equation, *shapes))]))(*arrays)
    wide = [a.astype(np.float64) for a in arrays]
    want = np.einsum(equation, *wide)
    # A sum of k products in any order is off by at most k u of the sum of their sizes, which may be far above the sum itself; and,
    # as roundings point either way, by few u of the result, or of what it would be if the products did not cancel.
    most = 1.01 * k * 2.0**-24 * np.einsum(equation, *map(np.abs, wide))
    usual = np.sqrt(np.einsum(equation, *(a * a for a in wide)))
    usual = (8.0 + k) * 2.0**-23 * np.maximum(np.abs(want).max(initial=0), usual)
    assert (np.abs(got - want) <= np.minimum(most, usual)).all()


@pytest.mark.parametrize(("equation", "m", "n", "k"), [
    ("mk,kn->mn", 300, 700, 900), ("km,kn->mn", 801, 130, 1000), ("mk,nk->mn", 512, 1024, 513)])
def test_blocked_products(equation, m, n, k, threads):
    sizes = {"m": m, "n": n, "k": k}
    shapes = [tuple(sizes[c] for c in names) for names in equation.split("->")[0].split(",")]
    rng = np.random.default_rng(0)
    b = Builder()
    x, y = (b.input(TensorType(s, "float32")) for s in shapes)
    product = b.contract(x, y, spec=einsum_spec(equation, *shapes))
    graph = b.build([b.max(product, b.literal(0, "float32"))])
    assert "blocked" in executor.compile(graph).text("schedule") or pipeline.machine().l2 > 4 << 20
    assert_close(graph, [rng.standard_normal(s).astype(np.float32) for s in shapes], 64.0)


def test_blocked_products_with_two_reduction_axes(threads):
    shapes = (37, 21, 128), (21, 37, 512)
    rng = np.random.default_rng(0)
    b = Builder()
    x, y = (b.input(TensorType(s, "float32")) for s in shapes)
    graph = b.build([b.contract(x, y, spec=einsum_spec("tbm,btn->mn", *shapes))])
    assert_close(graph, [rng.standard_normal(s).astype(np.float32) for s in shapes], 64.0)


@pytest.mark.parametrize(("equation", "shapes"), [
    ("tbgm,btgn->mn", [(5, 21, 7, 136), (21, 5, 7, 600)]),  # a chunk is some b, with all of the others
    ("btgm,btgn->mn", [(3, 40, 23, 130), (3, 40, 23, 300)]),  # neighbours in both: one group
    ("btgm,bgtn->mn", [(3, 40, 23, 130), (3, 23, 40, 300)]),  # some t, for one b after the other
])
def test_blocked_products_with_more_reduction_axes(equation, shapes):
    rng = np.random.default_rng(0)
    b = Builder()
    x, y = (b.input(TensorType(s, "float32")) for s in shapes)
    graph = b.build([b.contract(x, y, spec=einsum_spec(equation, *shapes))])
    assert "blocked" in executor.compile(graph).text("schedule") or pipeline.machine().l2 > 1 << 20
    assert_close(graph, [rng.standard_normal(s).astype(np.float32) for s in shapes], 64.0)


def training_graph(steps: int, batch: int = 8, rows: int = 40) -> tuple[Graph, list[np.ndarray], dict[int, int]]:
    """A loop of gradient steps on a linear model, over batches of a shuffled array."""
    f = "float32"
    body = Builder()
    i = body.input(TensorType((), "int64"))
    w = body.input(TensorType((5, 3), f))
    losses = body.input(TensorType((steps,), f))
    x_all, y_all, order = (body.input(TensorType(*t)) for t in [((rows, 5), f), ((rows, 3), f), ((rows,), "int32")])
    at = body.dynamic_slice(order, body.mul(i, Literal(batch, "int64")), size=batch)
    x, y = body.gather(x_all, at), body.gather(y_all, at)
    error = body.sub(body.contract(x, w, spec=matmul_spec((batch, 5), (5, 3))), y)
    loss = body.div(body.reduce_sum(body.mul(error, error), axes=(0, 1)), Literal(batch, f))
    gradient = body.contract(x, error, spec=einsum_spec("bk,bn->kn", (batch, 5), (batch, 3)))
    updated = body.sub(w, body.mul(gradient, Literal(2 * 0.05 / batch, f)))
    recorded = body.dynamic_update_slice(losses, body.reshape(loss, shape=(1,)), i)
    graph = body.build([updated, recorded], "step")
    b = Builder()
    lo, hi = b.input(TensorType((), "int64")), b.input(TensorType((), "int64"))
    rest = [b.input(v.type) for v in graph.inputs[1:]]
    out = b.loop(lo, hi, *rest, body=graph, n_carry=2)
    rng = np.random.default_rng(0)
    arrays = [np.int64(0), np.int64(steps), rng.standard_normal((5, 3)).astype(f), np.zeros(steps, f),
              rng.standard_normal((rows, 5)).astype(f), rng.standard_normal((rows, 3)).astype(f),
              rng.permutation(rows).astype(np.int32)]
    return b.build(out, "epoch"), [np.asarray(a) for a in arrays], {0: 2, 1: 3}


def test_an_epoch_is_one_call_and_updates_in_place(threads):
    graph, arrays, donate = training_graph(5)
    expected = evaluate(graph, arrays)
    exe = executor.compile(graph, donate=donate)
    call = exe.bind([a.copy() for a in arrays])
    assert call.outputs[0] is call.arrays[2]
    call.run()
    for got, want in zip(call.outputs, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert call.progress[0] == 5
    assert call.arrays[3].min() > 0  # every step left its loss


def test_the_loop_stops_at_a_step_boundary(threads):
    graph, arrays, donate = training_graph(5)
    call = executor.compile(graph, donate=donate).bind([a.copy() for a in arrays])
    call.progress[1] = 1  # stop at once: the first step is finished all the same
    call.run()
    assert call.progress[0] == 1
    assert np.count_nonzero(call.arrays[3]) == 1


def test_steps_one_by_one_equal_one_call(threads):
    graph, arrays, donate = training_graph(5)
    exe = executor.compile(graph, donate=donate)
    whole, steps = (exe.bind([a.copy() for a in arrays]) for _ in range(2))
    whole.run()
    for i in range(5):
        steps.arrays[0][...], steps.arrays[1][...] = i, i + 1
        steps.run()
    assert all(np.array_equal(a, b) for a, b in zip(whole.outputs, steps.outputs, strict=True))


def test_swapped_carries_need_a_temporary():
    body = Builder()
    body.input(TensorType((), "int64"))
    p, q = (body.input(TensorType((20,), "float32")) for _ in range(2))
    graph = body.build([q, body.add(p, q)], "fibonacci")
    b = Builder()
    a, c = (b.input(TensorType((20,), "float32")) for _ in range(2))
    loop = b.loop(b.literal(0, "int64"), b.literal(7, "int64"), a, c, body=graph, n_carry=2)
    program = b.build(loop)
    ones = np.ones(20, np.float32)
    for donate in ({}, {0: 0, 1: 1}):
        first, second = executor.compile(program, donate=donate)(ones, ones)
        assert first[0] == 21 and second[0] == 34


def test_two_carries_that_start_alike_have_their_own_memory():
    body = Builder()
    body.input(TensorType((), "int64"))
    h, c = (body.input(TensorType((6,), "float32")) for _ in range(2))
    one = body.literal(1, "float32")
    graph = body.build([body.add(body.mul(h, c), one), body.add(c, one)], "cell")
    b = Builder()
    x = b.input(TensorType((6,), "float32"))
    zero = b.sub(x, x)
    out = b.loop(b.literal(0, "int64"), b.literal(5, "int64"), zero, zero, body=graph, n_carry=2)
    program = b.build(out[:1])
    start = np.ones(6, np.float32)
    np.testing.assert_array_equal(executor.compile(program)(start)[0], evaluate(program, [start])[0])


def test_two_updates_of_one_row_are_in_place():
    """Cost per step must not grow with the length of the array that is updated."""
    body = Builder()
    i = body.input(TensorType((), "int64"))
    total = body.input(TensorType((50, 8), "float32"))
    for shift in (0, 1):
        at = body.add(i, body.literal(shift, "int64"))
        row = body.add(body.dynamic_slice(total, at, size=1), body.literal(1 + shift, "float32"))
        total = body.dynamic_update_slice(total, row, at)
    graph = body.build([total], "twice")
    b = Builder()
    x = b.input(TensorType((50, 8), "float32"))
    program = b.build([b.loop(b.literal(0, "int64"), b.literal(49, "int64"), x, body=graph, n_carry=1)[0]])
    exe = executor.compile(program, donate={0: 0})
    np.testing.assert_array_equal(exe(np.zeros((50, 8), np.float32))[0], evaluate(program, [np.zeros((50, 8), np.float32)])[0])
    assert exe.cost()["kernels"] == 2  # the two rows; no copies


def test_nested_loops():
    inner = Builder()
    j, total, i = (inner.input(TensorType((), "int64")) for _ in range(3))
    inner_graph = inner.build([inner.add(total, inner.mul(i, j))], "inner")
    outer = Builder()
    i, total, n = (outer.input(TensorType((), "int64")) for _ in range(3))
    (result,) = outer.loop(outer.literal(0, "int64"), n, total, i, body=inner_graph, n_carry=1)
    outer_graph = outer.build([result], "outer")
    b = Builder()
    n = b.input(TensorType((), "int64"))
    program = b.build(b.loop(b.literal(0, "int64"), n, b.literal(0, "int64"), n, body=outer_graph, n_carry=1))
    assert executor.compile(program)(np.int64(5))[0] == sum(i * j for i in range(5) for j in range(5))


def test_a_dense_layer_is_one_kernel():
    """Structure: bias and activation end in the product's epilogue."""
    b = Builder()
    x, w, bias = (b.input(TensorType(s, "float32")) for s in [(64, 32), (32, 48), (48,)])
    product = b.contract(x, w, spec=matmul_spec((64, 32), (32, 48)))
    graph = b.build([b.max(b.add(product, bias), b.literal(0, "float32"))])
    assert executor.compile(graph).cost() == {"flops": 2 * 64 * 32 * 48, "kernels": 1, "barriers": 0}


def test_softmax_is_one_kernel():
    b = Builder()
    x = b.input(TensorType((50, 10), "float32"))
    top = b.reshape(b.reduce_max(x, axes=(1,)), shape=(50, 1))
    e = b.exp(b.sub(x, top))
    graph = b.build([b.div(e, b.reshape(b.reduce_sum(e, axes=(1,)), shape=(50, 1)))])
    assert executor.compile(graph).cost()["kernels"] == 1


def test_the_whole_update_is_in_the_gradients_epilogue():
    """Adam on a dense layer's weights moves each of them once: one kernel, computed in place."""
    f = "float32"
    b = Builder()
    x, dy, w, m, v = (b.input(TensorType(s, f)) for s in [(32, 64), (32, 48), (64, 48), (64, 48), (64, 48)])
    g = b.contract(x, dy, spec=einsum_spec("bk,bn->kn", (32, 64), (32, 48)))
    m2 = b.add(m, b.mul(b.sub(g, m), b.literal(0.1, f)))
    v2 = b.add(v, b.mul(b.sub(b.mul(g, g), v), b.literal(0.001, f)))
    w2 = b.sub(w, b.div(b.mul(b.literal(1e-3, f), m2), b.add(b.sqrt(v2), b.literal(1e-7, f))))
    graph = b.build([w2, m2, v2])
    exe = executor.compile(graph, donate={0: 2, 1: 3, 2: 4})
    assert exe.cost()["kernels"] == 1 and exe.memory()["arena"] == 0
    rng = np.random.default_rng(0)
    assert_close(graph, [np.abs(rng.standard_normal(v.shape)).astype(f) for v in graph.inputs], 16.0)


@pytest.mark.parametrize("shape", [(), (1,), (3,)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_updates_in_place_read_the_old_values(shape, order):
    """Momentum, position and a counter, each computed from the old values of the others, in any order of outputs."""
    b = Builder()
    m, x = (b.input(TensorType(shape, "float32")) for _ in range(2))
    count = b.input(TensorType((), "int64"))
    m2 = b.add(b.mul(m, b.literal(0.5, "float32")), x)
    x2 = b.sub(b.sub(x, m2), b.mul(m, b.cast(count, dtype="float32")))
    results, inputs = [m2, x2, b.add(count, b.literal(1, "int64"))], (0, 1, 2)
    graph = b.build([results[i] for i in order])
    arrays = [np.full(shape, 2.0, np.float32), np.full(shape, 3.0, np.float32), np.asarray(5, np.int64)]
    received = executor.compile(graph, donate={k: inputs[i] for k, i in enumerate(order)})(*arrays)
    for got, want in zip(received, evaluate(graph, arrays), strict=True):
        np.testing.assert_array_equal(got, want)


def test_constants_as_addresses():
    b = Builder()
    x = b.input(TensorType((4,), "float32"))
    out = b.scatter_add(x, b.literal(2, "int32"), b.literal(1.5, "float32"))
    np.testing.assert_array_equal(executor.compile(b.build([out]))(np.zeros(4, np.float32))[0], [0, 0, 1.5, 0])


def test_wrong_arrays_are_refused():
    b = Builder()
    x = b.input(TensorType((3,), "float32"), "x")
    exe = executor.compile(b.build([b.exp(x)]))
    with pytest.raises(TypeError, match="float32, received float64"):
        exe(np.zeros(3))
    with pytest.raises(ValueError, match=r"shape \(3,\), received \(4,\)"):
        exe(np.zeros(4, np.float32))


ELEMENTWISE = ["add", "sub", "mul", "max", "min"]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_random_programs(data):
    """Chains of elementwise, reductions, moves and products, fused in whatever way, give what the interpreter gives."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 40))
    b = Builder()
    shape = (rows, columns)
    pool = [b.input(TensorType(s, "float32")) for s in [shape, shape, (columns,), (rows, 1)]]
    square = b.input(TensorType((columns, columns), "float32"))
    arrays = [rng.uniform(-1, 1, v.shape).astype(np.float32) for v in [*pool, square]]
    for _ in range(data.draw(st.integers(1, 12))):
        x, y = data.draw(st.sampled_from(pool)), data.draw(st.sampled_from(pool))
        kind = data.draw(st.sampled_from(["binary", "binary", "unary", "rows", "columns", "move", "product", "pad"]))
        if kind == "binary":
            pool.append(b.emit(data.draw(st.sampled_from(ELEMENTWISE)), x, y))
        elif kind == "unary":
            pool.append(b.emit(data.draw(st.sampled_from(["tanh", "neg", "abs", "sin"])), x))
        elif x.type.shape == shape and kind == "rows":
            pool.append(b.reshape(b.emit(data.draw(st.sampled_from(["reduce_max", "reduce_min"])), x, axes=(1,)), shape=(rows, 1)))
        elif x.type.shape == shape and kind == "columns":
            pool.append(b.div(b.reduce_sum(x, axes=(0,)), b.literal(rows, "float32")))
        elif x.type.shape == shape and kind == "move":
            pool.append(b.transpose(b.reshape(b.transpose(x, perm=(1, 0)), shape=(columns, rows)), perm=(1, 0)))
        elif x.type.shape == shape and kind == "pad":  # a shifted copy
            low, high = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))
            wide = b.pad(x, b.literal(0.5, "float32"), low=(low, 1), high=(high, 0), interior=(0, 0))
            pool.append(b.slice(wide, start=(low, 0), stop=(low + rows, columns), stride=(1, 1)))
        elif x.type.shape == shape:
            pool.append(b.tanh(b.contract(x, square, spec=matmul_spec(shape, (columns, columns)))))
    graph = b.build([pool[-1], data.draw(st.sampled_from(pool)), pool[-1]])
    assert_close(graph, arrays, 512.0)


def test_columns_of_both_operands():
    """A depthwise product: the vector axis belongs to both operands."""
    spec = ContractSpec.parse("<7,37|3;a0+a2,a1;a2,a1>")
    rng = np.random.default_rng(0)
    b = Builder()
    x, y = b.input(TensorType((9, 37), "float32")), b.input(TensorType((3, 37), "float32"))
    graph = b.build([b.contract(x, y, spec=spec)])
    arrays = [rng.standard_normal(s).astype(np.float32) for s in ((9, 37), (3, 37))]
    assert_close(graph, arrays, 8.0)
    assert_close(gradient_graph(graph, [0, 1]), [*arrays, rng.standard_normal((7, 37)).astype(np.float32)], 16.0)


def test_an_inner_loop_packs_its_weights_anew_in_each_step_of_the_outer_one(threads):
    """The inner loop's weights stay packed for all its iterations, but the outer loop changes them."""
    rows, width, f = 40, 96, "float32"
    inner = Builder()
    inner.input(TensorType((), "int64"), "t")
    h, w = inner.input(TensorType((rows, width), f)), inner.input(TensorType((width, width), f))
    product = inner.contract(h, w, spec=matmul_spec((rows, width), (width, width)))
    body = inner.build([inner.tanh(product)])
    outer = Builder()
    outer.input(TensorType((), "int64"), "i")
    h, w = outer.input(TensorType((rows, width), f)), outer.input(TensorType((width, width), f))
    (h2,) = outer.loop(outer.literal(0, "int64"), outer.literal(5, "int64"), h, w, body=body, n_carry=1)
    step = outer.build([h2, outer.mul(w, outer.literal(0.9, f))])
    b = Builder()
    h, w = b.input(TensorType((rows, width), f)), b.input(TensorType((width, width), f))
    graph = b.build(list(b.loop(b.literal(0, "int64"), b.literal(3, "int64"), h, w, body=step, n_carry=2)))
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(v.type.shape, dtype=f) * 0.1 for v in graph.inputs]
    exe = executor.compile(graph)
    assert "packed once" in exe.text("schedule")
    for got, want in zip(exe(*arrays), evaluate(graph, arrays), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
@pytest.mark.parametrize(("bins", "places"), [(1, (70,)), (4, (1000,)), (8, (40, 33)), (9, (300,))])
def test_many_numbers_added_to_few(bins, places, dtype):
    """Places out of range count as the nearest one, whether sums are masked (up to 8 bins) or scattered."""
    b = Builder()
    graph = b.build([b.scatter_add(b.input(TensorType((bins,), dtype)), b.input(TensorType(places, "int32")),
                                   b.input(TensorType(places, dtype)))])
    rng = np.random.default_rng(0)
    arrays = [draw(rng, ((bins,), dtype)), draw(rng, (places, "int32", -2, bins + 1)), draw(rng, (places, dtype))]
    assert_close(graph, arrays, 64.0)


def small_chain(rows: int) -> Graph:
    """Two sums over rows, each of what needs the one before: four kernels that wait for each other."""
    b = Builder()
    x = b.input(TensorType((rows, 40), "float32"))
    for _ in range(2):
        x = b.mul(x, b.sin(b.reduce_sum(x, axes=(0,))))
    return b.build([x])


def test_small_kernels_need_no_barriers():
    assert executor.compile(small_chain(8)).cost()["barriers"] == 0
    assert executor.compile(small_chain(8000)).cost()["barriers"] > 0


def test_sums_over_rows_of_one_column_run_in_vectors():
    b = Builder()
    x = b.input(TensorType((1000, 1), "float32"))
    exe = executor.compile(b.build([b.reduce_sum(x, axes=(0,)), b.reduce_max(x, axes=(0, 1))]))
    assert "columns 1000" in exe.text("schedule")
    values = np.random.default_rng(0).integers(-9, 9, (1000, 1)).astype(np.float32)
    total, top = exe(values)
    assert total.shape == (1,) and total[0] == values.sum() and top == values.max()


def test_programs_of_a_team_share_the_memory_of_their_temporaries(threads):
    """They take turns with it; a program that finds the team busy runs alone, in memory of its own, with the same results."""
    def program(scale: float):
        b = Builder()
        x = b.input(TensorType((64, 512), "float32"))
        doubled = b.mul(x, b.literal(scale, "float32"))
        product = b.contract(doubled, doubled, spec=einsum_spec("mk,nk->mn", (64, 512), (64, 512)))
        return executor.compile(b.build([b.reduce_sum(b.exp(b.neg(b.mul(product, product))), axes=(0,))]))

    x = np.random.default_rng(0).standard_normal((64, 512), dtype="float32")
    one, two = program(0.5), program(0.25)
    calls = [exe.bind([x]) for exe in (one, two)]
    assert one.memory()["arena"] > 0
    for call in calls:
        call.run()
    expected = [call.outputs[0].copy() for call in calls]
    assert one.arena is two.arena
    with executable.team(threads).lock:
        calls[0].run()
    assert one.arena is not two.arena
    calls[1].run()
    for call, want in zip(calls, expected, strict=True):
        np.testing.assert_array_equal(call.outputs[0], want)


OVERWRITE = {
    "loop": lambda b, m, x: b.neg(m),
    "reduce": lambda b, m, x: b.reduce_sum(x, axes=(0,)),
    "contract": lambda b, m, x: b.contract(m, m, spec=matmul_spec((40, 40), (40, 40))),
}


@pytest.mark.parametrize("kind", OVERWRITE)
def test_what_is_overwritten_is_read_before(kind):
    """A kernel writes one result over an input, and reads the input for another (`slot.assign(gradient)`, then the old slot)."""
    shapes = (40, 40), (40, 40), (40, 40, 40)
    b = Builder()
    old, m, x = (b.input(TensorType(shape, "float32")) for shape in shapes)
    new = OVERWRITE[kind](b, m, x)
    exe = executor.compile(b.build([new, b.add(old, new)]), {0: 0})
    assert [k[0] for k in exe.compiled.kernels] == [f"{kind}_0"]
    arrays = [np.random.default_rng(i).integers(-9, 9, shape).astype(np.float32) for i, shape in enumerate(shapes)]
    given, other = exe(*arrays)
    np.testing.assert_array_equal(other, arrays[0] + given)


@pytest.mark.skipif(sys.platform != "linux", reason="madvise of Linux")
def test_the_compiler_takes_the_memory_of_temporaries_meanwhile(monkeypatch, threads):
    """It is given back before another large program is compiled, but not while a program uses it."""
    monkeypatch.setattr(config, "cache_dir", "")

    def program(scale: float):
        b = Builder()
        x = b.input(TensorType((256, 256), "float32"))
        product = b.contract(x, b.mul(x, b.literal(scale, "float32")), spec=matmul_spec((256, 256), (256, 256)))
        return executor.compile(b.build([b.reduce_sum(b.exp(product), axes=(0,))]))

    x = np.random.default_rng(0).standard_normal((256, 256), dtype="float32") / 16
    exe = program(0.5)
    call = exe.bind([x])
    call.run()
    expected, used = call.outputs[0].copy(), exe.arena.copy()
    assert used.any()
    program(0.75)
    np.testing.assert_array_equal(exe.arena, used)
    monkeypatch.setattr(pipeline, "LARGE", 1)
    with executable.team(threads).lock:
        program(0.25)
    np.testing.assert_array_equal(exe.arena, used)
    program(0.125)
    assert not exe.arena[4096:-4096].any()
    call.run()
    np.testing.assert_array_equal(call.outputs[0], expected)


def test_what_is_squared_for_a_norm_is_stored_once():
    b = Builder()
    x = b.input(TensorType((256, 256), "float32"))
    exe = executor.compile(b.build([b.reduce_sum(b.mul(x, x), axes=(0, 1))]))
    assert exe.memory()["arena"] < 4096
    values = np.random.default_rng(0).integers(-9, 9, (256, 256)).astype(np.float32)
    assert exe(values)[0] == (values * values).sum()
