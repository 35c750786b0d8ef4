"""Finds the variables, layers, metrics and seeds that an object holds.

Nothing is registered on assignment: the attributes are walked when somebody asks, so that a list which grows after it
was assigned, a replaced attribute and a copied layer all give the right answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Kind = type | tuple[type, ...]
PLAIN = frozenset({str, int, float, bool, type(None)})  # most attributes: nobody looks for them


def _collect(values: Iterable[Any], kind: Kind, found: dict[int, Any]) -> None:
    """A plain loop, no generators: `fit` asks for the variables and metrics of a hundred layers several times."""
    for value in values:
        if type(value) in PLAIN:
            continue
        if isinstance(value, kind):
            found.setdefault(id(value), value)
        elif isinstance(value, (list, tuple)):
            _collect(value, kind, found)
        elif isinstance(value, dict):
            _collect(value.values(), kind, found)


def held(owner: Any, kind: Kind, skip: frozenset[str]) -> list[Any]:
    """The objects of `kind` among the attributes of `owner` and in their containers, each once, in order.

    Args:
        owner: any object with a `__dict__`.
        kind: the class or classes to look for.
        skip: names of attributes that are not looked into.

    Example:
        >>> class Owner: pass
        >>> owner = Owner(); owner.a, owner.b = 1j, [2j, {"c": 3j}, 4]
        >>> held(owner, complex, frozenset())
        [1j, 2j, 3j]
    """
    found: dict[int, Any] = {}
    _collect([value for name, value in vars(owner).items() if name not in skip], kind, found)
    return list(found.values())


def unique(items: Any) -> list[Any]:
    """The items without repetitions by identity, in order."""
    return list({id(item): item for item in items}.values())
