"""Gradients of loops: against differences, against jax.lax.scan, natively; and what `scan` and its relatives do."""

from __future__ import annotations

import numpy as np
import pytest

jax = pytest.importorskip("jax")

from lamella import executor, ops  # noqa: E402
from lamella.autodiff import check_gradients, gradient_graph  # noqa: E402
from lamella.errors import GradientError, LamellaError, ShapeError  # noqa: E402
from lamella.frontend import GradientTape, TensorSpec, Variable, convert_to_tensor, function, trace  # noqa: E402
from lamella.ir import Builder, Graph, TensorType, check  # noqa: E402
from lamella.reference import evaluate, widen  # noqa: E402
from lamella.settings import settings  # noqa: E402

jnp = jax.numpy
RNG = np.random.default_rng(3)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.fixture(autouse=True)
def _no_disk_cache(monkeypatch):
    monkeypatch.setattr(settings, "cache_dir", "")


def recurrent(o, x, h, w):
    """A plain recurrence: `o` is our ops or jax.numpy, whose `scan` is bound to it."""
    return o.scan(lambda h, row: (o.tanh(row + o.matmul(h, w)),) * 2, h, x)


def two_states(o, x, h, w):
    def step(state, row):
        h, c = state
        z = o.matmul(h, w) + row
        c = c * o.tanh(z) + row * row
        return (o.tanh(c) * h, c), (h * c, z)

    return o.scan(step, (h, h * 0.5), x)


def backwards(o, x, h, w):
    return o.scan(lambda h, row: (o.tanh(row * h + 0.1), h * row), h, x, reverse=True)


def twice_the_weight(o, x, h, w):
    """The weight as kernel, as a sum, and its transpose: two products and a plain term."""
    def step(h, row):
        z = o.matmul(o.matmul(h, w), o.transpose(w)) + o.sum(w) * 0.1
        return o.tanh(z) + row, o.sum(h * w[0])

    return o.scan(step, h, x)


def rows_used_twice(o, x, h, w):
    """x once by slices and once whole; a step that doesn't touch one of its states."""
    def step(state, row):
        h, same = state
        return (o.tanh(h + row) * same + o.mean(x), same), h[:, :1] * row[0]

    return o.scan(step, (h, h * 0.5), x)


def counted(o, x, h, w):
    """An integer state, from which the gradient mustn't flow, and a choice by it."""
    def step(state, row):
        h, n = state
        return (o.where(n % 2 == 0, o.matmul(h, w), h * row), n + 1), h * 1.0

    (h, _), ys = o.scan(step, (h, o.zeros((), dtype="int32")), x)
    return h, ys


def nested(o, x, h, w):
    def inner(g, column):
        return o.tanh(g * column + 0.3), g + column

    def step(h, row):
        g, ys = o.scan(inner, h[0], row)
        return o.matmul(h, w) * 0.5 + g, o.sum(ys)

    return o.scan(step, h, x)


def without_rows(o, x, h, w):
    h, _ = o.scan(lambda h, _: (o.tanh(o.matmul(h, w)), None), h, None, length=4)
    return h, h


class Jax:
    """jax.numpy with the names of our ops."""

    scan = staticmethod(jax.lax.scan)

    def __getattr__(self, name):
        return getattr(jnp, name)


PROGRAMS = [recurrent, two_states, backwards, twice_the_weight, rows_used_twice, counted, nested, without_rows]
SIZES = [(5, 2, 3), (1, 1, 1), (9, 7, 17)]


def arrays(t, b, u):
    return normal(t, b, u), normal(b, u), 0.5 * normal(u, u)


def graph_of(program, args) -> Graph:
    def run(x, h, w):
        outputs = jax.tree.leaves(program(ops, x, h, w))
        return sum(ops.sum(ops.sin(y)) for y in outputs)

    return trace(run, [TensorSpec(a.shape) for a in args], program.__name__).graph


def close(got, want, tolerance=2e-5):
    for a, b in zip(got, want, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * (1 + np.abs(b).max(initial=0)))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_gradients_of_first_and_second_order_agree_with_differences(program):
    args = arrays(3, 2, 3)
    check_gradients(widen(graph_of(program, args)), [np.asarray(a, np.float64) for a in args], evaluate, order=2)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_values_and_gradients_agree_with_jax_on_both_targets(program, sizes):
    args = arrays(*sizes)
    graph = graph_of(program, args)

    def theirs(*args):
        return sum(jnp.sum(jnp.sin(y)) for y in jax.tree.leaves(program(Jax(), *args)))

    value, grads = jax.jit(jax.value_and_grad(theirs, (0, 1, 2)))(*args)
    gradient = check(gradient_graph(graph, [0, 1, 2]))
    one = np.float32(1)
    for run in (lambda g, a: evaluate(g, a), lambda g, a: executor.compile(g)(*a)):
        close(run(graph, args), [value])
        close(run(gradient, [*args, one]), grads)


@pytest.mark.parametrize("program", [two_states, nested], ids=lambda p: p.__name__)
def test_native_second_order_agrees_with_the_reference(program):
    args = arrays(4, 3, 5)
    first = gradient_graph(graph_of(program, args), [0, 1, 2])
    second = check(gradient_graph(first, [0, 1, 2, 3]))
    inputs = [*args, np.float32(1), *(normal(*v.type.shape) for v in first.outputs)]
    close(executor.compile(second)(*inputs), evaluate(second, inputs))


def loops_in(graph):
    return [e for e in graph.eqns if e.primitive.name == "loop"]


def test_a_step_of_the_gradient_touches_rows_only():
    """Nothing in the bodies is as large as the whole sequence, but buffers that are updated in place and read by rows."""
    steps = 50
    graph = gradient_graph(graph_of(recurrent, arrays(steps, 2, 3)), [0, 1, 2])
    assert len(loops_in(graph)) == 2  # the forward loop was replaced, not repeated
    for loop in loops_in(graph):
        for eqn in loop.params["body"].eqns:
            if eqn.primitive.name not in ("dynamic_slice", "dynamic_update_slice"):
                assert all(v.type.size < steps for v in eqn.outputs), eqn
    # The weight's gradient is one product over all steps.
    assert any(e.primitive.name == "contract" and e.params["spec"].red_shape == (steps, 2) for e in graph.eqns)


def test_a_second_gradient_reuses_the_records():
    args = arrays(6, 2, 3)

    def run(x, h, w):
        with GradientTape(persistent=True) as tape:
            tape.watch([x, h, w])
            last, ys = recurrent(ops, x, h, w)
            first, second = ops.sum(last**2), ops.sum(ys**3)
        return tape.gradient(first, [x, w]), tape.gradient(second, [h, w])

    traced = trace(run, [TensorSpec(a.shape) for a in args])
    assert len(loops_in(traced.graph)) == 3 and len(loops_in(traced.graph)[0].outputs) == 3  # `ys` is a record
    close(jax.tree.leaves(traced.unflatten(evaluate(traced.graph, args))),
          jax.tree.leaves(jax.tree.map(np.asarray, run(*map(convert_to_tensor, args)))))


def test_tapes_see_variables_and_tensors_that_a_body_reads():
    w, scale = Variable(0.5 * normal(3, 3)), Variable(0.7)
    x, factor = normal(4, 2, 3), convert_to_tensor(1.5)

    def run(x):
        with GradientTape() as tape:
            tape.watch([x, factor])
            h, ys = ops.scan(lambda h, row: (ops.tanh(h @ w + row * scale), h * factor), ops.zeros((2, 3)), x)
            loss = ops.sum(h) + ops.sum(ys * ys)
        return tape.gradient(loss, [x, w, scale, factor])

    def theirs(x, w, scale, factor):
        h, ys = jax.lax.scan(lambda h, row: (jnp.tanh(h @ w + row * scale), h * factor), jnp.zeros((2, 3)), x)
        return jnp.sum(h) + jnp.sum(ys * ys)

    want = jax.grad(theirs, (0, 1, 2, 3))(x, w.numpy(), 0.7, 1.5)
    close(run(convert_to_tensor(x)), want)
    close(function(run)(convert_to_tensor(x)), want)


def test_a_tape_inside_of_a_body():
    x = normal(5)

    def run(x):
        def step(h, row):
            with GradientTape() as tape:
                tape.watch(h)
                y = ops.sin(h * row)
            return h - 0.1 * tape.gradient(y, h), y

        return ops.scan(step, convert_to_tensor(1.0), x)

    def theirs(h, row):
        return h - 0.1 * jax.grad(lambda h: jnp.sin(h * row))(h), jnp.sin(h * row)

    want = jax.lax.scan(theirs, 1.0, x)
    close(run(convert_to_tensor(x)), want)
    close(function(run)(x), want)


def test_loops_with_run_time_bounds_run_but_have_no_gradient_in_a_program():
    def power(x, n):
        return ops.fori_loop(0, n, lambda i, y: y * x, ops.ones_like(x))

    assert float(power(convert_to_tensor(2.0), convert_to_tensor(5))) == 32
    assert float(function(power)(np.float32(2), np.int32(5))) == 32
    with GradientTape() as tape:  # eagerly the bounds are known
        x = convert_to_tensor(3.0)
        tape.watch(x)
        y = power(x, convert_to_tensor(4))
    assert float(tape.gradient(y, x)) == pytest.approx(108)

    @function
    def gradient(x, n):
        with GradientTape() as tape:
            tape.watch(x)
            y = power(x, n)
        return tape.gradient(y, x)

    with pytest.raises(GradientError, match="its bounds are numbers"):
        gradient(np.float32(2), np.int32(5))


def test_a_loop_that_does_not_start_at_zero_has_a_gradient():
    def run(x):
        with GradientTape() as tape:
            tape.watch(x)
            y = ops.fori_loop(2, 5, lambda i, y: y * x + ops.cast(i, "float32"), x)
        return tape.gradient(y, x)

    want = jax.grad(lambda x: jax.lax.fori_loop(2, 5, lambda i, y: y * x + i, x))(1.3)
    close([run(convert_to_tensor(1.3)), function(run)(np.float32(1.3))], [want, want])
    assert float(ops.fori_loop(3, 3, lambda i, y: y + 1, 2.0)) == 2
    with GradientTape() as tape:
        x = convert_to_tensor(3.0)
        tape.watch(x)
        y = ops.fori_loop(3, 1, lambda i, y: y * y, x)
    assert float(tape.gradient(y, x)) == 1


def test_while_loops():
    def collatz(n):
        return ops.while_loop(lambda n, k: n > 1, lambda n, k: (ops.where(n % 2 == 0, n // 2, 3 * n + 1), k + 1), (n, 0),
                              maximum_iterations=20)

    assert [int(v) for v in collatz(6)] == [1, 8]
    assert [int(v) for v in function(collatz)(np.int32(6))] == [1, 8]

    def halve(x):
        with GradientTape() as tape:
            tape.watch(x)
            y = ops.while_loop(lambda y: y > 1.0, lambda y: y * 0.5, x, maximum_iterations=9)
        return tape.gradient(y, x)

    assert float(halve(convert_to_tensor(6.0))) == 0.125 and float(function(halve)(np.float32(6))) == 0.125
    with pytest.raises(LamellaError, match="needs maximum_iterations"):
        function(lambda x: ops.while_loop(lambda y: y > 1.0, lambda y: y * 0.5, x))(np.float32(3))


def test_scan_of_trees_nothing_and_no_steps():
    xs = {"a": normal(3, 2), "b": normal(3)}
    last, ys = ops.scan(lambda s, x: ({"n": s["n"] + x["b"]}, [x["a"] * 2, None]), {"n": 0.0}, xs)
    np.testing.assert_allclose(last["n"].numpy(), xs["b"].sum(), rtol=1e-5)
    np.testing.assert_allclose(ys[0].numpy(), xs["a"] * 2)
    assert ys[1] is None
    last, ys = ops.scan(lambda s, x: (s + 1, x * 2), 1.0, np.zeros((0, 4), np.float32))
    assert float(last) == 1 and ys.shape == (0, 4)
    np.testing.assert_allclose(ops.map(lambda x: x * x, normal(0, 3)).shape, (0, 3))
    empty = function(lambda x: ops.scan(lambda s, x: (s + ops.sum(x), s), 2.0, x))(np.zeros((0, 4), np.float32))
    assert float(empty[0]) == 2 and empty[1].shape == (0,)


def test_steps_may_assign_variables():
    count, last = Variable(0, name="count"), Variable(np.zeros(2, np.float32), name="last")

    def step(total, x):
        seen = last.value()
        count.assign_add(1)
        last.assign(x)
        return total + ops.sum(x * last), ops.sum(seen)

    def both(xs):
        outer = ops.scan(lambda total, x: (ops.scan(step, total, ops.stack([x, 2.0 * x]))[0], last), 0.0, xs)
        return outer[0], ops.scan(step, 0.0, xs)[1], outer[1]

    xs = np.arange(1.0, 7.0, dtype=np.float32).reshape(3, 2)
    want = [5 * float((xs * xs).sum()), [2 * 11.0, 3.0, 7.0], (2 * xs).tolist()]
    for run, calls in ((both, 1), (function(both), 2)):
        last.assign([0.0, 0.0])
        total, seen, after = run(xs)
        assert float(total) == want[0] and seen.numpy().tolist() == want[1] and after.numpy().tolist() == want[2]
        assert int(count.numpy()) == calls * 9 and last.numpy().tolist() == [5.0, 6.0]
    with GradientTape() as tape:
        x = ops.convert_to_tensor(xs)
        tape.watch(x)
        total = ops.scan(step, 0.0, x)[0]
    np.testing.assert_allclose(tape.gradient(total, x).numpy(), xs)  # of what a variable holds there is no gradient


def test_bad_bodies_name_the_cause():
    with pytest.raises(ShapeError, match=r"value 0 comes in as float32\[2\] and goes out as float32\[2,2\]"):
        ops.scan(lambda s, _: (s * np.ones((2, 2), np.float32), None), np.ones(2, np.float32), length=3)
    with pytest.raises(ShapeError, match=r"one length.*received \[3, 4\]"):
        ops.scan(lambda s, x: (s, x), 0.0, [normal(3), normal(4)])
    with pytest.raises(ShapeError, match="received none"):
        ops.scan(lambda s, x: (s, x), 0.0)
    with pytest.raises(ShapeError, match="bounds of a loop must be integer scalars"):
        ops.fori_loop(0, 2.5, lambda i, x: x, 0.0)
    with pytest.raises(ShapeError, match="the state has 1 tensors, f returned 2"):
        ops.scan(lambda s, _: ((s, s), None), 0.0, length=3)


def test_bounds_known_at_run_time_say_so():
    b = Builder()
    x, n = b.input(TensorType((), "float32")), b.input(TensorType((), "int64"))
    body = Builder()
    _, y = body.input(TensorType((), "int64")), body.input(TensorType((), "float32"))
    (out,) = b.loop(b.literal(0, "int64"), n, x, body=body.build([body.mul(y, y)], "square"), n_carry=1)
    with pytest.raises(GradientError, match="its bounds are numbers"):
        gradient_graph(b.build([out], "powers"), [0])
