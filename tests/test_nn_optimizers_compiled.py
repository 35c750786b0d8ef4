"""Optimizers inside compiled functions, gradient accumulation, stateless use and subclasses."""

from __future__ import annotations

import numpy as np
import pytest

from lamella import function
from lamella.errors import ShapeError
from lamella.frontend import Variable
from lamella.nn import optimizers
from lamella.nn.optimizers import schedules

RNG = np.random.default_rng(43)
SHAPES, STEPS = [(5, 7), (130,), (1,)], 20
START = [RNG.standard_normal(shape).astype(np.float32) for shape in SHAPES]
GRADIENTS = [[RNG.standard_normal(shape).astype(np.float32) for shape in SHAPES] for _ in range(STEPS)]

CASES = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "clipnorm": 1.0}),
    ("SGD", {"learning_rate": 0.1, "gradient_accumulation_steps": 3, "weight_decay": 0.1}),
    ("RMSprop", {"learning_rate": 0.01, "centered": True, "momentum": 0.5}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    ("Adam", {"learning_rate": 0.01, "gradient_accumulation_steps": 4, "global_clipnorm": 1.0}),
    ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_overwrite_frequency": 3, "clipvalue": 0.5}),
    ("AdamW", {"learning_rate": 0.01}), ("Adamax", {"learning_rate": 0.01}), ("Nadam", {"learning_rate": 0.01}),
    ("Adagrad", {"learning_rate": 0.05}), ("Adadelta", {"learning_rate": 0.5}), ("Lion", {"learning_rate": 0.01}),
    ("Ftrl", {"learning_rate": 0.05, "l1_regularization_strength": 0.1}), ("Lamb", {"learning_rate": 0.01}),
    ("Adafactor", {"learning_rate": 0.05}), ("Muon", {"learning_rate": 0.01}),
    ("ScheduleFreeAdamW", {"learning_rate": 0.01, "warmup_steps": 5}),
    ("LossScaleOptimizer", {"inner_optimizer": "adam", "initial_scale": 8.0, "dynamic_growth_steps": 5}),
]


def variables():
    return [Variable(value, name=f"v{i}") for i, value in enumerate(START)]


def multi(**_):
    return optimizers.MultiOptimizer(optimizers.OptimizerMap(optimizers.SGD(0.1), {"v1": optimizers.Adam(0.01)}))


@pytest.mark.parametrize(("make", "kwargs"), [*((getattr(optimizers, n), k) for n, k in CASES), (multi, {})],
                         ids=[*(f"{n}-{i}" for i, (n, _) in enumerate(CASES)), "MultiOptimizer"])
def test_compiled_steps_equal_eager_ones(make, kwargs):
    eager, compiled = make(**kwargs), make(**kwargs)
    mine, other = variables(), variables()
    compiled.build(other)
    step = function(lambda *gradients: compiled.apply(gradients, other))
    for number, gradients in enumerate(GRADIENTS):
        if make is optimizers.LossScaleOptimizer and number == 7:
            gradients = [g * np.float32(np.inf) for g in gradients]
        eager.apply(gradients, mine)
        step(*gradients)
    for a, b in zip([*mine, *eager.variables], [*other, *compiled.variables], strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-6, atol=1e-6, err_msg=a.path)
    assert optimizers.deserialize(optimizers.serialize(eager)).get_config() == eager.get_config()


def test_accumulated_gradients_are_one_update_with_their_mean():
    rates = schedules.PiecewiseConstantDecay([3], [0.5, 0.25])
    accumulating, plain = optimizers.SGD(rates, gradient_accumulation_steps=4), optimizers.SGD(0.5)
    mine, other = variables(), variables()
    for gradients in GRADIENTS[:3]:
        accumulating.apply(gradients, mine)
    assert all(np.array_equal(v.numpy(), value) for v, value in zip(mine, START, strict=True))
    assert int(accumulating.iterations) == 0
    accumulating.apply(GRADIENTS[3], mine)
    plain.apply([np.mean(gs, axis=0) for gs in zip(*GRADIENTS[:4], strict=True)], other)
    for a, b in zip(mine, other, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6, atol=1e-7)
    assert int(accumulating.iterations) == 1
    assert float(accumulating.learning_rate) == 0.25  # schedules count calls, as in Keras
    assert [v.shape for v in accumulating.variables] == [(), *SHAPES]
    assert optimizers.SGD(gradient_accumulation_steps=1).gradient_accumulation_steps is None


def test_stateless_apply_leaves_the_variables():
    mine, other = variables(), variables()
    adam, reference = optimizers.Adam(0.1), optimizers.Adam(0.1)
    adam.build(mine)
    state, values = [v.value() for v in adam.variables], [v.value() for v in mine]
    for gradients in GRADIENTS[:3]:
        values, state = adam.stateless_apply(state, gradients, values)
        reference.apply(gradients, other)
    assert all(np.array_equal(v.numpy(), value) for v, value in zip(mine, START, strict=True))
    assert int(adam.iterations) == 0 and int(state[0]) == 3
    for a, b in zip(values, other, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)
    with pytest.raises(ShapeError, match="build"):
        optimizers.Adam().stateless_apply(state, GRADIENTS[0], values)


def test_a_function_as_learning_rate_follows_variables_in_compiled_steps():
    rate, v = Variable(np.float32(1.0), trainable=False, name="rate"), Variable(np.float32(0.0), name="v")
    sgd = optimizers.SGD(lambda: rate * 0.5)
    step = function(lambda g: sgd.apply([g], [v]))
    step(np.float32(1.0))
    rate.assign(4.0)
    step(np.float32(1.0))
    assert float(v) == -2.5


def test_subclasses_of_the_keras_kind_build_once():
    class Momentum(optimizers.Optimizer):
        def build(self, var_list):
            if self.built:
                return
            super().build(var_list)
            self.m, self.s = self.add_optimizer_variables(var_list, ["m", "s"], initializer=["zeros", "ones"])
            self.total = self.add_variable((), name="total")

        def update_step(self, gradient, variable, learning_rate):
            m = self.m[self._get_variable_index(variable)]
            self.assign(m, 0.5 * m + gradient)
            self.assign_add(self.total, 1.0)
            self.assign_sub(variable, learning_rate * m * self.s[self._get_variable_index(variable)])

    v = Variable(np.zeros(2, np.float32), name="v")
    optimizer = Momentum(1.0)
    for _ in range(2):
        optimizer.apply([np.ones(2, np.float32)], [v])
    assert v.numpy().tolist() == [-2.5, -2.5] and float(optimizer.total) == 2 and len(optimizer.variables) == 5


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: optimizers.SGD(gradient_accumulation_steps=0), ValueError, "gradient_accumulation_steps of SGD"),
    (lambda: optimizers.SGD(gradient_accumulation_steps=2.5), ValueError, "received 2.5"),
    (lambda: optimizers.Ftrl(learning_rate_power=0.5), ValueError, "learning_rate_power of Ftrl"),
    (lambda: optimizers.Ftrl(l1_regularization_strength=-1), ValueError, "l1_regularization_strength"),
    (lambda: optimizers.Adafactor(clip_threshold=0), ValueError, "clip_threshold of Adafactor must be > 0"),
    (lambda: optimizers.Muon(momentum=2), ValueError, "momentum of Muon"),
    (lambda: optimizers.LossScaleOptimizer("adam", initial_scale=0), ValueError, "initial_scale"),
    (lambda: optimizers.LossScaleOptimizer(optimizers.LossScaleOptimizer("sgd")), ValueError, "another kind"),
    (lambda: optimizers.OptimizerMap(optimizers.LossScaleOptimizer("sgd")), ValueError, "can't be"),
    (lambda: optimizers.OptimizerMap("sgd", {"a.*": "sgd", ".*b": "adam"})["ab"], ValueError, "Several optimizers"),
    (lambda: multi().learning_rate, AttributeError, "no learning rate"),
    (lambda: schedules.CosineDecayRestarts(0.1, 0), ValueError, "first_decay_steps of CosineDecayRestarts must be"),
])
def test_bad_arguments_name_the_cause(make, error, text):
    with pytest.raises(error, match=text):
        make()
