"""Activations, initializers, regularizers and constraints of Lamella and of Keras."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from agreement_losses import relative

from lamella.frontend import GradientTape, Variable
from lamella.nn import activations, constraints, initializers, regularizers

RNG = np.random.default_rng(31)
X = np.concatenate([3 * RNG.standard_normal((4, 6)), RNG.choice([-30.0, -0.75, 0.75, 30.0], (2, 6))]).astype(np.float32)

ACTIVATIONS: dict[str, list[dict[str, Any]]] = {
    name: [{}] for name in (
        "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
        "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid",
        "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax",
        "squareplus", "swish", "tanh", "tanh_shrink")
}
ACTIVATIONS |= {
    "threshold": [{"threshold": 0.3, "default_value": -1.0}],
    "gelu": [{}, {"approximate": True}],
    "relu": [{}, {"negative_slope": 0.1}, {"threshold": 0.7, "negative_slope": 0.2, "max_value": 2.0}],
    "celu": [{}, {"alpha": 0.5}],
    "elu": [{}, {"alpha": 0.5}],
    "glu": [{}, {"axis": 0}],
    "softmax": [{}, {"axis": 0}],
    "squareplus": [{}, {"b": 1.0}],
}

RANDOM: dict[str, dict[str, Any]] = {
    "RandomNormal": {"mean": 1.0, "stddev": 0.3}, "RandomUniform": {"minval": -2.0, "maxval": 1.0},
    "TruncatedNormal": {"mean": 1.0, "stddev": 0.3}, "GlorotUniform": {}, "GlorotNormal": {}, "HeUniform": {},
    "HeNormal": {}, "LecunUniform": {}, "LecunNormal": {}, "Orthogonal": {"gain": 2.0},
    "VarianceScaling": {"scale": 3.0, "mode": "fan_out", "distribution": "untruncated_normal"},
}
FIXED: dict[str, list[tuple[dict[str, Any], tuple[int, ...]]]] = {
    "Zeros": [({}, (2, 3))], "Ones": [({}, (2, 3))], "Constant": [({"value": 2.5}, (2, 3))],
    "Identity": [({"gain": 2.0}, (3, 3))],
    "STFT": [({}, (9, 1, 5)), ({"side": "imag", "window": "hamming", "scaling": "spectrum", "periodic": True},
                               (8, 1, 5)), ({"window": None}, (8, 1, 5))],
}
WEIGHT = RNG.standard_normal((6, 4)).astype(np.float32)
SQUARE = RNG.standard_normal((5, 5)).astype(np.float32)
PENALTIES: dict[str, list[dict[str, Any]]] = {
    "L1": [{}, {"l1": 0.3}], "L2": [{}, {"l2": 0.2}], "L1L2": [{"l1": 0.1, "l2": 0.4}],
    "OrthogonalRegularizer": [{}, {"factor": 0.3, "mode": "columns"}],
}
PROJECTIONS: dict[str, list[dict[str, Any]]] = {
    "MaxNorm": [{"max_value": 1.0}, {"axis": [0, 1]}], "UnitNorm": [{"axis": 1}], "NonNeg": [{}],
    "MinMaxNorm": [{"min_value": 1.0, "max_value": 1.5, "rate": 0.7}],
}

NOTES = {
    "sparsemax": "Compared with the projection onto the simplex: the values of Keras 3.15.1 do not add up to 1 where "
                 "more than one is kept.",
    "STFT": "Windows: hann, hamming, blackman, bartlett, boxcar, or an array; Keras takes all names of SciPy.",
}


def simplex_projection(x: np.ndarray) -> np.ndarray:
    """The nearest point with non-negative elements of sum 1, by bisection of the threshold, row by row in float64."""
    x = x.astype(np.float64)
    low, high = x.max(-1, keepdims=True) - 1, x.max(-1, keepdims=True)
    for _ in range(100):
        middle = (low + high) / 2
        large = np.maximum(x - middle, 0).sum(-1, keepdims=True) > 1
        low, high = np.where(large, middle, low), np.where(large, high, middle)
    return np.maximum(x - low, 0)


def activation_differences(name: str) -> tuple[float, float | None]:
    """(of the values, of the gradients of Σ f(x)²)."""
    if name == "sparsemax":
        return relative(activations.sparsemax(X), simplex_projection(X)), None
    worst = [0.0, 0.0]
    for kwargs in ACTIVATIONS[name]:
        ours, theirs = getattr(activations, name), getattr(keras.activations, name)
        worst[0] = max(worst[0], relative(ours(X, **kwargs), theirs(jnp.asarray(X), **kwargs)))
        small = np.clip(X, -5, 5)
        variable = Variable(small)
        with GradientTape() as tape:
            y = ours(variable, **kwargs)
            loss = y * y
        want = jax.grad(lambda x, f=theirs, k=kwargs: jnp.sum(f(x, **k) ** 2))(jnp.asarray(small))
        worst[1] = max(worst[1], relative(tape.gradient(loss, variable), want))
    return worst[0], worst[1]


def distribution_distance(name: str) -> tuple[float, float]:
    """(Kolmogorov–Smirnov distance of 60,000 values from Keras', bound of chance at 1e-6)."""
    shape = (300, 200)
    ours, theirs = (np.sort(np.ravel(np.asarray(getattr(module, name)(seed=1, **RANDOM[name])(shape))))
                    for module in (initializers, keras.initializers))
    points = np.concatenate([ours, theirs])
    shares = [np.searchsorted(sample, points, side="right") / len(sample) for sample in (ours, theirs)]
    n = len(ours)
    return float(np.abs(shares[0] - shares[1]).max()), float(np.sqrt(-np.log(1e-6 / 2) / 2) * np.sqrt(2 / n))


def fixed_difference(name: str) -> float:
    """Of the values of an initializer without chance."""
    return max(relative(*(getattr(module, name)(**kwargs)(shape) for module in (initializers, keras.initializers)))
               for kwargs, shape in FIXED[name])


def penalty_difference(name: str) -> float:
    """Of the penalty."""
    weight = SQUARE if name == "OrthogonalRegularizer" else WEIGHT
    return max(relative(getattr(regularizers, name)(**kwargs)(weight),
                        getattr(keras.regularizers, name)(**kwargs)(keras.ops.convert_to_tensor(weight)))
               for kwargs in PENALTIES[name])


def projection_difference(name: str) -> float:
    """Of the projected weight."""
    return max(relative(*(getattr(module, name)(**kwargs)(WEIGHT) for module in (constraints, keras.constraints)))
               for kwargs in PROJECTIONS[name])
