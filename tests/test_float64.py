"""float64 models: like Keras with 64-bit JAX where that computes in float64, else like numpy, to 1e-12."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import lamella as tf
from lamella import ops
from lamella.frontend import GradientTape

ROOT = pathlib.Path(__file__).parent.parent
TOLERANCE = 1e-12

# Keras' tanh, means, normalizations and schedules are float32 inside also with 64-bit JAX: they are no part of it.
PROGRAM = """
import json
import keras
import numpy as np
import lamella as tf

BOTH = (tf.keras, keras)
for k in BOTH:
    k.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")  # it does not follow floatx any more once a layer was made
rng = np.random.default_rng(0)
labels = rng.integers(0, 4, 44)

def dense(k):
    return [k.layers.Dense(9, activation="relu", kernel_regularizer="l2"), k.layers.Dense(4, activation="softmax")]

def convolution(k):
    return [k.layers.Conv2D(4, 3, activation="sigmoid"), k.layers.MaxPooling2D(), k.layers.Flatten(), k.layers.Dense(4)]

def differences(make, shape, optimizer, loss, y, metrics):
    x = rng.standard_normal((44, *shape))
    models = []
    for k in BOTH:
        model = k.Sequential([k.layers.Input(shape), *make(k)])
        chosen = k.losses.SparseCategoricalCrossentropy(from_logits=True) if loss == "sparse" else loss
        model.compile(optimizer(k), chosen, metrics=metrics)
        models.append(model)
    models[0].set_weights(models[1].get_weights())
    histories = [m.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0, validation_data=(x, y)).history for m in models]
    pairs = [(histories[0][name], histories[1][name]) for name in histories[1]]
    pairs += [(m.predict(x, verbose=0), n.predict(x, verbose=0)) for m, n in [models]]
    pairs += [(m.evaluate(x, y, verbose=0), n.evaluate(x, y, verbose=0)) for m, n in [models]]
    pairs += zip(models[0].get_weights(), models[1].get_weights())
    dtypes = {str(v.dtype) for m in models for v in (*m.weights, *m.optimizer.variables) if "int" not in str(v.dtype)}
    return [max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs), sorted(dtypes)]

one_hot = np.eye(4)[labels]
result = {
    "sgd": differences(dense, (7,), lambda k: k.optimizers.SGD(0.05, momentum=0.9, nesterov=True), "categorical_crossentropy",
                       one_hot, ["accuracy"]),
    "adam": differences(dense, (7,), lambda k: "adam", "sparse", labels, ["accuracy"]),
    "nadam": differences(dense, (7,), lambda k: k.optimizers.Nadam(0.01), "categorical_crossentropy", one_hot, []),
    "conv": differences(convolution, (8, 8, 2), lambda k: "rmsprop", "sparse", labels, ["accuracy"]),
}
print(json.dumps(result))
"""


def test_models_are_those_of_keras_with_64_bit_jax():
    pytest.importorskip("keras")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    for name, (difference, dtypes) in json.loads(done.stdout.splitlines()[-1]).items():
        assert difference < TOLERANCE, name
        assert dtypes == ["float64"], name


@pytest.fixture
def double():
    tf.keras.config.set_floatx("float64")
    yield np.random.default_rng(4)
    tf.keras.config.set_floatx("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def layer_norm(x, weights):
    gamma, beta = weights
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-3) * gamma + beta


def batch_norm(x, weights):
    gamma, beta = weights[:2]
    centred = x - x.mean((0, 1))
    return centred / np.sqrt((centred**2).mean((0, 1)) + 1e-3) * gamma + beta


def lstm(x, weights):
    kernel, recurrent, bias = weights
    h = c = np.zeros((len(x), recurrent.shape[0]))
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def attention(x, weights):
    (wq, bq), (wk, bk), (wv, bv), (wo, bo) = zip(weights[::2], weights[1::2], strict=True)
    q, k, v = (np.einsum("btd,dhe->bthe", x, w) + b for w, b in ((wq, bq), (wk, bk), (wv, bv)))
    scores = np.einsum("bthe,bshe->bhts", q, k) / np.sqrt(q.shape[-1])
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("bhts,bshe,hed->btd", e / e.sum(-1, keepdims=True), v, wo) + bo


LAYERS = {
    "LayerNormalization": ({}, layer_norm, {}),
    "BatchNormalization": ({}, batch_norm, {"training": True}),
    "LSTM": ({"units": 3}, lstm, {}),
    "MultiHeadAttention": ({"num_heads": 2, "key_dim": 3}, attention, {}),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_numpys_formulas(name, double):
    kwargs, meaning, training = LAYERS[name]
    layer = getattr(tf.keras.layers, name)(**kwargs)
    x = double.standard_normal((3, 5, 4))
    twice = name == "MultiHeadAttention"

    def run(x):
        return layer(x, x) if twice else layer(x, **training)

    run(x)
    layer.set_weights([double.uniform(0.5, 1, w.shape) for w in layer.get_weights()])
    want = meaning(x, layer.get_weights())

    def with_gradients(x):
        x = ops.convert_to_tensor(x)
        with GradientTape() as tape:
            tape.watch(x)
            out = run(x)
            loss = ops.sum(ops.sin(out))
        return [out, *tape.gradient(loss, [x, *layer.trainable_weights])]

    eager, native = with_gradients(x), tf.function(with_gradients)(x)
    assert {t.dtype for t in (*eager, *native)} == {"float64"}
    np.testing.assert_allclose(eager[0].numpy(), want, rtol=TOLERANCE, atol=TOLERANCE)
    for a, b in zip(native, eager, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=TOLERANCE, atol=TOLERANCE)
    step, direction = 1e-5, double.standard_normal(x.shape)
    ahead, behind = (np.sin(meaning(x + s * direction, layer.get_weights())).sum() for s in (step, -step))
    assert (eager[1].numpy() * direction).sum() == pytest.approx((ahead - behind) / (2 * step), rel=1e-7)


SCHEDULES = {
    "ExponentialDecay": ((0.1, 7, 0.9), lambda s: 0.1 * 0.9 ** (s / 7)),
    "CosineDecay": ((0.1, 20), lambda s: 0.05 * (1 + np.cos(np.pi * s / 20))),
    "PolynomialDecay": ((0.1, 20), lambda s: (0.1 - 1e-4) * (1 - s / 20) + 1e-4),
    "InverseTimeDecay": ((0.1, 7, 0.5), lambda s: 0.1 / (1 + 0.5 * s / 7)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_and_metrics_of_values_are_exact(name, double):
    arguments, meaning = SCHEDULES[name]
    schedule = getattr(tf.keras.optimizers.schedules, name)(*arguments)
    assert [float(schedule(s)) for s in range(20)] == pytest.approx([meaning(s) for s in range(20)], rel=1e-14)
    t, p = double.random(50), double.random(50)
    assert float(tf.keras.metrics.MeanAbsoluteError()(t, p)) == pytest.approx(np.abs(t - p).mean(), rel=1e-14)
    assert float(tf.keras.metrics.CosineSimilarity()(t[None], p[None])) == pytest.approx(
        t @ p / np.sqrt((t @ t) * (p @ p)), rel=1e-14)
    assert float(tf.keras.losses.Huber(0.2)(t, p)) == pytest.approx(np.where(
        np.abs(t - p) < 0.2, (t - p) ** 2 / 2, 0.2 * np.abs(t - p) - 0.02).mean(), rel=1e-14)
