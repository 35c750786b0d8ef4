"""The examples run, in their short form."""

from __future__ import annotations

import functools
import importlib
import pathlib
import sys

import numpy as np
import pytest

import lamella as tf

LOAD = tf.keras.datasets.fashion_mnist.load_data
EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"


@pytest.fixture
def example(monkeypatch, tmp_path):
    """Import an example by name, in an empty folder; without the real data, on pictures that show their class."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tf.keras.datasets.fashion_mnist, "load_data", data)
    names = [path.stem for path in EXAMPLES.glob("*.py")]
    for name in names:
        sys.modules.pop(name, None)
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)


@functools.cache
def data():
    """Read once: the data of `load_data`, if they are on this machine."""
    try:
        return LOAD(download=False)
    except FileNotFoundError:
        return pictures()


def pictures():
    rng = np.random.default_rng(0)

    def part(n):
        y = rng.integers(0, 10, n).astype("uint8")
        x = rng.integers(0, 100, (n, 28, 28)).astype("uint8")
        x[np.arange(n), 14, y] = 255
        return x, y

    return part(6000), part(1000)


def test_fashion_mnist(example, tmp_path, capsys):
    loss, accuracy = example("fashion_mnist").main(["--short", "--seed", "0", "--log-dir", str(tmp_path / "logs")])
    assert np.isfinite(loss) and accuracy > 0.6
    out = capsys.readouterr().out
    assert "Epoch 2/2 - 188/188 - " in out and f"test accuracy {accuracy:.4f}" in out
    assert list((tmp_path / "logs/train").iterdir()) and list((tmp_path / "logs/validation").iterdir())


def test_fashion_mnist_without_logs(example, tmp_path):
    example("fashion_mnist").main(["--short", "--epochs", "1", "--batch-size", "128", "--log-dir", ""])
    assert not list(tmp_path.iterdir())


def test_cnn_fashion_mnist(example, capsys):
    loss, accuracy = example("cnn_fashion_mnist").main(["--short", "--seed", "0", "--epochs", "1"])
    assert np.isfinite(loss) and 0 <= accuracy <= 1
    assert f"test loss {loss:.4f}" in capsys.readouterr().out


@pytest.mark.parametrize("batch_size", ["32", "1000"])
def test_custom_loop(example, batch_size, capsys):
    history = example("custom_loop").main(["--short", "--batch-size", batch_size])
    assert len(history) == 2 and history[1] < history[0]
    assert "epoch 2/2: loss" in capsys.readouterr().out


def test_custom_loop_eager_gives_the_same_losses(example):
    arguments = ["--short", "--batch-size", "500", "--epochs", "1"]
    main = example("custom_loop").main
    np.testing.assert_allclose(main([*arguments, "--eager"]), main(arguments), rtol=1e-4)


def test_every_example_is_tested():
    text = pathlib.Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f'example("{path.stem}")' in text, f"{path.name} has no test here"
