"""Pools against Keras (JAX): outputs and gradients, ties, both targets, what they refuse; a small network trains."""

from __future__ import annotations

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import lamella as tf
from lamella import ops
from lamella.callbacks import Callback
from lamella.errors import ShapeError
from lamella.frontend import GradientTape
from lamella.nn import layers
from lamella.nn.masks import get_mask

RNG = np.random.default_rng(13)
FIRST = "channels_first"


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


LINE, IMAGE, VOLUME = normal(2, 9, 3), normal(2, 7, 6, 3), normal(2, 5, 4, 3, 2)
TIES = RNG.integers(0, 3, (2, 7, 6, 3)).astype(np.float32)  # most windows have several maxima

WINDOWS = [
    (1, {"pool_size": 2}, LINE),
    (1, {"pool_size": 3, "strides": 2, "padding": "same"}, LINE),
    (1, {"pool_size": 2, "strides": 3, "data_format": FIRST}, normal(2, 3, 9)),
    (1, {"pool_size": 1}, normal(2, 1, 3)),
    (1, {"pool_size": 20, "padding": "same", "strides": 4}, LINE),
    (2, {"pool_size": 2}, IMAGE),
    (2, {"pool_size": 2}, TIES),
    (2, {"pool_size": 3, "strides": 1}, TIES),
    (2, {"pool_size": (3, 2), "strides": (1, 3), "padding": "same"}, TIES),
    (2, {"pool_size": 5, "padding": "same"}, IMAGE),
    (2, {"pool_size": 6}, TIES),
    (2, {"pool_size": 2, "strides": 2, "data_format": FIRST}, normal(2, 3, 7, 6)),
    (2, {"pool_size": 3, "strides": 2, "padding": "same", "data_format": FIRST}, normal(2, 3, 7, 6)),
    (3, {"pool_size": 2}, VOLUME),
    (3, {"pool_size": (2, 3, 1), "strides": 1, "padding": "same"}, VOLUME),
]
CASES = [(f"{kind}Pooling{rank}D", kwargs, inputs) for rank, kwargs, inputs in WINDOWS for kind in ("Max", "Average")]
CASES += [
    (f"Global{kind}Pooling{rank}D", kwargs, inputs)
    for kind in ("Max", "Average")
    for rank, kwargs, inputs in [
        (1, {}, LINE), (2, {"keepdims": True}, IMAGE), (2, {"data_format": FIRST}, normal(2, 3, 4, 5)), (3, {}, VOLUME)]
]
CASES += [
    (f"Adaptive{kind}Pooling{rank}D", kwargs, inputs)
    for kind in ("Max", "Average")
    for rank, kwargs, inputs in [
        (1, {"output_size": 4}, LINE), (1, {"output_size": 12}, LINE), (2, {"output_size": (3, 2)}, IMAGE),
        (2, {"output_size": 3, "data_format": FIRST}, normal(2, 3, 7, 6)), (3, {"output_size": (2, 3, 2)}, VOLUME)]
]


@pytest.mark.parametrize(("name", "kwargs", "inputs"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_as_keras(same_as_keras, name, kwargs, inputs):
    same_as_keras(name, kwargs, inputs)


NATIVE = [
    lambda x: ops.max_pool(x, 2),
    lambda x: ops.max_pool(x, 3, 2, "same"),
    lambda x: ops.max_pool(x, (5, 4)),
    lambda x: ops.max_pool(x, 2, 3, "valid", FIRST),
    lambda x: ops.average_pool(x, 2),
    lambda x: ops.average_pool(x, 3, 2, "same"),
    lambda x: ops.average_pool(x, 2, 1, "valid", FIRST),
    lambda x: ops.adaptive_max_pool(x, (3, 2)),
    lambda x: ops.adaptive_average_pool(x, (3, 2)),
]


@pytest.mark.parametrize("function", NATIVE)
def test_native_as_reference(native_as_reference, function):
    native_as_reference(function, normal(2, 8, 7, 5))


def test_the_first_maximum_takes_the_gradient():
    x = ops.convert_to_tensor(np.ones((1, 4, 4, 1), np.float32))
    for size, stride, want in ((2, 2, [[0, 0], [0, 2], [2, 0], [2, 2]]), (2, 1, None)):
        with GradientTape() as tape:
            tape.watch(x)
            out = ops.sum(ops.max_pool(x, size, stride))
        gradient = tape.gradient(out, x).numpy()[0, :, :, 0]
        places = np.argwhere(gradient).tolist()
        assert places == (want or [[i, j] for i in range(3) for j in range(3)])


def test_nan_wins_and_padding_never_does():
    x = -normal(1, 6, 1) ** 2 - 1
    x[0, 3] = np.nan
    for stride, padding in ((2, "valid"), (1, "same")):
        out = ops.max_pool(x, 2, stride, padding).numpy().ravel()
        assert np.isnan(out).sum() == (1 if stride == 2 else 2) and np.nanmax(out) < 0
    integers = RNG.integers(-9, 9, (1, 6, 1)).astype(np.int32)
    assert ops.max_pool(integers, 3, 3).numpy().ravel().tolist() == integers.reshape(2, 3).max(1).tolist()
    assert ops.max_pool(integers, 3, 2, "same").dtype == "int32"


def test_global_average_over_the_mask():
    x = layers.Masking()(np.array([[[1.0], [3.0], [0.0]], [[0.0], [4.0], [0.0]]], np.float32))
    out = layers.GlobalAveragePooling1D()(x)
    assert out.numpy().tolist() == [[2.0], [4.0]] and get_mask(out) is None


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: layers.MaxPooling2D(8)(IMAGE), ShapeError,
     r"Layer 'max_pooling2d.*': window \(8, 8\) is larger than the spatial shape \(7, 6\)"),
    (lambda: layers.MaxPooling2D(8)(layers.Input((7, 6, 3))), ShapeError, r"window \(8, 8\) is larger"),
    (lambda: layers.MaxPooling2D(0), ValueError, "Layer 'max_pooling2d.*': pool_size must be an int >= 1"),
    (lambda: layers.MaxPooling2D((2, 2, 2)), ValueError, "pool_size must be an int >= 1 or 2 of them"),
    (lambda: layers.MaxPooling2D(padding="sam"), ValueError, "Unknown padding 'sam'. Did you mean 'same'"),
    (lambda: layers.AveragePooling1D(2, strides=-1), ValueError, "strides must be an int >= 1"),
    (lambda: layers.AveragePooling1D(2, data_format="last"), ValueError, "Unknown data_format 'last'"),
    (lambda: layers.AveragePooling1D(2)(IMAGE), ShapeError, "expects its inputs to have 3 axes"),
    (lambda: layers.AdaptiveMaxPooling1D(0), ValueError, "output_size must be an int >= 1"),
    (lambda: layers.GlobalMaxPooling2D()(LINE), ShapeError, "expects its inputs to have 4 axes"),
    (lambda: ops.max_pool(normal(2, 3), 2), ShapeError, "1 to 3 spatial axes"),
])
def test_bad_arguments_name_the_cause(make, error, text):
    with pytest.raises(error, match=text):
        make()


class StepLosses(Callback):
    """Keeps the loss of every batch of the last epoch."""

    def on_train_progress(self, step, logs):
        self.losses = np.array(logs["loss"][:step])


def small_cnn(k):
    model = k.Sequential([
        k.layers.Input((12, 11, 2)),
        k.layers.Conv2D(8, 3, padding="same", activation="relu"),
        k.layers.MaxPooling2D(),
        k.layers.Conv2D(12, 3, strides=2, use_bias=False),
        k.layers.BatchNormalization(),
        k.layers.Activation("relu"),
        k.layers.AveragePooling2D(2, strides=1, padding="same"),
        k.layers.Conv2DTranspose(6, 2, strides=2, activation="relu"),
        k.layers.GroupNormalization(groups=3),
        k.layers.GlobalAveragePooling2D(),
        k.layers.Dense(5, activation="softmax"),
    ])
    model.compile(optimizer=k.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
    return model


def test_a_cnn_trains_as_in_keras():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(1)
    theirs, ours = small_cnn(keras), small_cnn(tf.keras)
    ours.set_weights(theirs.get_weights())
    x, y = normal(16 * 12, 12, 11, 2), RNG.integers(0, 5, 16 * 12)
    seen = StepLosses()
    ours.fit(x, y, batch_size=16, shuffle=False, verbose=0, callbacks=[seen])
    want = [float(theirs.train_on_batch(x[i : i + 16], y[i : i + 16])) for i in range(0, len(x), 16)]
    np.testing.assert_allclose(seen.losses, np.array(want, np.float32), rtol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-2, atol=2e-4)
