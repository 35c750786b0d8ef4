"""Initializers, regularizers, constraints, activations, registries, masks."""

from __future__ import annotations

import gc
import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")

from lamella import ops  # noqa: E402
from lamella.frontend.random import set_random_seed  # noqa: E402
from lamella.nn import activations, constraints, initializers, masks, regularizers  # noqa: E402
from lamella.nn.masks import get_mask, set_mask  # noqa: E402

RNG = np.random.default_rng(2)
W = RNG.standard_normal((6, 4)).astype(np.float32)

INITIALIZERS = [
    ("RandomNormal", {"mean": 1.0, "stddev": 0.3}), ("RandomUniform", {"minval": -2.0, "maxval": 1.0}),
    ("TruncatedNormal", {"mean": 1.0, "stddev": 0.3}), ("GlorotUniform", {}), ("GlorotNormal", {}), ("HeUniform", {}),
    ("HeNormal", {}), ("LecunUniform", {}), ("LecunNormal", {}),
    ("VarianceScaling", {"scale": 3.0, "mode": "fan_out", "distribution": "untruncated_normal"}),
]


@pytest.mark.parametrize("shape", [(300, 200), (3, 3, 40, 80)])
@pytest.mark.parametrize(("name", "kwargs"), INITIALIZERS, ids=[row[0] for row in INITIALIZERS])
def test_random_initializers_have_the_distribution_of_keras(name, kwargs, shape):
    ours, theirs = getattr(initializers, name)(seed=1, **kwargs), getattr(keras.initializers, name)(seed=1, **kwargs)
    mine, other = ours(shape), np.asarray(theirs(shape))
    assert mine.dtype == np.float32 and mine.shape == shape
    assert float(mine.mean()) == pytest.approx(float(other.mean()), abs=0.03 * float(other.std()))
    assert float(mine.std()) == pytest.approx(float(other.std()), rel=0.02)
    quantiles = np.linspace(0.01, 0.99, 9)
    np.testing.assert_allclose(np.quantile(mine, quantiles), np.quantile(other, quantiles), atol=0.08 * other.std())
    keras.initializers.deserialize(initializers.serialize(ours))
    again = initializers.deserialize(initializers.serialize(ours))
    assert np.array_equal(again(shape), mine)


def test_one_instance_gives_each_weight_its_own_values():
    for seed in (None, 3):
        shared = initializers.GlorotUniform(seed)
        assert not np.array_equal(shared((4, 5)), shared((4, 5)))
    one, two = initializers.HeNormal(3), initializers.HeNormal(3)
    assert all(np.array_equal(one((4, 5)), two((4, 5))) for _ in range(3))
    set_random_seed(1)
    first = initializers.get("glorot_uniform")((4, 5))
    set_random_seed(1)
    assert np.array_equal(initializers.get("glorot_uniform")((4, 5)), first)


def test_fixed_initializers():
    assert initializers.Zeros()((2, 3)).sum() == 0 and initializers.Ones()((2, 3)).sum() == 6
    assert initializers.Constant(2.5)((2,), dtype="float64").tolist() == [2.5, 2.5]
    assert initializers.get(np.arange(3.0))((3,)).tolist() == [0, 1, 2]
    assert np.array_equal(initializers.Identity(2.0)((2, 3)), 2 * np.eye(2, 3))
    for shape in ((6, 4), (4, 6), (2, 3, 4)):
        q = initializers.Orthogonal(gain=2.0, seed=1)(shape, "float64").reshape(-1, shape[-1])
        small = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)
    assert str(initializers.Ones()((2,), dtype="bfloat16").dtype) == "bfloat16"


@pytest.mark.parametrize(("name", "kwargs"), [
    ("L1", {"l1": 0.3}), ("L2", {"l2": 0.2}), ("L1L2", {"l1": 0.1, "l2": 0.4}), ("L1L2", {}), ("L1", {}), ("L2", {})])
def test_regularizers(name, kwargs):
    ours, theirs = getattr(regularizers, name)(**kwargs), getattr(keras.regularizers, name)(**kwargs)
    assert float(ours(W)) == pytest.approx(float(theirs(W)), rel=1e-6)
    assert keras.regularizers.deserialize(regularizers.serialize(ours)).get_config() == pytest.approx(ours.get_config())
    assert regularizers.deserialize(regularizers.serialize(ours)).get_config() == ours.get_config()


@pytest.mark.parametrize(("name", "kwargs"), [
    ("MaxNorm", {"max_value": 1.0}), ("MaxNorm", {"axis": [0, 1]}), ("UnitNorm", {"axis": 1}), ("NonNeg", {}),
    ("MinMaxNorm", {"min_value": 1.0, "max_value": 1.5, "rate": 0.7})])
def test_constraints(name, kwargs):
    ours, theirs = getattr(constraints, name)(**kwargs), getattr(keras.constraints, name)(**kwargs)
    np.testing.assert_allclose(ours(W).numpy(), np.asarray(theirs(W)), rtol=1e-5, atol=1e-7)
    keras.constraints.deserialize(constraints.serialize(ours))
    assert constraints.deserialize(constraints.serialize(ours)).get_config() == ours.get_config()


EXTREME = np.array([-1e4, -30, -3, -1, -0.5, -0.0, 0.5, 1, 3, 30, 1e4], np.float32)


ONE_ARGUMENT = sorted(set(activations.ACTIVATIONS.objects) - {"threshold", "glu", "sparsemax"})


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_activations(name):
    with np.errstate(over="ignore"):
        want = np.asarray(getattr(keras.activations, name)(EXTREME))
        got = activations.get(name)(ops.convert_to_tensor(EXTREME)).numpy()
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)
    assert activations.get(activations.serialize(activations.get(name))) is activations.get(name)
    assert keras.activations.get(activations.serialize(activations.get(name))) is not None


def test_activation_arguments():
    for kwargs in ({"negative_slope": 0.1}, {"max_value": 2.0}, {"threshold": 0.7, "negative_slope": 0.2},
                   {"threshold": 0.7, "negative_slope": 0.2, "max_value": 2.0}):
        np.testing.assert_allclose(activations.relu(EXTREME, **kwargs).numpy(),
                                   np.asarray(keras.activations.relu(EXTREME, **kwargs)), rtol=1e-6)
    np.testing.assert_allclose(activations.threshold(EXTREME, 0.6, -2.0).numpy(),
                               np.asarray(keras.activations.threshold(EXTREME, 0.6, -2.0)))
    assert activations.get(None) is activations.linear and activations.get(len) is len


def test_masks_live_as_long_as_their_tensor():
    tensor = ops.ones((2, 3))
    set_mask(tensor, "mask")
    assert get_mask(tensor) == "mask" and get_mask(ops.ones((2, 3))) is None
    del tensor
    gc.collect()
    assert not masks._masks


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: initializers.get("glorot_unifrm"), ValueError, "Did you mean 'glorot_uniform'"),
    (lambda: initializers.VarianceScaling(scale=-1.0), ValueError, "scale must be"),
    (lambda: initializers.VarianceScaling(mode="fan"), ValueError, "mode must be one of"),
    (lambda: initializers.VarianceScaling(distribution="cauchy"), ValueError, "distribution must be one of"),
    (lambda: initializers.HeNormal(seed=-1), ValueError, "an int >= 0, received -1"),
    (lambda: initializers.Identity()((2, 2, 2)), ValueError, "makes matrices only"),
    (lambda: initializers.Orthogonal()((2,)), ValueError, "two axes or more"),
    (lambda: regularizers.L1(-1.0), ValueError, "penalty factor l1"),
    (lambda: regularizers.get("l1_l3"), ValueError, "Unknown regularizer 'l1_l3'. Did you mean 'l1_l2'"),
    (lambda: constraints.MaxNorm(float("nan")), ValueError, "max_value"),
    (lambda: constraints.deserialize({"class_name": "NonNeg", "config": {"x": 1}}), TypeError, "does not fit NonNeg"),
    (lambda: activations.get("sigmoyd"), ValueError, "Did you mean 'sigmoid'"),
    (lambda: activations.get(3), TypeError, "Expected an activation"),
])
def test_bad_arguments_name_the_cause(make, error, text):
    with pytest.raises(error, match=text):
        make()
