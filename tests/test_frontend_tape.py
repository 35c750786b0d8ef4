"""Gradient tapes: as TensorFlow's, eagerly and inside of a trace."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from lamella import ops
from lamella.errors import GradientError
from lamella.frontend import (
    GradientTape,
    TensorSpec,
    Variable,
    convert_to_tensor,
    function,
    spec_of,
    stop_gradient,
    trace,
)
from lamella.reference import evaluate
from lamella.settings import settings

X = convert_to_tensor(np.array([1.0, 2.0, 3.0], np.float32))


def run_both_ways(fn, *args):
    """The results of `fn` run eagerly, after checking that its trace gives the same."""
    eager = fn(*args)
    traced = trace(fn, [spec_of(a) for a in args])
    outputs = evaluate(traced.graph, [*map(np.asarray, args), *(v._array for v in traced.variables)])
    flat = [t for t in (eager if isinstance(eager, (list, tuple)) else [eager]) if t is not None]
    assert len(flat) == traced.n_results
    for e, t in zip(flat, outputs, strict=False):
        np.testing.assert_allclose(e, t, rtol=1e-6)
    return eager


def test_gradient_of_a_non_scalar_is_that_of_its_sum():
    def f(x):
        with GradientTape() as tape:
            tape.watch(x)
            y = x * x * x
        return tape.gradient(y, x)

    np.testing.assert_allclose(run_both_ways(f, X), 3 * X.numpy() ** 2)


def test_second_order_by_nested_tapes():
    def f(x):
        with GradientTape() as outer:
            outer.watch(x)
            with GradientTape() as inner:
                inner.watch(x)
                y = ops.exp(x) * x
            first = inner.gradient(y, x)
        return first, outer.gradient(first, x)

    first, second = run_both_ways(f, X)
    x = X.numpy()
    np.testing.assert_allclose(first, np.exp(x) * (x + 1), rtol=1e-6)
    np.testing.assert_allclose(second, np.exp(x) * (x + 2), rtol=1e-6)


def test_third_order():
    def f(x):
        with GradientTape() as a:
            a.watch(x)
            with GradientTape() as b:
                b.watch(x)
                with GradientTape() as c:
                    c.watch(x)
                    y = x**4.0
                d1 = c.gradient(y, x)
            d2 = b.gradient(d1, x)
        return a.gradient(d2, x)

    np.testing.assert_allclose(run_both_ways(f, X), 24 * X.numpy(), rtol=1e-5)


def test_persistent_tape_gives_several_gradients():
    def f(x):
        with GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = x * x
            z = y * x
            dy = tape.gradient(z, y)
        return dy, tape.gradient(y, x), tape.gradient(z, x), tape.gradient([y, z], x), tape.gradient(z, x)

    dy, a, b, both, again = run_both_ways(f, X)
    x = X.numpy()
    for received, expected in [(dy, x), (a, 2 * x), (b, 3 * x * x), (both, 2 * x + 3 * x * x), (again, 3 * x * x)]:
        np.testing.assert_allclose(received, expected)


def test_a_tape_that_is_not_persistent_gives_one():
    with GradientTape() as tape:
        tape.watch(X)
        y = X * X
    tape.gradient(y, X)
    with pytest.raises(RuntimeError, match="non-persistent GradientTape can only be used to compute one set"):
        tape.gradient(y, X)


def test_records_are_released():
    x = convert_to_tensor([1.0])
    with GradientTape() as tape:
        tape.watch(x)
        y = x * 2
        middle = weakref.ref(y)
        z = y * y
    del y
    assert middle() is not None
    tape.gradient(z, x)
    assert middle() is None


def test_trainable_variables_are_watched_when_read():
    w, frozen = Variable([2.0, 3.0], name="w"), Variable([5.0, 7.0], trainable=False, name="f")

    def f(x):
        with GradientTape() as tape:
            y = w * frozen * x + w
        return tape.gradient(y, [w, frozen, x]), tape

    x = convert_to_tensor([1.0, 10.0])
    (dw, df, dx), _ = f(x)
    np.testing.assert_allclose(dw, [6.0, 71.0])
    assert df is None and dx is None
    run_both_ways(lambda x: f(x)[0], x)


def test_watching_by_hand():
    w, v = Variable(2.0), Variable(3.0, trainable=False)
    with GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([v])
        y = w * v
    assert tape.watched_variables() == (v,)
    dw, dv = tape.gradient(y, (w, v))
    assert dw is None and float(dv) == 2.0


def test_variable_read_twice_and_assigned_between():
    w = Variable(3.0)

    def f():
        w.assign(3.0)
        with GradientTape() as tape:
            y = w * w
            w.assign(w * 2.0)
            z = y * w
        return tape.gradient(z, w)

    # z = a a b with a = 3, b = 6; the assignment cuts the path from b to a: 2 a b + a a
    assert float(run_both_ways(f)) == 45.0


def test_values_at_the_time_count():
    w = Variable([1.0, 2.0])
    with GradientTape() as tape:
        y = w * w
    w.assign([100.0, 100.0])
    np.testing.assert_allclose(tape.gradient(y, w), [2.0, 4.0])


def test_stop_gradient_and_unconnected():
    def f(x):
        with GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = stop_gradient(x) * x
            z = stop_gradient(x * x)
        return tape.gradient(y, x), tape.gradient(z, x), tape.gradient(z, x, unconnected_gradients="zero")

    dy, dz, zero = run_both_ways(f, X)
    np.testing.assert_allclose(dy, X)
    assert dz is None
    np.testing.assert_allclose(zero, np.zeros(3))
    with pytest.raises(ValueError, match="'none' or 'zero'"):
        GradientTape().gradient(X, X, unconnected_gradients="no")


def test_stop_recording_and_reset():
    def f(x):
        with GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = x * x
            with tape.stop_recording():
                z = y * x
            u = z * y
        return tape.gradient(u, x), tape.gradient(z, x)

    du, dz = run_both_ways(f, X)
    np.testing.assert_allclose(du, 2 * X.numpy() ** 4)
    assert dz is None
    with GradientTape() as tape:
        tape.watch(X)
        y = X * X
        tape.reset()
        tape.watch(X)
        z = X * 5.0
    np.testing.assert_allclose(tape.gradient([y, z], X), [5, 5, 5])


def test_output_gradients_and_structures():
    def f(x):
        with GradientTape() as tape:
            tape.watch(x)
            y = {"a": x * 2.0, "b": x * x}
        return tape.gradient(
            y, {"x": [x]}, output_gradients={"a": ops.ones(3) * 10.0, "b": np.array([1.0, 0.0, 2.0], np.float32)}
        )["x"][0]

    np.testing.assert_allclose(run_both_ways(f, X), 20 + 2 * X.numpy() * [1, 0, 2])


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda t, x, i: t.watch(i), GradientError, "can't watch a int32 tensor"),
        (lambda t, x, i: t.gradient(x, i), GradientError, "differentiate towards a int32"),
        (lambda t, x, i: t.gradient(i, x), GradientError, "differentiate a int32"),
        (lambda t, x, i: t.watch(np.ones(2)), TypeError, "ops.convert_to_tensor"),
        (lambda t, x, i: t.gradient(x, 3.0), TypeError, "received float"),
        (lambda t, x, i: t.stop_recording(), ValueError, "isn't recording"),
    ],
)
def test_errors(act, error, message):
    tape = GradientTape(persistent=True)
    with pytest.raises(error, match=message):
        act(tape, X, convert_to_tensor([1, 2]))


def test_source_used_before_it_was_watched_does_not_count():
    with GradientTape() as tape:
        y = X * X
        tape.watch(X)
    assert tape.gradient(y, X) is None


def test_gradient_through_a_compiled_function(monkeypatch):
    monkeypatch.setattr(settings, "target", "reference")
    w = Variable([2.0, 3.0])

    @function
    def model(x):
        w.assign_add([1.0, 1.0])
        return w * x * x

    x = convert_to_tensor([1.0, 10.0])
    with GradientTape() as outer:
        outer.watch(x)
        with GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = model(x)
        dx, dw = tape.gradient(y, [x, w])
    np.testing.assert_allclose(y, [3.0, 400.0])
    np.testing.assert_allclose(dx, [6.0, 80.0])
    np.testing.assert_allclose(dw, [1.0, 100.0])
    np.testing.assert_allclose(outer.gradient(dx, x), [6.0, 8.0])
    np.testing.assert_array_equal(w, [3.0, 4.0])


def test_scalars_from_outside_can_be_watched_in_a_trace():
    three = convert_to_tensor(3.0)

    def f():
        with GradientTape() as tape:
            tape.watch(three)
            y = three * three
        return tape.gradient(y, three)

    assert float(run_both_ways(f)) == 6.0


def test_a_trace_keeps_tapes_from_outside_out():
    with GradientTape() as tape:
        tape.watch(X)
        traced = trace(lambda x: x * 2.0, [TensorSpec((3,))])
    assert len(traced.graph.eqns) == 1
    assert tape.gradient(X * 1.0, X) is None


def test_a_real_step():
    rng = np.random.default_rng(0)
    w, b = Variable(rng.normal(size=(4, 3)).astype("float32")), Variable(np.zeros(3, "float32"))
    x, y = rng.normal(size=(5, 4)).astype("float32"), np.eye(3, dtype="float32")[[0, 1, 2, 1, 0]]

    def step(x, y):
        with GradientTape() as tape:
            loss = ops.categorical_crossentropy(y, ops.softmax(x @ w + b))
        return loss, *tape.gradient(loss, [w, b])

    loss, dw, db = run_both_ways(step, convert_to_tensor(x), convert_to_tensor(y))
    p = np.exp(x @ w.numpy())
    p /= p.sum(1, keepdims=True)
    np.testing.assert_allclose(loss, -np.log((p * y).sum(1)), rtol=1e-5)
    np.testing.assert_allclose(dw, x.T @ (p - y), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(db, (p - y).sum(0), rtol=1e-4, atol=1e-5)
