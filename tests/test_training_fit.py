"""fit, evaluate and predict: data in all forms, order of events, and what goes wrong."""

from __future__ import annotations

import threading
import time

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
    m = tf.keras.Sequential([layers.Dense(5, activation="tanh", input_shape=(4,)), layers.Dense(outputs, activation=activation)])
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


def batches(n=5):
    for i in range(n):
        yield X[10 * i:10 * i + 10], Y[10 * i:10 * i + 10]


class Pages:
    def __len__(self):
        return 5

    def __getitem__(self, i):
        return X[10 * i:10 * i + 10], Y[10 * i:10 * i + 10]


@pytest.mark.parametrize("source", [batches, Pages, lambda: list_like(), lambda: Dataset.from_tensor_slices((X, Y)).batch(10)],
                         ids=["generator", "pages", "iterable", "dataset"])
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
            yield X[start:start + 8], Y[start:start + 8]
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


@pytest.mark.parametrize(("arguments", "error", "words"), [
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
    ({"validation_data": (X[:, :2], Y)}, ShapeError, "axis -1"),
])
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
    np.testing.assert_allclose(a.fit(images, Y, shuffle=False, verbose=0).history["loss"],
                               b.fit(images.astype(np.float32), Y, shuffle=False, verbose=0).history["loss"], rtol=1e-5)
    assert m.predict(X.tolist(), verbose=0).shape == (50, 3)


def test_empty_arrays_raise_clearly():
    m = model()
    for call in (lambda: m.evaluate(X[:0], Y[:0]), lambda: m.predict(X[:0])):
        with pytest.raises(ValueError, match="x is empty"):
            call()


class Recorder(Callback):
    def __init__(self):
        super().__init__()
        self.events = []


def _record(name):
    def hook(self, *args, logs=None):
        index = args[0] if args and isinstance(args[0], int) else ""
        self.events.append(f"{name.removeprefix('on_')}{index}")
    return hook


for _name in [n for n in dir(Callback) if n.startswith("on_") and n not in ("on_batch_begin", "on_batch_end", "on_train_progress")]:
    setattr(Recorder, _name, _record(_name))


def test_order_of_events():
    recorder = Recorder()
    m = model()
    m.fit(X[:20], Y[:20], batch_size=10, epochs=2, validation_split=0.5, validation_freq=2, verbose=0, callbacks=[recorder])
    train = ["train_batch_begin0", "train_batch_end0"]
    test = ["test_begin", "test_batch_begin0", "test_batch_end0", "test_end"]
    assert recorder.events == ["train_begin", "epoch_begin0", *train, "epoch_end0", "epoch_begin1", *train, *test, "epoch_end1", "train_end"]
    recorder.events.clear()
    m.evaluate(X[:20], Y[:20], batch_size=10, verbose=0, callbacks=[recorder])
    assert recorder.events == ["test_begin", "test_batch_begin0", "test_batch_end0", "test_batch_begin1", "test_batch_end1", "test_end"]
    recorder.events.clear()
    m.predict(X[:20], batch_size=10, verbose=0, callbacks=[recorder])
    assert recorder.events == ["predict_begin", "predict_batch_begin0", "predict_batch_end0", "predict_batch_begin1",
                               "predict_batch_end1", "predict_end"]


def test_batch_hooks_give_the_same_numbers():
    class Logs(Callback):
        seen = []

        def on_train_batch_end(self, batch, logs=None):
            self.seen.append(logs["loss"])
    a, b = same_start(metrics=["accuracy"])
    whole = a.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
    logs = Logs()
    single = b.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[logs]).history
    assert whole == single and len(logs.seen) == 14
    assert logs.seen[6] == whole["loss"][0]


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_epoch_end"])
def test_stop_training(hook):
    recorder = Recorder()
    stop = tf.keras.callbacks.LambdaCallback(**{hook: lambda index, logs: setattr(stop.model, "stop_training", True)})
    m = model()
    history = m.fit(X, Y, batch_size=10, epochs=5, validation_data=(X, Y), verbose=0, callbacks=[stop, recorder])
    assert history.epoch == [0] and "val_loss" in history.history
    assert recorder.events.count("train_batch_end0") == 1 and ("train_batch_end1" in recorder.events) == (hook == "on_epoch_end")
    assert len(m.fit(X, Y, epochs=2, verbose=0).epoch) == 2


def test_an_error_in_a_callback_leaves_a_working_model():
    def fail(epoch, logs):
        raise RuntimeError("mine")
    m = model()
    with pytest.raises(RuntimeError, match="mine"):
        m.fit(X, Y, verbose=0, callbacks=[tf.keras.callbacks.LambdaCallback(on_epoch_end=fail)])
    assert m.fit(X, Y, verbose=0).epoch == [0]


def test_interrupt_stops_at_a_step_and_keeps_the_model():
    """What Ctrl-C does, raised where fit waits for the running epoch."""
    class Interrupt(Callback):
        def on_train_progress(self, step, logs):
            raise KeyboardInterrupt
    m = model()
    rows = np.repeat(X, 400, axis=0)
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        m.fit(rows, np.repeat(Y, 400, axis=0), batch_size=8, verbose=0, callbacks=[Interrupt()])
    assert all(np.isfinite(w).all() for w in m.get_weights())
    assert 0 < int(m.optimizer.iterations) <= 2500 and time.perf_counter() - began < 30
    m.evaluate(X, Y, verbose=0)


def test_stop_training_while_an_epoch_runs_ends_at_a_whole_step():
    class Stop(Callback):
        def on_train_progress(self, step, logs):
            self.model.stop_training = True
            self.step = step
    m, stop = model(), Stop()
    history = m.fit(np.repeat(X, 400, axis=0), np.repeat(Y, 400, axis=0), batch_size=8, epochs=3, verbose=0, callbacks=[stop])
    assert history.epoch == [0] and stop.step == int(m.optimizer.iterations)


def test_a_step_that_fails_costs_nothing():
    class Fails(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)
            self.broken = False

        def call(self, x, training=False):
            if self.broken:
                raise RuntimeError("in call")
            return self.dense(x)
    m = Fails()
    m.compile("adam", "mse")
    m.fit(X, Y, verbose=0)
    before = m.get_weights()
    m.broken = True
    m.compile("adam", "mse")
    with pytest.raises(RuntimeError, match="in call"):
        m.fit(X, Y, verbose=0)
    m.broken = False
    for a, b in zip(before, m.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    m.fit(X, Y, verbose=0)


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


def test_predict_from_several_threads_is_safe_to_call_in_turn():
    m = model()
    expected = m.predict(X[:1], verbose=0)
    results = []
    threads = [threading.Thread(target=lambda: results.append(m.predict(X[:1], verbose=0))) for _ in range(4)]
    for thread in threads:
        thread.start()
        thread.join()
    assert all(np.array_equal(expected, r) for r in results)
