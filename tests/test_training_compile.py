"""compile(): all of it or nothing, and every name checked at once."""

from __future__ import annotations

import numpy as np
import pytest

import lamella as tf

layers = tf.keras.layers


def model(outputs=3, activation="softmax"):
    return tf.keras.Sequential([layers.Dense(outputs, activation=activation, input_shape=(4,))])


X = np.random.default_rng(0).random((20, 4), dtype=np.float32)
Y = np.eye(3, dtype=np.float32)[np.arange(20) % 3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"optimizer": "adamm", "loss": "mse"}, "Did you mean 'adam'"),
        ({"optimizer": "sgd", "loss": "msee"}, "Did you mean 'mse'"),
        ({"optimizer": "sgd", "loss": "mse", "metrics": ["acuracy"]}, "accuracy"),
        ({"optimizer": "sgd", "loss": "mse", "weighted_metrics": ["no_such"]}, "no_such"),
        ({"optimizer": "sgd", "loss": "mse", "metrics": "accuracy"}, "must be a list"),
        ({"optimizer": "sgd", "loss": ["mse", "mse"]}, "loss has 2 entries, the model has 1"),
        ({"optimizer": "sgd", "loss": "mse", "loss_weights": ["accuracy"]}, "numbers, received 'accuracy'"),
        ({"optimizer": "sgd", "loss": "mse", "loss_weights": [[1.0]]}, "numbers, received [1.0]"),
        ({"optimizer": "sgd", "loss": "mse", "steps_per_execution": 0}, "steps_per_execution"),
    ],
)
def test_a_bad_argument_changes_nothing(arguments, words):
    m = model()
    m.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    optimizer, compiled = m.optimizer, m._compiled
    with pytest.raises(ValueError) as info:
        m.compile(**arguments)
    assert words in str(info.value)
    assert m.optimizer is optimizer and m._compiled is compiled
    assert list(m.fit(X, Y, verbose=0).history) == ["loss", "accuracy"]


def test_a_bad_name_on_a_new_model_leaves_it_uncompiled():
    m = model()
    with pytest.raises(ValueError):
        m.compile("adamm", "mse")
    assert not m.compiled
    for method in (m.fit, m.evaluate, m.train_on_batch, m.test_on_batch):
        with pytest.raises(RuntimeError, match="compile"):
            method(X, Y)


def test_compile_replaces_all_settings():
    m = model()
    m.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    m.fit(X, Y, verbose=0)
    m.compile("sgd", "mse")
    assert list(m.fit(X, Y, verbose=0).history) == ["loss"]
    m.compile("sgd")
    with pytest.raises(ValueError, match="nothing to minimize"):
        m.fit(X, Y, verbose=0)


def test_an_optimizer_instance_keeps_its_state():
    m = model()
    adam = tf.keras.optimizers.Adam()
    m.compile(adam, "mse")
    m.fit(X, Y, verbose=0)
    m.compile(adam, "mae")
    m.fit(X, Y, verbose=0)
    assert int(adam.iterations) == 2


@pytest.mark.parametrize(
    ("outputs", "y", "loss", "kind"),
    [
        (1, np.ones(20), "binary_crossentropy", "BinaryAccuracy"),
        (3, np.arange(20) % 3, "sparse_categorical_crossentropy", "SparseCategoricalAccuracy"),
        (3, (np.arange(20) % 3)[:, None], "sparse_categorical_crossentropy", "SparseCategoricalAccuracy"),
        (3, Y, "categorical_crossentropy", "CategoricalAccuracy"),
        (3, Y, "binary_crossentropy", "BinaryAccuracy"),
    ],
)
def test_accuracy_is_resolved_by_shapes_and_loss(outputs, y, loss, kind):
    m = model(outputs, "sigmoid")
    m.compile("sgd", loss, metrics=["acc"])
    assert list(m.fit(X, y, verbose=0).history) == ["loss", "acc"]
    assert type(m.metrics[1]).__name__ == kind


def test_names_in_the_logs():
    def distance(y_true, y_pred):
        return tf.ops.mean(tf.ops.abs(y_true - y_pred), axis=-1)

    m = model()
    m.compile(
        "sgd",
        distance,
        metrics=["mse", distance, tf.keras.metrics.MeanAbsoluteError(name="mine"), "mse"],
        weighted_metrics=["mse"],
    )
    assert list(m.fit(X, Y, verbose=0).history) == ["loss", "mse", "distance", "mine", "mse_1", "weighted_mse"]
    assert m.metrics_names[0] == "loss"


def test_losses_by_output_name():
    inputs = tf.keras.Input((4,))
    outputs = [layers.Dense(1, name="a")(inputs), layers.Dense(2, name="b")(inputs)]
    m = tf.keras.Model(inputs, outputs)
    with pytest.raises(ValueError, match="loss names the output 'c'"):
        m.compile("sgd", {"a": "mse", "c": "mse"})
    with pytest.raises(ValueError, match="metrics has 3 entries, the model has 2 outputs"):
        m.compile("sgd", "mse", metrics=["mae"] * 3)
    m.compile("sgd", {"a": "mse", "b": "mae"}, metrics={"b": ["mse"]})
    y = [X[:, :1], X[:, :2]]
    assert list(m.fit(X, y, verbose=0).history) == ["loss", "a_loss", "b_loss", "b_mse"]
    m.compile("sgd", {"a": "mse"})
    with pytest.warns(UserWarning, match="no gradient for b/kernel"):
        assert list(m.fit(X, {"a": y[0]}, verbose=0).history) == ["loss"]


def test_run_eagerly_gives_the_same():
    m = model()
    start = m.get_weights()
    results = []
    for eagerly in (False, True):
        m.set_weights(start)
        m.compile("adam", "categorical_crossentropy", metrics=["accuracy"], run_eagerly=eagerly)
        results.append(m.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0).history)
        results[-1]["test"] = m.evaluate(X, Y, verbose=0)
        results[-1]["out"] = m.predict(X, verbose=0)
    for name in results[0]:
        np.testing.assert_allclose(results[0][name], results[1][name], rtol=1e-5, err_msg=name)
