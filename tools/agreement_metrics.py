"""Metrics over several batches, weighted and not: results of Lamella and of Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from agreement_losses import relative

from lamella.nn import metrics

RNG = np.random.default_rng(23)
SIZES, C = (9, 9, 9), 5  # of one size, for Keras compiles each operation per shape


class Case(NamedTuple):
    """One comparison; `truth` and `prediction` draw a batch of n rows."""

    name: str
    kwargs: dict[str, Any]
    truth: Callable[[int], np.ndarray]
    prediction: Callable[[int], np.ndarray]
    weights: str = "float"  # "int" where Keras cuts floats off, "" for none


def real(n: int) -> np.ndarray:
    return RNG.random((n, C)).astype(np.float32)


def probs(n: int) -> np.ndarray:
    e = np.exp(3 * RNG.standard_normal((n, C)))
    return (e / e.sum(1, keepdims=True)).astype(np.float32)


def logits(n: int) -> np.ndarray:
    return 3 * RNG.standard_normal((n, C)).astype(np.float32)


def column(n: int) -> np.ndarray:
    return RNG.standard_normal((n, 1)).astype(np.float32)


def classes(n: int) -> np.ndarray:
    return RNG.integers(0, C, n)


def one_hot(n: int) -> np.ndarray:
    return np.eye(C, dtype=np.float32)[classes(n)]


def bits(n: int) -> np.ndarray:
    return RNG.integers(0, 2, (n, C)).astype(np.float32)


def bit(n: int) -> np.ndarray:
    return RNG.integers(0, 2, n)


def halves(n: int) -> np.ndarray:
    return np.round(real(n) * 4) / 4


def half(n: int) -> np.ndarray:
    return halves(n)[:, 0]


def all_ones(n: int) -> np.ndarray:
    return np.ones((n, C), np.float32)


def ranks(n: int) -> np.ndarray:
    return np.argsort(-real(n)).astype(np.int32)


_POINTS = (("PrecisionAtRecall", "recall"), ("RecallAtPrecision", "precision"),
           ("SensitivityAtSpecificity", "specificity"), ("SpecificityAtSensitivity", "sensitivity"))

CASES = [
    Case("Accuracy", {}, bits, bits),
    Case("BinaryAccuracy", {}, bits, real),
    Case("BinaryAccuracy", {"threshold": 0.25}, bits, halves),
    Case("CategoricalAccuracy", {}, one_hot, halves),
    Case("SparseCategoricalAccuracy", {}, classes, halves),
    Case("TopKCategoricalAccuracy", {"k": 2}, one_hot, halves),
    Case("SparseTopKCategoricalAccuracy", {"k": 3}, classes, halves),
    Case("SparseTopKCategoricalAccuracy", {"k": 3, "from_sorted_ids": True}, classes, ranks),
    *[Case(name, {}, real, real) for name in (
        "MeanSquaredError", "RootMeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError",
        "MeanSquaredLogarithmicError", "LogCoshError", "CosineSimilarity", "Poisson", "PearsonCorrelation",
        "ConcordanceCorrelation")],
    Case("Hinge", {}, bits, real),
    Case("SquaredHinge", {}, bits, real),
    Case("CategoricalHinge", {}, one_hot, real),
    Case("KLDivergence", {}, probs, probs),
    Case("BinaryCrossentropy", {"label_smoothing": 0.1}, bits, real),
    Case("CategoricalCrossentropy", {"from_logits": True}, one_hot, logits),
    Case("SparseCategoricalCrossentropy", {}, classes, probs),
    *[Case(name, kwargs, bits, halves)
      for name in ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives")
      for kwargs in ({}, {"thresholds": [0.25, 0.5, 0.8]})],
    *[Case(name, kwargs, bits, real) for name in ("Precision", "Recall")
      for kwargs in ({}, {"thresholds": [0.0, 0.25, 0.9]}, {"class_id": 2}, {"top_k": 2}, {"top_k": 3, "class_id": 1})],
    *[Case("AUC", {"curve": curve, "summation_method": method}, bits, real) for curve, method in (
        ("ROC", "interpolation"), ("PR", "interpolation"), ("PRGAIN", "interpolation"), ("ROC", "minoring"),
        ("PR", "majoring"), ("PRGAIN", "minoring"))],
    *[Case("AUC", kwargs, bits, real) for kwargs in (
        {"multi_label": True, "num_labels": C, "label_weights": [0.1, 0.2, 0.3, 0.0, 1.0], "curve": "PR"},
        {"multi_label": True}, {"label_weights": [0.1, 0.2, 0.3, 0.0, 1.0]}, {"thresholds": [0.1, 0.3, 0.7]},
        {"thresholds": [0.25, 0.5, 0.75]}, {"multi_label": True, "thresholds": [0.2, 0.9]}, {"num_thresholds": 7})],
    Case("AUC", {"from_logits": True}, bits, logits),
    Case("AUC", {}, bit, half),
    Case("AUC", {}, all_ones, real),
    *[Case(name, {argument: 0.4, **kwargs}, bits, real) for name, argument in _POINTS
      for kwargs in ({}, {"class_id": 2, "num_thresholds": 11})],
    Case("PrecisionAtRecall", {"recall": 0.4, "num_thresholds": 1}, bits, real),
    *[Case(name, {"average": average, "threshold": threshold, **({"beta": 2.0} if name == "FBetaScore" else {})},
           bits, real)
      for name, average, threshold in (
          ("FBetaScore", None, None), ("FBetaScore", "micro", None), ("FBetaScore", "macro", 0.4),
          ("FBetaScore", "weighted", 0.4), ("F1Score", None, 0.4), ("F1Score", "macro", None))],
    Case("IoU", {"num_classes": C, "target_class_ids": [0, 2]}, classes, classes, "int"),
    Case("IoU", {"num_classes": 3, "target_class_ids": [0, 2]}, classes, classes, "int"),
    Case("MeanIoU", {"num_classes": C, "ignore_class": 1}, classes, classes, "int"),
    Case("BinaryIoU", {"threshold": 0.25}, bit, half, "int"),
    Case("OneHotIoU", {"num_classes": C, "target_class_ids": [1]}, one_hot, real, "int"),
    Case("OneHotMeanIoU", {"num_classes": C, "sparse_y_pred": True}, one_hot, classes, "int"),
    *[Case("R2Score", {"class_aggregation": a}, real, real)
      for a in (None, "uniform_average", "variance_weighted_average")],
    Case("R2Score", {"num_regressors": 2}, column, column),
]

VALUES = ("Mean", "Sum")  # metrics of values, without targets

NOTES = {
    "SparseCategoricalAccuracy": "Rows with NaN count as wrong; Keras takes them for class 0.",
    "CategoricalAccuracy": "Rows with NaN count as wrong; Keras takes them for class 0.",
    "AUC": "With one class ROC is 0, as in Keras. Counts are float64.",
    "FBetaScore": "\"macro\" is the mean over the classes that occur; Keras counts absent ones as 0.",
    "F1Score": "As FBetaScore.",
    "IoU": "Float weights count in full; Keras cuts them off to integers.",
    "PearsonCorrelation": "(n,), (n, 1) and axis=0: over all samples of all batches; Keras: NaN, or a mean of batches. "
                          "Constant rows: 0; Keras: NaN.",
    "ConcordanceCorrelation": "(n,), (n, 1) and axis=0: over all samples of all batches; Keras: a mean of batches.",
    "R2Score": "A constant target predicted exactly: 1; Keras: NaN. Adjusted scores count rows; Keras counts elements.",
    "Mean": "Total and count are float64, so that nothing is lost over an epoch.",
}


def _weights(kind: str, n: int) -> np.ndarray:
    return RNG.integers(0, 3, n) if kind == "int" else RNG.random(n).astype(np.float32)


def difference(case: Case) -> float:
    """The largest relative difference of the running results, with and without weights."""
    worst = 0.0
    for kind in ("", case.weights):
        ours, theirs = (getattr(module, case.name)(**case.kwargs) for module in (metrics, keras.metrics))
        for n in SIZES:
            y_true, y_pred = case.truth(n), case.prediction(n)
            weights = _weights(kind, n) if kind else None
            for metric in (ours, theirs):
                metric.update_state(y_true, y_pred, sample_weight=weights)
        worst = max(worst, relative(ours.result(), theirs.result()))
    return worst


def value_difference(name: str) -> float:
    """The same for `Mean` and `Sum`."""
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for shape, weight_shape in (((5,), (5,)), ((5, 3), None), ((5, 3), (5,)), ((5, 3), (5, 3)), ((), None)):
        values = RNG.random(shape).astype(np.float32)
        weights = None if weight_shape is None else RNG.random(weight_shape).astype(np.float32)
        ours.update_state(values, weights)
        theirs.update_state(values, weights)
    return relative(ours.result(), theirs.result())
