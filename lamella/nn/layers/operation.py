"""Functions on symbolic tensors: `x + y` or `ops.relu(x)` in a functional model records a layer that computes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella import ops
from lamella.errors import did_you_mean
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.nn.layers.layer import LAYERS, Layer
from lamella.nn.naming import auto_name
from lamella.ops.symbolic import RECORDABLE

# Python's name of each operator.
_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide", "mod": "mod",
    "pow": "power", "matmul": "matmul", "and": "logical_and", "or": "logical_or", "xor": "logical_xor",
}
_OTHERS = {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "ne": "not_equal",
    "neg": "negative", "abs": "absolute", "invert": "logical_not", "getitem": "get_item",
}


@LAYERS.register()
class Operation(Layer):
    """A function of `lamella.ops` or `lamella.activations` as a layer; made by calls on symbolic tensors.

    Args:
        operation: name of the function, such as `"add"`, `"linalg.inv"` or `"activations.gelu"`.
        name: by default that of the function and a counter.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: no such function.

    Example:
        >>> x = KerasTensor((None, 3))
        >>> ops.concatenate([2.0 * x - 1.0, ops.relu(x)], axis=-1)[:, :5]
        <KerasTensor shape=(None, 5), dtype=float32>
    """

    def __init__(self, operation: str, name: str | None = None, **kwargs: Any) -> None:
        if operation not in RECORDABLE:
            raise ValueError(f"Unknown operation {operation!r}. {did_you_mean(operation, RECORDABLE)}")
        super().__init__(autocast=False, name=name or auto_name(operation.rpartition(".")[2]), **kwargs)
        self.operation = operation
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return RECORDABLE[self.operation](*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "operation": self.operation}


def _record(_: KerasTensor, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return Operation(name)(*args, **kwargs)


def _operator(operation: str, swapped: bool) -> Callable[..., Any]:
    def apply(x: KerasTensor, *others: Any) -> Any:
        args = (*others, x) if swapped else (x, *others)
        return getattr(ops, operation)(*args)
    return apply


def _teach() -> None:
    methods = {spelling: _operator(name, swapped=False) for spelling, name in (_BINARY | _OTHERS).items()}
    methods |= {f"r{spelling}": _operator(name, swapped=True) for spelling, name in _BINARY.items()}
    for spelling, method in methods.items():
        setattr(KerasTensor, f"__{spelling}__", method)
    KerasTensor.record_call = _record  # type: ignore[assignment, method-assign]


_teach()
