"""Metrics against Keras (JAX), over several batches."""

from __future__ import annotations

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")

from lamella import ops  # noqa: E402
from lamella.errors import ShapeError  # noqa: E402
from lamella.frontend import TensorSpec, trace  # noqa: E402
from lamella.nn import losses, metrics  # noqa: E402
from lamella.nn.masks import set_mask  # noqa: E402

RNG = np.random.default_rng(3)
SIZES, C = (7, 1, 4), 6


def real(n):
    return RNG.random((n, C)).astype(np.float32)


def probs(n):
    e = np.exp(3 * RNG.standard_normal((n, C)))
    return (e / e.sum(1, keepdims=True)).astype(np.float32)


def classes(n):
    return RNG.integers(0, C, n)


def one_hot(n):
    return np.eye(C, dtype=np.float32)[classes(n)]


def bits(n):
    return RNG.integers(0, 2, (n, C)).astype(np.float32)


def halves(n):
    return np.round(real(n) * 4) / 4


CASES = [
    ("Accuracy", {}, bits, bits),
    ("BinaryAccuracy", {}, bits, real),
    ("BinaryAccuracy", {"threshold": 0.25}, bits, halves),
    ("CategoricalAccuracy", {}, one_hot, halves),
    ("SparseCategoricalAccuracy", {}, classes, halves),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot, halves),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, classes, halves),
    ("SparseTopKCategoricalAccuracy", {"k": 3, "from_sorted_ids": True}, classes,
     lambda n: np.argsort(-real(n)).astype(np.int32)),
    ("MeanSquaredError", {}, real, real),
    ("RootMeanSquaredError", {}, real, real),
    ("MeanAbsoluteError", {}, real, real),
    ("MeanAbsolutePercentageError", {}, real, real),
    ("MeanSquaredLogarithmicError", {}, real, real),
    ("LogCoshError", {}, real, real),
    ("CosineSimilarity", {}, real, real),
    ("Hinge", {}, bits, real),
    ("SquaredHinge", {}, bits, real),
    ("CategoricalHinge", {}, one_hot, real),
    ("KLDivergence", {}, probs, probs),
    ("Poisson", {}, real, real),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, bits, real),
    ("CategoricalCrossentropy", {"from_logits": True}, one_hot, real),
    ("SparseCategoricalCrossentropy", {}, classes, probs),
    *[(name, kwargs, bits, halves) for name in ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives")
      for kwargs in ({}, {"thresholds": [0.25, 0.5, 0.8]})],
    *[(name, kwargs, bits, halves) for name in ("Precision", "Recall")
      for kwargs in ({}, {"thresholds": 0.3}, {"thresholds": [0.0, 0.25, 0.9]}, {"class_id": 2})],
    *[(name, kwargs, bits, real) for name in ("Precision", "Recall") for kwargs in ({"top_k": 2},
                                                                                   {"top_k": 3, "class_id": 1})],
]
IDS = [f"{case[0]}-{index}" for index, case in enumerate(CASES)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "kwargs", "truth", "prediction"), CASES, ids=IDS)
def test_running_value(name, kwargs, truth, prediction, weighted):
    ours, theirs = getattr(metrics, name)(**kwargs), getattr(keras.metrics, name)(**kwargs)
    assert [v.shape for v in ours.variables] == [v.shape for v in theirs.variables]
    assert ours._direction == getattr(theirs, "_direction", None)
    for n in SIZES:
        y_true, y_pred = truth(n), prediction(n)
        weights = RNG.random(n).astype(np.float32) if weighted else None
        theirs.update_state(y_true, y_pred, sample_weight=weights)
        got = ours(y_true, y_pred, sample_weight=weights)
        np.testing.assert_allclose(got.numpy(), np.asarray(theirs.result()), rtol=2e-5, atol=2e-6)
    ours.reset_state()
    assert all(not np.any(v.numpy()) for v in ours.variables)
    assert metrics.deserialize(metrics.serialize(ours)).get_config() == ours.get_config()
    keras.metrics.deserialize(metrics.serialize(ours))


@pytest.mark.parametrize(("name", "kwargs", "truth", "prediction"), CASES, ids=IDS)
def test_update_is_pure_in_a_trace(name, kwargs, truth, prediction):
    metric = getattr(metrics, name)(**kwargs)
    y_true, y_pred = truth(4), prediction(4)
    traced = trace(metric.update_state, [TensorSpec(y.shape, str(y.dtype)) for y in (y_true, y_pred)], name)
    assert [traced.variables[i].path for i in traced.assigned] == [v.path for v in metric.variables]
    assert all(not np.any(v.numpy()) for v in metric.variables)


def test_mean_and_sum_with_values_and_weights_of_all_ranks():
    for cls in ("Mean", "Sum"):
        for shape, weight_shape in (((5,), None), ((5,), (5,)), ((5, 3), None), ((5, 3), (5,)), ((5, 3), (5, 3)),
                                    ((5, 3, 2), (5, 3)), ((), None)):
            ours, theirs = getattr(metrics, cls)(), getattr(keras.metrics, cls)()
            for _ in range(2):
                values = RNG.random(shape).astype(np.float32)
                weights = None if weight_shape is None else RNG.random(weight_shape).astype(np.float32)
                ours.update_state(values, weights)
                theirs.update_state(values, weights)
            assert float(ours.result()) == pytest.approx(float(theirs.result()), rel=1e-5), (cls, shape, weight_shape)


def test_a_mask_on_the_predictions_takes_places_out():
    values, mask = RNG.random((4, 5)).astype(np.float32), RNG.random((4, 5)) > 0.4
    y_pred = ops.convert_to_tensor(values[..., None])
    set_mask(y_pred, ops.convert_to_tensor(mask))
    metric = metrics.MeanAbsoluteError()
    assert float(metric(np.zeros((4, 5, 1)), y_pred)) == pytest.approx(values[mask].mean(), rel=1e-5)


def test_rows_with_nan_are_wrong_not_class_0():
    y_pred = np.array([[np.nan] * 3, [0.9, 0.1, 0.0], [-np.inf, 0.0, 1.0]], np.float32)
    assert float(metrics.SparseCategoricalAccuracy()([0, 0, 2], y_pred)) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("y_true", "y_pred", "loss", "want"), [
    ((8,), (8, 1), None, "BinaryAccuracy"),
    ((8, 1), (8, 1), None, "BinaryAccuracy"),
    ((8,), (8, 3), None, "SparseCategoricalAccuracy"),
    ((8, 1), (8, 3), None, "SparseCategoricalAccuracy"),
    ((8, 3), (8, 3), None, "CategoricalAccuracy"),
    ((8, 3), (8, 3), "binary_crossentropy", "BinaryAccuracy"),
    ((8, 3), (8, 3), losses.BinaryCrossentropy(), "BinaryAccuracy"),
    ((8, 3), (8, 3), "categorical_crossentropy", "CategoricalAccuracy"),
])
def test_accuracy_follows_shapes_and_loss(y_true, y_pred, loss, want):
    for name in ("accuracy", "acc", "Accuracy"):
        metric = metrics.as_metric(name, y_true, y_pred, loss)
        assert type(metric).__name__ == want and metric.name == name
    assert type(metrics.as_metric("ce", y_true, y_pred, loss)).__name__ == want.replace("Accuracy", "Crossentropy")


def test_names_of_logged_metrics():
    def distance(y_true, y_pred):
        return ops.abs(y_true - y_pred)

    assert metrics.as_metric("mse", (8, 1), (8, 1)).name == "mse"
    assert metrics.as_metric(distance, (8, 1), (8, 1)).name == "distance"
    assert metrics.as_metric(metrics.Precision(name="p"), (8, 1), (8, 1)).name == "p"
    assert metrics.as_metric(metrics.binary_accuracy, (8, 1), (8, 1))._direction == "up"
    assert type(metrics.get("mean_squared_error")).__name__ == "MeanSquaredError"
    assert metrics.known("acc") and not metrics.known(distance)


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: metrics.known("acuracy"), ValueError, "Unknown metric 'acuracy'. Did you mean 'accuracy'"),
    (lambda: metrics.known(7), TypeError, "Expected a metric"),
    (lambda: metrics.Precision(thresholds=1.5), ValueError, r"numbers in \[0, 1\]"),
    (lambda: metrics.BinaryAccuracy(threshold=None), ValueError, "threshold of BinaryAccuracy"),
    (lambda: metrics.Precision()(bits(3), real(4)), ShapeError, "needs targets of the shape"),
    (lambda: metrics.CategoricalAccuracy()(classes(3), real(3)), ShapeError, "sparse_categorical_accuracy"),
    (lambda: metrics.MeanSquaredError()(real(3)[:, :1], real(3)), ShapeError, "mean_squared_error needs targets"),
    (lambda: metrics.Mean()([1.0, 2.0], sample_weight=[1.0, 2.0, 3.0]), ShapeError, "Sample weights"),
])
def test_bad_input_names_the_cause(call, error, text):
    with pytest.raises(error, match=text):
        call()
