"""The promises about whole fits: one native call per epoch, the same bits for any team and every run."""

from __future__ import annotations

import time

import numpy as np
import pytest

import lamella as tf
from lamella.native import cache, executable, kernel
from lamella.settings import settings


def data(rows: int = 333) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((rows, 20), dtype=np.float32), np.eye(4, dtype=np.float32)[rng.integers(0, 4, rows)]


def fitted(optimizer: str = "adam", dropout: float = 0.25) -> tf.keras.Sequential:
    tf.keras.utils.set_random_seed(7)
    layers = tf.keras.layers
    model = tf.keras.Sequential([layers.Input((20,)), layers.Dense(70, activation="relu"), layers.Dropout(dropout),
                                 layers.Dense(4, activation="softmax")])
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    model.history_of_fit = model.fit(*data(), epochs=3, batch_size=32, validation_split=0.1, verbose=0).history
    return model


def fingerprint(model: tf.keras.Sequential) -> tuple[list[bytes], dict]:
    return [w.tobytes() for w in model.get_weights()], model.history_of_fit


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_any_number_of_threads_gives_the_same_bits(optimizer, monkeypatch):
    monkeypatch.setattr(settings, "cache_dir", "")
    monkeypatch.setattr(kernel, "SERIAL_BELOW", 1)
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(settings, "threads", threads)
        results.append(fingerprint(fitted(optimizer)))
    assert results[0] == results[1] == results[2]


def test_two_runs_with_one_seed_give_the_same_bits():
    assert fingerprint(fitted()) == fingerprint(fitted())


def test_an_epoch_is_one_native_call(monkeypatch):
    """Also with a smaller last batch, shuffling and metrics; the validation is one more."""
    calls = []
    run = executable.BoundCall.run
    monkeypatch.setattr(executable.BoundCall, "run", lambda self: (calls.append(self._exe.graph.name), run(self))[1])
    fitted()
    assert sum("train" in name for name in calls) == 3
    assert sum("test" in name for name in calls) == 3
    assert len(calls) <= 6


def test_the_second_compilation_comes_from_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "cache_dir", str(tmp_path))
    first = fingerprint(fitted())
    files = sorted(tmp_path.iterdir())
    assert files
    assert fingerprint(fitted()) == first and sorted(tmp_path.iterdir()) == files
    for file in files:  # a damaged file counts as missing
        file.write_bytes(file.read_bytes()[:-7])
    assert fingerprint(fitted()) == first


def test_the_cache_key_has_every_ingredient(monkeypatch):
    base = cache.key("graph", {0: 1})
    assert cache.key("other", {0: 1}) != base
    assert cache.key("graph", {0: 2}) != base
    for place, ingredient, changed in [(cache.target, "identity", lambda: "changed"), (cache, "_SOURCE", "changed")]:
        with monkeypatch.context() as patch:
            patch.setattr(place, ingredient, changed)
            assert cache.key("graph", {0: 1}) != base


@pytest.mark.parametrize("begun", [True, False])
def test_an_interrupt_while_the_epoch_starts_leaves_a_whole_number_of_steps(begun, monkeypatch):
    """Ctrl-C within the start of the thread: whether or not it runs by then, nothing runs after `fit` has raised."""
    rng = np.random.default_rng(0)
    x, y = rng.random((200_000, 20), dtype=np.float32), np.eye(4, dtype=np.float32)[rng.integers(0, 4, 200_000)]
    model = tf.keras.Sequential([tf.keras.layers.Input((20,)), tf.keras.layers.Dense(4, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    begin = executable.RunningCall.begin

    def interrupted(self):
        if begun:
            begin(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(executable.RunningCall, "begin", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=1, verbose=0)
    steps, weights = int(model.optimizer.iterations.numpy()), model.get_weights()[0].copy()
    time.sleep(0.1)
    assert int(model.optimizer.iterations.numpy()) == steps and np.array_equal(model.get_weights()[0], weights)
    assert steps < 200_000 and (begun or steps == 0)
    monkeypatch.undo()
    model.fit(x[:64], y[:64], verbose=0)  # the model is still of use
