"""Losses against Keras (JAX): values, reductions, extremes, and what they refuse."""

from __future__ import annotations

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")

from lamella import ops  # noqa: E402
from lamella.errors import ShapeError  # noqa: E402
from lamella.frontend import GradientTape, TensorSpec, Variable, trace  # noqa: E402
from lamella.nn import losses  # noqa: E402
from lamella.nn.masks import set_mask  # noqa: E402

RNG = np.random.default_rng(11)
N, C = 13, 5


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype(np.float32)


LOGITS = 3 * RNG.standard_normal((N, C)).astype(np.float32)
PROBS = softmax(LOGITS)
UNIT = RNG.random((N, C)).astype(np.float32)
CLASSES = RNG.integers(0, C, N)
ONE_HOT = np.eye(C, dtype=np.float32)[CLASSES]
SOFT = softmax(RNG.standard_normal((N, C)))
BITS = RNG.integers(0, 2, (N, C)).astype(np.float32)
REAL = RNG.standard_normal((N, C)).astype(np.float32)
HUGE = 1e4 * RNG.choice([-1.0, 1.0], (N, C)).astype(np.float32)

CASES = [
    ("CategoricalCrossentropy", {}, ONE_HOT, PROBS),
    ("CategoricalCrossentropy", {}, ONE_HOT.astype(np.int64), 3 * UNIT),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, SOFT, LOGITS),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, ONE_HOT, ONE_HOT),
    ("CategoricalCrossentropy", {"from_logits": True}, ONE_HOT, HUGE),
    ("CategoricalCrossentropy", {"axis": 1}, np.stack([ONE_HOT] * 3, 2), np.stack([PROBS] * 3, 2)),
    ("SparseCategoricalCrossentropy", {}, CLASSES, PROBS),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, CLASSES[:, None], LOGITS),
    ("SparseCategoricalCrossentropy", {}, CLASSES, ONE_HOT),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, CLASSES, HUGE),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, CLASSES, PROBS),
    ("SparseCategoricalCrossentropy", {"ignore_class": -1}, np.where(CLASSES == 1, -1, CLASSES), PROBS),
    ("BinaryCrossentropy", {}, BITS, UNIT),
    ("BinaryCrossentropy", {"label_smoothing": 0.3}, BITS, BITS),
    ("BinaryCrossentropy", {}, BITS, 1 - BITS),
    ("BinaryCrossentropy", {"from_logits": True}, BITS, 9 * REAL),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, BITS, HUGE),
    ("MeanSquaredError", {}, REAL, UNIT),
    ("MeanAbsoluteError", {}, REAL, UNIT),
    ("MeanAbsolutePercentageError", {}, REAL, UNIT),
    ("MeanSquaredLogarithmicError", {}, REAL, UNIT),
    ("CosineSimilarity", {}, REAL, UNIT),
    ("Huber", {"delta": 0.7}, REAL, UNIT),
    ("LogCosh", {}, REAL, 3 * UNIT),
    ("Hinge", {}, BITS, REAL),
    ("Hinge", {}, 2 * BITS - 1, REAL),
    ("SquaredHinge", {}, BITS, REAL),
    ("CategoricalHinge", {}, ONE_HOT, REAL),
    ("KLDivergence", {}, SOFT, PROBS),
    ("Poisson", {}, UNIT * 4, UNIT),
]
IDS = [f"{case[0]}-{index}" for index, case in enumerate(CASES)]


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none", "mean_with_sample_weight"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "kwargs", "y_true", "y_pred"), CASES, ids=IDS)
def test_value(name, kwargs, y_true, y_pred, weighted, reduction):
    ours = getattr(losses, name)(reduction=reduction, **kwargs)
    theirs = getattr(keras.losses, name)(reduction=reduction, **kwargs)
    shape = np.asarray(getattr(keras.losses, name)(reduction=None, **kwargs)(y_true, y_pred)).shape
    weights = RNG.random(shape).astype(np.float32) if weighted else None
    want = np.asarray(theirs(y_true, y_pred, sample_weight=weights))
    got = ours(y_true, y_pred, sample_weight=weights).numpy()
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("name", "kwargs", "y_true", "y_pred"), CASES, ids=IDS)
def test_function_config_and_trace(name, kwargs, y_true, y_pred):
    loss = getattr(losses, name)(**kwargs)
    again = losses.deserialize(losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    keras.losses.deserialize(losses.serialize(loss))
    theirs = getattr(keras.losses, loss.fn.__name__)
    np.testing.assert_allclose(loss.fn(y_true, y_pred, **kwargs).numpy(), np.asarray(theirs(
        keras.ops.convert_to_tensor(y_true), keras.ops.convert_to_tensor(y_pred), **kwargs)), rtol=2e-5, atol=2e-6)
    specs = [TensorSpec(y.shape, str(y.dtype)) for y in (y_true, y_pred)]
    assert trace(loss, specs, "loss").structure.shape == ()


@pytest.mark.parametrize("name", ["mse", "MSE", "mae", "mape", "msle", "bce", "kld", "huber", "log_cosh", "hinge",
                                  "mean_squared_error", "MeanSquaredError", "categorical_crossentropy"])
def test_names_mean_what_they_mean_in_keras(name):
    ours, theirs = losses.get(name), keras.losses.get(name)
    assert callable(ours)
    assert getattr(ours, "__name__", type(ours).__name__) == getattr(theirs, "__name__", type(theirs).__name__)
    assert isinstance(losses.as_loss(name), losses.Loss)


def test_probabilities_of_exactly_0_and_1_and_huge_logits_have_finite_gradients():
    for name, kwargs, y_true, y_pred in CASES:
        if "Crossentropy" in name:
            variable = Variable(y_pred)
            with GradientTape() as tape:
                loss = getattr(losses, name)(**kwargs)(y_true, variable)
            assert np.isfinite(tape.gradient(loss, variable).numpy()).all()


def test_gradient_at_logit_zero_is_the_mean_of_both_sides():
    z = Variable(np.zeros((4, 1), np.float32))
    with GradientTape() as tape:
        loss = losses.BinaryCrossentropy(from_logits=True, reduction="sum")(np.ones((4, 1)), z)
    np.testing.assert_allclose(tape.gradient(loss, z).numpy(), -0.5)


def test_ranks_are_aligned():
    t, p = REAL[:, 0], UNIT[:, :1]
    for a, b in ((t, p), (t[:, None], p[:, 0])):
        assert float(losses.MeanSquaredError()(a, b)) == pytest.approx(
            float(keras.losses.MeanSquaredError()(a, b)), rel=1e-6)


def test_masks_select_what_is_averaged():
    values, mask = RNG.random((4, 6)).astype(np.float32), RNG.random((4, 6)) > 0.5
    y_pred = ops.convert_to_tensor(values[..., None])
    set_mask(y_pred, ops.convert_to_tensor(mask))
    y_true = np.zeros((4, 6, 1), np.float32)
    assert float(losses.MeanAbsoluteError()(y_true, y_pred)) == pytest.approx(values[mask].mean(), rel=1e-6)
    total = losses.MeanAbsoluteError(reduction="sum")(y_true, y_pred)
    assert float(total) == pytest.approx(values[mask].sum(), rel=1e-6)
    set_mask(y_pred, ops.zeros((4, 6), "bool"))
    assert float(losses.MeanAbsoluteError()(y_true, y_pred)) == 0


def test_weights_align_from_the_left():
    square = RNG.random((4, 4, 2)).astype(np.float32)
    weights = np.array([0.0, 1, 1, 2], np.float32)
    want = (np.mean(square, -1) * weights[:, None]).mean()
    assert float(losses.MeanAbsoluteError()(np.zeros_like(square), square, weights)) == pytest.approx(want, rel=1e-6)
    with pytest.raises(ShapeError, match=r"Sample weights of shape \(3,\) do not fit values of shape \(4, 4\)"):
        losses.MeanAbsoluteError()(np.zeros_like(square), square, np.ones(3))


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: losses.MeanSquaredError()(REAL[:, :1], UNIT), ShapeError, r"received \(13, 1\) and \(13, 5\)"),
    (lambda: losses.mean_absolute_error(REAL, UNIT[:, :1]), ShapeError, "mean_absolute_error needs targets"),
    (lambda: losses.Hinge()(BITS[:3], REAL), ShapeError, "hinge needs targets"),
    (lambda: losses.CategoricalCrossentropy()(CLASSES, PROBS), ShapeError,
     r"use sparse_categorical_crossentropy, or one_hot\(y, 5\)"),
    (lambda: losses.CategoricalCrossentropy()(CLASSES[:, None], PROBS), ShapeError, "sparse_categorical_crossentropy"),
    (lambda: losses.SparseCategoricalCrossentropy()(ONE_HOT, PROBS), ShapeError, "use categorical_crossentropy"),
    (lambda: losses.SparseCategoricalCrossentropy()(CLASSES + 4, PROBS), ValueError, r"is not in \[0, 5\)"),
    (lambda: losses.SparseCategoricalCrossentropy()(CLASSES - 9, PROBS), ValueError, "Class number -"),
    (lambda: losses.as_loss("sparse_categorical_crossentropy").check_targets(np.array([1, 7]), (None, 5)), ValueError,
     r"Class number 7 at \(1,\)"),
    (lambda: losses.CategoricalCrossentropy(label_smoothing=1.5), ValueError, r"number in \[0, 1\]"),
    (lambda: losses.MeanSquaredError(reduction="average"), ValueError, "Unknown reduction 'average'"),
    (lambda: losses.get("msee"), ValueError, "Unknown loss 'msee'. Did you mean 'mse'"),
    (lambda: losses.get(3), TypeError, "Expected a loss"),
    (lambda: losses.deserialize({"class_name": "os.system", "config": {}}), ValueError, "Unknown loss 'os.system'"),
])
def test_bad_input_names_the_cause(call, error, text):
    with pytest.raises(error, match=text):
        call()
