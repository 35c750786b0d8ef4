"""Data in all forms that fit takes, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import lamella as tf
from lamella.callbacks import Callback
from lamella.data import Dataset
from lamella.errors import ShapeError

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


def batches(n=5):
    for i in range(n):
        yield X[10 * i : 10 * i + 10], Y[10 * i : 10 * i + 10]


class Pages:
    def __len__(self):
        return 5

    def __getitem__(self, i):
        return X[10 * i : 10 * i + 10], Y[10 * i : 10 * i + 10]


@pytest.mark.parametrize(
    "source",
    [batches, Pages, lambda: list_like(), lambda: Dataset.from_tensor_slices((X, Y)).batch(10)],
    ids=["generator", "pages", "iterable", "dataset"],
)
def test_streams_train_like_arrays(source):
    a, b = same_start(metrics=["accuracy"])
    expected = a.fit(X, Y, batch_size=10, shuffle=False, verbose=0).history
    got = b.fit(source(), verbose=0).history
    assert list(got) == list(expected)
    for name in got:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-5)
    np.testing.assert_allclose(b.evaluate(source(), verbose=0), a.evaluate(X, Y, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(b.predict(source(), verbose=0), a.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


def list_like():
    class Loader:
        def __iter__(self):
            return batches()

    return Loader()


def test_streams_with_a_smaller_last_batch_and_validation():
    def pairs():
        for start in range(0, 50, 8):
            yield X[start : start + 8], Y[start : start + 8]

    a, b = same_start()
    expected = a.fit(X, Y, batch_size=8, shuffle=False, verbose=0, validation_data=(X, Y), validation_batch_size=8)
    got = b.fit(pairs(), verbose=0, validation_data=Dataset.from_tensor_slices((X, Y)).batch(8))
    np.testing.assert_allclose(got.history["loss"], expected.history["loss"], rtol=1e-5)
    np.testing.assert_allclose(got.history["val_loss"], expected.history["val_loss"], rtol=1e-5)


def test_a_used_up_generator_raises():
    m = model()
    with pytest.raises(ValueError, match="generator has no more batches"):
        m.fit(batches(), epochs=2, verbose=0)
    assert len(m.fit((b for _ in range(2) for b in batches()), epochs=2, steps_per_epoch=5, verbose=0).epoch) == 2
    with pytest.raises(ValueError, match="no batch|no more batches"):
        m.fit((b for b in ()), verbose=0)


def test_class_weight_with_streams():
    weights = {0: 1.0, 1: 3.0, 2: 0.5}
    a, b = same_start()
    expected = a.fit(X, Y, batch_size=10, shuffle=False, verbose=0, class_weight=weights).history["loss"]
    np.testing.assert_allclose(b.fit(batches(), verbose=0, class_weight=weights).history["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be a whole number of at least 1"),
        ({"validation_split": 1.5}, ValueError, "validation_split"),
        ({"validation_freq": 0, "validation_split": 0.5}, ValueError, "validation_freq"),
        ({"steps_per_epoch": 0}, ValueError, "steps_per_epoch"),
        ({"verbose": 7}, ValueError, "verbose"),
        ({"y": None}, ValueError, "y is missing"),
        ({"y": Y[:20]}, ShapeError, "x: 50; y: 20"),
        ({"y": Y[:, :1]}, ValueError, "(50, 1)|(32, 1)"),
        ({"x": X[:, :3]}, ShapeError, "expected axis -1 to have size 4"),
        ({"x": X[:0], "y": Y[:0]}, ValueError, "x is empty"),
        ({"x": [[1, 2, 3, 4], [1, 2]], "y": Y[:2]}, ShapeError, "ragged: row 0"),
        ({"x": np.array([["a"] * 4] * 50)}, TypeError, "strings"),
        ({"y": LABELS}, ValueError, "sparse_categorical_crossentropy"),
        ({"class_weight": {0: 1.0}}, ValueError, "no weight for the classes [1, 2]"),
        ({"class_weight": {0: 1, 1: 1, 2: 1}, "sample_weight": np.ones(50)}, ValueError, "not both"),
        ({"sample_weight": np.ones(3)}, ShapeError, "sample_weight: 3"),
        ({"x": None}, ValueError, "needs x"),
        ({"callbacks": [Callback]}, TypeError, "call it to make an instance"),
        ({"validation_data": (X, Y, X, Y)}, ValueError, "validation_data must be"),
        ({"validation_data": (X[:, :2], Y)}, ShapeError, "fit: validation_data: x does not fit"),
    ],
)
def test_bad_arguments_leave_the_model_as_it_was(arguments, error, words):
    m = model(metrics=["accuracy"])
    m.fit(X, Y, verbose=0)
    before = m.get_weights(), m.evaluate(X, Y, verbose=0), int(m.optimizer.iterations)
    with pytest.raises(error) as info:
        m.fit(**({"x": X, "y": Y, "verbose": 0} | arguments))
    assert any(word in str(info.value) for word in words.split("|")), str(info.value)
    for a, b in zip(before[0], m.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert before[1] == m.evaluate(X, Y, verbose=0) and before[2] == int(m.optimizer.iterations)
    m.fit(X, Y, verbose=0)


def test_labels_out_of_range_are_named():
    m = model("sparse_categorical_crossentropy")
    labels = LABELS.copy()
    labels[7] = 5
    for call in (m.fit, m.evaluate, m.train_on_batch):
        with pytest.raises(ValueError, match="y: .*5"):
            call(X, labels)
    labels[7] = -1
    with pytest.raises(ValueError, match="-1"):
        m.fit(X, labels, verbose=0)


def test_targets_that_would_be_broadcast_are_refused():
    m = model("mse", outputs=1, activation=None)
    with pytest.raises(ValueError, match=r"\(\d+, 3\)"):
        m.fit(X, Y, verbose=0)
    assert m.fit(X, LABELS, verbose=0).history["loss"]


def test_sample_weights_are_aligned_from_the_left():
    inputs = tf.keras.Input((5, 4))
    m = tf.keras.Model(inputs, layers.Dense(1)(inputs))
    m.compile("sgd", "mse")
    x, y = RNG.random((5, 5, 4), dtype=np.float32), np.zeros((5, 5, 1), np.float32)
    weights = np.array([1, 0, 0, 0, 0], np.float32)
    expected = np.sum(m.predict(x, verbose=0)[0] ** 2) / 25
    assert m.evaluate(x, y, sample_weight=weights, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_nan_in_the_data_warns():
    x = X.copy()
    x[4, 2] = np.nan
    with pytest.warns(UserWarning, match="1 values that are NaN or infinite, the first in row 4"):
        model().fit(x, Y, verbose=0)


def test_plain_lists_and_integer_images():
    m = model()
    m.fit(X.tolist(), Y.tolist(), verbose=0)
    images = (X * 255).astype(np.uint8)
    a, b = same_start()
    np.testing.assert_allclose(
        a.fit(images, Y, shuffle=False, verbose=0).history["loss"],
        b.fit(images.astype(np.float32), Y, shuffle=False, verbose=0).history["loss"],
        rtol=1e-5,
    )
    assert m.predict(X.tolist(), verbose=0).shape == (50, 3)


def test_empty_arrays_raise_clearly():
    m = model()
    for call in (lambda: m.evaluate(X[:0], Y[:0]), lambda: m.predict(X[:0])):
        with pytest.raises(ValueError, match="x is empty"):
            call()
