"""Order of events in fit; stopping, interrupts and errors."""

from __future__ import annotations

import _thread
import threading
import time

import numpy as np
import pytest

import lamella as tf
from lamella.callbacks import Callback

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


class Recorder(Callback):
    def __init__(self):
        super().__init__()
        self.events = []


def _record(name):
    def hook(self, *args, logs=None):
        index = args[0] if args and isinstance(args[0], int) else ""
        self.events.append(f"{name.removeprefix('on_')}{index}")

    return hook


for _name in [
    n for n in dir(Callback) if n.startswith("on_") and n not in ("on_batch_begin", "on_batch_end", "on_train_progress")
]:
    setattr(Recorder, _name, _record(_name))


def test_order_of_events():
    recorder = Recorder()
    m = model()
    m.fit(
        X[:20],
        Y[:20],
        batch_size=10,
        epochs=2,
        validation_split=0.5,
        validation_freq=2,
        verbose=0,
        callbacks=[recorder],
    )
    train = ["train_batch_begin0", "train_batch_end0"]
    test = ["test_begin", "test_batch_begin0", "test_batch_end0", "test_end"]
    assert recorder.events == [
        "train_begin",
        "epoch_begin0",
        *train,
        "epoch_end0",
        "epoch_begin1",
        *train,
        *test,
        "epoch_end1",
        "train_end",
    ]
    recorder.events.clear()
    m.evaluate(X[:20], Y[:20], batch_size=10, verbose=0, callbacks=[recorder])
    assert recorder.events == [
        "test_begin",
        "test_batch_begin0",
        "test_batch_end0",
        "test_batch_begin1",
        "test_batch_end1",
        "test_end",
    ]
    recorder.events.clear()
    m.predict(X[:20], batch_size=10, verbose=0, callbacks=[recorder])
    assert recorder.events == [
        "predict_begin",
        "predict_batch_begin0",
        "predict_batch_end0",
        "predict_batch_begin1",
        "predict_batch_end1",
        "predict_end",
    ]


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
    assert recorder.events.count("train_batch_end0") == 1 and ("train_batch_end1" in recorder.events) == (
        hook == "on_epoch_end"
    )
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


def test_ctrl_c():
    m = model()
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        m.fit(np.repeat(X, 40, axis=0), np.repeat(Y, 40, axis=0), batch_size=8, epochs=10**6, verbose=0)
    timer.join()
    assert int(m.optimizer.iterations) > 0 and all(np.isfinite(w).all() for w in m.get_weights())
    m.fit(X, Y, verbose=0)


def test_stop_training_while_an_epoch_runs_ends_at_a_whole_step():
    class Stop(Callback):
        def on_train_progress(self, step, logs):
            self.model.stop_training = True
            self.step = step

    m, stop = model(), Stop()
    history = m.fit(
        np.repeat(X, 400, axis=0), np.repeat(Y, 400, axis=0), batch_size=8, epochs=3, verbose=0, callbacks=[stop]
    )
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
