"""Areas under curves, from counts at rising thresholds."""

from __future__ import annotations

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.metrics.buckets import Counts, ratio

CURVES = ("ROC", "PR", "PRGAIN")
SUMMATIONS = ("interpolation", "minoring", "majoring")


def area(counts: Counts, curve: str, summation: str) -> Tensor:
    """One area per column: Σ (x_i − x_{i+1}) · height_i.

    Example:
        >>> up, down = ops.convert_to_tensor([[2.0], [1.0], [0.0]]), ops.convert_to_tensor([[0.0], [1.0], [2.0]])
        >>> area(Counts(up, up, down, down), "ROC", "interpolation").numpy().tolist()
        [0.5]
    """
    if curve == "PR" and summation == "interpolation":
        return interpolated_precision(counts)
    x, y = {"ROC": _roc, "PR": _precision_recall, "PRGAIN": _gain}[curve](counts)
    if summation == "interpolation":
        height = (y[:-1] + y[1:]) * 0.5
    else:
        height = (ops.minimum if summation == "minoring" else ops.maximum)(y[:-1], y[1:])
    return ops.sum((x[:-1] - x[1:]) * height, axis=0)


def _roc(counts: Counts) -> tuple[Tensor, Tensor]:
    """(FP / (FP + TN), TP / (TP + FN))."""
    return (ratio(counts.false_positives, counts.true_negatives), ratio(counts.true_positives, counts.false_negatives))


def _precision_recall(counts: Counts) -> tuple[Tensor, Tensor]:
    """(TP / (TP + FN), TP / (TP + FP))."""
    return (ratio(counts.true_positives, counts.false_negatives), ratio(counts.true_positives, counts.false_positives))


def _gain(counts: Counts) -> tuple[Tensor, Tensor]:
    """(max(1 − π FN / TP, 0), 1 − π FP / TP), π = positives / negatives; (0, 1) where TP is 0."""
    positives = counts.true_positives + counts.false_negatives
    odds = ops.divide_no_nan(positives, counts.true_negatives + counts.false_positives)
    recall = 1.0 - odds * ops.divide_no_nan(counts.false_negatives, counts.true_positives)
    precision = 1.0 - odds * ops.divide_no_nan(counts.false_positives, counts.true_positives)
    none = ops.equal(counts.true_positives, 0.0)
    recall = ops.maximum(ops.where(none, ops.zeros_like(recall), recall), 0.0)
    return recall, ops.where(none, ops.ones_like(precision), precision)


def interpolated_precision(counts: Counts) -> Tensor:
    """Σ slope · (ΔTP + intercept · ln(P_i / P_{i+1})) / (TP + FN)_{i+1}: TP is a line in P = TP + FP between two
    thresholds.

    slope = ΔTP / ΔP, intercept = TP_{i+1} − slope · P_{i+1}; the logarithm counts as 0 where a P is 0.
    """
    tp, p = counts.true_positives, counts.true_positives + counts.false_positives
    d_tp = tp[:-1] - tp[1:]
    slope = ops.divide_no_nan(d_tp, ops.maximum(p[:-1] - p[1:], 0.0))
    intercept = tp[1:] - slope * p[1:]
    both = ops.logical_and(p[:-1] > 0, p[1:] > 0)
    one = ops.ones_like(d_tp)
    logarithm = ops.log(ops.where(both, p[:-1], one) / ops.where(both, p[1:], one))
    positives = tp[1:] + counts.false_negatives[1:]
    return ops.sum(ops.divide_no_nan(slope * (d_tp + intercept * logarithm), positives), axis=0)
