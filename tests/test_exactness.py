"""The promises about whole fits: one native call per epoch, the same bits for any team and every run."""

from __future__ import annotations

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
    for ingredient in ("identity", "_own_source"):
        place = cache.target if ingredient == "identity" else cache
        with monkeypatch.context() as patch:
            patch.setattr(place, ingredient, lambda: "changed")
            assert cache.key("graph", {0: 1}) != base
