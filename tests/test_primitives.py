"""Every primitive's record is complete, and its samples agree with its type rule and its gradient with differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from lamella import autodiff, reference
from lamella.errors import DTypeError, GradientError, ShapeError
from lamella.ir import (
    PRIMITIVES,
    Builder,
    ContractSpec,
    Graph,
    Sample,
    Source,
    TensorType,
    Var,
    check,
    conv_spec,
    dtype_name,
    einsum_spec,
    matmul_spec,
    numpy_dtype,
)
from lamella.ir.primitives.contract import Affine
from lamella.ir.scalar import NumpyScalar
from lamella.ir.types import is_float

KINDS = {"elementwise", "contract", "reduce", "move", "leaf", "index", "control", "host"}
WITHOUT_GRADIENT = {  # why a primitive has no vjp rule
    "is_finite": "bool", "logical_not": "bool", "logical_and": "bool", "logical_or": "bool", "eq": "bool", "ne": "bool",
    "lt": "bool", "le": "bool", "gt": "bool", "ge": "bool", "bit_and": "integers", "bit_or": "integers",
    "bit_xor": "integers", "shift_left": "integers", "shift_right": "integers",
    "bitcast": "the bits of a float aren't a continuous function of it",
}  # fmt: skip
SAMPLES = [(name, i) for name, p in PRIMITIVES.items() for i in range(len(p.samples))]
DIFFERENTIABLE = [(n, i) for n, i in SAMPLES if PRIMITIVES[n].samples[i].differentiable]


def arrays_of(sample: Sample, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)

    def draw(spec: object) -> np.ndarray:
        if isinstance(spec, np.ndarray):
            return spec
        shape, dtype, low, high = (*spec, *((-2, 2) if len(spec) == 2 else ()))  # type: ignore[misc]
        if dtype == "bool":
            return rng.integers(0, 2, shape).astype(bool)
        if "int" in dtype:
            return rng.integers(low, high + 1, shape).astype(dtype)
        return rng.uniform(low, high, shape).astype(numpy_dtype(dtype))

    return [np.asarray(draw(spec)) for spec in sample.inputs]


def graph_of(name: str, sample: Sample, arrays: list[np.ndarray]) -> Graph:
    b = Builder()
    inputs = [b.input(TensorType(a.shape, dtype_name(a.dtype))) for a in arrays]
    out = b.emit(name, *inputs, **sample.params)
    return check(b.build(out if isinstance(out, tuple) else [out], name))


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_record_is_complete(name):
    p = PRIMITIVES[name]
    assert p.name == name and p.kind in KINDS and callable(p.type_rule) and callable(p.numpy)
    assert (p.vjp is None) == (name in WITHOUT_GRADIENT)
    assert (p.scalar is not None) == (p.kind == "elementwise")
    assert p.samples or p.kind == "control"
    assert p.tolerance > 0


def test_every_rule_without_gradient_exists():
    assert set(WITHOUT_GRADIENT) <= set(PRIMITIVES)


@pytest.mark.parametrize(("name", "number"), SAMPLES, ids=[f"{n}-{i}" for n, i in SAMPLES])
def test_numpy_meaning_has_the_type_that_the_rule_says(name, number):
    sample = PRIMITIVES[name].samples[number]
    arrays = arrays_of(sample)
    graph = graph_of(name, sample, arrays)
    for out, atom in zip(reference.evaluate(graph, arrays), graph.outputs, strict=True):
        assert (out.shape, dtype_name(out.dtype)) == (atom.type.shape, atom.type.dtype)


ELEMENTWISE = [(n, i) for n, i in SAMPLES if PRIMITIVES[n].scalar is not None]


@pytest.mark.parametrize(("name", "number"), ELEMENTWISE, ids=[f"{n}-{i}" for n, i in ELEMENTWISE])
def test_scalar_definition_is_the_numpy_meaning(name, number):
    p = PRIMITIVES[name]
    sample = p.samples[number]
    arrays = arrays_of(sample)
    received = p.scalar(NumpyScalar(), *arrays, **sample.params)
    (expected,) = reference.apply(p, arrays, sample.params)
    assert received.dtype == expected.dtype
    if expected.dtype.kind == "f":
        wide = [a.astype(np.float64) if a.dtype == np.float32 else a for a in arrays]
        exact = reference.apply(p, wide, sample.params)[0] if name not in ("cast", "bitcast") else expected
        scale = np.max(np.abs(exact), initial=1e-30) * np.finfo(expected.dtype).eps
        assert np.max(np.abs(received.astype(np.float64) - exact), initial=0) <= p.tolerance * scale
    else:
        np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize(("name", "number"), DIFFERENTIABLE, ids=[f"{n}-{i}" for n, i in DIFFERENTIABLE])
def test_gradient_to_second_order(name, number):
    sample = PRIMITIVES[name].samples[number]
    arrays = [a.astype(np.float64) if is_float(dtype_name(a.dtype)) else a for a in arrays_of(sample)]
    autodiff.check_gradients(graph_of(name, sample, arrays), arrays, reference.evaluate, order=2, tolerance=1e-4)


@pytest.mark.parametrize(("name", "number"), SAMPLES, ids=[f"{n}-{i}" for n, i in SAMPLES])
def test_gradient_graph_is_well_formed_in_the_samples_own_dtypes(name, number):
    sample = PRIMITIVES[name].samples[number]
    graph = graph_of(name, sample, arrays_of(sample))
    floats = [i for i, v in enumerate(graph.inputs) if is_float(v.dtype)]
    gradient = check(autodiff.gradient_graph(graph, floats))
    assert [a.type for a in gradient.outputs] == [graph.inputs[i].type for i in floats]


def literal_graph(*names: str) -> Graph:
    b = Builder()
    y = b.input(TensorType((), "float64"))
    for name in names:
        y = b.emit(name, y)
    return b.build([y])


@pytest.mark.parametrize(
    ("name", "at", "expected"), [("abs", 0.0, 0.0), ("floor", 1.5, 0.0), ("stop_gradient", 2.0, 0.0)]
)
def test_gradient_where_differences_fail(name, at, expected):
    gradient = autodiff.gradient_graph(literal_graph(name), [0])
    assert reference.evaluate(gradient, [np.float64(at), np.float64(1)])[0] == expected


@pytest.mark.parametrize("name", ["max", "min"])
def test_equal_operands_share_the_gradient(name):
    b = Builder()
    x, y = (b.input(TensorType((2,), "float64")) for _ in range(2))
    gradient = autodiff.gradient_graph(b.build([b.emit(name, x, y)]), [0, 1])
    dx, dy = reference.evaluate(gradient, [np.array([1.0, 2.0]), np.array([1.0, 5.0]), np.ones(2)])
    np.testing.assert_array_equal(dx + dy, 1)
    assert dx[0] == 0.5


def test_product_with_zeros():
    b = Builder()
    x = b.input(TensorType((3, 3), "float64"))
    gradient = autodiff.gradient_graph(b.build([b.reduce_prod(x, axes=(1,))]), [0])
    (dx,) = reference.evaluate(gradient, [np.array([[2.0, 3, 4], [0, 3, 4], [0, 0, 4]]), np.ones(3)])
    np.testing.assert_array_equal(dx, [[12, 8, 6], [12, 0, 0], [0, 0, 0]])


def emit(name: str, *types: tuple[tuple[int, ...], str], **params: object) -> Var:
    b = Builder()
    return b.emit(name, *(b.input(TensorType(*t)) for t in types), **params)


F, G, N = ((2, 3), "float32"), ((2, 3), "float64"), ((2, 3), "int32")
SCALAR, SCALAR_INT = ((), "float32"), ((), "int32")
NO_PADDING = {"low": (0, 0), "high": (0, 0), "interior": (0, 0)}
ERRORS = [
    ("add", [F, G], {}, DTypeError, "add: expected inputs of one dtype, received float32 and float64"),
    ("add", [F, ((2,), "float32")], {}, ShapeError, "don't broadcast"),
    ("exp", [N], {}, DTypeError, "exp: doesn't take int32"),
    ("select", [F, F, F], {}, DTypeError, "bool condition"),
    ("reshape", [F], {"shape": (4,)}, ShapeError, "6 elements"),
    ("transpose", [F], {"perm": (0, 0)}, ShapeError, "permutation"),
    ("broadcast", [F], {"shape": (3,)}, ShapeError, "broadcast"),
    ("reduce_sum", [F], {"axes": (2,)}, ShapeError, "within 0..1"),
    ("reduce_sum", [F], {"axes": (1, 0)}, ShapeError, "ascending"),
    ("reduce_max", [((2, 0), "float32")], {"axes": (1,)}, ShapeError, "empty axis"),
    ("argmax", [F], {"axis": 5}, ShapeError, "within"),
    ("concat", [F, ((2, 4), "float32")], {"axis": 0}, ShapeError, "concatenate"),
    ("slice", [F], {"start": (0, 0), "stop": (2, 4), "stride": (1, 1)}, ShapeError, "within"),
    ("reverse", [F], {"axes": (2,)}, ShapeError, "within"),
    ("pad", [F, SCALAR_INT], NO_PADDING, DTypeError, "padding value"),
    ("gather", [F, F], {}, DTypeError, "indices must be integers"),
    ("scatter_add", [F, ((1,), "int32"), F], {}, ShapeError, "updates must be"),
    ("dynamic_slice", [F, SCALAR_INT], {"size": 3}, ShapeError, "3 rows"),
    ("sort", [SCALAR], {}, ShapeError, "scalar"),
    ("bitcast", [F], {"dtype": "float64"}, DTypeError, "differ in size"),
    ("random_bits", [F], {"shape": (2,)}, DTypeError, "key must be uint32"),
    ("contract", [N, N], {"spec": einsum_spec("ij,ij->i", (2, 3), (2, 3))}, DTypeError, "float dtype"),
]


@pytest.mark.parametrize(("name", "types", "params", "error", "message"), ERRORS)
def test_type_errors_say_what_is_wrong(name, types, params, error, message):
    with pytest.raises(error, match=message):
        emit(name, *types, **params)


def test_a_matmul_spec_checks_the_inner_sizes():
    with pytest.raises(ShapeError, match="matmul needs"):
        matmul_spec((2, 3), (2, 3))


def test_errors_name_the_users_place():
    b = Builder()
    b.source = Source("model.py:7", "net/dense")
    x = b.input(TensorType((2,), "int32"))
    with pytest.raises(DTypeError, match=r"exp: .* \(in net/dense model.py:7\)"):
        b.exp(x)


shapes = npst.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4, min_side=0)


@given(shapes, st.sampled_from(["add", "mul", "max", "div", "lt"]), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_elementwise_broadcasts_as_numpy(pair, name, seed):
    rng = np.random.default_rng(seed)
    x, y = (rng.uniform(0.5, 2, s) for s in pair.input_shapes)
    graph = graph_of(name, Sample(()), [x, y])
    (out,) = reference.evaluate(graph, [x, y])
    assert graph.outputs[0].type.shape == out.shape == pair.result_shape
    if name != "lt":
        autodiff.check_gradients(graph, [x, y], reference.evaluate, order=1)


@given(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), st.data())
@settings(max_examples=100, deadline=None)
def test_reductions_and_moves_of_any_shape(shape, data):
    x = np.random.default_rng(0).uniform(0.5, 2, shape)
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1)) if shape else st.just(set()))))
    perm = tuple(data.draw(st.permutations(range(len(shape)))))
    graph = graph_of("reduce_sum", Sample((), {"axes": axes}), [x])
    np.testing.assert_allclose(reference.evaluate(graph, [x])[0], x.sum(axes))
    autodiff.check_gradients(graph, [x], reference.evaluate, order=1)
    for name, params, expected in [
        ("transpose", {"perm": perm}, x.transpose(perm)),
        ("reverse", {"axes": axes}, np.flip(x, axes)),
        ("broadcast", {"shape": (2, *shape)}, np.broadcast_to(x, (2, *shape))),
    ]:
        graph = graph_of(name, Sample((), params), [x])
        np.testing.assert_array_equal(reference.evaluate(graph, [x])[0], expected)
        autodiff.check_gradients(graph, [x], reference.evaluate, order=1)


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(-1, 3), st.integers(-1, 3), st.integers(0, 2)), min_size=1, max_size=3
    )
)
@settings(max_examples=150, deadline=None)
def test_pad_of_any_shape(dims):
    low, high, interior = (tuple(d[i] for d in dims) for i in (1, 2, 3))
    x, value = np.random.default_rng(0).uniform(0.5, 2, [d[0] for d in dims]), np.float64(7)
    try:
        graph = graph_of("pad", Sample((), {"low": low, "high": high, "interior": interior}), [x, np.asarray(value)])
    except ShapeError:
        assert any(n + max(n - 1, 0) * i + lo + hi < 0 for n, lo, hi, i in dims)
        return
    (out,) = reference.evaluate(graph, [x, value])
    for place in np.ndindex(out.shape):
        at = [p - lo for p, lo in zip(place, low, strict=True)]
        inside = all(a % (i + 1) == 0 and 0 <= a // (i + 1) < n for a, i, n in zip(at, interior, x.shape, strict=True))
        assert out[place] == (x[tuple(a // (i + 1) for a, i in zip(at, interior, strict=True))] if inside else value)
    autodiff.check_gradients(graph, [x, np.asarray(value)], reference.evaluate, order=1)


@st.composite
def convolutions(draw):
    spatial = draw(st.integers(1, 2))
    size, kernel, stride, dilation, low, high = (
        [draw(st.integers(*bounds)) for _ in range(spatial)]
        for bounds in [(3, 7), (1, 3), (1, 3), (1, 2), (0, 2), (0, 2)]
    )
    out = [
        (n + lo + hi - d * (k - 1) - 1) // s + 1
        for n, lo, hi, d, k, s in zip(size, low, high, dilation, kernel, stride, strict=True)
    ]
    return size, kernel, stride, dilation, low, [max(n, 1) for n in out]


@given(convolutions())
@settings(max_examples=60, deadline=None)
def test_convolution_and_its_gradients(case):
    size, kernel, stride, dilation, low, out = case
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, *size, 3)), rng.normal(size=(*kernel, 3, 2))
    spec = conv_spec(x.shape, w.shape, stride, low, out, dilation)
    assert ContractSpec.parse(str(spec)) == spec
    graph = graph_of("contract", Sample((), {"spec": spec}), [x, w])
    (y,) = reference.evaluate(graph, [x, w])
    expected = np.zeros(y.shape)
    for place in np.ndindex(*out):
        for tap in np.ndindex(*kernel):
            at = [p * s + t * d - lo for p, s, t, d, lo in zip(place, stride, tap, dilation, low, strict=True)]
            if all(0 <= a < n for a, n in zip(at, size, strict=True)):
                expected[(slice(None), *place)] += x[(slice(None), *at)] @ w[tap]
    np.testing.assert_allclose(y, expected, atol=1e-12)
    autodiff.check_gradients(graph, [x, w], reference.evaluate, order=2, tolerance=1e-4)


@pytest.mark.parametrize(
    "equation", ["mk,kn->mn", "km,nk->nm", "bmk,bkn->bmn", "bij,bij->b", "i,j->ji", "ab,ab->", "abk,kn->nab", "ab,->ba"]
)
def test_einsum_specs(equation):
    rng = np.random.default_rng(0)
    size = dict(zip("mknbija", (3, 4, 5, 2, 3, 4, 2), strict=True))
    x, y = (rng.normal(size=tuple(size[c] for c in names)) for names in equation.split("->")[0].split(","))
    spec = einsum_spec(equation, x.shape, y.shape)
    assert ContractSpec.parse(str(spec)) == spec
    graph = graph_of("contract", Sample((), {"spec": spec}), [x, np.asarray(y)])
    np.testing.assert_allclose(reference.evaluate(graph, [x, y])[0], np.einsum(equation, x, y), atol=1e-12)
    autodiff.check_gradients(graph, [x, np.asarray(y)], reference.evaluate, order=2, tolerance=1e-4)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=5), st.integers(-9, 9))
def test_affine_maps_print_and_parse(coefficients, offset):
    affine = Affine(tuple(coefficients), offset)
    assert Affine.parse(str(affine), len(coefficients)) == affine


def test_loops_and_calls_say_that_they_have_no_gradient():
    for name in ("loop", "cond", "call"):
        with pytest.raises(GradientError, match=name):
            PRIMITIVES[name].vjp(None, [], [], [], *([None] * (1 + (name != "call"))))
