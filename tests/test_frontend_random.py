"""Random numbers: distributions, reproducibility, state."""

from __future__ import annotations

import math
import random as python_random

import numpy as np
import pytest
from scipy import stats

from lamella.errors import DTypeError
from lamella.frontend import TensorSpec, random, trace
from lamella.reference import evaluate

N = 40_000


@pytest.mark.parametrize(
    ("draw", "distribution"),
    [
        (lambda d: random.uniform((N,), -1.0, 3.0, d, 1), stats.uniform(-1, 4)),
        (lambda d: random.normal((N,), 2.0, 3.0, d, 1), stats.norm(2, 3)),
        (lambda d: random.truncated_normal((N,), 1.0, 0.5, d, 1), stats.truncnorm(-2, 2, 1, 0.5)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distribution(draw, distribution, dtype):
    x = draw(dtype)
    assert x.dtype == dtype and x.shape == (N,)
    assert stats.kstest(x.numpy(), distribution.cdf).pvalue > 0.01


def test_bounds():
    t = random.truncated_normal((N,), stddev=2.0, seed=5).numpy()
    assert np.abs(t).max() <= 4.0
    u = random.uniform((N,), seed=5).numpy()
    assert u.min() >= 0 and u.max() < 1
    assert np.isfinite(random.normal((N,), seed=5)).all()


def test_integers():
    x = random.randint((N,), -3, 7, seed=2)
    assert x.dtype == "int32"
    values, counts = np.unique(x.numpy(), return_counts=True)
    assert values.tolist() == list(range(-3, 7)) and stats.chisquare(counts).pvalue > 0.01
    with pytest.raises(DTypeError, match="integer dtype"):
        random.randint((2,), 0, 2, "float32")
    with pytest.raises(DTypeError, match="float dtype"):
        random.normal((2,), dtype="int32")


@pytest.mark.parametrize("p", [0.0, 0.25, 0.9, 1.0])
def test_bernoulli(p):
    x = random.bernoulli((N,), p, seed=3).numpy()
    assert x.dtype == bool and abs(x.mean() - p) <= 4 * math.sqrt(p * (1 - p) / N)


def test_dropout():
    x = np.ones((100, 200), np.float32)
    y = random.dropout(x, 0.2, seed=1).numpy()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.8)} and abs(y.mean() - 1) < 0.02
    rows = random.dropout(x, 0.5, noise_shape=(None, 1), seed=1).numpy()
    assert ((rows == rows[:, :1]).all(1)).all() and len(np.unique(rows)) == 2
    np.testing.assert_array_equal(random.dropout(x, 0.0, seed=1), x)
    assert not random.dropout(x, 1.0, seed=1).numpy().any()


def test_categorical_and_shuffle():
    logits = np.log(np.array([[0.1, 0.2, 0.7]], np.float32))
    counts = np.bincount(random.categorical(logits, 5000, seed=1).numpy()[0], minlength=3)
    assert stats.chisquare(counts, 5000 * np.array([0.1, 0.2, 0.7])).pvalue > 0.01
    x = np.arange(50)
    y = random.shuffle(x, seed=1).numpy()
    assert sorted(y) == list(x) and (y != x).any()


def test_seeds():
    assert (random.uniform((5,), seed=1).numpy() == random.uniform((5,), seed=1).numpy()).all()
    assert (random.uniform((5,), seed=1).numpy() != random.uniform((5,), seed=2).numpy()).any()
    generator = random.SeedGenerator(1)
    first, second = (random.uniform((5,), seed=generator).numpy() for _ in range(2))
    assert (first != second).any() and generator.state.dtype == "uint32" and not generator.state.trainable
    assert (first == random.uniform((5,), seed=1).numpy()).all()
    assert random.SeedGenerator.from_config(generator.get_config()).seed == 1
    for wrong in (-1, 1.5, "a", True):
        with pytest.raises(ValueError, match="non-negative integer"):
            random.SeedGenerator(wrong)
        with pytest.raises(ValueError, match="non-negative integer"):
            random.uniform((2,), seed=wrong)


def test_set_random_seed_seeds_everything():
    def draw():
        random.set_random_seed(42)
        return (python_random.random(), np.random.rand(), *random.uniform((2,)).numpy(), random.SeedGenerator().seed)

    assert draw() == draw()


def test_a_trace_counts_the_state_up():
    generator = random.SeedGenerator(9)
    traced = trace(
        lambda x: x + random.normal((3,), seed=generator) + random.normal((3,), seed=generator), [TensorSpec((3,))]
    )
    assert traced.variables[0] is generator.state and traced.assigned == [0]
    outputs = evaluate(traced.graph, [np.zeros(3, np.float32), generator.state._array])
    assert outputs[1].tolist() == [9, 2] and generator.state.numpy().tolist() == [9, 0]
    np.testing.assert_allclose(
        outputs[0], random.normal((3,), seed=generator) + random.normal((3,), seed=generator), rtol=1e-6
    )
