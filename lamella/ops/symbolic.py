"""Functions that symbolic tensors record: `ops.relu(x)` in a functional model becomes a layer of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from types import FunctionType, ModuleType
from typing import Any

# Answered from shape and dtype alone, or meaningless without values.
_IMMEDIATE = {"convert_to_numpy", "dtype", "is_tensor", "ndim", "shape", "size"}
# Every function that can be recorded, by the name that configs hold, such as "relu" or "linalg.inv".
RECORDABLE: dict[str, Callable[..., Any]] = {}


class Symbolic:
    """Base of tensors without values. A recordable function called on one leaves the call to it."""

    shape: Any
    dtype: Any

    def record_call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the function `name` of `RECORDABLE` gives for these arguments, one of which is this tensor."""
        raise NotImplementedError


_CONTAINERS = (list, tuple, dict)
_LOOKED_INTO = (Symbolic, *_CONTAINERS)


def recordable(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """`function` that leaves calls on symbolic tensors, also in lists and dicts, to them."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        symbol = _symbol((*args, *kwargs.values()))
        return function(*args, **kwargs) if symbol is None else symbol.record_call(name, args, kwargs)

    RECORDABLE[name] = called
    return called


def make_recordable(module: ModuleType, prefix: str = "") -> None:
    """Replace the public functions of a module of `lamella.ops` by recordable ones."""
    for name, thing in list(vars(module).items()):
        if name[0] == "_" or name in _IMMEDIATE or not isinstance(thing, FunctionType):
            continue
        known = RECORDABLE.get(name)
        if known is not None and vars(known)["__wrapped__"] is thing:  # the same function as at the top of `ops`
            setattr(module, name, known)
        elif not prefix or thing.__module__.startswith(module.__name__):
            setattr(module, name, recordable(thing, prefix + name))


def _symbol(values: Collection[Any]) -> Symbolic | None:
    """The first symbolic tensor among values and the containers in them. Types first: a list may hold a million numbers."""
    if not any(issubclass(kind, _LOOKED_INTO) for kind in set(map(type, values))):
        return None
    for value in values:
        if isinstance(value, Symbolic):
            return value
        if isinstance(value, _CONTAINERS):
            symbol = _symbol(value.values() if isinstance(value, dict) else value)
            if symbol is not None:
                return symbol
    return None
