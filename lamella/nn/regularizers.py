"""Penalties on weights, added to the loss of each batch."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.registry import Registry, checked_config

REGULARIZERS = Registry("keras.regularizers", "regularizer")


class Regularizer:
    """Base of all regularizers: a callable that maps a weight to a scalar penalty.

    Example:
        >>> class Cubic(Regularizer):
        ...     def __call__(self, x):
        ...         return ops.sum(ops.abs(x * x * x))
        >>> float(Cubic()(ops.convert_to_tensor([1.0, -2.0])))
        9.0
    """

    def __call__(self, x: Any) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define __call__.")

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        return checked_config(cls, config)


def _factor(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"The penalty factor {name} must be a finite number >= 0, received {value!r}.")
    return float(value)


@REGULARIZERS.register("l1_l2")
class L1L2(Regularizer):
    """l1 Σ|x| + l2 Σx² (Keras' definition: no ½, in full to each batch).

    Args:
        l1: factor of the absolute values.
        l2: factor of the squares.

    Raises:
        ValueError: a factor is negative or not finite.

    Example:
        >>> float(L1L2(0.5, 1.0)(ops.convert_to_tensor([1.0, -2.0])))
        6.5
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _factor("l1", 0.0 if l1 is None else l1)
        self.l2 = _factor("l2", 0.0 if l2 is None else l2)

    def __call__(self, x: Any) -> Tensor:
        x = ops.convert_to_tensor(x)
        penalty = ops.zeros((), dtype=x.dtype)
        if self.l1:
            penalty = penalty + self.l1 * ops.sum(ops.abs(x))
        if self.l2:
            penalty = penalty + self.l2 * ops.sum(ops.square(x))
        return penalty

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


@REGULARIZERS.register("l1")
class L1(Regularizer):
    """l1 Σ|x|.

    Args:
        l1: the factor.

    Raises:
        ValueError: the factor is negative or not finite.

    Example:
        >>> float(L1(0.5)(ops.convert_to_tensor([1.0, -2.0])))
        1.5
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _factor("l1", 0.01 if l1 is None else l1)

    def __call__(self, x: Any) -> Tensor:
        return self.l1 * ops.sum(ops.abs(ops.convert_to_tensor(x)))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


@REGULARIZERS.register("l2")
class L2(Regularizer):
    """l2 Σx².

    Args:
        l2: the factor.

    Raises:
        ValueError: the factor is negative or not finite.

    Example:
        >>> float(L2(0.5)(ops.convert_to_tensor([1.0, -2.0])))
        2.5
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _factor("l2", 0.01 if l2 is None else l2)

    def __call__(self, x: Any) -> Tensor:
        return self.l2 * ops.sum(ops.square(ops.convert_to_tensor(x)))

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


@REGULARIZERS.register("orthogonal_regularizer", "orthogonal")
class OrthogonalRegularizer(Regularizer):
    """factor · ½ Σ_{i≠j} |cos(xᵢ, xⱼ)| / (n (n − 1) / 2): 0 if the n rows (or columns) of a matrix are orthogonal.

    Args:
        factor: see the formula.
        mode: "rows" or "columns".

    Raises:
        ValueError: a bad factor or mode.
        ShapeError: the weight is no matrix.

    Example:
        >>> round(float(OrthogonalRegularizer(1.0)(ops.convert_to_tensor([[1.0, 0.0], [1.0, 1.0]]))), 4)
        0.7071
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _factor("factor", factor)
        if mode not in ("rows", "columns"):
            raise ValueError(f"mode must be 'rows' or 'columns', received {mode!r}.")
        self.mode = mode

    def __call__(self, x: Any) -> Tensor:
        x = ops.convert_to_tensor(x)
        if len(x.shape) != 2:
            raise ShapeError(f"The orthogonal regularizer is for matrices, received the shape {tuple(x.shape)}.")
        rows = x if self.mode == "rows" else ops.transpose(x)
        n = rows.shape[0]
        squares = ops.sum(ops.square(rows), axis=1, keepdims=True)
        rows = rows * ops.rsqrt(ops.maximum(squares, 1e-36))
        cosines = ops.matmul(rows, ops.transpose(rows)) * (1.0 - ops.eye(n, dtype=x.dtype))
        return self.factor * 0.5 * ops.sum(ops.abs(cosines)) / max(n * (n - 1) / 2, 1)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer
get, serialize, deserialize = REGULARIZERS.get, REGULARIZERS.serialize, REGULARIZERS.deserialize
