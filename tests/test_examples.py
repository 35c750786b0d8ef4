"""The examples run, in their short form."""

from __future__ import annotations

import functools
import importlib
import math
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


def test_resnet20_fashion_mnist(example, capsys):
    module = example("resnet20_fashion_mnist")
    loss, accuracy = module.main(["--short", "--seed", "0", "--epochs", "1"])
    assert np.isfinite(loss) and f"test accuracy {accuracy:.4f}" in capsys.readouterr().out
    kernels = [layer for layer in module.build().layers if isinstance(layer, (tf.keras.layers.Conv2D, tf.keras.layers.Dense))]
    assert len(kernels) == 20 + 2  # the two shortcuts that change the shape have a kernel of their own and don't count


def word_lists():
    """Instead of Debian's: words whose letters show their language."""
    rng, alphabet = np.random.default_rng(0), np.array(list("abcdefghijklmnop"))
    likely = np.repeat(np.eye(8), 2, axis=1) * 4 + 1
    return [dict.fromkeys("".join(rng.choice(alphabet, 9, p=p / p.sum())) for _ in range(600)) for p in likely]


def test_lstm_languages(example, monkeypatch, capsys):
    module = example("lstm_languages")
    try:
        module.read_lists()
    except FileNotFoundError as error:
        assert "tools/get_data.sh" in str(error)
        monkeypatch.setattr(module, "read_lists", word_lists)
    baseline, accuracy = module.main(["--short"])
    assert baseline > 0.4 and accuracy > 0.25  # by chance it would be 0.125
    assert f"letter groups {baseline:.4f}, LSTM {accuracy:.4f}" in capsys.readouterr().out


def test_gpt_stdlib(example, tmp_path, capsys):
    loss, sample = example("gpt_stdlib").main(["--short", "--plot", str(tmp_path / "curve.png")])
    assert 1 < loss < math.log(128)
    assert len(sample) == 50 and sample in capsys.readouterr().out
    assert (tmp_path / "curve.png").stat().st_size > 5000


def test_autoencoder_fashion_mnist(example, tmp_path, capsys):
    arguments = ["--short", "--seed", "0", "--plot", str(tmp_path / "pictures.png")]
    baseline, error = example("autoencoder_fashion_mnist").main(arguments)
    assert 0 < baseline < 0.15 and 0 < error < 0.25  # all grey: 0.25 at most
    assert f"autoencoder {error:.5f}" in capsys.readouterr().out
    assert (tmp_path / "pictures.png").stat().st_size > 5000


def test_two_inputs_tabular(example, capsys):
    baseline, error = example("two_inputs_tabular").main(["--short"])
    assert 2.5 < baseline < 3.5 and error < 4  # the miles per gallon have a deviation of 7.8
    assert f"linear {baseline:.3f}, network {error:.3f}" in capsys.readouterr().out


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
