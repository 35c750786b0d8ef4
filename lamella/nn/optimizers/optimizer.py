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
from lamella.nn.naming import auto_name
from lamella.nn.optimizers import clipping
from lamella.nn.optimizers.checks import ema_frequency, flag, number, optional_number
from lamella.nn.optimizers.schedules import SCHEDULES, LearningRateSchedule
from lamella.nn.registry import Registry

OPTIMIZERS = Registry("keras.optimizers", "optimizer")


class Optimizer:
    """Base of all optimizers. Subclasses name their slots and define `update_step(gradient, variable, learning_rate)`.

    `apply` does, in this order (as Keras): drop variables without gradient, unscale, clip, decay weights, update,
    average (EMA), constrain, count. Slots belong to a variable: variables may come and go between calls.

    Args:
        learning_rate: number >= 0, `LearningRateSchedule`, or function without arguments.
        weight_decay: decoupled: v ← v − v · wd · lr before the step, for all optimizers.
        clipnorm, global_clipnorm, clipvalue: largest norm of each gradient, of all together, or value; at most one.
        use_ema, ema_momentum: keep an average ← m · average + (1 − m) · variable, which starts as the result of the
            first update.
        ema_overwrite_frequency: copy the averages to the variables every so many steps; None: at the end of `fit`.
        loss_scale_factor: the loss is multiplied by it and gradients are divided by it.
        gradient_accumulation_steps: not supported yet; None or 1.
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

    # Names of the slots of each variable. Groups are kept apart in `variables` as Keras stores them.
    slot_groups: tuple[tuple[str, ...], ...] = ()

    def __init__(self, learning_rate: Any = 0.001, weight_decay: float | None = None, clipnorm: float | None = None,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None,
                 loss_scale_factor: float | None = None, gradient_accumulation_steps: int | None = None,
                 name: str | None = None, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(f"{self._kind} has no argument {', '.join(map(repr, kwargs))}.")
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
        if gradient_accumulation_steps not in (None, 1):
            raise NotImplementedError(f"{self._kind} does not accumulate gradients yet; received "
                                      f"gradient_accumulation_steps={gradient_accumulation_steps!r}.")
        self.built = False
        self._excluded: set[int] = set()
        self._excluded_names: list[str] = []
        self._slots: dict[Variable, dict[str, Variable]] = {}
        self._averages: dict[Variable, Variable] = {}
        self._extra: list[Variable] = []
        with init_scope(), name_scope(self.name):
            self.iterations = Variable(np.int64(0), trainable=False, name="iterations")
            self._learning_rate = self._make_learning_rate(learning_rate)

    @property
    def _kind(self) -> str:
        return type(self).__name__

    # -- learning rate ------------------------------------------------------------------------------------------------

    def _make_learning_rate(self, value: Any) -> Any:
        if isinstance(value, dict):
            value = SCHEDULES.deserialize(value)
        if isinstance(value, (LearningRateSchedule, Variable)) or callable(value):
            return value
        rate = np.float32(number("learning_rate", value, self._kind))
        return Variable(rate, trainable=False, name="learning_rate")

    @property
    def learning_rate(self) -> Any:
        """The variable that the compiled step reads, or the present value of a schedule or function."""
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate(self.iterations)
        if isinstance(self._learning_rate, Variable):
            return self._learning_rate
        return self._learning_rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        """Set it, also while training; a number for an optimizer with a schedule is an error, as in Keras.

        Raises:
            TypeError: the optimizer follows a schedule.
            ValueError: no finite number >= 0.
        """
        if isinstance(value, LearningRateSchedule) or (callable(value) and not isinstance(value, Variable)):
            self._learning_rate = value
        elif not isinstance(self._learning_rate, Variable):
            raise TypeError(f"The learning rate of {self.name!r} follows {type(self._learning_rate).__name__} and "
                            "cannot be set to a number. Make the optimizer with a number to set it later.")
        else:
            plain = value.item() if hasattr(value, "item") else value
            self._learning_rate.assign(np.float32(number("learning_rate", plain, self._kind)))

    lr = learning_rate

    # -- variables ----------------------------------------------------------------------------------------------------

    @property
    def variables(self) -> list[Variable]:
        """All state in Keras' order: iterations, learning rate, averages, slots."""
        own = [self.iterations]
        if isinstance(self._learning_rate, Variable):
            own.append(self._learning_rate)
        slots = [slots[name] for group in self.slot_groups for slots in self._slots.values() for name in group]
        return [*own, *self._averages.values(), *slots, *self._extra]

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the slots of those variables that have none; slots of others are kept, so that they can come back."""
        for variable in variables:
            if variable in self._slots:
                continue
            names = [name for group in self.slot_groups for name in group]
            self._slots[variable] = {name: self._make_slot(variable, name) for name in names}
            if self.use_ema:
                self._averages[variable] = self._make_like(variable, "average", variable.numpy)
        self.built = True

    def _make_slot(self, variable: Variable, name: str) -> Variable:
        return self._make_like(variable, name, lambda: np.full(variable.shape, self.initial_slot_value(name)))

    def _make_like(self, variable: Variable, name: str, value: Any) -> Variable:
        with init_scope(), name_scope(self.name):
            full_name = f"{variable.path.replace('/', '_')}_{name}"
            return Variable(value(), trainable=False, dtype=variable.dtype, name=full_name)

    def initial_slot_value(self, name: str) -> float:
        """First value of the slot `name`."""
        return 0.0

    def slot(self, variable: Variable, name: str) -> Variable:
        """The slot `name` of a variable."""
        return self._slots[variable][name]

    def add_variable_from_reference(self, reference_variable: Variable, name: str | None = None,
                                    initializer: Any = None) -> Variable:
        """A zero variable of the shape and dtype of another, for subclasses that keep slots by themselves."""
        made = self._make_like(reference_variable, name or "var", lambda: np.zeros(reference_variable.shape))
        self._extra.append(made)
        return made

    def _get_variable_index(self, variable: Variable) -> int:
        return next(index for index, known in enumerate(self._slots) if known is variable)

    def exclude_from_weight_decay(self, var_list: Iterable[Variable] = (), var_names: Iterable[str] = ()) -> None:
        """Take variables out of weight decay: these, and those in whose path one of the regular expressions is found.

        (Keras looks at the last part of the path only, so that names of layers do not match.)
        """
        self._excluded |= {id(variable) for variable in var_list or ()}
        self._excluded_names += list(var_names or ())

    # -- updating -----------------------------------------------------------------------------------------------------

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
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
        self.build(variables)
        with name_scope(self.name):
            gradients, variables = self._present(grads, variables)
            gradients = self._clipped([self._plain(g, v) for g, v in zip(gradients, variables, strict=True)])
            rate = self.learning_rate
            for gradient, variable in zip(gradients, variables, strict=True):
                self._decay(variable, rate)
                self.update_step(gradient, variable, rate)
            self._average(variables)
            for variable in variables:
                constraint = getattr(variable, "constraint", None)
                if constraint is not None:
                    variable.assign(constraint(variable))
            self.iterations.assign_add(1)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        """Assign the new values of one variable and its slots."""
        raise NotImplementedError(f"{self._kind} does not define update_step().")

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

    def _decay(self, variable: Variable, rate: Any) -> None:
        if not self.weight_decay or id(variable) in self._excluded:
            return
        if not any(re.search(pattern, variable.path) for pattern in self._excluded_names):
            variable.assign(variable - variable * (self.weight_decay * ops.cast(rate, variable.dtype)))

    def _average(self, variables: list[Variable]) -> None:
        if not self.use_ema:
            return
        for variable in variables:
            momentum = ops.cast(ops.not_equal(self.iterations, 0), variable.dtype) * self.ema_momentum
            average = self._averages[variable]
            average.assign(momentum * average + (1.0 - momentum) * variable)
            if self.ema_overwrite_frequency:
                due = ops.equal((self.iterations + 1) % self.ema_overwrite_frequency, 0)
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
        rate = self._learning_rate
        config: dict[str, Any] = {"name": self.name}
        config["learning_rate"] = (float(rate.numpy()) if isinstance(rate, Variable) else
                                   SCHEDULES.serialize(rate) if isinstance(rate, LearningRateSchedule) else rate())
        for name in ("weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum",
                     "ema_overwrite_frequency", "loss_scale_factor"):
            config[name] = getattr(self, name)
        return {**config, "gradient_accumulation_steps": None}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{self._kind} name={self.name}>"
