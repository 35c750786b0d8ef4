"""Callbacks other than TensorBoard."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lamella as tf
from lamella.callbacks import (
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ProgbarLogger,
    ReduceLROnPlateau,
    TerminateOnNaN,
)

layers = tf.keras.layers
RNG = np.random.default_rng(0)
X = RNG.random((40, 4), dtype=np.float32)
Y = X[:, :2]


def model(**kwargs):
    m = tf.keras.Sequential([layers.Dense(2, input_shape=(4,))])
    m.compile(kwargs.pop("optimizer", "sgd"), "mse", **kwargs)
    return m


class Fake:
    """A model for callbacks that are fed by hand."""

    def __init__(self):
        self.stop_training = False
        self.metrics = []
        self.weights = [np.zeros(1)]
        self.optimizer = type("O", (), {"learning_rate": 1.0})()

    def get_weights(self):
        return [w.copy() for w in self.weights]

    def set_weights(self, weights):
        self.weights = weights


def feed(callback, values, name="loss", fake=None):
    """Epochs with these values until training is stopped; the number of epochs."""
    fake = fake or Fake()
    callback.set_model(fake)
    callback.set_params({"metrics": None})
    callback.on_train_begin({})
    epoch = -1
    for epoch, value in enumerate(values):
        fake.weights[0][:] = epoch
        callback.on_epoch_begin(epoch, {})
        callback.on_epoch_end(epoch, {name: value})
        if fake.stop_training:
            break
    callback.on_train_end({})
    return epoch + 1, fake


@pytest.mark.parametrize(
    ("arguments", "values", "epochs"),
    [
        ({"patience": 2}, [3, 2, 1, 1, 1, 1], 5),
        ({"patience": 0}, [3, 2, 2, 1], 3),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.6, 2.4, 2.3, 2.2], 2),
        ({"patience": 1, "mode": "max"}, [1, 2, 3, 3, 4], 4),
        ({"patience": 1, "baseline": 1.0}, [3, 3, 0.5, 0.4], 2),
        ({"patience": 2, "baseline": 1.0}, [3, 0.5, 0.6, 0.4, 0.4, 0.4], 6),
        ({"patience": 1, "start_from_epoch": 3}, [1, 2, 3, 4, 5, 6], 5),
    ],
)
def test_early_stopping(arguments, values, epochs):
    assert feed(EarlyStopping("loss", **arguments), values)[0] == epochs


def test_early_stopping_takes_nan_for_the_worst():
    nan = math.nan
    assert feed(EarlyStopping("loss", patience=0), [nan, 1.0])[0] == 1
    stop = EarlyStopping("loss", patience=2)
    assert feed(stop, [nan, 3.0, 2.0, 1.0, nan, nan])[0] == 6
    assert stop.best == 1.0


@pytest.mark.parametrize("values", [[3, 1, 2, 2, 2], [3, 1, 2]])
def test_early_stopping_restores_the_best_weights_also_at_a_normal_end(values):
    stop = EarlyStopping("loss", patience=3, restore_best_weights=True)
    assert feed(stop, values)[1].weights[0] == 1


def test_early_stopping_in_a_fit():
    m = model()
    stop = EarlyStopping(patience=1, restore_best_weights=True, verbose=1)
    m.optimizer.learning_rate = 3.0  # diverges
    with np.errstate(over="ignore", invalid="ignore"):
        history = m.fit(X, Y, validation_data=(X, Y), epochs=30, verbose=0, callbacks=[stop])
    assert len(history.epoch) < 30
    best = min(v for v in history.history["val_loss"] if np.isfinite(v))
    assert m.evaluate(X, Y, verbose=0) == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize(
    ("monitor", "improves"),
    [
        ("val_loss", (1.0, 2.0)),
        ("loss", (1.0, 2.0)),
        ("first_loss", (1.0, 2.0)),
        ("val_first_loss", (1.0, 2.0)),
        ("val_accuracy", (2.0, 1.0)),
        ("first_accuracy", (2.0, 1.0)),
        ("val_auc", (2.0, 1.0)),
        ("mse", (1.0, 2.0)),
    ],
)
def test_directions_are_known_before_training(monitor, improves):
    stop = EarlyStopping(monitor)
    stop.set_model(Fake())
    stop.on_train_begin()
    assert stop.improved(*improves) and not stop.improved(*improves[::-1])


def test_an_unknown_direction_fails_before_training():
    def oddity(y_true, y_pred):
        return tf.ops.mean(y_true - y_pred, axis=-1)

    m = model(metrics=[oddity])
    before = m.get_weights()
    with pytest.raises(ValueError, match="mode='min' or mode='max'"):
        m.fit(X, Y, verbose=0, callbacks=[EarlyStopping("oddity")])
    np.testing.assert_array_equal(before[0], m.get_weights()[0])
    assert m.fit(X, Y, verbose=0, callbacks=[EarlyStopping("oddity", mode="max")]).epoch == [0]
    with pytest.raises(ValueError, match="mode must be"):
        EarlyStopping(mode="up")


def test_a_monitor_that_is_not_logged_warns_at_once():
    with pytest.warns(UserWarning, match="monitors 'val_losses', which this fit does not log. Did you mean 'val_loss'"):
        model().fit(X, Y, validation_split=0.5, verbose=0, callbacks=[EarlyStopping("val_losses")])


def test_reduce_lr_on_plateau():
    rates = []
    reduce = ReduceLROnPlateau("loss", factor=0.5, patience=2, cooldown=1, min_lr=0.2)
    fake = Fake()
    reduce.set_model(fake)
    reduce.on_train_begin()
    for epoch in range(10):
        logs = {"loss": 1.0}
        reduce.on_epoch_end(epoch, logs)
        rates.append(logs["learning_rate"])
    keras_like = [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]
    assert rates == keras_like
    with pytest.raises(ValueError, match="less than 1"):
        ReduceLROnPlateau(factor=1.5)


def test_learning_rate_scheduler():
    m = model()
    history = m.fit(X, Y, epochs=3, verbose=0, callbacks=[LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))])
    np.testing.assert_allclose(history.history["learning_rate"], [0.1, 0.05, 0.1 / 3], rtol=1e-6)
    history = m.fit(X, Y, epochs=2, verbose=0, callbacks=[LearningRateScheduler(lambda epoch, lr: lr * 0.5)])
    np.testing.assert_allclose(history.history["learning_rate"], [0.05 / 3, 0.025 / 3], rtol=1e-6)

    def broken(epoch, rate):
        raise TypeError("inside")

    with pytest.raises(TypeError, match="inside"):
        m.fit(X, Y, verbose=0, callbacks=[LearningRateScheduler(broken)])
    with pytest.raises(TypeError, match="must return a number"):
        m.fit(X, Y, verbose=0, callbacks=[LearningRateScheduler(lambda epoch: "fast")])


def test_terminate_on_nan(capsys):
    m = model()
    weights = m.get_weights()
    m.set_weights([weights[0] * np.nan, weights[1]])
    history = m.fit(X, Y, epochs=5, verbose=0, callbacks=[TerminateOnNaN()])
    assert history.epoch == [0] and "Batch 0: the loss is nan" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="Batch 0"):
        m.fit(X, Y, verbose=0, callbacks=[TerminateOnNaN(raise_error=True)])


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    m = model(metrics=["mae"])
    m.fit(X, Y, epochs=2, validation_data=(X, Y), validation_freq=2, verbose=0, callbacks=[CSVLogger(path)])
    lines = path.read_text().splitlines()
    assert lines[0] == "epoch,loss,mae,val_loss,val_mae" and lines[1].startswith("0,") and lines[1].endswith("NA,NA")
    assert len(lines) == 3 and "NA" not in lines[2]
    m.fit(X, Y, verbose=0, callbacks=[CSVLogger(path, append=True)])
    assert len(path.read_text().splitlines()) == 4


def test_lambda_callback():
    seen = []
    m = model()
    m.fit(
        X,
        Y,
        verbose=0,
        callbacks=[
            LambdaCallback(
                on_epoch_end=lambda epoch, logs: seen.append(epoch), on_test_begin=lambda logs: seen.append("test")
            )
        ],
    )
    assert seen == [0]
    with pytest.raises(TypeError, match="no hook 'on_epoch_ned'. Did you mean"):
        LambdaCallback(on_epoch_ned=print)


def test_callback_list():
    inner = Callback()
    callbacks = CallbackList([[inner], History()], add_history=True, add_progbar=True, model="m", epochs=3)
    assert len(callbacks.callbacks) == 3 and inner.model == "m" and inner.params == {"epochs": 3}
    assert not callbacks.has_batch_hooks("train")
    for hook in ("on_batch_end", "on_train_batch_begin"):
        assert CallbackList([LambdaCallback(**{hook: print})]).has_batch_hooks("train")
    assert CallbackList([CallbackList([LambdaCallback(on_test_batch_end=print)])]).has_batch_hooks("test")
    with pytest.raises(TypeError, match="Callback instances"):
        CallbackList([3])


def test_logs_are_shared_so_that_callbacks_can_add_to_them():
    def add(epoch, logs):
        logs["extra"] = 1.0

    assert model().fit(X, Y, verbose=0, callbacks=[LambdaCallback(on_epoch_end=add)]).history["extra"] == [1.0]


def test_progress_is_one_plain_line_per_epoch_when_redirected(capsys):
    m = model(metrics=["mae"])
    m.fit(X, Y, epochs=2, validation_split=0.5)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert (
        lines[1].startswith("Epoch 2/2 - 1/1 - 0s - ") and "/step - loss: " in lines[1] and " - val_mae: " in lines[1]
    )
    m.evaluate(X, Y)
    assert capsys.readouterr().out.startswith("2/2 - 0s - ")
    m.predict(X)
    assert "2/2" in capsys.readouterr().out
    m.predict(X[:1])
    m.fit(X, Y, verbose=0)
    assert capsys.readouterr().out == ""


def test_progress_on_a_terminal(capsys):
    rich_console = pytest.importorskip("rich.console")
    bar = ProgbarLogger()
    bar._console = rich_console.Console(force_terminal=True, width=100, color_system=None)
    m = model(metrics=["mae"])
    m.fit(X, Y, epochs=2, batch_size=4, callbacks=[bar])
    out = capsys.readouterr().out
    assert "Epoch 1/2" in out and "10/10 ━━━━━━━━━━━━━━━━━━━━ 0s" in out and "mae: " in out
    assert bar.needs_step_logs


def test_progress_receives_the_loss_of_each_step():
    class Watch(Callback):
        needs_step_logs = True

        def on_train_progress(self, step, logs):
            self.seen = step, {name: values[:step].copy() for name, values in logs.items()}

    a, b = model(metrics=["mae"]), model(metrics=["mae"])
    b.set_weights(a.get_weights())
    watch = Watch()
    history = a.fit(X, Y, batch_size=8, shuffle=False, verbose=0, callbacks=[watch]).history
    step, logs = watch.seen
    assert step == 5 and set(logs) == {"loss", "mae"}
    assert logs["loss"].mean() == pytest.approx(history["loss"][0], rel=1e-5)
    assert logs["mae"][-1] == pytest.approx(history["mae"][0], rel=1e-6)
    assert logs["loss"][0] == pytest.approx(b.test_on_batch(X[:8], Y[:8])[0], rel=1e-5)
