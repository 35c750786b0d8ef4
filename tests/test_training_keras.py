"""Two-sided: the same weights, data and order give what Keras gives."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")

import lamella as tf  # noqa: E402
from lamella.callbacks import Callback  # noqa: E402

STEPS, BATCH = 200, 32


class StepLosses(Callback):
    """Keeps the loss of every batch of the last epoch."""

    def on_train_progress(self, step, logs):
        self.losses = np.array(logs["loss"][:step])


def data(n=STEPS * BATCH, features=784, classes=10, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((n, features), dtype=np.float32)
    labels = ((x - 0.5) @ rng.standard_normal((features, classes))).argmax(1)
    return x, np.eye(classes, dtype=np.float32)[labels], labels


def pair(
    loss="categorical_crossentropy",
    optimizer="adam",
    features=784,
    hidden=128,
    classes=10,
    last="softmax",
    metrics=("accuracy",),
    weighted_metrics=None,
    **arguments,
):
    """The same model here and in Keras, with the same weights."""

    def build(k):
        model = k.Sequential(
            [
                k.layers.Input((features,)),
                k.layers.Dense(hidden, activation="relu"),
                k.layers.Dense(classes, activation=last),
            ]
        )
        chosen = getattr(k.optimizers, optimizer)(**arguments) if arguments else optimizer
        model.compile(optimizer=chosen, loss=loss, metrics=list(metrics), weighted_metrics=weighted_metrics)
        return model

    keras.utils.set_random_seed(1)
    theirs, ours = build(keras), build(tf.keras)
    ours.set_weights(theirs.get_weights())
    return ours, theirs


OPTIMIZERS = {
    "sgd": ("SGD", {"learning_rate": 0.1}),
    "momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.001}),
    "adam": ("Adam", {"learning_rate": 0.001}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_200_steps_have_the_same_losses(name):
    optimizer, arguments = OPTIMIZERS[name]
    ours, theirs = pair(optimizer=optimizer, **arguments)
    x, y, _ = data()
    seen = StepLosses()
    ours.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[seen])
    expected = [theirs.train_on_batch(x[i : i + BATCH], y[i : i + BATCH])[0] for i in range(0, len(x), BATCH)]
    np.testing.assert_allclose(seen.losses, np.array(expected, np.float32), rtol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


def compare_history(ours, theirs, *args, rtol=1e-4, **kwargs):
    """Fit both; the histories have the same names and numbers."""
    a = ours.fit(*args, shuffle=False, verbose=0, **kwargs).history
    b = theirs.fit(*args, shuffle=False, verbose=0, **kwargs).history
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=rtol, atol=1e-6, err_msg=name)
    return a


def small(**kwargs):
    return pair(features=6, hidden=5, classes=3, **kwargs)


def test_epochs_with_a_smaller_last_batch_and_validation():
    x, y, _ = data(103, 6, 3)
    history = compare_history(*small(), x, y, batch_size=10, epochs=3, validation_split=0.2)
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]


def test_sparse_labels_and_validation_freq():
    x, _, labels = data(64, 6, 3)
    history = compare_history(
        *small(loss="sparse_categorical_crossentropy"),
        x,
        labels,
        epochs=4,
        initial_epoch=1,
        validation_data=(x[:10], labels[:10]),
        validation_freq=2,
    )
    assert len(history["loss"]) == 3 and len(history["val_loss"]) == 2


def test_validation_freq_as_a_list():
    x, y, _ = data(40, 6, 3)
    history = compare_history(
        *small(),
        x,
        y,
        epochs=4,
        validation_data=(x, y),
        validation_freq=[1, 4],
        validation_batch_size=7,
        validation_steps=2,
    )
    assert len(history["val_loss"]) == 2


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_regression(loss):
    x, y, _ = data(50, 6, 3)
    compare_history(*small(loss=loss, last=None, optimizer="SGD", metrics=("mae",), learning_rate=0.1), x, y, epochs=2)


def test_binary_targets_of_rank_one():
    x, _, labels = data(50, 6, 2)
    ours, theirs = pair(
        features=6,
        hidden=4,
        classes=1,
        last="sigmoid",
        loss="binary_crossentropy",
        metrics=("accuracy", "Precision", "Recall"),
    )
    compare_history(ours, theirs, x, labels.astype(np.float32), epochs=3, batch_size=8)


def test_class_weight_and_weighted_metrics():
    x, y, _ = data(70, 6, 3)
    ours, theirs = small(weighted_metrics=["accuracy"])
    history = compare_history(ours, theirs, x, y, epochs=2, class_weight={0: 1.0, 1: 2.0, 2: 0.5})
    assert "weighted_accuracy" in history


def test_sample_weight_in_fit_and_evaluate():
    x, y, _ = data(70, 6, 3)
    weights = np.random.default_rng(1).random(70).astype(np.float32)
    ours, theirs = small(weighted_metrics=["mse"])
    compare_history(ours, theirs, x, y, epochs=2, sample_weight=weights, validation_split=0.3)
    a = ours.evaluate(x, y, sample_weight=weights, verbose=0)
    b = theirs.evaluate(x, y, sample_weight=weights, verbose=0)
    np.testing.assert_allclose(a, b, rtol=1e-4)


def test_weights_are_divided_by_the_number_of_samples_by_default():
    ours, theirs = small(loss="mse", last=None)
    x, y, _ = data(4, 6, 3)
    weights = np.array([0, 1, 1, 1], np.float32)
    expected = theirs.evaluate(x, y, sample_weight=weights, verbose=0)[0]
    assert ours.evaluate(x, y, sample_weight=weights, verbose=0)[0] == pytest.approx(expected, rel=1e-5)
    plain = np.mean((ours.predict(x, verbose=0)[1:] - y[1:]) ** 2)
    assert expected == pytest.approx(0.75 * plain, rel=1e-5)
    ours.compile(loss=tf.keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"))
    assert ours.evaluate(x, y, sample_weight=weights, verbose=0) == pytest.approx(plain, rel=1e-5)


def test_evaluate_predict_and_single_batches():
    ours, theirs = small()
    x, y, _ = data(77, 6, 3)
    np.testing.assert_allclose(ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(
        ours.evaluate(x, y, steps=2, verbose=0), theirs.evaluate(x, y, steps=2, verbose=0), rtol=1e-5
    )
    for rows in (1, 32, 77):
        np.testing.assert_allclose(
            ours.predict(x[:rows], verbose=0), theirs.predict(x[:rows], verbose=0), rtol=1e-5, atol=1e-6
        )
    np.testing.assert_allclose(
        ours.predict(x, batch_size=10, steps=3, verbose=0), theirs.predict(x[:30], verbose=0), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(ours.predict_on_batch(x), theirs.predict_on_batch(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.test_on_batch(x, y), theirs.test_on_batch(x, y), rtol=1e-5)
    for _ in range(3):
        np.testing.assert_allclose(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-5)


def test_penalties_are_part_of_the_loss():
    def build(k):
        inputs = k.layers.Input((6,))
        hidden = k.layers.Dense(4, activation="tanh", kernel_regularizer="l2", activity_regularizer="l1")(inputs)
        model = k.Model(inputs, k.layers.Dense(3, activation="softmax")(hidden))
        model.compile("sgd", "categorical_crossentropy")
        return model

    keras.utils.set_random_seed(1)
    theirs, ours = build(keras), build(tf.keras)
    ours.set_weights(theirs.get_weights())
    x, y, _ = data(45, 6, 3)
    compare_history(ours, theirs, x, y, epochs=2)


def test_two_outputs_with_weights():
    def build(k):
        inputs = k.layers.Input((6,))
        hidden = k.layers.Dense(4, activation="tanh")(inputs)
        model = k.Model(
            inputs,
            [k.layers.Dense(3, activation="softmax", name="kind")(hidden), k.layers.Dense(1, name="size")(hidden)],
        )
        model.compile(
            "sgd", loss=["categorical_crossentropy", "mse"], loss_weights=[1.0, 0.5], metrics=[["accuracy"], ["mae"]]
        )
        return model

    keras.utils.set_random_seed(1)
    theirs, ours = build(keras), build(tf.keras)
    ours.set_weights(theirs.get_weights())
    x, y, _ = data(45, 6, 3)
    history = compare_history(ours, theirs, x, [y, x[:, :1]], epochs=2)
    assert list(history) == ["loss", "kind_loss", "size_loss", "kind_accuracy", "size_mae"]


def test_architecture_can_be_read_by_keras():
    inputs = tf.keras.Input((6,), name="features")
    hidden = tf.keras.layers.Dense(4, activation="relu", name="hidden")(inputs)
    functional = tf.keras.Model(inputs, tf.keras.layers.Dense(2, name="out")(hidden), name="net")
    ours, _ = small()
    for model in (functional, ours):
        theirs = keras.models.model_from_json(model.to_json())
        assert [w.shape for w in theirs.weights] == [tuple(w.shape) for w in model.weights]
        theirs.set_weights(model.get_weights())
        x = np.random.default_rng(0).random((3, 6), dtype=np.float32)
        np.testing.assert_allclose(model.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def random_network(k, seed):
    """Up to three inputs, of which some may lead nowhere, branches of different lengths, a layer called several times."""
    choose, layers = random.Random(seed), k.layers
    inputs = [k.Input((4,), name=f"input{i}") for i in range(choose.choice([1, 2, 3]))]
    tensors, shared = list(inputs), layers.Dense(4, name="shared")
    for i in range(choose.randint(2, 12)):
        kind = choose.choice(["dense", "dense", "shared", "add"])
        if kind == "add":
            tensors.append(layers.Add(name=f"add{i}")([choose.choice(tensors), choose.choice(tensors)]))
        else:
            tensors.append((shared if kind == "shared" else layers.Dense(4, name=f"dense{i}"))(choose.choice(tensors)))
    made = tensors[len(inputs) :]
    return k.Model(inputs, choose.sample(made, choose.choice([1, 1, 2])))


def test_layers_and_weights_of_a_functional_model_stand_in_keras_order():
    for seed in range(60):
        theirs, ours = random_network(keras, seed), random_network(tf.keras, seed)
        assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers], seed
        assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights], seed
