"""Layers against Keras (JAX) with the same weights, and what they refuse."""

from __future__ import annotations

import copy
import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")

from lamella import ops  # noqa: E402
from lamella.errors import ShapeError  # noqa: E402
from lamella.frontend import GradientTape, TensorSpec, trace  # noqa: E402
from lamella.frontend import random as lamella_random  # noqa: E402
from lamella.nn import layers  # noqa: E402

RNG = np.random.default_rng(7)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


X = normal(5, 4)
X3 = normal(3, 4, 5)
IMAGES = RNG.integers(0, 256, (2, 3, 4, 2)).astype(np.uint8)

CASES = [
    ("Dense", {"units": 3}, X),
    ("Dense", {"units": 3, "activation": "relu", "use_bias": False}, X3),
    ("Dense", {"units": 3, "activation": "softmax", "bias_initializer": "ones"}, X),
    ("Flatten", {}, X3),
    ("Flatten", {"data_format": "channels_first"}, normal(2, 3, 4, 5)),
    ("Flatten", {}, normal(5)),
    ("Reshape", {"target_shape": (2, -1)}, X),
    ("Permute", {"dims": (2, 1)}, X3),
    ("RepeatVector", {"n": 3}, X),
    ("Identity", {}, X),
    *[("Activation", {"activation": name}, 3 * X) for name in (
        "relu", "sigmoid", "tanh", "softmax", "elu", "selu", "gelu", "softplus", "softsign", "silu", "mish",
        "exponential", "hard_sigmoid", "hard_silu", "hard_tanh", "linear", "log_sigmoid", "log_softmax", "relu6",
        "celu", "leaky_relu", "squareplus", "tanh_shrink", "soft_shrink", "hard_shrink")],
    ("ReLU", {"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.3}, 3 * X),
    ("ReLU", {"max_value": 6.0, "negative_slope": 0.1}, 9 * X),
    ("LeakyReLU", {}, X),
    ("ELU", {"alpha": 0.7}, X),
    ("Softmax", {"axis": 1}, X3),
    ("Softmax", {"axis": (1, 2)}, X3),
    ("Rescaling", {"scale": 1 / 255, "offset": -0.5}, IMAGES),
    ("Normalization", {"axis": -1, "mean": [1.0, 2.0, 3.0, 4.0], "variance": [1.0, 4.0, 9.0, 2.0]}, X),
    ("Normalization", {"axis": None, "mean": 1.0, "variance": 4.0, "invert": True}, X),
    ("Dropout", {"rate": 0.5}, X),
    ("BatchNormalization", {}, X3),
    ("BatchNormalization", {"axis": 1, "epsilon": 0.1, "scale": False}, X3),
    ("LayerNormalization", {}, X3),
    ("LayerNormalization", {"axis": (1, 2), "center": False}, X3),
    ("Embedding", {"input_dim": 7, "output_dim": 3}, RNG.integers(0, 7, (4, 5)).astype(np.int32)),
    ("Add", {}, [X3, X3 + 1, X3[:, :1]]),
    ("Subtract", {}, [X3, X3 * 2]),
    ("Multiply", {}, [X3, X3 * 2, X3]),
    ("Average", {}, [X3, X3 * 2, X3]),
    ("Maximum", {}, [X3, X3 * 2]),
    ("Minimum", {}, [X3, X3 * 2]),
    ("Concatenate", {"axis": 1}, [X3, X3 * 2]),
    ("Add", {}, [X3, X[:3, :1] @ np.ones((1, 5), np.float32)]),
]


def pair(name, kwargs, inputs):
    """The same layer of both libraries, with the same random weights."""
    ours, theirs = getattr(layers, name)(**kwargs), getattr(keras.layers, name)(**kwargs)
    ours(inputs), theirs(inputs)
    weights = [w if w.dtype.kind in "iu" else np.abs(normal(*w.shape)) + 0.5 for w in theirs.get_weights()]
    if name != "Normalization":
        theirs.set_weights(weights), ours.set_weights(weights)
    return ours, theirs


@pytest.mark.parametrize(("name", "kwargs", "inputs"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_forward_shape_and_config(name, kwargs, inputs):
    ours, theirs = pair(name, kwargs, inputs)
    want = np.asarray(theirs(inputs))
    got = ours(inputs)
    np.testing.assert_allclose(got.numpy(), want, rtol=2e-5, atol=2e-6)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    assert [w.path.split("/")[-1] for w in ours.weights] == [w.path.split("/")[-1] for w in theirs.weights]
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    arrays = inputs if isinstance(inputs, list) else [inputs]
    symbolic = [layers.Input(x.shape[1:], dtype=str(x.dtype)) for x in arrays]
    output = getattr(layers, name)(**kwargs)(symbolic if isinstance(inputs, list) else symbolic[0])
    assert output.shape == (None, *want.shape[1:])
    assert output.dtype == str(want.dtype) == got.dtype


def test_keras_reads_our_configs():
    for name, kwargs, _ in CASES:
        config = layers.serialize(getattr(layers, name)(**kwargs))
        keras.layers.deserialize(config)


@pytest.mark.parametrize("axis", [-1, 1])
def test_batch_normalization_trains_as_keras(axis):
    ours, theirs = pair("BatchNormalization", {"axis": axis, "momentum": 0.9}, X3)
    for step in range(3):
        x = X3 * (step + 1)
        np.testing.assert_allclose(ours(x, training=True).numpy(), np.asarray(theirs(x, training=True)), rtol=1e-4,
                                   atol=1e-5)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)
    ours.trainable = False
    before = ours.get_weights()
    ours(X3, training=True)
    assert all(np.array_equal(a, b) for a, b in zip(before, ours.get_weights(), strict=True))
    assert len(ours.trainable_weights) == 0 and len(ours.non_trainable_weights) == 4


def test_normalization_adapts_in_batches_and_keeps_constant_features():
    data = np.concatenate([normal(11, 3) * 5 + 2, np.full((11, 1), 3.0, np.float32)], axis=1)
    whole, batches = layers.Normalization(), layers.Normalization()
    whole.adapt(data)
    batches.adapt([data[:4], data[4:5], data[5:]])
    for a, b in zip(whole.get_weights()[:2], batches.get_weights()[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    theirs = keras.layers.Normalization()
    theirs.adapt(data[:, :3])
    np.testing.assert_allclose(whole(data).numpy()[:, :3], np.asarray(theirs(data[:, :3])), rtol=1e-4, atol=1e-5)
    assert np.abs(whole(data + [[0, 0, 0, 1]]).numpy()[:, 3] - 1).max() < 1e-5


def test_dropout_scales_reproduces_and_takes_training_from_the_call_around():
    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = layers.Dropout(0.25, seed=3)

        def call(self, inputs):
            return self.inner(inputs)

    x = np.ones((200, 50), np.float32)
    outer = Outer()
    assert np.array_equal(outer(x).numpy(), x)
    first, second = outer(x, training=True).numpy(), outer(x, training=True).numpy()
    assert set(np.unique(first)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(first.mean() - 1) < 0.02 and not np.array_equal(first, second)
    assert np.array_equal(Outer()(x, training=True).numpy(), first)
    noise = layers.Dropout(0.5, noise_shape=(None, 1), seed=1)(x, training=True).numpy()
    assert ((noise == 0).all(axis=1) | (noise == 2).all(axis=1)).all()
    assert layers.Dropout(1.0)(x, training=True).numpy().max() == 0


def test_layers_work_the_same_in_a_trace():
    for name, kwargs, inputs in CASES:
        layer = getattr(layers, name)(**kwargs)
        eager = layer(inputs)
        traced = trace(layer, [[TensorSpec(x.shape, str(x.dtype)) for x in inputs] if isinstance(inputs, list)
                               else TensorSpec(inputs.shape, str(inputs.dtype))], name)
        assert traced.structure.shape == eager.shape and traced.structure.dtype == eager.dtype


def test_weights_reproduce_under_a_seed_and_differ_between_layers():
    lamella_random.set_random_seed(5)
    one, two = layers.Dense(3), layers.Dense(3)
    one(X), two(X)
    lamella_random.set_random_seed(5)
    again = layers.Dense(3)
    again(X)
    assert np.array_equal(one.kernel.numpy(), again.kernel.numpy())
    assert not np.array_equal(one.kernel.numpy(), two.kernel.numpy())


class Block(layers.Layer):
    """Sub-layers in a list that grows after it was assigned, a weight of its own, penalties."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.steps = []
        self.steps.append(layers.Dense(4, kernel_regularizer="l2", name="first"))
        self.steps.append(layers.Dense(4, activity_regularizer="l2", name="second"))

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, inputs):
        for step in self.steps:
            inputs = step(inputs)
        self.add_loss(ops.sum(inputs) * 0.0 + 1.5)
        return inputs * self.scale


def test_composite_layers_track_weights_paths_and_losses():
    block = Block(name="block")
    block(X)
    block(X)
    assert [w.path for w in block.weights] == ["block/scale", "block/first/kernel", "block/first/bias",
                                               "block/second/kernel", "block/second/bias"]
    assert block.count_params() == 41
    assert len(block.losses) == 3  # add_loss, activity, kernel penalty: of the last call only
    first, second = block.steps
    want = {1.5, float(0.01 * np.sum(np.square(first.kernel.numpy()))),
            float(0.01 * np.sum(np.square(second(first(X)).numpy())) / 5)}
    block(X)
    assert sorted(map(float, block.losses)) == pytest.approx(sorted(want), rel=1e-5)
    block.steps[0].trainable = False
    assert [w.path for w in block.trainable_weights] == ["block/scale", "block/second/kernel", "block/second/bias"]
    assert len(block.losses) == 2
    twin = copy.deepcopy(block)
    twin.scale.assign(7.0)
    assert float(block.scale) == 1.0


def test_gradients_flow_through_a_dense_layer():
    layer = layers.Dense(3, activation="tanh")
    layer(X)
    with GradientTape() as tape:
        loss = ops.sum(ops.square(layer(X)))
    kernel, bias = tape.gradient(loss, layer.trainable_variables)
    z = np.tanh(X @ layer.kernel.numpy())
    inner = 2 * z * (1 - z * z)
    np.testing.assert_allclose(kernel.numpy(), X.T @ inner, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(bias.numpy(), inner.sum(0), rtol=1e-4, atol=1e-5)


def test_inputs_are_cast_and_lists_are_arrays():
    layer = layers.Dense(2)
    assert layer(X.astype(np.float64)).dtype == "float32"
    assert layer([[1, 2, 3, 4]]).shape == (1, 2)
    assert layers.Dense(2, dtype="mixed_bfloat16")(X).dtype == "bfloat16"
    assert layers.Dense(2, dtype="float64")(X).dtype == "float64"
    assert layers.Flatten()(IMAGES).dtype == "uint8"


def test_embedding_masks_and_refuses_foreign_indices():
    layer = layers.Embedding(4, 2, mask_zero=True)
    assert layer(np.array([[1, 0]])).shape == (1, 2, 2)
    with pytest.raises(IndexError, match=r"takes indices from 0 to 3, received 4 in row 0, at \(0, 1\): 1 of 2 is out of"):
        layer(np.array([[1, 4]]))
    with pytest.raises(IndexError, match="received -1"):
        layer(np.array([[-1]]))


def test_softmax_of_a_masked_row_is_zero():
    out = layers.Softmax()(np.ones((2, 3), np.float32), mask=np.array([[True, False, True], [False] * 3]))
    np.testing.assert_allclose(out.numpy(), [[0.5, 0, 0.5], [0, 0, 0]])


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: layers.Dense(0), ValueError, "units of layer 'dense.*' must be an int > 0, received 0"),
    (lambda: layers.Dense(3, activation="reluu"), ValueError, "Unknown activation 'reluu'. Did you mean 'relu'"),
    (lambda: layers.Dense(3, kernel_initializer="glorot_unifrm"), ValueError, "Did you mean 'glorot_uniform'"),
    (lambda: layers.Dense(3, unit=3), TypeError, "Dense has no argument 'unit'"),
    (lambda: layers.Dense(3, trainable="no"), TypeError, "must be True or False"),
    (lambda: layers.Dropout(1.5), ValueError, r"rate of layer 'dropout.*' must be a finite number in \[0.0, 1.0\]"),
    (lambda: layers.Dropout(float("nan")), ValueError, "received nan"),
    (lambda: layers.Reshape((-1, -1)), ValueError, "may hold one -1"),
    (lambda: layers.Reshape((3,))(X), ShapeError, r"cannot reshape samples of shape \(4,\)"),
    (lambda: layers.Permute((1, 3)), ValueError, "permutation of 1..2"),
    (lambda: layers.Normalization(mean=1.0), ValueError, "both mean and variance"),
    (lambda: layers.Input(), ValueError, "either shape or batch_shape"),
    (lambda: layers.Dense(3)(layers.Input((None,))), ShapeError, "last axis of known size"),
    (lambda: layers.Concatenate()([X, X3]), ShapeError, "differ only on axis -1"),
    (lambda: layers.Subtract()([X, X, X]), ShapeError, "a list of 2 inputs, received 3"),
    (lambda: layers.Add()(X), ShapeError, "received a Tensor"),
    (lambda: layers.Dense(3)(np.array([["a"]])), TypeError, "takes numbers"),
    (lambda: layers.Dense(3, dtype="float31"), TypeError, "Unknown dtype 'float31'"),
    (lambda: layers.Dense(3).count_params(), ValueError, "has no weights yet"),
])
def test_bad_arguments_name_the_cause(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_another_width_names_layer_and_shapes():
    layer = layers.Dense(3, name="hidden")
    layer(X)
    with pytest.raises(ShapeError, match=r"'hidden' expects .* axis -1 of size 4, received shape \(5, 7\)"):
        layer(normal(5, 7))
    with pytest.raises(ShapeError, match="at least 2 axes"):
        layer(normal(4))
    with pytest.raises(ShapeError, match=r"Weight hidden/bias has shape \(3,\), received \(4,\)"):
        layer.set_weights([np.zeros((4, 3)), np.zeros(4)])


def test_a_failed_build_leaves_no_half_of_the_weights():
    def explode(shape, dtype=None):
        raise RuntimeError("no")
    layer = layers.Dense(3, bias_initializer=explode)
    with pytest.raises(RuntimeError):
        layer(X)
    layer.bias_initializer = lambda shape, dtype=None: np.zeros(shape)
    layer(X)
    assert len(layer.weights) == 2


def test_operators_on_symbolic_tensors_record_layers():
    x, y = layers.Input((4,)), layers.Input((1,))
    out = (2.0 * x - y) / np.ones(4, np.float32) + x[:, 1:2] ** 2 - abs(-y)
    assert out.shape == (None, 4) and out.history.layer.operation == "subtract"
    assert (x > 0).dtype == "bool"

    def value(tensor, feed):
        """Evaluate by the recorded nodes."""
        if tensor.history is None or isinstance(tensor.history.layer, layers.InputLayer):
            return feed[id(tensor)]
        node = tensor.history.node
        args, kwargs = node.rebuild({id(t): value(t, feed) for t in node.input_tensors})
        return node.layer(*args, **kwargs)

    a, b = normal(3, 4), normal(3, 1)
    got = value(out, {id(x): ops.convert_to_tensor(a), id(y): ops.convert_to_tensor(b)})
    np.testing.assert_allclose(got.numpy(), 2 * a - b + a[:, 1:2] ** 2 - np.abs(b), rtol=1e-5, atol=1e-6)
    with pytest.raises(TypeError, match="no truth value"):
        bool(x)
    with pytest.raises(TypeError, match="numpy functions do not work"):
        np.asarray(x)
