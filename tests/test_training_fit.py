"""fit, evaluate and predict: epochs, shuffling, reuse of programs."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import lamella as tf

layers = tf.keras.layers
RNG = np.random.default_rng(0)
X = RNG.random((50, 4), dtype=np.float32)
LABELS = RNG.integers(0, 3, 50)
Y = np.eye(3, dtype=np.float32)[LABELS]


def model(loss="categorical_crossentropy", outputs=3, activation="softmax", **kwargs):
    m = tf.keras.Sequential(
        [layers.Dense(5, activation="tanh", input_shape=(4,)), layers.Dense(outputs, activation=activation)]
    )
    m.compile(kwargs.pop("optimizer", "adam"), loss, **kwargs)
    return m


def same_start(n=2, **kwargs):
    models = [model(**kwargs) for _ in range(n)]
    for m in models[1:]:
        m.set_weights(models[0].get_weights())
    return models


def test_logs_are_in_order_loss_first():
    history = model(metrics=["mse", "accuracy"]).fit(X, Y, validation_split=0.2, verbose=0, epochs=2)
    assert list(history.history) == ["loss", "mse", "accuracy", "val_loss", "val_mse", "val_accuracy"]
    assert history.epoch == [0, 1] and all(isinstance(v, float) for v in history.history["loss"])


def test_epochs_are_indexes():
    m = model()
    assert m.fit(X, Y, epochs=5, initial_epoch=3, verbose=0).epoch == [3, 4]
    assert m.fit(X, Y, epochs=2, verbose=0).epoch == [0, 1]
    assert m.fit(X, Y, epochs=1, initial_epoch=1, verbose=0).epoch == []
    assert m.history.epoch == []


def test_one_row_and_one_batch():
    m = model()
    assert len(m.fit(X[:1], Y[:1], verbose=0).history["loss"]) == 1
    assert len(m.fit(X, Y, batch_size=1000, verbose=0).history["loss"]) == 1


def test_shuffling_is_seeded_and_differs_by_epoch():
    a, b, c = same_start(3)
    losses = []
    for m, seed in ((a, 1), (b, 1), (c, 2)):
        tf.random.set_random_seed(seed)
        losses.append(m.fit(X, Y, batch_size=8, epochs=3, verbose=0).history["loss"])
    assert losses[0] == losses[1] != losses[2]
    np.testing.assert_array_equal(a.get_weights()[0], b.get_weights()[0])


def test_the_first_fit_after_compile_shuffles_like_any_other():
    a, b = same_start(optimizer="sgd")
    np.random.seed(0)
    state = np.random.get_state()[1].copy()
    tf.random.set_random_seed(5)
    state = np.random.get_state()[1].copy()
    first = a.fit(X, Y, batch_size=8, verbose=0).history["loss"]
    assert (np.random.get_state()[1] == state).all()  # numpy's global generator is left alone
    b.evaluate(X, Y, verbose=0)
    b.predict(X, verbose=0)
    tf.random.set_random_seed(5)
    assert b.fit(X, Y, batch_size=8, verbose=0).history["loss"] == first


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_shuffle_sees_every_row_once(shuffle):
    class Seen(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.w = self.add_weight((), name="w")
            self.sum = self.add_weight((), initializer="zeros", trainable=False, name="sum")

        def call(self, x, training=False):
            self.sum.assign_add(tf.ops.sum(x))
            return x * self.w

    m = Seen()
    m.compile("sgd", "mse")
    rows = np.arange(10, dtype=np.float32)[:, None]
    m.fit(rows, rows * 0, batch_size=4, shuffle=shuffle, verbose=0)
    assert float(m.sum) == 45


def test_steps_per_epoch_goes_on_through_the_data():
    a, b = same_start()
    losses = a.fit(X, Y, batch_size=10, epochs=4, steps_per_epoch=3, shuffle=False, verbose=0).history["loss"]
    seen = []
    for i in range(12):
        rows = slice(10 * (i % 5), 10 * (i % 5) + 10)
        seen.append(b.train_on_batch(X[rows], Y[rows]))
    np.testing.assert_allclose(losses, np.array(seen).reshape(4, 3).mean(1), rtol=1e-5)
    assert len(a.fit(X, Y, steps_per_epoch=5, verbose=0).history["loss"]) == 1


def test_programs_are_reused():
    m = model()
    m.fit(X, Y, validation_split=0.2, epochs=2, verbose=0)
    count = len(m._programs)
    for _ in range(3):
        m.fit(X, Y, validation_split=0.2, verbose=0)
    assert len(m._programs) == count
    m.optimizer.learning_rate = 0.5
    m.fit(X, Y, validation_split=0.2, verbose=0)
    assert len(m._programs) == count


def test_learning_rate_changes_take_effect():
    a, b = same_start(optimizer="sgd")
    a.optimizer.learning_rate = 0.0
    before = a.get_weights()
    a.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(before[0], a.get_weights()[0])
    a.optimizer.learning_rate = 0.01
    a.fit(X, Y, shuffle=False, verbose=0)
    b.fit(X, Y, shuffle=False, verbose=0)
    np.testing.assert_allclose(a.get_weights()[0], b.get_weights()[0], rtol=1e-6)


def test_predict_sees_new_weights_and_returns_fresh_arrays():
    m = model()
    first = m.predict(X[:1], verbose=0)
    kept = first.copy()
    m.fit(X, Y, verbose=0)
    second = m.predict(X[:1], verbose=0)
    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(first, second)
    np.testing.assert_allclose(second, m(X[:1]).numpy(), rtol=1e-5)
    third = m.predict(X[1:2], verbose=0)
    assert not np.array_equal(second, third)
    np.testing.assert_allclose(m.predict(X[:1].astype(np.float64), verbose=0), second, rtol=1e-5)


def test_predict_from_several_threads():
    m = model()
    expected = [m.predict(X[i : i + 1], verbose=0) for i in range(4)]
    wrong = []

    def work(i):
        for _ in range(50):
            if not np.array_equal(expected[i], m.predict(X[i : i + 1], verbose=0)):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("make", [
    lambda: tf.keras.optimizers.Adam(0.01, loss_scale_factor=128.0),
    lambda: tf.keras.optimizers.LossScaleOptimizer(tf.keras.optimizers.Adam(0.01)),
])
def test_a_scaled_loss_trains_as_without_scale(make):
    """The scale goes into the loss before the gradient, and out of the gradients before the update."""
    rng = np.random.default_rng(0)
    x = rng.random((96, 6), dtype=np.float32)
    y = x.sum(1, keepdims=True)
    losses = []
    for optimizer in (tf.keras.optimizers.Adam(0.01), make()):
        tf.keras.utils.set_random_seed(0)
        model = tf.keras.Sequential([tf.keras.layers.Dense(5, activation="relu", input_shape=(6,)), tf.keras.layers.Dense(1)])
        model.compile(optimizer, "mse")
        losses.append(model.fit(x, y, epochs=3, verbose=0, shuffle=False).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
