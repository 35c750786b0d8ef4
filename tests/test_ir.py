"""Graphs: building, printing, parsing, checking, evaluating, widening."""

from __future__ import annotations

import numpy as np
import pytest

from lamella import reference
from lamella.errors import CheckError, DTypeError, ShapeError
from lamella.ir import (
    PRIMITIVES,
    Builder,
    Eqn,
    Graph,
    Literal,
    Sample,
    Source,
    TensorType,
    Var,
    check,
    dtype_name,
    format_graph,
    numpy_dtype,
    parse_graph,
)
from lamella.ir.types import DTYPES

F32, I64, BOOL = TensorType((), "float32"), TensorType((), "int64"), TensorType((), "bool")
SAMPLES = [(name, i) for name, p in PRIMITIVES.items() for i in range(len(p.samples))]


def sample_graph(name: str, sample: Sample) -> Graph:
    b = Builder()
    types = [(s.shape, s.dtype.name) if isinstance(s, np.ndarray) else s[:2] for s in sample.inputs]
    inputs = [b.input(TensorType(tuple(shape), dtype)) for shape, dtype in types]
    out = b.emit(name, *inputs, **sample.params)
    return b.build(out if isinstance(out, tuple) else [out], name)


def same(x: Graph, y: Graph) -> bool:
    """Equal up to the identity of variables."""
    return format_graph(x) == format_graph(y)


@pytest.mark.parametrize(("name", "number"), SAMPLES, ids=[f"{n}-{i}" for n, i in SAMPLES])
def test_printed_graphs_parse_to_themselves(name, number):
    graph = check(sample_graph(name, PRIMITIVES[name].samples[number]))
    parsed = check(parse_graph(format_graph(graph)))
    assert same(parsed, graph)
    assert parsed.eqns[0].params == graph.eqns[0].params
    assert [v.type for v in parsed.inputs] == [v.type for v in graph.inputs]


def body(name: str, types: list[TensorType], fn) -> Graph:
    b = Builder()
    out = fn(b, *(b.input(t) for t in types))
    return b.build(out if isinstance(out, (list, tuple)) else [out], name)


def control_graph() -> Graph:
    step = body("step", [I64, F32, F32], lambda b, i, x, c: b.add(b.mul(x, c), b.cast(i, dtype="float32")))
    up, down = (
        body(n, [F32], lambda b, x, s=s: b.add(x, b.literal(s, "float32"))) for n, s in [("up", 1), ("down", -1)]
    )
    b = Builder()
    n, x, p = b.input(I64, "n"), b.input(F32, "x"), b.input(BOOL, "p")
    (y,) = b.loop(b.literal(0, "int64"), n, x, b.literal(2.0, "float32"), body=step, n_carry=1)
    (z,) = b.cond(p, y, if_true=up, if_false=down)
    (w,) = b.call(z, body=body("again", [F32], lambda b, x: b.add(x, b.literal(1, "float32"))))
    return b.build([w], "control")


def test_control_prints_parses_and_runs():
    graph = check(control_graph())
    parsed = check(parse_graph(format_graph(graph)))
    assert same(graph, parsed) and "where body =" in format_graph(graph)
    for g in (graph, parsed, reference.widen(graph)):
        x = 1.0
        for i in range(3):
            x = x * 2 + i
        assert reference.evaluate(g, [np.int64(3), np.float32(1), np.bool_(True)])[0] == x + 2
        assert reference.evaluate(g, [np.int64(0), np.float32(1), np.bool_(False)])[0] == 1


FLOAT_VALUES = [0, 1, 2.5, -3, 1e-30, np.nan, np.inf, -np.inf, 100, 6e4, -0.0]


@pytest.mark.parametrize(
    ("value", "dtype"), [(v, d) for d in DTYPES for v in (FLOAT_VALUES if "float" in d else [0, 1, 100])]
)
def test_literals_of_every_dtype_survive_printing(value, dtype):
    b = Builder()
    b.input(F32)
    graph = b.build([b.literal(value, dtype)])
    (out,) = parse_graph(format_graph(graph)).outputs
    assert out.type == TensorType((), dtype)
    assert np.asarray(out.value).tobytes() == np.asarray(graph.outputs[0].value).tobytes() or np.isnan(value)


def test_sources_are_comments():
    b = Builder()
    b.source = Source("train.py:12", "model/dense")
    graph = b.build([b.exp(b.input(F32))])
    text = format_graph(graph, sources=True)
    assert "# model/dense train.py:12" in text
    assert same(parse_graph(text), graph)


@pytest.mark.parametrize(("text", "message"), [
    ("f(v0:float32[]) {\n  v1:float32[] = exp v9\n  return v1\n}", "Line 2: 'v9' is not defined"),
    ("f(v0:float32[]) {\n  nonsense\n  return v0\n}", "Line 2: expected an equation"),
    ("f(v0:float32[]) {\n  return v0", "ends within a graph"),
    ("f(v0:float32[]) {\n  return v0\nnot a brace", "closing brace")])  # fmt: skip
def test_what_cannot_be_read_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse_graph(text)


def eqn(name: str, inputs: list, output: Var, **params: object) -> Eqn:
    return Eqn(PRIMITIVES[name], tuple(inputs), params, (output,))


def test_checker_rejects_broken_graphs():
    x, y, z = (Var(F32) for _ in range(3))
    wrong = Var(TensorType((2,), "float32"))
    good = Graph((x,), (eqn("exp", [x], y),), (y,))
    assert check(good) is good
    cases = [
        (Graph((x,), (eqn("exp", [z], y),), (y,)), "used before its definition"),
        (Graph((x,), (eqn("exp", [y], z), eqn("exp", [x], y)), (z,)), "used before its definition: equation 0"),
        (Graph((x,), (eqn("exp", [x], y), eqn("log", [x], y)), (y,)), "defined twice"),
        (Graph((x, x), (), (x,)), "defined twice"),
        (Graph((x,), (eqn("exp", [x], x),), (x,)), "defined twice"),
        (Graph((x,), (), (y,)), "defined nowhere"),
        (Graph((x,), (eqn("exp", [x], wrong),), (wrong,)), "types should be"),
    ]
    for graph, message in cases:
        with pytest.raises(CheckError, match=message):
            check(graph)


def test_checker_looks_into_bodies():
    broken = Graph((i := Var(I64), x := Var(F32)), (), (Var(F32),), "broken")
    outer_x, out = Var(F32), Var(F32)
    zero = Literal(0, "int64")
    loop = Eqn(PRIMITIVES["loop"], (zero, zero, outer_x), {"body": broken, "n_carry": 1}, (out,))
    assert i is not x
    with pytest.raises(CheckError, match="of broken is defined nowhere"):
        check(Graph((outer_x,), (loop,), (out,)))


def first_of(*types: TensorType, result: int = 0) -> Graph:
    return body("f", list(types), lambda b, *inputs: inputs[result])


def emit_loop(b: Builder, x: Var, low: str, result: int) -> object:
    bounds = b.literal(0, low), b.literal(1, "int64")
    return b.loop(*bounds, x, body=first_of(I64, F32, result=result), n_carry=1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda b, x: emit_loop(b, x, "int32", 1), DTypeError, "int64 scalars"),
        (lambda b, x: emit_loop(b, x, "int64", 0), ShapeError, "return its carry"),
        (lambda b, x: b.call(x, body=first_of(I64)), ShapeError, "body 'f' takes"),
        (lambda b, x: b.cond(x, x, if_true=first_of(F32), if_false=first_of(F32)), DTypeError, "bool scalar"),
        (lambda b, x: b.nonsense(x), AttributeError, "no primitive named 'nonsense'"),
    ],
)
def test_control_is_type_checked(call, error, message):
    b = Builder()
    with pytest.raises(error, match=message):
        call(b, b.input(F32))


def test_inlining_replaces_inputs_and_copies_variables():
    inner = body("inner", [F32, F32], lambda b, x, y: [b.add(x, y), y, b.literal(3, "float32")])
    b = Builder()
    x = b.input(F32)
    first = b.inline(inner, [x, b.literal(2.0, "float32")])
    second = b.inline(inner, [first[0], x])
    graph = check(b.build([*first, *second]))
    np.testing.assert_array_equal(reference.evaluate(graph, [np.float32(10)]), [12, 2, 3, 22, 10, 3])


def test_widening_turns_every_float_into_float64():
    b = Builder()
    x = b.input(TensorType((3,), "float16"))
    y = b.cast(b.mul(x, b.literal(0.1, "float16")), dtype="bfloat16")
    graph = reference.widen(b.build([y, b.iota(shape=(2,), axis=0, dtype="float32")]))
    assert {v.dtype for e in graph.eqns for v in e.outputs} == {"float64"}
    assert reference.evaluate(graph, [np.ones(3)])[0].dtype == np.float64


def test_types():
    assert repr(TensorType((2, 3), "float32")) == "float32[2,3]" and TensorType((2, 3), "bfloat16").nbytes == 12
    for name in DTYPES:
        assert dtype_name(numpy_dtype(name)) == name == dtype_name(name)
    for wrong in ("float128x", "complex64", object, "str", None.__class__):
        with pytest.raises(DTypeError, match="can't have dtype"):
            dtype_name(wrong)
    with pytest.raises(DTypeError, match="Unknown dtype"):
        TensorType((), "complex64")
