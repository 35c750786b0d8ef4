"""`Optimizer`: the order of events around an update step."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import LamellaError, ShapeError
from lamella.frontend import Tensor, Variable, init_scope, name_scope
from lamella.nn.naming import auto_name, unknown_arguments
from lamella.nn.optimizers import clipping
from lamella.nn.optimizers.checks import accumulation_steps, ema_frequency, flag, number, optional_number
from lamella.nn.optimizers.learning_rate import HasLearningRate
from lamella.nn.optimizers.slots import HasSlots
from lamella.nn.optimizers.stateless import stateless_apply
from lamella.nn.registry import Registry

OPTIMIZERS = Registry("keras.optimizers", "optimizer")


class Optimizer(HasLearningRate, HasSlots):
    """Base of all optimizers. Subclasses name their slots and define `update_step(gradient, variable, learning_rate)`.

    `apply` does, in this order (as Keras): drop variables without gradient, unscale, accumulate, clip, decay weights,
    update, average (EMA), constrain, count. Slots belong to a variable: variables may come and go between calls.

    Args:
        learning_rate: number >= 0, `LearningRateSchedule`, or function without arguments.
        weight_decay: decoupled: v ← v − v · wd · lr before the step, for all optimizers.
        clipnorm, global_clipnorm, clipvalue: largest norm of each gradient, of all together, or value; at most one.
        use_ema, ema_momentum: keep an average ← m · average + (1 − m) · variable, which starts as the result of the
            first update.
        ema_overwrite_frequency: copy the averages to the variables every so many steps; None: at the end of `fit`.
        loss_scale_factor: the loss is multiplied by it and gradients are divided by it.
        gradient_accumulation_steps: k ≥ 2: only each k-th call updates, with the mean of k gradients; schedules see
            the number of calls, `iterations` is that of updates. Averages and constraints follow updates only.
        name: by default the class in snake case.

    Raises:
        ValueError: a hyperparameter of the wrong kind, negative or not finite; more than one kind of clipping.

    Example:
        >>> class Plain(Optimizer):
        ...     def update_step(self, gradient, variable, learning_rate):
        ...         variable.assign(variable - learning_rate * gradient)
        >>> v = Variable(np.float32(1.0), name="v")
        >>> Plain(0.5).apply([ops.convert_to_tensor(1.0)], [v])
        >>> float(v)
        0.5
    """

    def __init__(self, learning_rate: Any = 0.001, weight_decay: float | None = None, clipnorm: float | None = None,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None,
                 loss_scale_factor: float | None = None, gradient_accumulation_steps: int | None = None,
                 name: str | None = None, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(unknown_arguments(type(self), kwargs))
        self.name = name or auto_name(self._kind)
        self.weight_decay = optional_number("weight_decay", weight_decay, self._kind)
        self.clipnorm = optional_number("clipnorm", clipnorm, self._kind)
        self.clipvalue = optional_number("clipvalue", clipvalue, self._kind)
        self.global_clipnorm = optional_number("global_clipnorm", global_clipnorm, self._kind)
        if sum(value is not None for value in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError(f"{self._kind} takes one of clipnorm, clipvalue and global_clipnorm, received several.")
        self.use_ema = flag("use_ema", use_ema, self._kind)
        self.ema_momentum = number("ema_momentum", ema_momentum, self._kind, 0.0, 1.0)
        self.ema_overwrite_frequency = ema_frequency(ema_overwrite_frequency, use_ema, self._kind)
        self.loss_scale_factor = optional_number("loss_scale_factor", loss_scale_factor, self._kind)
        self.gradient_accumulation_steps = accumulation_steps(gradient_accumulation_steps, self._kind)
        self.built = False
        self._excluded: set[int] = set()
        self._excluded_names: list[str] = []
        self._start_slots()
        with init_scope(), name_scope(self.name):
            self._iterations = Variable(np.int64(0), trainable=False, name="iterations")
            self._learning_rate = self._make_learning_rate(learning_rate)

    @property
    def iterations(self) -> Any:
        """The number of updates: the variable that counts calls of `apply`, divided by the accumulation steps."""
        steps = self.gradient_accumulation_steps
        return self._iterations // steps if steps else self._iterations

    def exclude_from_weight_decay(self, var_list: Iterable[Variable] = (), var_names: Iterable[str] = ()) -> None:
        """Take variables out of weight decay: these, and those in whose path one of the regular expressions is found.

        (Keras looks at the last part of the path only, so that names of layers do not match.)
        """
        self._excluded |= {id(variable) for variable in var_list or ()}
        self._excluded_names += list(var_names or ())

    # -- updating -----------------------------------------------------------------------------------------------------

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Any:
        """Update from pairs `(gradient, variable)`; returns `iterations`. See `apply`."""
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])
        return self.iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Update the variables by one step.

        Args:
            grads: one gradient per variable, of its shape; None leaves the variable as it is, with a warning.
            trainable_variables: by default those of `build`.

        Raises:
            LamellaError: no gradient at all.
            ShapeError: another number of gradients than variables, or a gradient of another shape.
        """
        variables = list(self._slots) if trainable_variables is None else list(trainable_variables)
        if len(grads) != len(variables):
            raise ShapeError(f"{self._kind} received {len(grads)} gradients for {len(variables)} variables.")
        if not variables:
            return
        if not self.built or any(variable not in self._slots for variable in variables):
            self.build(variables)
        with name_scope(self.name):
            present, variables = self._present(grads, variables)
            gradients = [self._plain(g, v) for g, v in zip(present, variables, strict=True)]
            if self.gradient_accumulation_steps:
                self._accumulate(gradients, variables, self.gradient_accumulation_steps)
            else:
                self._step(gradients, variables)
            self._iterations.assign_add(1)

    def stateless_apply(self, optimizer_variables: Sequence[Any], grads: Sequence[Any],
                        trainable_variables: Sequence[Any]) -> tuple[list[Tensor], list[Tensor]]:
        """(new trainable values, new optimizer values) from values; variables stay. See `stateless.stateless_apply`."""
        return stateless_apply(self, optimizer_variables, grads, trainable_variables)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        """Assign the new values of one variable and its slots."""
        raise NotImplementedError(f"{self._kind} does not define update_step().")

    def _step(self, gradients: list[Tensor], variables: list[Variable]) -> None:
        """One update: clip, decay, update, average, constrain."""
        gradients = self._clipped(gradients)
        rate = self.learning_rate
        for gradient, variable in zip(gradients, variables, strict=True):
            self._decay(variable, rate)
            self.update_step(gradient, variable, rate)
        self._average(variables)
        for variable in variables:
            constraint = getattr(variable, "constraint", None)
            if constraint is not None:
                variable.assign(constraint(variable))

    def _accumulate(self, gradients: list[Tensor], variables: list[Variable], steps: int) -> None:
        """Add the gradients up; each `steps`-th time update with their mean. In a trace: selects, no branch."""
        sums = [self._accumulators[v] + g for g, v in zip(gradients, variables, strict=True)]

        def keep() -> None:
            for variable, total in zip(variables, sums, strict=True):
                self._accumulators[variable].assign(total)

        def update() -> None:
            self._step([total / float(steps) for total in sums], variables)
            for variable in variables:
                self._accumulators[variable].assign(ops.zeros(variable.shape, dtype=variable.dtype))

        ops.cond(ops.equal((self._iterations + 1) % steps, 0), update, keep)

    def _present(self, grads: Sequence[Any], variables: list[Variable]) -> tuple[list[Any], list[Variable]]:
        pairs = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
        if not pairs:
            paths = ", ".join(v.path for v in variables)
            raise LamellaError(f"{self._kind} received no gradient for any of {paths}. Is the loss computed from them, "
                               "inside of the tape?")
        missing = [v.path for g, v in zip(grads, variables, strict=True) if g is None]
        if missing:
            warnings.warn(f"There is no gradient for {', '.join(missing)}: the loss does not depend on them.",
                          stacklevel=4)
        return [g for g, _ in pairs], [v for _, v in pairs]

    def _plain(self, gradient: Any, variable: Variable) -> Tensor:
        gradient = ops.cast(ops.convert_to_tensor(gradient), variable.dtype)
        if tuple(gradient.shape) != tuple(variable.shape):
            raise ShapeError(f"The gradient of {variable.path} has shape {tuple(gradient.shape)}, "
                             f"not {variable.shape}.")
        return gradient / self.loss_scale_factor if self.loss_scale_factor else gradient

    def _clipped(self, gradients: list[Tensor]) -> list[Tensor]:
        if self.clipnorm:
            return [clipping.by_norm(gradient, self.clipnorm) for gradient in gradients]
        if self.global_clipnorm:
            return clipping.by_global_norm(gradients, self.global_clipnorm)
        if self.clipvalue:
            return [clipping.by_value(gradient, self.clipvalue) for gradient in gradients]
        return gradients

    def decay_of(self, variable: Variable) -> float | None:
        """The weight decay of a variable, before exclusions."""
        return self.weight_decay

    def _decay(self, variable: Variable, rate: Any) -> None:
        decay = self.decay_of(variable)
        if not decay or id(variable) in self._excluded:
            return
        if not any(re.search(pattern, variable.path) for pattern in self._excluded_names):
            variable.assign(variable - variable * (decay * ops.cast(rate, variable.dtype)))

    def _average(self, variables: list[Variable]) -> None:
        if not self.use_ema:
            return
        updates = self.iterations
        for variable in variables:
            momentum = ops.cast(ops.not_equal(updates, 0), variable.dtype) * self.ema_momentum
            average = self._averages[variable]
            average.assign(momentum * average + (1.0 - momentum) * variable)
            if self.ema_overwrite_frequency:
                due = ops.equal((updates + 1) % self.ema_overwrite_frequency, 0)
                variable.assign(ops.where(due, average, variable))

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Copy the averages to the variables, if there are any: the end of `fit`."""
        for variable in var_list:
            if variable in self._averages:
                variable.assign(self._averages[variable])

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`."""
        return loss * self.loss_scale_factor if self.loss_scale_factor else loss

    # -- configs ------------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"name": self.name, "learning_rate": self._learning_rate_config()}
        for name in ("weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum",
                     "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps"):
            config[name] = getattr(self, name)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{self._kind} name={self.name}>"
