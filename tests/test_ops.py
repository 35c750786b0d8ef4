"""lamella.ops against keras.ops (JAX): values, shapes, dtypes, signatures; gradients against differences."""

from __future__ import annotations

import inspect
import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
import pytest

import lamella
from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import TensorSpec, trace
from lamella.reference import evaluate

RNG = np.random.default_rng(0)
A = RNG.uniform(-2, 2, (3, 4)).astype("float32")
B = RNG.uniform(-2, 2, (3, 4)).astype("float32")
ROW = RNG.uniform(0.5, 2, (4,)).astype("float32")
POSITIVE = RNG.uniform(0.2, 3, (3, 4)).astype("float32")
UNIT = RNG.uniform(-0.9, 0.9, (3, 4)).astype("float32")
CUBE = RNG.uniform(-2, 2, (2, 3, 4)).astype("float32")
SQUARE = RNG.uniform(-2, 2, (4, 4)).astype("float32")
INTS = RNG.integers(-9, 9, (3, 4)).astype("int32")
POSITIVE_INTS = RNG.integers(1, 9, (3, 4)).astype("int32")
U = RNG.integers(0, 9, (3, 4)).astype("uint8")
FLAGS = RNG.integers(0, 2, (3, 4)).astype("bool")
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5], "float32")
TIES = np.array([[1, 3, 3, 2], [5, 5, 5, 5], [0, -1, 0, 4]], "float32")
PROBABILITIES = (POSITIVE / POSITIVE.sum(1, keepdims=True)).astype("float32")
LABELS = np.array([1, 3, 0], "int32")
HOT = np.eye(4, dtype="float32")[LABELS]
NANS = np.where(FLAGS, np.nan, A).astype("float32")

UNARY = {
    "abs absolute negative square sign exp expm1 sin cos tan sinh cosh tanh erf floor ceil round trunc deg2rad rad2deg "
    "relu relu6 leaky_relu elu selu celu sigmoid gelu silu swish softplus log_sigmoid softsign hard_sigmoid hard_silu "
    "hard_swish hard_tanh tanh_shrink soft_shrink hard_shrink squareplus sparse_plus sparse_sigmoid "
    "softmax log_softmax "
    "arcsinh isnan isinf isfinite logical_not sum mean var std max min prod any all amax amin ptp argmax argmin "
    "count_nonzero cumsum cumprod logsumexp ravel transpose flip fliplr flipud zeros_like ones_like sort argsort "
    "median norm normalize layer_normalization rms_normalization glu rot90 tril triu diag diagonal trace exp2 erfc "
    "nansum nanmean nan_to_num squeeze reciprocal copy array stop_gradient moments_": A,
    "sqrt rsqrt log log1p log2 log10 arctanh_ arccosh_": POSITIVE,
    "erfinv arctanh": UNIT,
    "abs negative square sign floor sum mean max min argmax argmin sort cumsum prod relu any all exp sqrt": U,
    "abs sum mean var std bitwise_not bitwise_invert argmin exp square prod sort argsort round floor log_softmax": INTS,
    "sum mean any all max min logical_not bitwise_not argmax count_nonzero cumsum": FLAGS,
    "isnan isinf isfinite isposinf isneginf sign_ relu floor nan_to_num": SPECIAL,
}
CASES: list[tuple[str, tuple, dict]] = [
    (n, (x,), {}) for names, x in UNARY.items() for n in names.split() if n[-1] != "_"
]
BINARY = (
    "add subtract multiply divide true_divide maximum minimum mod floor_divide equal not_equal less less_equal greater "
    "greater_equal"
).split()
for name in BINARY:
    CASES += [
        (name, (A, B), {}),
        (name, (A, ROW), {}),
        (name, (INTS, POSITIVE_INTS), {}),
        (name, (INTS, 3), {}),
        (name, (A, 2), {}),
        (name, (2.5, A), {}),
        (name, (A, POSITIVE_INTS), {}),
        (name, (INTS, 2.5), {}),
        (name, (U, 2), {}),
        (name, (FLAGS, 1.5), {}),
    ]
for name in ("logical_and", "logical_or", "logical_xor"):
    CASES += [(name, (FLAGS, ~FLAGS), {}), (name, (A, FLAGS), {})]
for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "bitwise_left_shift"):
    CASES.append((name, (INTS, POSITIVE_INTS), {}))
for name in "sum mean var std max min prod any all amax amin ptp logsumexp nansum nanmean count_nonzero".split():
    keep = {} if name == "count_nonzero" else {"keepdims": True}
    CASES += [(name, (CUBE,), {"axis": 1}), (name, (CUBE,), {"axis": (0, -1), **keep}), (name, (CUBE,), keep)]
# fmt: off
CASES += [
    ("power", (POSITIVE, B), {}), ("power", (A, 2), {}), ("power", (A, 3), {}), ("power", (POSITIVE, -1.5), {}),
    ("power", (POSITIVE_INTS, 2), {}), ("power", (2.0, A), {}), ("power", (POSITIVE, 0.5), {}),
    ("logaddexp", (A, B), {}), ("logaddexp", (SPECIAL, SPECIAL), {}), ("logaddexp2", (A, B), {}),
    ("hypot", (A, B), {}), ("divide_no_nan", (A, np.where(FLAGS, 0, B).astype("float32")), {}), ("fmod", (A, B), {}),
    ("arccosh", (POSITIVE + 1,), {}), ("clip", (A, -1.0, 1.0), {}), ("clip", (INTS, -3, 3), {}), ("round", (A, 2), {}),
    ("where", (FLAGS, A, B), {}), ("where", (FLAGS, A, 0.0), {}), ("where", (FLAGS, INTS, 1), {}),
    ("where", (FLAGS, INTS, B), {}), ("max", (A,), {"initial": 1.0}), ("argmax", (CUBE,), {"axis": 1}),
    ("argmax", (CUBE,), {"axis": -1, "keepdims": True}), ("argmax", (TIES,), {"axis": 1}),
    ("argmin", (TIES,), {"axis": 1}), ("argmax", (A,), {"keepdims": True}), ("cumsum", (CUBE,), {"axis": 1}),
    ("cumprod", (CUBE,), {"axis": 2}), ("cumprod", (INTS,), {"axis": 1}), ("cumsum", (A,), {"dtype": "int32"}),
    ("average", (A,), {"axis": 1, "weights": ROW}), ("average", (A,), {"weights": POSITIVE}),
    ("average", (A,), {"axis": 0}), ("matmul", (A, A.T), {}), ("matmul", (CUBE, A.T), {}), ("matmul", (A, ROW), {}),
    ("matmul", (ROW, A.T), {}), ("matmul", (CUBE, CUBE.transpose(0, 2, 1)), {}),
    ("matmul", (CUBE[:, None], SQUARE[None, None].repeat(5, 1)), {}), ("matmul", (CUBE, SQUARE[None]), {}),
    ("matmul", (ROW, ROW), {}), ("matmul", (INTS, POSITIVE_INTS.T), {}),
    ("matmul", (ROW, CUBE.transpose(0, 2, 1)), {}), ("dot", (A, A.T), {}),
    ("dot", (CUBE, CUBE.transpose(0, 2, 1)), {}), ("dot", (A, 2.0), {}), ("dot", (CUBE, ROW), {}),
    ("tensordot", (CUBE, A), {"axes": ([1, 2], [0, 1])}), ("tensordot", (CUBE, SQUARE), {"axes": 1}),
    ("tensordot", (A, B), {"axes": 0}), ("einsum", ("ij,kj->ik", A, B), {}),
    ("einsum", ("bij,jk->bik", CUBE, SQUARE), {}), ("einsum", ("bij,bij->b", CUBE, CUBE), {}),
    ("einsum", ("...ij,jk->...ik", CUBE, SQUARE), {}), ("einsum", ("ij,jk", A, SQUARE), {}),
    ("einsum", ("ij->ji", A), {}), ("einsum", ("ij->", A), {}), ("einsum", ("ii->i", SQUARE), {}),
    ("einsum", ("ij,jk,kl->il", A, SQUARE, SQUARE), {}), ("einsum", ("i,j->ij", ROW, ROW), {}),
    ("einsum", ("bhqd,bhkd->bhqk", CUBE[None], CUBE[None]), {}), ("inner", (A, B), {}), ("outer", (A, ROW), {}),
    ("vdot", (A, B), {}), ("kron", (A, SQUARE[:2]), {}), ("cross", (A[:, :3], B[:, :3]), {}),
    ("cross", (A[:, :2], B[:, :2]), {}), ("trapezoid", (A,), {}), ("trapezoid", (A,), {"x": ROW.cumsum()}),
    ("reshape", (A, (2, -1)), {}), ("transpose", (CUBE, (1, 2, 0)), {}), ("moveaxis", (CUBE, 0, -1), {}),
    ("moveaxis", (CUBE, (0, 1), (2, 0)), {}), ("swapaxes", (CUBE, 0, -1), {}), ("expand_dims", (A, 1), {}),
    ("expand_dims", (A, (0, -1)), {}), ("squeeze", (A[:1],), {"axis": 0}), ("broadcast_to", (ROW, (3, 4)), {}),
    ("concatenate", ([A, B],), {"axis": -1}), ("concatenate", ([A, POSITIVE_INTS],), {}),
    ("stack", ([A, B],), {"axis": 1}), ("stack", ([A, B],), {"axis": -1}), ("vstack", ([A, B],), {}),
    ("hstack", ([A, B],), {}), ("hstack", ([ROW, ROW],), {}), ("dstack", ([A, B],), {}), ("vstack", ([ROW, ROW],), {}),
    ("dstack", ([ROW, ROW],), {}), ("append", (A, B), {}), ("append", (A, B), {"axis": 1}),
    ("flip", (CUBE,), {"axis": 1}), ("roll", (A, 2), {}), ("roll", (A, -1), {"axis": 1}), ("rot90", (A,), {"k": 2}),
    ("rot90", (A,), {"k": 3}), ("tile", (A, (2, 3)), {}), ("tile", (ROW, (2, 2)), {}), ("repeat", (A, 2), {"axis": 1}),
    ("repeat", (A, 3), {}), ("repeat", (A, np.array([2, 0, 1])), {"axis": 0}), ("pad", (A, ((1, 2), (0, 1))), {}),
    ("pad", (A, 1), {"constant_values": 3.0}), ("pad", (A, ((1, 2), (2, 1))), {"mode": "reflect"}),
    ("pad", (A, ((1, 2), (2, 1))), {"mode": "symmetric"}), ("diff", (A,), {}), ("diff", (CUBE,), {"n": 2, "axis": 1}),
    ("tril", (CUBE,), {"k": -1}), ("triu", (CUBE,), {"k": 1}), ("diag", (ROW,), {}), ("diag", (ROW,), {"k": 2}),
    ("diag", (ROW,), {"k": -1}), ("diag", (A,), {"k": 1}), ("diagflat", (A,), {}),
    ("diagonal", (CUBE,), {"offset": 1, "axis1": 1, "axis2": 2}), ("trace", (CUBE,), {"axis1": 1, "axis2": 2}),
    ("vander", (ROW,), {}), ("vander", (ROW,), {"N": 3, "increasing": True}), ("zeros", ((2, 3),), {}),
    ("ones", ((2,),), {"dtype": "int32"}), ("full", ((2, 2), 7.0), {}), ("full_like", (A, 2), {}), ("eye", (3,), {}),
    ("eye", (3, 4), {"k": 1, "dtype": "int32"}), ("identity", (3,), {}), ("tri", (3, 4), {}), ("arange", (5,), {}),
    ("arange", (2, 11, 3), {}), ("arange", (1.0, 2.0, 0.25), {}), ("arange", (5, 0, -2), {}),
    ("arange", (3,), {"dtype": "float32"}), ("linspace", (0, 1, 5), {}),
    ("linspace", (0.0, 1.0, 4), {"endpoint": False}), ("linspace", (A, B, 3), {"axis": 1}),
    ("logspace", (0.0, 2.0, 5), {}), ("take", (A, [2, 0]), {"axis": 0}), ("take", (A, [[2, 0], [-1, 1]]), {"axis": 1}),
    ("take", (A, 5), {}), ("take_along_axis", (A, LABELS[:, None]), {"axis": 1}),
    ("take_along_axis", (CUBE, CUBE.argsort(1)), {"axis": 1}), ("sort", (CUBE,), {"axis": 1}),
    ("argsort", (TIES,), {}), ("median", (CUBE,), {"axis": 1}), ("median", (A,), {"axis": (0, 1), "keepdims": True}),
    ("searchsorted", (np.sort(ROW), A), {}), ("digitize", (A, np.sort(ROW)), {}), ("isin", (INTS, [1, 2, 3]), {}),
    ("top_k", (A, 2), {}), ("top_k", (TIES, 3), {}), ("top_k", (INTS, 2), {}), ("in_top_k", (LABELS, TIES, 2), {}),
    ("segment_sum", (A, np.array([0, 2, 0])), {"num_segments": 4}),
    ("segment_sum", (A, np.array([0, -1, 7])), {"num_segments": 2}), ("bincount", (LABELS,), {}),
    ("bincount", (LABELS,), {"minlength": 7, "weights": ROW[:3]}),
    ("scatter", (np.array([[0], [2]]), A[:2], (4, 4)), {}),
    ("scatter_update", (A, np.array([[0, 1], [2, 3]]), np.array([9.0, 8.0], "float32")), {}),
    ("slice", (CUBE, (0, 1, 2), (2, 1, 2)), {}), ("slice_update", (A, (1, 1), np.zeros((2, 2), "float32")), {}),
    ("unstack", (CUBE,), {"axis": 1}), ("split", (A, 2), {"axis": 1}), ("split", (A, [1, 3]), {"axis": 1}),
    ("array_split", (A, 3), {"axis": 1}), ("meshgrid", (ROW, ROW[:2]), {}),
    ("meshgrid", (ROW, ROW[:2]), {"indexing": "ij"}), ("get_item", (A, (0, slice(1, 3))), {}),
    ("one_hot", (LABELS, 4), {}), ("one_hot", (INTS, 3), {"axis": 1, "dtype": "int32"}),
    ("multi_hot", (np.array([[0, 2], [1, 1]]), 4), {}), ("categorical_crossentropy", (HOT, PROBABILITIES), {}),
    ("categorical_crossentropy", (HOT, A), {"from_logits": True}),
    ("sparse_categorical_crossentropy", (LABELS, PROBABILITIES), {}),
    ("sparse_categorical_crossentropy", (LABELS[:, None], A), {"from_logits": True}),
    ("binary_crossentropy", (HOT, PROBABILITIES), {}), ("binary_crossentropy", (HOT, A), {"from_logits": True}),
    ("softmax", (CUBE,), {"axis": 1}), ("log_softmax", (A * 100,), {}), ("softmax", (A * 100,), {}),
    ("gelu", (A,), {"approximate": False}), ("glu", (CUBE,), {"axis": 2}), ("normalize", (A,), {"order": 1}),
    ("normalize", (A,), {"order": 3, "axis": 0}), ("threshold", (A, 0.5, -1.0), {}),
    ("batch_normalization", (A, ROW, ROW, 1), {"offset": ROW, "scale": ROW}),
    ("layer_normalization", (A, ROW, ROW), {}), ("moments", (CUBE, (0, 2)), {}), ("rms_normalization", (A, ROW), {}),
    ("norm", (CUBE,), {"axis": 1, "ord": 1}), ("norm", (ROW,), {"ord": np.inf}), ("norm", (A,), {"axis": 1, "ord": 3}),
    ("nanmax", (NANS,), {"axis": 0}), ("nanmin", (NANS,), {}), ("nansum", (NANS,), {"axis": 1}),
    ("nanmean", (NANS,), {}), ("cast", (A, "int32"), {}), ("cast", (INTS, "bool"), {}),
    ("saturate_cast", (A * 200, "uint8"), {}), ("select", ([A > 1, A < -1], [A, B], 0.0), {}),
    ("isclose", (A, A + 1e-7), {}), ("allclose", (A, A), {}), ("convert_to_numpy", (A,), {}),
    ("softplus", (A * 100,), {}), ("erfinv", (UNIT * 1.11,), {}),
]
# fmt: on


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_same_as_keras(name, args, kwargs, op_as_keras):
    op_as_keras(name, args, kwargs)


@pytest.mark.parametrize("name", sorted(n for n in vars(ops) if callable(getattr(ops, n)) and hasattr(keras.ops, n)))
def test_signature_is_kerass(name):
    ours, theirs = (inspect.signature(getattr(m, name)) for m in (ops, keras.ops))
    extra = [p for p in list(ours.parameters.values())[len(theirs.parameters) :] if p.default is p.empty]
    assert [(p.name, p.default) for p in list(ours.parameters.values())[: len(theirs.parameters)]] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ] and not extra


def test_every_op_exists_in_keras():
    ours = {n for n in vars(ops) if callable(getattr(ops, n)) and not n.startswith("_")}
    assert ours - set(dir(keras.ops)) == set()


def is_float(a: object) -> bool:
    return isinstance(a, np.ndarray) and a.dtype == np.float32


SMOOTH = """
exp expm1 sin cos tan sinh cosh tanh erf square sigmoid gelu silu softplus log_sigmoid softsign squareplus softmax
log_softmax arcsinh sum mean var std prod cumsum cumprod logsumexp transpose flip ravel normalize layer_normalization
rms_normalization tril diag negative abs relu leaky_relu elu selu celu max min sort glu median exp2 erfc norm ptp
""".split()
GRADIENTS: list[tuple[str, tuple, dict]] = [(n, (A,), {}) for n in SMOOTH] + [
    c
    for c in CASES
    if c[0]
    in (
        "add",
        "subtract",
        "multiply",
        "divide",
        "maximum",
        "logaddexp",
        "hypot",
        "matmul",
        "dot",
        "tensordot",
        "einsum",
        "pad",
        "concatenate",
        "stack",
        "roll",
        "tile",
        "repeat",
        "take",
        "take_along_axis",
        "top_k",
        "segment_sum",
        "scatter",
        "scatter_update",
        "slice",
        "slice_update",
        "where",
        "outer",
        "kron",
        "cross",
        "diff",
        "diagonal",
        "batch_normalization",
        "categorical_crossentropy",
        "binary_crossentropy",
        "power",
        "average",
        "erfinv",
        "sqrt",
        "rsqrt",
        "log",
        "log1p",
        "linspace",
        "trapezoid",
    )
    and any(is_float(a) for arg in c[1] for a in (arg if isinstance(arg, list) else [arg]))
    and not any(a is TIES or isinstance(a, np.ndarray) and (np.isnan(a).any() or a.dtype.kind == "b") for a in c[1])
]


@pytest.mark.parametrize(("name", "args", "kwargs"), GRADIENTS, ids=[f"{i}-{c[0]}" for i, c in enumerate(GRADIENTS)])
def test_gradient_to_second_order(name, args, kwargs, op_gradient):
    op_gradient(name, args, kwargs)


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("relu", 0.0, 0.0),
        ("abs", 0.0, 0.0),
        ("softplus", 0.0, 0.5),
        ("softplus", -200.0, 0.0),
        ("sigmoid", 200.0, 0.0),
        ("elu", -200.0, 0.0),
        ("leaky_relu", 0.0, 1.0),
        ("log_sigmoid", -200.0, 1.0),
        ("logsumexp", 5.0, 1.0),
        ("gelu", -200.0, 0.0),
    ],
)
def test_gradient_at_the_edges(name, at, expected):
    x = ops.convert_to_tensor([at])
    with lamella.GradientTape() as tape:
        tape.watch(x)
        y = getattr(ops, name)(x)
    assert tape.gradient(y, x).numpy()[0] == pytest.approx(expected)


def test_equal_largest_elements_share_the_gradient():
    x = ops.convert_to_tensor([1.0, 3.0, 3.0])
    with lamella.GradientTape() as tape:
        tape.watch(x)
        y = ops.max(x)
    np.testing.assert_allclose(tape.gradient(y, x), [0, 0.5, 0.5])


def test_cond_runs_one_branch_eagerly_and_selects_in_a_trace():
    state = lamella.Variable(0.0)

    def choose(p):
        return ops.cond(p, lambda: state.assign_add(1.0) + 10.0, lambda: ops.convert_to_tensor(5.0))

    assert float(choose(True)) == 11.0 and float(state) == 1.0
    traced = trace(choose, [TensorSpec((), "bool")])
    result, new = evaluate(traced.graph, [np.bool_(False), np.float32(3)])
    assert (result, new) == (5.0, 3.0)
    result, new = evaluate(traced.graph, [np.bool_(True), np.float32(3)])
    assert (result, new) == (14.0, 4.0)


def test_dynamic_slices():
    traced = trace(
        lambda x, i: (ops.slice(x, (0, i), (3, 2)), ops.slice_update(x, (0, i), ops.zeros((3, 1)))),
        [TensorSpec((3, 4)), TensorSpec((), "int32")],
    )
    block, updated = evaluate(traced.graph, [A, np.int32(1)])
    np.testing.assert_array_equal(block, A[:, 1:3])
    np.testing.assert_array_equal(updated, np.where([False, True, False, False], 0, A))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.matmul(A, B), r"last axis of \(3, 4\)"),
        (lambda: ops.reshape(A, (5, -1)), "reshape"),
        (lambda: ops.sum(A, axis=2), "out of range"),
        (lambda: ops.sum(A, axis=(0, 0)), "twice"),
        (lambda: ops.squeeze(A, 0), "isn't 1"),
        (lambda: ops.split(A, 3, 1), "array_split"),
        (lambda: ops.stack([A, ROW]), "equal shapes"),
        (lambda: ops.top_k(A, 9), "k = 9"),
        (lambda: A + ops.convert_to_tensor(ROW[:3]), "broadcast"),
        (lambda: ops.einsum("ij,jk->ik", A, B), "axis 'j' is 4"),
        (lambda: ops.categorical_crossentropy(HOT, A[:2]), "same shape"),
        (lambda: ops.slice_update(A, (2, 2), A), "doesn't lie within"),
    ],
)
def test_errors_name_the_shapes(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


@pytest.mark.parametrize("index", [4, -5, [0, 9]])
def test_take_out_of_range_raises(index):
    with pytest.raises(IndexError, match="out of range for axis 1 with size 4"):
        ops.take(A, index, axis=1)
