"""Tensors, variables, promotion and indexing, eagerly and in a trace."""

from __future__ import annotations

import itertools
import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import DTypeError, LamellaError, ShapeError
from lamella.frontend import (
    Tensor,
    TensorSpec,
    Variable,
    convert_to_tensor,
    init_scope,
    name_scope,
    promote,
    result_type,
    trace,
)
from lamella.frontend.tensor import TracedValueError
from lamella.ir.types import DTYPES
from lamella.reference import evaluate

NARROW = {"float64": "float32", "int64": "int32", "uint64": "uint32"}


@pytest.mark.parametrize(("x", "y"), [*itertools.product([*DTYPES, bool, int, float], DTYPES)])
def test_promotion_is_kerass(x, y):
    expected = keras.backend.result_type(x, y)
    received = result_type(x, y)
    if "64" not in received or expected == received:
        assert received == expected
    else:  # JAX without 64-bit dtypes; ours keeps them
        assert NARROW[received] == expected


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1, "int32"),
        (1.5, "float32"),
        (True, "bool"),
        ([1, 2], "int32"),
        ([1, 2.5], "float32"),
        (np.float64(1), "float64"),
        (2**40, "int64"),
        (np.ones(2), "float64"),
        (np.ones(2, "uint8"), "uint8"),
        ([[True], [False]], "bool"),
        (np.float32(3), "float32"),
        ([], "float32"),
    ],
)
def test_converting_keeps_numpys_dtypes_and_gives_python_numbers_the_default(value, dtype):
    assert convert_to_tensor(value).dtype == dtype


@pytest.mark.parametrize("value", ["text", [None], object(), np.array(["a"]), 1j])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(DTypeError, match="can't have dtype"):
        convert_to_tensor(value)


def test_a_tensor_never_changes():
    source = np.ones(3, np.float32)
    x = convert_to_tensor(source)
    source[0] = 5
    x.numpy()[1] = 7
    np.testing.assert_array_equal(x, [1, 1, 1])
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(x)[0] = 2
    assert np.array(x).flags.writeable


def test_numbers_take_the_tensors_dtype():
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        x = convert_to_tensor([1.0, 2.0], dtype)
        for y in (x + 1, 2.5 * x, x / np.float64(3), 1 - x, x**2, np.float32(2) + x, x % 2):
            assert y.dtype == dtype
    assert (convert_to_tensor([1, 2]) / 2).dtype == "float32"
    assert [p.dtype for p in promote(convert_to_tensor([1]), np.ones(1))] == ["float64"] * 2


def test_operators():
    x, y = convert_to_tensor([[1.0, -2.0], [3.0, 4.0]]), np.array([[2.0, 2.0], [1.0, 8.0]], np.float32)
    a = x.numpy()
    # fmt: off
    pairs = [
        (x + y, a + y), (y - x, y - a), (x * y, a * y), (y / x, y / a), (x // y, a // y), (x % y, a % y),
        (x @ y, a @ y), (y @ x, y @ a), (-x, -a), (abs(x), abs(a)), (x > y, a > y), (x == y, a == y), (x != a, a != a),
        (2**x, 2**a), (+x, a), (x <= 1, a <= 1),
    ]
    # fmt: on
    for received, expected in pairs:
        assert isinstance(received, Tensor)
        np.testing.assert_allclose(received, expected, rtol=1e-6)
    m, n = convert_to_tensor([True, False]), convert_to_tensor([True, True])
    np.testing.assert_array_equal([m & n, m | n, m ^ n, ~m], [[1, 0], [1, 1], [0, 1], [0, 1]])
    assert (x == None) is False and (x != None) is True  # noqa: E711
    np.testing.assert_allclose(np.exp(x), np.exp(a))


def test_python_protocols():
    x = convert_to_tensor([[1, 2], [3, 4]])
    assert len(x) == 2 and x.ndim == 2 and x.size == 4 and [int(r[0]) for r in x] == [1, 3]
    s = convert_to_tensor(2)
    assert (
        float(s) == 2.0
        and int(s) == 2
        and bool(s)
        and list(range(5))[s] == 2
        and f"{convert_to_tensor(1.25):.1f}" == "1.2"
    )
    assert "shape=(2, 2), dtype=int32" in repr(x)
    with pytest.raises(TypeError, match="no length"):
        len(s)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x)
    assert len({x, s, x}) == 2


X = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
# fmt: off
KEYS = [
    0, -1, (1, 2), (..., 0), (slice(None), 1), slice(1, None), slice(None, None, -1), (slice(None), slice(3, 0, -2)),
    slice(5, 1), None, (0, None, slice(1, 3)), (..., None), (slice(0, 3, 2), ..., slice(1, 4)), np.array([0, 2]),
    [2, 0, -1], (slice(None), [0, 3]), ([0, 1], [2, 3]), (slice(None), [0, 1], [2, 3]), ([0, 1], slice(None), [2, 3]),
    (np.array([[0], [1]]), np.array([1, 2])), (0, [1, 2]), (slice(1, 3), 0, [4, 4, 0]), X > 30,
    np.array([True, False, True]), (slice(2), slice(1, 2), -1), (..., [1, -1]), np.int64(2), (),
]
# fmt: on


@pytest.mark.parametrize("key", KEYS, ids=[str(i) for i in range(len(KEYS))])
def test_indexing_is_numpys(key):
    np.testing.assert_array_equal(convert_to_tensor(X)[key], X[key])
    masks = [k for k in (key if isinstance(key, tuple) else (key,)) if isinstance(k, np.ndarray) and k.dtype == bool]
    if not masks:
        traced = trace(lambda x: x[key], [TensorSpec(X.shape)])
        constants = [v._array for v in traced.variables]
        np.testing.assert_array_equal(evaluate(traced.graph, [X, *constants])[0], X[key])


slices = st.builds(slice, *[st.none() | st.integers(-7, 7)] * 2, st.none() | st.integers(-3, 3).filter(bool))


@given(st.tuples(slices | st.integers(-3, 2), slices | st.integers(-4, 3), slices | st.integers(-5, 4)))
def test_slices_are_numpys(key):
    np.testing.assert_array_equal(convert_to_tensor(X)[key], X[key])


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (3, IndexError, "Index 3 is out of range for axis 0 with size 3"),
        ((0, -5), IndexError, "axis 1 with size 4"),
        ((0,) * 4, IndexError, "Too many"),
        ([0, 7], IndexError, "Index 7"),
        (1.5, DTypeError, "must be integers"),
        (2.5, DTypeError, "must be an integer"),
        ((..., 0, ...), IndexError, "only one Ellipsis"),
        (True, IndexError, "no indices"),
    ],
)
def test_wrong_indices(key, error, message):
    with pytest.raises(error, match=message):
        convert_to_tensor(X)[np.array(key) if key == 1.5 else key]


def test_traced_index():
    traced = trace(lambda x, i: (x[i], x[:, i], x[i, i]), [TensorSpec(X.shape), TensorSpec((), "int32")])
    for i in (0, 2, -1):
        for received, expected in zip(evaluate(traced.graph, [X, np.int32(i)]), (X[i], X[:, i], X[i, i]), strict=True):
            np.testing.assert_array_equal(received, expected)


def test_asking_a_traced_tensor_for_its_value_says_where():
    def look(x):
        with name_scope("model"), name_scope("dense"):
            y = x * 2
        return float(y)

    with pytest.raises(
        TracedValueError,
        match=r"in layer model/dense made at .*test_frontend_tensor.py:\d+\) was asked for while 'look' is",
    ):
        trace(look, [TensorSpec((), "float32")])
    leaked = []
    trace(lambda x: leaked.append(x * 2), [TensorSpec(())], "leak")
    for use in (float, np.asarray, lambda t: t + 1, bool):
        with pytest.raises(TracedValueError, match="finished trace of 'leak'"):
            use(leaked[0])


def test_tensors_of_another_trace_are_refused():
    def outer(x):
        return trace(lambda y: x + y, [TensorSpec((2,))], "inner")

    with pytest.raises(LamellaError, match="of the trace of 'outer' was used in the trace of 'inner'"):
        trace(outer, [TensorSpec((2,))])


def test_variable_keeps_its_place_and_values_stay():
    v = Variable(np.ones((2, 3)), name="w", dtype="float32")
    array, before, view = v._array, v.value(), v[0]
    assert array.ctypes.data % 64 == 0 and array.flags.c_contiguous
    v.assign(np.full((2, 3), 2.0)).assign_add(1.0).assign_sub(np.ones(3, np.float32))
    assert v._array is array
    np.testing.assert_array_equal(v, np.full((2, 3), 2))
    np.testing.assert_array_equal(before, np.ones((2, 3)))
    np.testing.assert_array_equal(view, np.ones(3))
    assert v.numpy() is not array and v.shape == (2, 3) and v.dtype == "float32" and v.trainable
    assert len({v, Variable(0.0), v}) == 2


@pytest.mark.parametrize(
    "move", [lambda v: v[:], lambda v: v[0:1], lambda v: +v, lambda v: v.value(), lambda v: v[None], lambda v: v + 0]
)
def test_no_result_shares_a_variables_memory(move):
    v = Variable([1.0, 2.0])
    assert not np.shares_memory(move(v)._array, v._array)


def test_variable_names_itself_in_errors():
    with name_scope("model"):
        v = Variable([0.0, 0.0], name="bias")
        n = Variable([0, 0], name="count")
    assert v.path == "model/bias" and v.name == "bias"
    with pytest.raises(ShapeError, match=r"'model/bias' has shape \(2,\); can't assign a value of shape \(3,\)"):
        v.assign([1.0, 2.0, 3.0])
    with pytest.raises(DTypeError, match="'model/count' is int32; can't assign a float32"):
        n.assign(convert_to_tensor([1.0, 2.0]))
    v.assign([1, 2])
    np.testing.assert_array_equal(v, [1, 2])
    with pytest.raises(ShapeError, match="model/bias"):
        trace(lambda x: v.assign(x), [TensorSpec((3,))])


def test_variables_in_a_trace():
    v, w = Variable([1.0, 2.0], name="v"), Variable(3.0, name="w")

    def program(x):
        y = v * x
        v.assign_add(y)
        w.assign(5.0)
        return v + 1, None

    traced = trace(program, [TensorSpec((2,))])
    assert (
        [u.name for u in traced.variables] == ["v", "w"] and traced.assigned == [0, 1] and traced.donate == {1: 1, 2: 2}
    )
    assert traced.structure == (TensorSpec((2,)), None)
    result, new_v, new_w = evaluate(traced.graph, [np.float32([2, 3]), v._array, w._array])
    np.testing.assert_array_equal([result, new_v], [[4, 9], [3, 8]])
    assert new_w == 5 and float(w) == 3 and v.numpy().tolist() == [1, 2]


def test_variables_are_created_outside_of_the_trace():
    made = []

    def build(x):
        made.append(Variable(lambda shape, dtype: np.full(shape, 4.0), shape=(2,), name="late"))
        with init_scope():
            assert float(made[0][0]) == 4.0
        return made[0] + x

    traced = trace(build, [TensorSpec((2,))])
    assert traced.variables[0] is made[0]
    with pytest.raises(LamellaError, match="Give a function"):
        trace(lambda x: Variable(x), [TensorSpec((2,))])
    with pytest.raises(TracedValueError, match="variable 'late'"):
        trace(lambda x: made[0].numpy() + x, [TensorSpec((2,))])


def test_arrays_from_outside_are_captured_once():
    table = convert_to_tensor(np.arange(4.0))
    traced = trace(lambda x: (x + table) * table + 2, [TensorSpec((4,), "float64")])
    assert len(traced.variables) == 1 and not traced.variables[0].trainable
    np.testing.assert_array_equal(
        evaluate(traced.graph, [np.ones(4), traced.variables[0]._array])[0], (1 + np.arange(4)) * np.arange(4) + 2
    )


def test_equations_know_their_source():
    def f(x):
        with name_scope("block"):
            return x + 1

    (eqn,) = trace(f, [TensorSpec((2,))]).graph.eqns
    assert eqn.source.scope == "block" and "test_frontend_tensor.py:" in eqn.source.place


def test_results_must_be_tensors():
    with pytest.raises(LamellaError, match="'f' returned a object"):
        trace(lambda: object(), [], "f")
