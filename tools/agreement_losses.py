"""Losses on random, weighted and extreme inputs: values and gradients of Lamella and of Keras."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from lamella.frontend import GradientTape, Variable
from lamella.nn import losses

RNG = np.random.default_rng(17)
N, C = 12, 5


class Case(NamedTuple):
    """One comparison; `gradient` is False where Keras' own gradient is not finite or not that of its formula."""

    name: str
    kwargs: dict[str, Any]
    y_true: np.ndarray
    y_pred: np.ndarray
    gradient: bool = True


def _softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype(np.float32)


def _normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


LOGITS = 3 * _normal(N, C)
PROBS = _softmax(LOGITS)
UNIT = RNG.random((N, C)).astype(np.float32)
CLASSES = RNG.integers(0, C, N)
ONE_HOT = np.eye(C, dtype=np.float32)[CLASSES]
SOFT = _softmax(_normal(N, C))
BITS = RNG.integers(0, 2, (N, C)).astype(np.float32)
REAL = _normal(N, C)
HUGE = 1e4 * RNG.choice([-1.0, 1.0], (N, C)).astype(np.float32)
UNIT_VECTORS = (lambda v: v / np.linalg.norm(v, axis=1, keepdims=True))(_normal(N, 4))
LABELS = np.array([[1, 2, 3], [4, 4, 0], [5, 0, 0], [2, 2, 2]])
FRAMES = 2 * _normal(4, 8, 6)
QUARTERS = np.round(REAL * 2) / 2  # many ties

CASES = [
    Case("MeanSquaredError", {}, REAL, UNIT),
    Case("MeanSquaredError", {}, 1e15 * REAL, 1e15 * UNIT),
    Case("MeanAbsoluteError", {}, REAL, UNIT),
    Case("MeanAbsoluteError", {}, QUARTERS, QUARTERS[::-1].copy(), gradient=False),
    Case("MeanAbsolutePercentageError", {}, REAL, UNIT),
    Case("MeanAbsolutePercentageError", {}, np.zeros_like(REAL), UNIT),
    Case("MeanSquaredLogarithmicError", {}, REAL, REAL[::-1].copy()),
    Case("CosineSimilarity", {}, REAL, UNIT),
    Case("CosineSimilarity", {"axis": 0}, REAL, UNIT),
    Case("CosineSimilarity", {}, REAL, np.zeros_like(REAL), gradient=False),
    Case("Huber", {"delta": 0.5}, QUARTERS, QUARTERS[::-1].copy()),
    Case("LogCosh", {}, REAL, 3 * UNIT),
    Case("LogCosh", {}, REAL, 1e4 * REAL),
    Case("Hinge", {}, BITS, REAL),
    Case("Hinge", {}, 2 * BITS - 1, QUARTERS * 2),
    Case("SquaredHinge", {}, 2 * BITS - 1, QUARTERS * 2),
    Case("CategoricalHinge", {}, ONE_HOT, REAL),
    Case("CategoricalHinge", {}, ONE_HOT, np.zeros_like(REAL)),
    Case("KLDivergence", {}, SOFT, PROBS),
    Case("KLDivergence", {}, ONE_HOT, np.roll(ONE_HOT, 1, axis=1)),
    Case("Poisson", {}, UNIT * 4, UNIT),
    Case("Poisson", {}, UNIT * 4, np.zeros_like(UNIT)),
    Case("BinaryCrossentropy", {}, BITS, UNIT),
    Case("BinaryCrossentropy", {}, BITS, 1 - BITS),
    Case("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, BITS, 5 * REAL),
    Case("BinaryCrossentropy", {"from_logits": True}, BITS, HUGE),
    Case("BinaryFocalCrossentropy", {}, BITS, UNIT),
    Case("BinaryFocalCrossentropy", {"apply_class_balancing": True, "gamma": 1.5, "label_smoothing": 0.2}, BITS, UNIT),
    Case("BinaryFocalCrossentropy", {"from_logits": True, "gamma": 0.5}, BITS, REAL),
    Case("BinaryFocalCrossentropy", {}, BITS, BITS),
    Case("CategoricalCrossentropy", {}, ONE_HOT, PROBS),
    Case("CategoricalCrossentropy", {"label_smoothing": 0.2}, ONE_HOT, 3 * UNIT),
    Case("CategoricalCrossentropy", {"from_logits": True}, SOFT, LOGITS),
    Case("CategoricalCrossentropy", {"from_logits": True}, ONE_HOT, HUGE),
    Case("CategoricalCrossentropy", {}, ONE_HOT, np.roll(ONE_HOT, 1, axis=1)),
    Case("CategoricalFocalCrossentropy", {}, ONE_HOT, PROBS),
    Case("CategoricalFocalCrossentropy", {"alpha": [0.1, 0.2, 0.3, 0.4, 0.5], "gamma": 0.5}, ONE_HOT, PROBS),
    Case("CategoricalFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, ONE_HOT, REAL),
    Case("SparseCategoricalCrossentropy", {}, CLASSES, PROBS),
    Case("SparseCategoricalCrossentropy", {"from_logits": True}, CLASSES[:, None], LOGITS),
    Case("SparseCategoricalCrossentropy", {"ignore_class": 2}, CLASSES, PROBS),
    Case("SparseCategoricalCrossentropy", {"from_logits": True}, CLASSES, HUGE),
    Case("CategoricalGeneralizedCrossEntropy", {}, CLASSES, PROBS),
    Case("CategoricalGeneralizedCrossEntropy", {"q": 0.2}, CLASSES, PROBS),
    Case("CategoricalGeneralizedCrossEntropy", {}, CLASSES, np.roll(ONE_HOT, 1, axis=1), gradient=False),
    Case("CTC", {}, LABELS, FRAMES),
    Case("Dice", {}, BITS, UNIT),
    Case("Dice", {"axis": 1}, BITS, np.zeros_like(UNIT)),
    Case("Tversky", {"alpha": 0.2, "beta": 0.7}, BITS, UNIT),
    Case("Tversky", {"axis": 1}, BITS, UNIT),
    Case("Circle", {}, CLASSES, UNIT_VECTORS),
    Case("Circle", {"gamma": 2.0, "margin": 0.1, "remove_diagonal": False}, CLASSES, UNIT_VECTORS),
]

NOTES = {
    "MeanAbsoluteError": "Gradient 0 where p = t; Keras with JAX: ±1.",
    "SparseCategoricalCrossentropy": "Class numbers out of range are an error; Keras counts them as 0.",
    "BinaryFocalCrossentropy": "From logits exact; Keras clips σ(z), so that it saturates for logits beyond ±16.",
    "CategoricalFocalCrossentropy": "From logits exact; Keras clips the softmax.",
    "CategoricalGeneralizedCrossEntropy": "Gradient 0 at p = 0; Keras: not finite. Also known by name.",
    "CosineSimilarity": "Gradient of a zero vector: x / ε, finite; Keras: NaN.",
    "CTC": "A loop over the frames: code and compile time do not depend on their number.",
    "Dice": "With axis=None there are no per-sample values: sample weights are an error.",
    "Tversky": "As Dice.",
    "Hinge": "0/1 targets become ±1 if the whole batch holds nothing else, as in Keras.",
}


def relative(ours: Any, theirs: Any) -> float:
    """max |ours − theirs| / max |theirs|."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    scale = np.abs(b).max(initial=0.0)
    difference = float(np.abs(a - b).max(initial=0.0))
    return difference / float(scale) if scale else difference


def gradient(case: Case) -> np.ndarray:
    """Lamella's gradient of the reduced loss by the predictions."""
    variable = Variable(case.y_pred)
    with GradientTape() as tape:
        loss = getattr(losses, case.name)(**case.kwargs)(case.y_true, variable)
    return tape.gradient(loss, variable).numpy()


def differences(case: Case) -> tuple[float, float | None]:
    """(of the values, of the gradients), relative to the largest magnitude."""
    ours, theirs = getattr(losses, case.name), getattr(keras.losses, case.name)
    worst = 0.0
    per_sample = np.asarray(theirs(reduction=None, **case.kwargs)(case.y_true, case.y_pred))
    weights = RNG.random(per_sample.shape).astype(np.float32) if per_sample.shape else None
    for reduction, sample_weight in (("none", None), ("sum", None), ("sum_over_batch_size", weights),
                                     ("mean_with_sample_weight", weights)):
        a, b = (cls(reduction=reduction, **case.kwargs)(case.y_true, case.y_pred, sample_weight=sample_weight)
                for cls in (ours, theirs))
        worst = max(worst, relative(a, b))
    if not case.gradient:
        return worst, None
    loss = theirs(**case.kwargs)
    want = jax.grad(lambda p: loss(case.y_true, p))(jnp.asarray(case.y_pred))
    return worst, relative(gradient(case), want)
