"""Attention layers against Keras (JAX) with the same weights: results, weights, masks, gradients; compiled training."""

from __future__ import annotations

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")
jax = pytest.importorskip("jax")

from lamella import ops, tree  # noqa: E402
from lamella.errors import ShapeError  # noqa: E402
from lamella.frontend import GradientTape, function  # noqa: E402
from lamella.nn import layers  # noqa: E402
from lamella.settings import settings  # noqa: E402

RNG = np.random.default_rng(5)
pytestmark = pytest.mark.filterwarnings("ignore:.*You are using a softmax:UserWarning")


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


Q, V, K = normal(2, 5, 4), normal(2, 7, 6), normal(2, 7, 3)
SAME, ONE = normal(2, 7, 4), normal(3, 1, 8)
GRID = normal(2, 3, 4, 6)
Q_MASK = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
V_MASK = np.array([[1, 1, 0, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1]], bool)
PAIRS = np.tril(np.ones((5, 7), bool))[None].repeat(2, 0)

MULTI = [
    ({"num_heads": 2, "key_dim": 3}, (Q, V, K), {}),
    # Keras' other path fails where value_dim differs.
    ({"num_heads": 3, "key_dim": 2, "value_dim": 5, "use_bias": False}, (Q, V), {"return_attention_scores": True}),
    ({"num_heads": 1, "key_dim": 8, "output_shape": 9}, (Q, V, K), {"attention_mask": PAIRS}),
    ({"num_heads": 2, "key_dim": 3, "output_shape": (2, 3)}, (Q, Q), {"use_causal_mask": True}),
    ({"num_heads": 2, "key_dim": 3}, (Q, V, K), {"value_mask": V_MASK, "key_mask": V_MASK[::-1], "attention_mask": PAIRS}),
    ({"num_heads": 2, "key_dim": 3, "sliding_window": 2}, (SAME, SAME), {"use_causal_mask": True}),
    ({"num_heads": 2, "key_dim": 3, "use_gate": True}, (Q, V), {}),
    ({"num_heads": 2, "key_dim": 3}, (ONE, ONE), {}),
    ({"num_heads": 2, "key_dim": 3}, (GRID, GRID), {}),
    ({"num_heads": 2, "key_dim": 3, "attention_axes": (1,)}, (GRID, GRID), {}),
]
GROUPS = [
    ({"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}, (Q, V, K), {}),
    ({"head_dim": 5, "num_query_heads": 3, "num_key_value_heads": 1, "use_bias": False}, (Q, V), {"value_mask": V_MASK}),
    ({"head_dim": 2, "num_query_heads": 4, "num_key_value_heads": 2, "use_gate": True}, (ONE, ONE), {}),
    ({"head_dim": 2, "num_query_heads": 6, "num_key_value_heads": 3, "sliding_window": 3}, (SAME, SAME), {}),
]
HEADS = [("MultiHeadAttention", *case) for case in MULTI] + [("GroupQueryAttention", *case) for case in GROUPS]
Q6 = normal(2, 5, 6)
SIMPLE = [
    ("Attention", {}, [Q6, V], {}),
    ("Attention", {"use_scale": True}, [Q6, V, normal(2, 7, 6)], {"mask": [Q_MASK, V_MASK]}),
    ("Attention", {"score_mode": "concat", "use_scale": True}, [Q6, V], {"mask": [None, V_MASK]}),
    ("Attention", {"score_mode": "concat"}, [ONE, ONE], {}),
    ("Attention", {}, [SAME, SAME], {"use_causal_mask": True}),
    ("AdditiveAttention", {}, [Q6, V], {"mask": [Q_MASK, V_MASK]}),
    ("AdditiveAttention", {"use_scale": False}, [Q6, V, normal(2, 7, 6)], {"use_causal_mask": True}),
]


@pytest.fixture(autouse=True)
def _no_disk_cache(monkeypatch):
    monkeypatch.setattr(settings, "cache_dir", "")


def assert_same(got, want, tolerance=3e-6):
    got, want = tree.flatten(got), jax.tree.leaves(want)
    assert len(got) == len(want)
    scale = 1 + max(np.abs(b).max() for b in want)  # of all: the gradient towards a key's bias is 0 but for rounding
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=tolerance * scale)


def pair(name, kwargs, *args, **call):
    """Both layers with the same random weights."""
    ours, theirs = getattr(layers, name)(**kwargs), getattr(keras.layers, name)(**kwargs)
    ours(*args, **call), theirs(*args, **call)
    assert [w.path.split("/")[1:] for w in ours.weights] == [w.path.split("/")[1:] for w in theirs.weights]
    weights = [normal(*w.shape) for w in theirs.get_weights()]
    ours.set_weights(weights), theirs.set_weights(weights)
    return ours, theirs


def assert_same_gradients(ours, theirs, args, call, tolerance=1e-5):
    tensors = tree.map_structure(ops.convert_to_tensor, args)
    with GradientTape() as tape:
        tape.watch(tensors)
        loss = ops.sum(tree.flatten(ours(*tensors, **call))[0] ** 2)
    grads = tape.gradient(loss, [*tree.flatten(tensors), *ours.trainable_variables])

    def their_loss(args, variables):
        out, _ = theirs.stateless_call(variables, [v.value for v in theirs.non_trainable_variables], *args, **call)
        return (jax.tree.leaves(out)[0] ** 2).sum()

    want = jax.jit(jax.grad(their_loss, (0, 1)))(list(args), [v.value for v in theirs.trainable_variables])
    assert_same(grads, want, tolerance)


@pytest.mark.parametrize(("name", "kwargs", "args", "call"), HEADS, ids=[f"{c[0]}-{i}" for i, c in enumerate(HEADS)])
def test_heads(name, kwargs, args, call):
    ours, theirs = pair(name, kwargs, *args, **call)
    assert_same(ours(*args, **call), theirs(*args, **call))
    if "attention_mask" in call or "attention_axes" in kwargs:
        with_scores = {**call, "return_attention_scores": True}
        assert_same(ours(*args, **with_scores), theirs(*args, **with_scores))
    if "value_mask" in call or "attention_axes" in kwargs or (len(args) == 3 and name.startswith("G")):
        assert_same_gradients(ours, theirs, args, call)
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    keras.layers.deserialize(layers.serialize(ours))
    symbolic = again(*(layers.Input(x.shape[1:]) for x in args))
    assert symbolic.shape[1:] == tree.flatten(ours(*args, **call))[0].shape[1:]


@pytest.mark.parametrize(("name", "kwargs", "args", "call"), SIMPLE, ids=[f"{c[0]}-{i}" for i, c in enumerate(SIMPLE)])
def test_scores(name, kwargs, args, call):
    ours, theirs = pair(name, kwargs, args, **call)
    with_scores = {**call, "return_attention_scores": True}
    assert_same(ours(args, **with_scores), theirs(args, **with_scores))
    assert_same_gradients(ours, theirs, [args], call)
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    keras.layers.deserialize(layers.serialize(ours))


DENSE = [
    ({"equation": "ab,bc->ac", "output_shape": 5, "bias_axes": "c"}, normal(3, 4)),
    ({"equation": "abc,cd->abd", "output_shape": (4, 5), "bias_axes": "bd"}, normal(3, 4, 2)),
    ({"equation": "abc,cde->abde", "output_shape": (None, 5, 2), "bias_axes": "d", "activation": "relu"}, normal(3, 4, 2)),
    ({"equation": "abc,cd->adb", "output_shape": (5, None)}, normal(3, 4, 2)),
    ({"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"}, normal(3, 4, 2)),
    ({"equation": "ab...,bc->ac...", "output_shape": 5, "bias_axes": "c"}, normal(3, 4, 7)),
]


@pytest.mark.parametrize(("kwargs", "x"), DENSE, ids=[c[0]["equation"] for c in DENSE])
def test_einsum_dense(kwargs, x):
    ours, theirs = pair("EinsumDense", kwargs, x)
    assert_same(ours(x), theirs(x))
    assert ours.compute_output_shape((None, *x.shape[1:])) == (None, *ours(x).shape[1:])
    assert_same_gradients(ours, theirs, [x], {})
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()


def test_fans_are_those_of_the_summed_and_the_other_axes():
    layer = layers.EinsumDense("abc,dec->abde", (None, 30, 40), kernel_initializer="glorot_uniform")
    layer(normal(1, 1, 50))
    limit = np.sqrt(6 / (50 + 1200))
    largest = np.abs(layer.kernel.numpy()).max()
    assert 0.95 * limit < largest <= limit


@pytest.mark.parametrize("masked", [False, True])
def test_a_query_without_keys_gives_zeros_everywhere(masked):
    """One rule, where Keras has two."""
    attention_mask = PAIRS.copy()
    attention_mask[1, 3] = not masked
    zero = np.zeros((2, 2, 5, 7), np.float32)
    multi = layers.MultiHeadAttention(2, 3, use_bias=False)
    result, weights = multi(Q, V, attention_mask=attention_mask, return_attention_scores=True)
    assert (np.abs(result.numpy()[1, 3]).max() == 0) == masked
    assert (weights.numpy()[1, :, 3].max() == 0) == masked and np.isfinite(weights.numpy()).all()
    out = ops.dot_product_attention(normal(2, 5, 2, 3), normal(2, 7, 2, 3), normal(2, 7, 2, 3),
                                    mask=zero + attention_mask[:, None])
    assert (np.abs(out.numpy()[1, 3]).max() == 0) == masked
    simple = layers.Attention()([Q6, V], mask=[None, V_MASK & (not masked)])
    assert (np.abs(simple.numpy()).max() == 0) == masked


CALLS = [
    ((2, 5, 4, 3), (2, 7, 4, 3), {}),
    ((2, 5, 4, 3), (2, 7, 2, 3), {"scale": 0.3}),
    ((2, 7, 3, 8), (2, 7, 1, 8), {"is_causal": True}),
    ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    ((2, 5, 2, 3), (2, 7, 2, 3), {"bias": normal(2, 2, 5, 7), "mask": np.tril(np.ones((2, 2, 5, 7), bool))}),
]


@pytest.mark.parametrize(("query", "key", "kwargs"), CALLS, ids=range(len(CALLS)))
def test_dot_product_attention(query, key, kwargs):
    q, k, v = normal(*query), normal(*key), normal(*key)
    assert_same(ops.dot_product_attention(q, k, v, **kwargs), keras.ops.dot_product_attention(q, k, v, **kwargs))


def test_logits_can_be_capped():
    q, k, v = normal(1, 1, 1, 3), normal(1, 2, 1, 3), normal(1, 2, 1, 3)
    logits = 2 * np.tanh(np.einsum("btnh,bsnh->bnts", q, k)[0, 0, 0] / 2)
    weights = np.exp(logits) / np.exp(logits).sum()
    got = ops.dot_product_attention(q, k, v, scale=1.0, attn_logits_soft_cap=2.0)
    np.testing.assert_allclose(got.numpy()[0, 0, 0], weights @ v[0, :, 0], rtol=1e-5, atol=1e-6)


def test_masks_come_with_tensors_and_go_on():
    ids = np.array([[1, 2, 3, 0, 0], [4, 3, 2, 1, 0]], np.int32)
    ours, theirs = layers.Embedding(6, 4, mask_zero=True), keras.layers.Embedding(6, 4, mask_zero=True)
    ours(ids), theirs(ids)
    ours.set_weights([w * 20 for w in theirs.get_weights()]), theirs.set_weights(ours.get_weights())
    mine, other = pair("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, Q, Q)
    x, y = ours(ids), theirs(ids)
    valid = ids != 0
    assert_same(mine(x, x).numpy()[valid], np.asarray(other(y, y))[valid])
    y = theirs(ids)  # Keras takes the mask off an array that a layer has seen
    assert_same(layers.GlobalAveragePooling1D()(mine(x, x)), keras.layers.GlobalAveragePooling1D()(other(y, y)))


@pytest.mark.parametrize("kwargs", [{}, {"tie_weights": False}, {"logit_soft_cap": 2.0}],
                         ids=["tied", "untied", "capped"])
def test_reversible_embedding(kwargs):
    ids = np.array([[1, 5, 0]], np.int32)
    ours, theirs = pair("ReversibleEmbedding", {"input_dim": 6, "output_dim": 4, **kwargs}, ids)
    assert_same(ours(ids), theirs(ids))
    hidden = normal(1, 3, 4)
    assert_same(ours(hidden, reverse=True), theirs(hidden, reverse=True))
    assert ours(layers.Input((3, 4)), reverse=True).shape == (None, 3, 6)
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()


def test_dropout_acts_on_the_weights_in_training_only():
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    plain, weights = layer(Q, V, return_attention_scores=True)
    assert_same(layer(Q, V), plain)
    dropped, same_weights = layer(Q, V, return_attention_scores=True, training=True)
    assert_same(same_weights, weights)
    assert not np.allclose(dropped.numpy(), plain.numpy())


def block(x, parts):
    attention, norm, dense = parts
    x = norm(x + attention(x, x, use_causal_mask=True))
    return x + dense(x)


def test_compiled_training_steps_equal_eager_ones():
    x, y = normal(4, 9, 6), normal(4, 9, 6)

    def make():
        parts = layers.MultiHeadAttention(3, 5), layers.LayerNormalization(), layers.Dense(6, activation="gelu")
        block(x, parts)
        return parts

    models = [make(), make()]
    for a, b in zip(*models, strict=True):
        b.set_weights(a.get_weights())

    def step(x, y, parts):
        variables = [v for part in parts for v in part.trainable_variables]
        with GradientTape() as tape:
            loss = ops.mean(ops.square(block(x, parts) - y))
        for variable, grad in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.1 * grad)
        return loss

    compiled = function(lambda x, y: step(x, y, models[1]))
    for _ in range(3):
        eager = step(ops.convert_to_tensor(x), ops.convert_to_tensor(y), models[0])
        np.testing.assert_allclose(compiled(x, y).numpy(), eager.numpy(), rtol=1e-4)
    for a, b in zip(*models, strict=True):
        for v, w in zip(a.get_weights(), b.get_weights(), strict=True):
            np.testing.assert_allclose(v, w, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: layers.MultiHeadAttention(0, 3), ValueError, "num_heads of layer .* must be an int > 0"),
    (lambda: layers.GroupQueryAttention(3, 4, 3), ValueError, r"num_query_heads \(4\) .* must be a multiple"),
    (lambda: layers.MultiHeadAttention(2, 3)(Q, V, value_mask=Q_MASK), ShapeError,
     r"value_mask of shape \(2, 7\), received \(2, 5\)"),
    (lambda: layers.MultiHeadAttention(2, 3)(Q), ShapeError, "needs a query and a value"),
    (lambda: layers.MultiHeadAttention(2, 3)(Q, GRID), ShapeError, "one number of axes"),
    (lambda: layers.Attention(score_mode="sum"), ValueError, "score_mode of layer"),
    (lambda: layers.Attention()(Q), ShapeError, "takes a list of query"),
    (lambda: layers.Attention()([Q6, V], mask=[V_MASK, None]), ShapeError, r"query of shape \(2, 5\)"),
    (lambda: layers.EinsumDense("ab,bc", 3), ValueError, "must look like 'abc,cd->abd'"),
    (lambda: layers.EinsumDense("ab,bc->ac", 3, bias_axes="b"), ValueError, "must be axes of the result"),
    (lambda: layers.EinsumDense("ab,bc->ac", (None,))(normal(2, 3)), ShapeError, r"doesn't know the size of \['c'\]"),
    (lambda: ops.dot_product_attention(normal(2, 5, 4, 3), normal(2, 7, 3, 3), normal(2, 7, 3, 3)), ShapeError,
     "heads a multiple of key heads"),
])
def test_bad_arguments_name_the_cause(make, error, text):
    with pytest.raises(error, match=text):
        make()
