"""Arithmetic on symbolic tensors: `x + y` in a functional model records a layer that adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella import ops
from lamella.errors import did_you_mean
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.nn.layers.layer import LAYERS, Layer

_BINARY = {
    "add": ops.add, "subtract": ops.subtract, "multiply": ops.multiply, "true_divide": ops.true_divide,
    "floor_divide": ops.floor_divide, "mod": ops.mod, "power": ops.power, "matmul": ops.matmul,
}
_COMPARISONS = {
    "less": ops.less, "less_equal": ops.less_equal, "greater": ops.greater, "greater_equal": ops.greater_equal,
}
_UNARY = {"negative": ops.negative, "absolute": ops.absolute}
_OPERATIONS: dict[str, Callable[..., Any]] = {**_BINARY, **_COMPARISONS, **_UNARY, "get_item": ops.get_item}
# Python's name of each operator.
_SPELLINGS = {
    "add": "add", "subtract": "sub", "multiply": "mul", "true_divide": "truediv", "floor_divide": "floordiv",
    "mod": "mod", "power": "pow", "matmul": "matmul", "less": "lt", "less_equal": "le", "greater": "gt",
    "greater_equal": "ge", "negative": "neg", "absolute": "abs",
}


@LAYERS.register()
class Operation(Layer):
    """One function of `lamella.ops` as a layer; made by operators on symbolic tensors.

    Args:
        operation: name of an arithmetic function, such as `"add"`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: no such operation.

    Example:
        >>> x = KerasTensor((None, 3))
        >>> (2.0 * x - 1.0)[:, :2]
        <KerasTensor shape=(None, 2), dtype=float32>
    """

    def __init__(self, operation: str, **kwargs: Any) -> None:
        if operation not in _OPERATIONS:
            raise ValueError(f"Unknown operation {operation!r}. {did_you_mean(operation, _OPERATIONS)}")
        super().__init__(autocast=False, **kwargs)
        self.operation = operation
        self.built = True

    def call(self, *args: Any) -> Any:
        return _OPERATIONS[self.operation](*args)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "operation": self.operation}


def _operator(operation: str, swapped: bool) -> Callable[..., KerasTensor]:
    def apply(x: KerasTensor, *others: Any) -> KerasTensor:
        args = (*others, x) if swapped else (x, *others)
        return Operation(operation)(*args)
    return apply


def _get_item(x: KerasTensor, key: Any) -> KerasTensor:
    return Operation("get_item")(x, key)


def _teach_operators() -> None:
    methods = {_SPELLINGS[name]: _operator(name, swapped=False) for name in _SPELLINGS}
    methods |= {f"r{_SPELLINGS[name]}": _operator(name, swapped=True) for name in _BINARY}
    methods["getitem"] = _get_item
    for spelling, method in methods.items():
        setattr(KerasTensor, f"__{spelling}__", method)


_teach_operators()
