"""Keys of calls: which specialisation a call belongs to, and in words what changed when there is none."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamella import tree
from lamella.frontend.tensor import Tensor
from lamella.frontend.tracing import TensorSpec
from lamella.ir import TensorType, dtype_name

_VALUES = frozenset({int, float, bool, str, bytes, type(None)})


def scan(x: Any, leaves: list[Any]) -> Any:
    """A hashable key of an argument; tensors and arrays, of which only shape and dtype count, are appended to `leaves`.

    Other objects count by identity, numbers and strings by value.
    """
    kind = type(x)
    if kind is Tensor:
        leaves.append(x)
        array = x._concrete()
        return array.shape, array.dtype
    if kind is np.ndarray or isinstance(x, np.generic):
        leaves.append(x)
        return x.shape, x.dtype
    if kind in _VALUES:
        return kind, x
    if isinstance(x, (tuple, list)):
        return kind, *(scan(item, leaves) for item in x)
    if isinstance(x, dict):
        return kind, *((k, scan(x[k], leaves)) for k in tree.keys_of(x))
    return "object", id(x)


@dataclass(frozen=True)
class Hole:
    """Stands for tensor number `index` of a call, so that the rest of its arguments can be arranged without it."""

    index: int
    spec: TensorSpec


@dataclass
class Arguments:
    """The arguments of a call by parameter, defaults filled in.

    Attributes:
        args, kwargs: trees with a `Hole` for each tensor.
        order: positions in the call's `leaves`, in order of the holes.
        labels: `{"images": "float32[32,784]", "training": "True"}`: what a specialisation depends on, for messages.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    order: list[int]
    labels: dict[str, str]

    @property
    def key(self) -> tuple[Any, ...]:
        parts = [_canonical(self.args), _canonical(self.kwargs)]
        return tuple(parts)


def arrange(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    """Bring a call into the form that does not depend on how arguments were passed.

    Raises:
        TypeError: the arguments don't fit the function's parameters.
    """
    holes: list[Hole] = []

    def dig(x: Any) -> Any:
        if not isinstance(x, (Tensor, np.ndarray, np.generic)):
            return x
        holes.append(Hole(len(holes), TensorSpec(x.shape, dtype_name(x.dtype))))
        return holes[-1]

    bound = signature.bind(*tree.map_structure(dig, args), **tree.map_structure(dig, kwargs))
    bound.apply_defaults()
    flat = tree.flatten([bound.args, bound.kwargs])
    labels = {path: _label(leaf) for name, value in bound.arguments.items() for path, leaf in _paths(value, name)}
    return Arguments(bound.args, bound.kwargs, [h.index for h in flat if isinstance(h, Hole)], labels)


def specs(arguments: Arguments) -> tuple[Any, Any]:
    """The trees of arguments with specs in place of tensors."""
    return tuple(
        tree.map_structure(lambda x: x.spec if isinstance(x, Hole) else x, part)  # type: ignore[return-value]
        for part in (arguments.args, arguments.kwargs)
    )


def _canonical(x: Any) -> Any:
    if isinstance(x, Hole):
        return x.spec
    if isinstance(x, (list, tuple)):
        return type(x), *map(_canonical, x)
    if isinstance(x, dict):
        return dict, *((k, _canonical(x[k])) for k in tree.keys_of(x))
    return (type(x), x) if type(x) in _VALUES else ("object", id(x))


def _paths(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in _paths(v, f"{path}[{k!r}]")]
    if isinstance(value, (list, tuple)):
        return [p for i, v in enumerate(value) for p in _paths(v, f"{path}[{i}]")]
    return [(path, value)]


def _label(leaf: Any) -> str:
    if isinstance(leaf, Hole):
        return repr(TensorType(leaf.spec.shape, leaf.spec.dtype))
    return repr(leaf) if type(leaf) in _VALUES else f"{type(leaf).__name__} object at {id(leaf):#x}"


def cause(labels: dict[str, str], earlier: list[dict[str, str]]) -> str:
    """What sets a call apart from the most similar earlier one.

    Example:
        >>> cause({"x": "float32[16,3]"}, [{"x": "float32[32,3]"}])
        "argument 'x' changed from float32[32,3] to float32[16,3]"
    """
    differences = min((_differences(labels, old) for old in earlier), key=len, default=["first call"])
    return "; ".join(differences) or "the nesting of the arguments changed"


def _differences(new: dict[str, str], old: dict[str, str]) -> list[str]:
    changed = [f"argument {k!r} changed from {old[k]} to {new[k]}" for k in new if k in old and new[k] != old[k]]
    return (
        changed
        + [f"argument {k!r} is new" for k in new if k not in old]
        + [f"argument {k!r} is gone" for k in old if k not in new]
    )


def signature_of(fn: Callable[..., Any]) -> inspect.Signature:
    """The parameters of `fn`; anything goes if Python can't tell."""
    try:
        return inspect.signature(fn)
    except (TypeError, ValueError):
        return inspect.Signature(
            [
                inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
                inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
            ]
        )
