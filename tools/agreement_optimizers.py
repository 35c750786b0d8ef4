"""Optimizers over 50 steps and schedules over 1000: results of Lamella and of Keras."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
from agreement_losses import relative

from lamella.frontend import Variable
from lamella.nn import optimizers
from lamella.nn.optimizers import schedules

RNG = np.random.default_rng(29)
STEPS = 50
SHAPES = [(7, 3), (5,), (), (1, 2, 3), (2, 9)]
START = [np.asarray(RNG.standard_normal(shape), np.float32) for shape in SHAPES]
GRADIENTS = [[np.asarray(RNG.standard_normal(shape) * 10.0 ** RNG.integers(-3, 2), np.float32) for shape in SHAPES]
             for _ in range(STEPS)]
DECAY = {"class_name": "ExponentialDecay",
         "config": {"initial_learning_rate": 0.05, "decay_steps": 7, "decay_rate": 0.5}}


class Case(NamedTuple):
    """An optimizer or a schedule with its arguments."""

    name: str
    kwargs: dict[str, Any]


CASES = [
    Case("SGD", {"learning_rate": 0.1}),
    Case("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "clipvalue": 0.5}),
    Case("SGD", {"learning_rate": DECAY, "momentum": 0.9, "weight_decay": 0.1}),
    Case("SGD", {"learning_rate": DECAY, "momentum": 0.5, "gradient_accumulation_steps": 3}),
    Case("RMSprop", {"learning_rate": 0.01}),
    Case("RMSprop", {"learning_rate": 0.01, "centered": True, "momentum": 0.5, "epsilon": 1e-3}),
    Case("Adam", {}),
    Case("Adam", {"learning_rate": 0.01, "amsgrad": True, "beta_1": 0.5}),
    Case("Adam", {"learning_rate": DECAY, "clipnorm": 0.3}),
    Case("Adam", {"global_clipnorm": 0.3, "epsilon": 1e-3}),
    Case("Adam", {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 3}),
    Case("Adam", {"loss_scale_factor": 64.0}),
    Case("Adam", {"learning_rate": 0.01, "gradient_accumulation_steps": 4, "clipnorm": 1.0, "weight_decay": 0.1}),
    Case("AdamW", {"learning_rate": 0.01, "weight_decay": 0.2}),
    Case("Adamax", {"learning_rate": 0.01}),
    Case("Nadam", {"learning_rate": 0.01}),
    Case("Nadam", {"learning_rate": 0.01, "gradient_accumulation_steps": 2}),
    Case("Adagrad", {"learning_rate": 0.05}),
    Case("Adadelta", {"learning_rate": 0.5}),
    Case("Lion", {"learning_rate": 0.01}),
    Case("Ftrl", {"learning_rate": 0.05}),
    Case("Ftrl", {"learning_rate": 0.05, "l1_regularization_strength": 0.1, "l2_regularization_strength": 0.2,
                  "l2_shrinkage_regularization_strength": 0.05, "beta": 0.3, "learning_rate_power": -0.4}),
    Case("Lamb", {"learning_rate": 0.01}),
    Case("Lamb", {"learning_rate": 0.01, "weight_decay": 0.05, "beta_2": 0.9}),
    Case("Adafactor", {"learning_rate": 0.05}),
    Case("Adafactor", {"learning_rate": DECAY, "clip_threshold": 0.5}),
    Case("Adafactor", {"learning_rate": 0.05, "relative_step": False}),
    Case("Muon", {"learning_rate": 0.01}),
    Case("Muon", {"learning_rate": 0.01, "nesterov": False, "rms_rate": None, "ns_steps": 3, "adam_lr_ratio": 0.5,
                  "exclude_layers": ["^v0$"], "weight_decay": 0.1, "adam_weight_decay": None}),
    Case("ScheduleFreeAdamW", {"learning_rate": 0.01}),
    Case("ScheduleFreeAdamW", {"learning_rate": 0.01, "warmup_steps": 10, "weight_decay": 0.05}),
]

SCHEDULES = [
    Case("ExponentialDecay", {"initial_learning_rate": 0.3, "decay_steps": 70, "decay_rate": 0.5}),
    Case("ExponentialDecay", {"initial_learning_rate": 0.3, "decay_steps": 70, "decay_rate": 0.5, "staircase": True}),
    Case("InverseTimeDecay", {"initial_learning_rate": 0.3, "decay_steps": 70, "decay_rate": 0.5}),
    Case("InverseTimeDecay", {"initial_learning_rate": 0.3, "decay_steps": 70, "decay_rate": 0.5, "staircase": True}),
    Case("PolynomialDecay", {"initial_learning_rate": 0.3, "decay_steps": 70}),
    Case("PolynomialDecay", {"initial_learning_rate": 0.3, "decay_steps": 70, "power": 2.0, "cycle": True}),
    Case("CosineDecay", {"initial_learning_rate": 0.3, "decay_steps": 600, "alpha": 0.1}),
    Case("CosineDecay", {"initial_learning_rate": 0.3, "decay_steps": 600, "warmup_target": 0.7, "warmup_steps": 40}),
    Case("CosineDecayRestarts", {"initial_learning_rate": 0.3, "first_decay_steps": 70, "alpha": 0.1}),
    Case("CosineDecayRestarts", {"initial_learning_rate": 0.3, "first_decay_steps": 70, "t_mul": 1.5, "m_mul": 0.8}),
    Case("CosineDecayRestarts", {"initial_learning_rate": 0.3, "first_decay_steps": 70, "t_mul": 1.0, "m_mul": 0.8}),
    Case("PiecewiseConstantDecay", {"boundaries": [30, 700], "values": [1.0, 0.5, 0.1]}),
]

NOTES = {
    "Adam": "1 − βᵗ by expm1; Keras' powers in float32 are off by up to 5e-5 of the first steps.",
    "SGD": "Under gradient accumulation averages and constraints follow updates only, for all optimizers; with JAX "
           "Keras also applies them in between.",
    "Adafactor": "Second moments of matrices are not stored, as they follow from rows and columns.",
    "Ftrl": "Finite where the accumulator is 0; Keras: NaN.",
    "LossScaleOptimizer": "The scale stays in [2⁻⁶⁰, 2⁶⁰]; compared through its inner optimizer.",
    "MultiOptimizer": "Compared with one optimizer for vectors and another for the rest.",
    "CosineDecayRestarts": "A restart comes at its exact step; Keras' logarithm in float32 may come one step late.",
}


def start() -> tuple[list[Variable], list[Any]]:
    """The same variables for Lamella and for Keras."""
    return ([Variable(value, name=f"v{i}") for i, value in enumerate(START)],
            [keras.Variable(value, name=f"v{i}") for i, value in enumerate(START)])


def _keras(kwargs: dict[str, Any]) -> dict[str, Any]:
    rate = kwargs.get("learning_rate")
    return {**kwargs, "learning_rate": keras.optimizers.schedules.deserialize(rate)} if rate is DECAY else kwargs


def _after_steps(ours: Any, theirs: Any, bad_step: int | None = None) -> float:
    """Lamella's steps eager, Keras' compiled: its accumulation and loss scaling work in no other way with JAX."""
    mine, other = start()
    theirs.build(other)
    step = jax.jit(theirs.stateless_apply)
    state, values = [v.value for v in theirs.variables], [v.value for v in other]
    for number, gradients in enumerate(GRADIENTS):
        gradients = [g * np.float32(np.inf if number == bad_step else 1) for g in gradients]
        ours.apply(gradients, mine)
        values, state = step(state, gradients, values)
    return relative(*(np.concatenate([np.ravel(x) for x in side]) for side in (mine, values)))


def difference(case: Case) -> float:
    """Of the variables after all steps, relative to the largest element of all."""
    return _after_steps(getattr(optimizers, case.name)(**case.kwargs),
                        getattr(keras.optimizers, case.name)(**_keras(case.kwargs)))


def loss_scale_difference() -> float:
    """One step of infinite gradients, which both leave out, and three doublings of the scale."""
    return _after_steps(*(m.LossScaleOptimizer(m.SGD(0.5, momentum=0.5), initial_scale=64.0, dynamic_growth_steps=15)
                          for m in (optimizers, keras.optimizers)), bad_step=3)


def multi_difference() -> float:
    """Adam for some variables, SGD for the rest."""
    return _after_steps(*(m.MultiOptimizer(m.OptimizerMap(m.SGD(0.1), {"v[12]": m.Adam(0.01)}))
                          for m in (optimizers, keras.optimizers)))


def schedule_difference(case: Case) -> float:
    """Over steps 0 ... 999."""
    steps = np.arange(1000)
    ours = getattr(schedules, case.name)(**case.kwargs)
    theirs = getattr(keras.optimizers.schedules, case.name)(**case.kwargs)
    want = np.asarray(jax.vmap(theirs)(jnp.asarray(steps)))
    got = ours(steps).numpy()
    return relative(got, want)
