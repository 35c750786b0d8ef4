"""Several optimizers for one model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Variable
from lamella.nn.optimizers.loss_scale import LossScaleOptimizer
from lamella.nn.optimizers.optimizer import OPTIMIZERS, Optimizer


def _plain(optimizer: Any) -> Optimizer:
    optimizer = OPTIMIZERS.get(optimizer)
    if not isinstance(optimizer, Optimizer) or isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
        raise ValueError(f"An optimizer for some of the variables can't be {optimizer!r}.")
    return optimizer


@OPTIMIZERS.register()
class OptimizerMap(MutableMapping[str, Optimizer]):
    """Which optimizer updates which variable: by its path, or by a regular expression that matches all of it.

    Args:
        default_optimizer: for variables without a match.
        optimizer_map: {path or expression: optimizer}.

    Raises:
        ValueError: no plain optimizer, or (on access) several expressions match.

    Example:
        >>> from lamella.nn.optimizers import SGD, Adam
        >>> which = OptimizerMap(Adam(name="rest"), {".*/bias": SGD(name="biases")})
        >>> which["dense/bias"].name, which["dense/kernel"].name
        ('biases', 'rest')
    """

    def __init__(self, default_optimizer: Any, optimizer_map: Mapping[str, Any] | None = None) -> None:
        self.default_optimizer = _plain(default_optimizer)
        self._map = {str(key): _plain(value) for key, value in (optimizer_map or {}).items()}

    def __getitem__(self, key: str) -> Optimizer:
        if key in self._map:
            return self._map[key]
        found = [pattern for pattern in self._map if re.fullmatch(pattern, key)]
        if len(found) > 1:
            raise ValueError(f"Several optimizers match the variable {key}: {', '.join(map(repr, found))}.")
        return self._map[found[0]] if found else self.default_optimizer

    def __setitem__(self, key: str, optimizer: Any) -> None:
        if key in self._map:
            raise ValueError(f"There is an optimizer for {key!r} already: {self._map[key]!r}.")
        self._map[key] = _plain(optimizer)

    def __delitem__(self, key: str) -> None:
        del self._map[key]

    def __len__(self) -> int:
        return len(self._map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def __call__(self, variable: Variable) -> Optimizer:
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        return {"default_optimizer": OPTIMIZERS.serialize(self.default_optimizer),
                "optimizer_map": {key: OPTIMIZERS.serialize(value) for key, value in self._map.items()}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OptimizerMap:
        return cls(**config)


@OPTIMIZERS.register()
class MultiOptimizer(Optimizer):
    """Hands each variable to the optimizer that a map names for it. Clipping and decay are those of each optimizer.

    Args:
        optimizer_map: an `OptimizerMap`, or any function from a variable to an optimizer.
        loss_scale_factor: of all inner optimizers.
        name: by default the class in snake case.

    Example:
        >>> from lamella.nn.optimizers import SGD
        >>> v, w = Variable([1.0], name="v"), Variable([1.0], name="w")
        >>> MultiOptimizer(OptimizerMap(SGD(0.5), {"w": SGD(0.25)})).apply([[1.0], [1.0]], [v, w])
        >>> v.numpy().tolist(), w.numpy().tolist()
        ([0.5], [0.75])
    """

    def __init__(self, optimizer_map: Callable[[Variable], Any] | OptimizerMap | Mapping[str, Any],
                 loss_scale_factor: float | None = None, name: str | None = None) -> None:
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        self._map: Any = OPTIMIZERS.deserialize(optimizer_map) if isinstance(optimizer_map, dict) else optimizer_map
        self._of: dict[Variable, Optimizer] = {}
        self.optimizers: list[Optimizer] = []
        if isinstance(self._map, OptimizerMap):
            for optimizer in (*self._map.values(), self._map.default_optimizer):
                self._add(optimizer)

    def _add(self, optimizer: Optimizer) -> None:
        optimizer = _plain(optimizer)
        optimizer.loss_scale_factor = self.loss_scale_factor
        if not any(known is optimizer for known in self.optimizers):
            self.optimizers.append(optimizer)

    @property
    def variables(self) -> list[Variable]:
        return [*super().variables, *(v for optimizer in self.optimizers for v in optimizer.variables)]

    @property
    def _trainable_variables(self) -> list[Variable]:
        return list(self._of)

    @property
    def learning_rate(self) -> Any:
        raise AttributeError("A MultiOptimizer has no learning rate; use those of its `optimizers`.")

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError("A MultiOptimizer has no learning rate; set those of its `optimizers`.")

    def build(self, variables: Sequence[Variable]) -> None:
        for variable in variables:
            if variable not in self._of:
                self._of[variable] = self._map(variable)
                self._add(self._of[variable])
        for optimizer in self.optimizers:
            optimizer.build([v for v in variables if self._of[v] is optimizer])
        self.built = True

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Update each variable with its optimizer; see `Optimizer.apply`."""
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        if len(grads) != len(variables):
            raise ShapeError(f"{self._kind} received {len(grads)} gradients for {len(variables)} variables.")
        if not variables:
            return
        self.build(variables)
        for optimizer in self.optimizers:
            pairs = [(g, v) for g, v in zip(grads, variables, strict=True) if self._of[v] is optimizer]
            if pairs:
                optimizer.apply([g for g, _ in pairs], [v for _, v in pairs])
        self._iterations.assign_add(1)

    def exclude_from_weight_decay(self, var_list: Iterable[Variable] = (), var_names: Iterable[str] = ()) -> None:
        for optimizer in self.optimizers:
            optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        for variable in var_list:
            if variable in self._of:
                self._of[variable].finalize_variable_values([variable])

    def get_config(self) -> dict[str, Any]:
        return {"optimizer_map": OPTIMIZERS.serialize(self._map), "loss_scale_factor": self.loss_scale_factor,
                "name": self.name}
