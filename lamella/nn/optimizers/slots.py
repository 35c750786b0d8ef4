"""The variables of an optimizer: slots that belong to the variables it updates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lamella.frontend import Variable, init_scope, name_scope
from lamella.nn import initializers
from lamella.nn.dtype_policy import number_dtype


class HasSlots:
    """The part of `Optimizer` that keeps slots. Variables may come and go; their slots stay."""

    # Names of the slots of each variable. Groups are kept apart in `variables` as Keras stores them.
    slot_groups: tuple[tuple[str, ...], ...] = ()

    name: str
    use_ema: bool
    gradient_accumulation_steps: int | None
    built: bool
    _iterations: Variable
    _learning_rate: Any

    def _start_slots(self) -> None:
        self._slots: dict[Variable, dict[str, Variable]] = {}
        self._averages: dict[Variable, Variable] = {}
        self._accumulators: dict[Variable, Variable] = {}
        self._extra: list[Variable] = []

    @property
    def variables(self) -> list[Variable]:
        """All state in Keras' order: iterations, learning rate, averages, accumulators, slots."""
        own = [self._iterations]
        if isinstance(self._learning_rate, Variable):
            own.append(self._learning_rate)
        slots = [slots[name] for group in self.slot_groups for slots in self._slots.values()
                 for name in group if name in slots]
        return [*own, *self._averages.values(), *self._accumulators.values(), *slots, *self._extra]

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the slots of those variables that have none; slots of others are kept, so that they can come back."""
        for variable in variables:
            if variable in self._slots:
                continue
            self._slots[variable] = {name: self._make_like(variable, name, self.initial_slot(variable, name))
                                     for name in self.slot_names(variable)}
            if self.use_ema:
                self._averages[variable] = self._make_like(variable, "average", variable.numpy())
            if self.gradient_accumulation_steps:
                zeros = np.broadcast_to(0.0, variable.shape)
                self._accumulators[variable] = self._make_like(variable, "gradient_accumulator", zeros)
        self.built = True

    def slot_names(self, variable: Variable) -> list[str]:
        """The slots of this variable: all, unless a subclass says otherwise."""
        return [name for group in self.slot_groups for name in group]

    def initial_slot(self, variable: Variable, name: str) -> np.ndarray:
        """First values of a slot, which may have a shape of its own."""
        return np.broadcast_to(self.initial_slot_value(name), variable.shape)

    def initial_slot_value(self, name: str) -> float:
        """First value of the slot `name`."""
        return 0.0

    def _make_like(self, variable: Variable, name: str, value: np.ndarray) -> Variable:
        with init_scope(), name_scope(self.name):
            full_name = f"{variable.path.replace('/', '_')}_{name}"
            return Variable(value, trainable=False, dtype=variable.dtype, name=full_name)

    def slot(self, variable: Variable, name: str) -> Variable:
        """The slot `name` of a variable."""
        return self._slots[variable][name]

    # -- for subclasses that keep slots by themselves, as in Keras ----------------------------------------------------

    def add_variable(self, shape: Sequence[int] = (), initializer: Any = "zeros", dtype: Any = None,
                     name: str | None = None, **_: Any) -> Variable:
        """A state variable of the optimizer, by default of `config.floatx()` but at least float32."""
        with init_scope(), name_scope(self.name):
            dtype = dtype or number_dtype()
            value = initializers.get(initializer)(tuple(shape), dtype=dtype)
            made = Variable(value, trainable=False, dtype=dtype, name=name or "variable")
        self._extra.append(made)
        return made

    def add_variable_from_reference(self, reference_variable: Variable, name: str | None = None,
                                    initializer: Any = "zeros") -> Variable:
        """A variable of the shape and dtype of another."""
        value = initializers.get(initializer or "zeros")(reference_variable.shape)
        made = self._make_like(reference_variable, name or "var", np.asarray(value))
        self._extra.append(made)
        return made

    def add_optimizer_variables(self, trainable_variables: Iterable[Variable], name: str | Sequence[str],
                                initializer: Any = "zeros") -> Any:
        """One list of slots per name: `momentums, velocities = self.add_optimizer_variables(variables, [...])`."""
        if isinstance(name, str):
            return [self.add_variable_from_reference(v, name, initializer) for v in trainable_variables]
        kinds = list(initializer) if isinstance(initializer, (list, tuple)) else [initializer] * len(name)
        rows = [[self.add_variable_from_reference(v, n, i) for n, i in zip(name, kinds, strict=True)]
                for v in trainable_variables]
        return tuple([row[k] for row in rows] for k in range(len(name)))

    @property
    def _trainable_variables(self) -> list[Variable]:
        return list(self._slots)

    def _get_variable_index(self, variable: Variable) -> int:
        return next(index for index, known in enumerate(self._slots) if known is variable)

    def assign(self, variable: Variable, value: Any) -> None:
        """`variable.assign(value)`."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """`variable.assign_add(value)`."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """`variable.assign_sub(value)`."""
        variable.assign_sub(value)
