"""Projections of weights, applied after each optimizer step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.registry import Registry, checked_config
from lamella.settings import settings

CONSTRAINTS = Registry("keras.constraints", "constraint")
Axis = int | Sequence[int]


class Constraint:
    """Base of all constraints: a callable that maps a weight to its projection, of the same shape.

    Example:
        >>> class Positive(Constraint):
        ...     def __call__(self, w):
        ...         return ops.abs(w)
        >>> Positive()(ops.convert_to_tensor([-1.0, 2.0])).numpy().tolist()
        [1.0, 2.0]
    """

    def __call__(self, w: Any) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define __call__.")

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        return checked_config(cls, config)


def _norm(w: Tensor, axis: Axis) -> Tensor:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


def _bound(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a finite number >= 0, received {value!r}.")
    return value


@CONSTRAINTS.register("max_norm")
class MaxNorm(Constraint):
    """w · min(‖w‖, max) / (eps + ‖w‖), norms along `axis` (Keras' formula, eps = 1e-7).

    Args:
        max_value: the largest norm.
        axis: the axes that one norm runs over; 0 for a dense kernel (the weights into one unit).

    Raises:
        ValueError: `max_value` is negative or not finite.

    Example:
        >>> MaxNorm(1.0)(ops.convert_to_tensor([[3.0], [4.0]])).numpy().round(4).ravel().tolist()
        [0.6000000238418579, 0.800000011920929]
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value, self.axis = _bound("max_value", max_value), axis

    def __call__(self, w: Any) -> Tensor:
        w = ops.convert_to_tensor(w)
        norm = _norm(w, self.axis)
        return w * (ops.minimum(norm, self.max_value) / (settings.epsilon + norm))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


@CONSTRAINTS.register("non_neg")
class NonNeg(Constraint):
    """max(w, 0).

    Example:
        >>> NonNeg()(ops.convert_to_tensor([-1.0, 2.0])).numpy().tolist()
        [0.0, 2.0]
    """

    def __call__(self, w: Any) -> Tensor:
        return ops.maximum(ops.convert_to_tensor(w), 0)


@CONSTRAINTS.register("unit_norm")
class UnitNorm(Constraint):
    """w / (eps + ‖w‖), norms along `axis`.

    Args:
        axis: the axes that one norm runs over.

    Example:
        >>> UnitNorm()(ops.convert_to_tensor([[3.0], [4.0]])).numpy().round(4).ravel().tolist()
        [0.6000000238418579, 0.800000011920929]
    """

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        w = ops.convert_to_tensor(w)
        return w / (settings.epsilon + _norm(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


@CONSTRAINTS.register("min_max_norm")
class MinMaxNorm(Constraint):
    """w · (rate · clip(‖w‖, min, max) + (1 − rate) ‖w‖) / (eps + ‖w‖), norms along `axis`.

    Args:
        min_value, max_value: the bounds of the norm.
        rate: 1 enforces the bounds fully, smaller values move towards them.
        axis: the axes that one norm runs over.

    Raises:
        ValueError: a bound is negative or not finite, or the lower is above the upper.

    Example:
        >>> MinMaxNorm(0.0, 1.0)(ops.convert_to_tensor([[3.0], [4.0]])).numpy().round(4).ravel().tolist()
        [0.6000000238418579, 0.800000011920929]
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0) -> None:
        self.min_value, self.max_value = _bound("min_value", min_value), _bound("max_value", max_value)
        if min_value > max_value:
            raise ValueError(f"MinMaxNorm needs min_value <= max_value, received {min_value} and {max_value}.")
        self.rate, self.axis = _bound("rate", rate), axis

    def __call__(self, w: Any) -> Tensor:
        w = ops.convert_to_tensor(w)
        norm = _norm(w, self.axis)
        clipped = ops.clip(norm, self.min_value, self.max_value)
        return w * ((self.rate * clipped + (1 - self.rate) * norm) / (settings.epsilon + norm))

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm
get, serialize, deserialize = CONSTRAINTS.get, CONSTRAINTS.serialize, CONSTRAINTS.deserialize
