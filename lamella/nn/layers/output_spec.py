"""Output shapes of layers that do not state them: `call` is traced on stand-in sizes, nothing is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella import tree
from lamella.errors import ShapeError
from lamella.frontend import TensorSpec, trace
from lamella.nn.layers.keras_tensor import KerasTensor

# Two sizes for the unknown axes: an output axis whose size differs between the two traces is unknown too. Both are odd
# primes that layers do not use as sizes themselves.
_STAND_INS = (11, 13)


def traced_output_spec(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The results of `call(*args, **kwargs)` as symbolic tensors.

    Args:
        call: a function of tensors.
        args, kwargs: trees with symbolic tensors.

    Example:
        >>> traced_output_spec(lambda x: x + 1.0, (KerasTensor((None, 3)),), {})
        <KerasTensor shape=(None, 3), dtype=float32>
    """
    try:
        small, large = (_structure(call, args, kwargs, size) for size in _STAND_INS)
    except ShapeError as error:
        if str(_STAND_INS[0]) in str(error):
            error.args = (f"{error} Here {_STAND_INS[0]} stands for a size that is not known yet.",)
        raise
    return tree.map_structure(_merge, small, large)


def _structure(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], unknown: int) -> Any:
    def spec(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return leaf
        return TensorSpec(tuple(unknown if size is None else size for size in leaf.shape), leaf.dtype)
    specs = tree.map_structure(spec, (args, kwargs))
    return trace(lambda a, k: call(*a, **k), list(specs), "output_shape").structure


def _merge(small: Any, large: Any) -> Any:
    if not isinstance(small, TensorSpec):
        return small
    shape = tuple(a if a == b else None for a, b in zip(small.shape, large.shape, strict=True))
    return KerasTensor(shape, small.dtype)
