"""`function`: specialisations, causes of retraces, state, stages."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import GradientTape, Tensor, Variable, convert_to_tensor, function, name_scope, random
from lamella.frontend.tensor import TracedValueError
from lamella.settings import settings


@pytest.fixture(params=["reference", "native"], autouse=True)
def target(request, monkeypatch):
    monkeypatch.setattr(settings, "target", request.param)
    return request.param


def ones(*shape, dtype="float32"):
    return np.ones(shape, dtype)


def test_one_specialisation_per_shape_dtype_and_value():
    traces = []

    @function
    def f(x, scale=1.0, training=False):
        traces.append(1)
        return x * scale + (1.0 if training else 0.0)

    for _ in range(3):
        np.testing.assert_array_equal(f(ones(2, 3)), ones(2, 3))
    np.testing.assert_array_equal(
        f(convert_to_tensor(ones(2, 3)), 1.0), ones(2, 3)
    )  # tensors and arrays, defaults and arguments
    f(x=ones(2, 3))
    assert f.specializations == 1 and len(traces) == 1 and f.retraces == []
    f(ones(1, 3))
    f(ones(2, 3, dtype="float64"))
    np.testing.assert_array_equal(f(ones(2, 3), training=True, scale=3.0), 4 * ones(2, 3))
    np.testing.assert_array_equal(f(ones(2, 3), 3.0, True), 4 * ones(2, 3))
    assert f.specializations == 4 and len(traces) == 4
    assert f.retraces == [
        "argument 'x' changed from float32[2,3] to float32[1,3]",
        "argument 'x' changed from float32[2,3] to float64[2,3]",
        "argument 'scale' changed from 1.0 to 3.0; argument 'training' changed from False to True",
    ]


def test_retraces_are_logged(monkeypatch, capsys):
    monkeypatch.setattr(settings, "log", frozenset({"trace"}))

    @function
    def train_step(batch):
        return batch["x"] + batch["y"][0]

    train_step({"x": ones(2), "y": [ones(2)]})
    train_step({"x": ones(2), "y": [ones(1)]})
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lamella trace: train_step")]
    assert lines == [
        "lamella trace: train_step, specialisation 1: first call",
        "lamella trace: train_step, specialisation 2: argument \"batch['y'][0]\" changed from float32[2] to float32[1]",
    ]


def test_structures_of_arguments_and_results():
    @function
    def f(tree, *rest, **options):
        total = tree["a"] + tree["b"][0]
        for r in rest:
            total = total + r
        return {"total": total, "none": None, "parts": (total * 2, [options["k"] * total])}

    out = f({"a": ones(2), "b": (ones(2),)}, ones(2), ones(2), k=ones(2))
    np.testing.assert_array_equal(out["total"], [4, 4])
    assert out["none"] is None and isinstance(out["parts"], tuple) and isinstance(out["parts"][1], list)
    np.testing.assert_array_equal(out["parts"][1][0], [4, 4])
    f({"a": ones(2), "b": (ones(2),)}, ones(2), ones(2), ones(2), k=ones(2))
    assert "rest[2]" in f.retraces[0]


def test_arguments_given_by_name_in_any_order():
    @function
    def f(a, b):
        return a - b

    for _ in range(2):
        assert float(f(b=np.float32(1), a=np.float32(5))) == 4.0
        assert float(f(a=np.float32(1), b=np.float32(5))) == -4.0
        assert float(f(np.float32(7), b=np.float32(5))) == 2.0
    assert f.specializations == 1
    with pytest.raises(TypeError, match="missing a required argument"):
        f(ones(2))


def test_results_are_fresh_and_inputs_are_left_alone():
    @function
    def f(x):
        return x + 1, x

    x = ones(3)
    first, same = f(x)
    f(ones(3) * 5)
    np.testing.assert_array_equal(first, [2, 2, 2])
    np.testing.assert_array_equal(same, [1, 1, 1])
    np.testing.assert_array_equal(x, [1, 1, 1])
    assert isinstance(first, Tensor)
    np.testing.assert_array_equal(f(np.asfortranarray(ones(3, 2)).T[:, ::-1])[0], 2 * ones(2, 3))


def test_variables_are_updated_in_place():
    v, n = Variable([1.0, 2.0]), Variable(0)
    array = v._array

    @function
    def step(x):
        n.assign_add(1)
        old = v * 1.0
        v.assign_sub(x * 0.5)
        return old

    np.testing.assert_array_equal(step(ones(2)), [1, 2])
    np.testing.assert_array_equal(step(ones(2)), [0.5, 1.5])
    assert v._array is array and int(n) == 2
    v.assign([10.0, 20.0])
    np.testing.assert_array_equal(step(ones(2)), [10, 20])
    np.testing.assert_array_equal(v, [9.5, 19.5])


def test_swapped_variables():
    a, b = Variable([1.0, 2.0]), Variable([3.0, 4.0])

    @function
    def swap():
        x, y = a.value(), b.value()
        a.assign(y)
        b.assign(x)
        return x

    np.testing.assert_array_equal(swap(), [1, 2])
    np.testing.assert_array_equal([a, b], [[3, 4], [1, 2]])


def test_a_failing_trace_leaves_everything_as_it_was():
    v = Variable([1.0, 2.0])

    @function
    def f(x):
        v.assign(v * 5.0)
        return v @ x

    for _ in range(2):
        with pytest.raises(ShapeError, match="matmul"):
            f(ones(3))
    np.testing.assert_array_equal(v, [1, 2])
    assert f.specializations == 0
    f(ones(2))
    np.testing.assert_array_equal(v, [5, 10])
    assert f.retraces == []


def test_pythons_if_on_a_tensor_explains_itself():
    @function
    def f(x):
        return x if x > 0 else -x

    with pytest.raises(TracedValueError, match="'f' is being traced"):
        f(np.float32(1))


def test_functions_in_functions_are_one_program():
    v = Variable(1.0)

    @function
    def inner(x):
        v.assign_add(1.0)
        return x * v

    @function
    def outer(x):
        return inner(x) + inner(x)

    assert float(outer(np.float32(10))) == 50.0 and float(v) == 3.0
    assert inner.specializations == 0 and outer.specializations == 1


def test_variables_made_in_the_first_call():
    class Model:
        def __init__(self):
            self.w = None

        @function
        def __call__(self, x):
            if self.w is None:
                with name_scope("model"):
                    self.w = Variable(lambda shape, dtype: ops.ones(shape, dtype) * 3, shape=(2,), name="w")
            return self.w * x

        @function
        def update(self, x):
            self.w.assign(x)

    first, second = Model(), Model()
    np.testing.assert_array_equal(first(ones(2)), [3, 3])
    np.testing.assert_array_equal(second(ones(2)), [3, 3])
    assert first.w.path == "model/w"
    assert first.update(ones(2)) is None
    np.testing.assert_array_equal(first(ones(2)), [1, 1])
    np.testing.assert_array_equal(second(ones(2)), [3, 3])


def train(step, w, batches):
    w.assign(np.full((3, 2), 0.1, np.float32))
    return [np.asarray(step(*b)) for b in batches]


def test_training_step_is_the_same_eagerly_and_compiled_with_a_smaller_last_batch():
    w = Variable(np.zeros((3, 2), np.float32))
    rng = np.random.default_rng(0)
    batches = [
        (rng.normal(size=(n, 3)).astype("float32"), np.eye(2, dtype="float32")[rng.integers(0, 2, n)])
        for n in (4, 4, 4, 2)
    ]

    def train_step(x, y):
        with GradientTape() as tape:
            loss = ops.categorical_crossentropy(y, convert_to_tensor(x) @ w, from_logits=True)
        w.assign_sub(0.1 * tape.gradient(loss, w))
        return ops.mean(loss)

    eager = train(train_step, w, batches)
    after = w.numpy()
    compiled_step = function(train_step)
    compiled = train(compiled_step, w, batches)
    np.testing.assert_allclose(compiled, eager, rtol=1e-5)
    np.testing.assert_allclose(w, after, rtol=1e-5)
    assert compiled_step.specializations == 2
    assert compiled_step.retraces == [
        "argument 'x' changed from float32[4,3] to float32[2,3]; argument 'y' changed from float32[4,2] to float32[2,2]"
    ]


def test_random_numbers_move_on_from_call_to_call():
    generator = random.SeedGenerator(3)

    @function
    def draw():
        return random.uniform((4,), seed=generator)

    numbers = [draw().numpy() for _ in range(3)]
    assert len({n.tobytes() for n in numbers}) == 3
    again = random.SeedGenerator(3)
    np.testing.assert_allclose(numbers, [random.uniform((4,), seed=again) for _ in range(3)])


def test_stages_are_public():
    v = Variable([1.0, 2.0], name="v")

    @function
    def f(x):
        v.assign_add(x)
        return v * 2

    traced = f.trace(ones(2))
    assert traced.text().splitlines()[
        0
    ] == "f(v0:float32[2], v1:float32[2]) {" and "test_frontend_function.py" in traced.text(sources=True)
    lowered = traced.lower()
    compiled = lowered.compile()
    assert lowered.text("graph") and compiled.text("graph")
    np.testing.assert_array_equal(compiled(ones(2)), [4, 6])
    np.testing.assert_array_equal(v, [2, 3])
    assert f.specializations == 0


def test_options_and_metadata():
    @function(jit_compile=True, reduce_retracing=True)
    def documented(x):
        """Says something."""
        return x

    assert documented.__name__ == "documented" and documented.__doc__ == "Says something."
    assert float(documented(np.float32(2))) == 2.0
    assert [float(function(lambda x: x + 1)(np.float32(1))), float(documented(3.0))] == [2.0, 3.0]


def test_threads_share_a_function():
    @function
    def f(x):
        return x * 2.0

    f(ones(1000))
    wrong = []

    def work(k):
        for _ in range(50):
            if not (np.asarray(f(ones(1000) * k)) == 2 * k).all():
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
