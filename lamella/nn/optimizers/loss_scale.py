"""Dynamic loss scaling, for half precision."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor, Variable
from lamella.nn.optimizers.checks import number
from lamella.nn.optimizers.optimizer import OPTIMIZERS, Optimizer

_SMALLEST, _LARGEST = 2.0**-60, 2.0**60  # beyond, halving or doubling would end in 0 or infinity and never come back
# What Keras' configs once held: of no effect here, so nothing but these values.
_INNER = {"weight_decay": None, "clipnorm": None, "global_clipnorm": None, "clipvalue": None, "use_ema": False,
          "ema_momentum": 0.99, "ema_overwrite_frequency": None, "loss_scale_factor": None,
          "gradient_accumulation_steps": None, "dynamic": True}


@OPTIMIZERS.register()
class LossScaleOptimizer(Optimizer):
    """Multiplies the loss by a scale, so that small gradients do not become 0 in float16, and divides gradients by it.

    If a gradient is not finite the step is left out and the scale halved; after `dynamic_growth_steps` good steps in a
    row it is doubled. It stays in [2⁻⁶⁰, 2⁶⁰]. Left-out steps do not count as iterations of the inner optimizer.

    Args:
        inner_optimizer: name, config or optimizer; its own `loss_scale_factor` is switched off.
        initial_scale: > 0.
        dynamic_growth_steps: > 0.
        name: by default the class in snake case.
        **kwargs: arguments of `Optimizer` with their defaults, which older configs hold.

    Raises:
        ValueError: a bad number, an inner optimizer that scales itself, or an argument that the inner one must have.

    Source:
        Micikevicius et al. 2017, arXiv:1710.03740.

    Example:
        >>> v = Variable([1.0], name="v")
        >>> optimizer = LossScaleOptimizer("sgd", initial_scale=4.0)
        >>> optimizer.apply([[float("inf")]], [v])
        >>> v.numpy().tolist(), float(optimizer.dynamic_scale)
        ([1.0], 2.0)
    """

    def __init__(self, inner_optimizer: Any, initial_scale: float = 2.0**15, dynamic_growth_steps: int = 2000,
                 name: str | None = None, **kwargs: Any) -> None:
        for argument, value in kwargs.items():
            if argument not in _INNER or value != _INNER[argument]:
                known = argument in _INNER and argument != "dynamic"
                raise ValueError(f"{self._kind} has no argument {argument!r}."
                                 + f" Set {argument!r} on the inner optimizer." * known)
        super().__init__(0.0, name=name)
        inner_optimizer = OPTIMIZERS.get(inner_optimizer)
        if not isinstance(inner_optimizer, Optimizer) or isinstance(inner_optimizer, LossScaleOptimizer):
            raise ValueError(f"{self._kind} needs another kind of optimizer inside, received {inner_optimizer!r}.")
        self.inner_optimizer = inner_optimizer
        inner_optimizer.loss_scale_factor = None
        self.initial_scale = number("initial_scale", initial_scale, self._kind, _SMALLEST, _LARGEST)
        self.dynamic_growth_steps = int(number("dynamic_growth_steps", dynamic_growth_steps, self._kind, 1))
        self.step_counter = self.add_variable((), dtype="int64", name="step_counter")
        self.dynamic_scale = self.add_variable((), dtype="float32", name="dynamic_scale")
        self.dynamic_scale.assign(self.initial_scale)

    @property
    def variables(self) -> list[Variable]:
        return [*super().variables, *self.inner_optimizer.variables]

    @property
    def _trainable_variables(self) -> list[Variable]:
        return self.inner_optimizer._trainable_variables

    @property
    def iterations(self) -> Any:
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    def build(self, variables: Sequence[Variable]) -> None:
        self.inner_optimizer.build(variables)
        self.built = True

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Update the variables by one step, if all gradients are finite; see `Optimizer.apply`."""
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        if not variables:
            return
        self.build(variables)
        scale = self.dynamic_scale.value()
        checks = [ops.all(ops.isfinite(ops.convert_to_tensor(g))) for g in grads if g is not None]
        finite = functools.reduce(ops.logical_and, checks) if checks else ops.convert_to_tensor(True)

        def update() -> None:
            self.inner_optimizer.apply([_divided(g, scale, finite) for g in grads], variables)
            due = ops.equal(self.step_counter, self.dynamic_growth_steps - 1)
            self.step_counter.assign(ops.where(due, ops.zeros_like(self.step_counter), self.step_counter + 1))
            self.dynamic_scale.assign(ops.where(due, ops.minimum(scale * 2.0, _LARGEST), scale))

        def skip() -> None:
            self.step_counter.assign(ops.zeros_like(self.step_counter))
            self.dynamic_scale.assign(ops.maximum(scale * 0.5, _SMALLEST))

        ops.cond(finite, update, skip)

    def scale_loss(self, loss: Any) -> Any:
        """The loss times the present scale."""
        loss = ops.convert_to_tensor(loss)
        return loss * ops.cast(self.dynamic_scale, loss.dtype)

    def exclude_from_weight_decay(self, var_list: Iterable[Variable] = (), var_names: Iterable[str] = ()) -> None:
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "inner_optimizer": OPTIMIZERS.serialize(self.inner_optimizer),
                "initial_scale": self.initial_scale, "dynamic_growth_steps": self.dynamic_growth_steps}


def _divided(gradient: Any, scale: Tensor, finite: Tensor) -> Any:
    """The gradient without the scale; 0 in a step that is left out.

    So the update cannot begin before all gradients are known, and is one pass over gradient, variable and slots.
    """
    if gradient is None:
        return None
    gradient = ops.convert_to_tensor(gradient)
    return ops.where(finite, gradient / ops.cast(scale, gradient.dtype), 0.0)
