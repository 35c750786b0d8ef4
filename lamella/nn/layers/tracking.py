"""Finds the variables, layers, metrics and seeds that an object holds.

Nothing is registered on assignment: the attributes are walked when somebody asks, so that a list which grows after it
was assigned, a replaced attribute and a copied layer all give the right answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Kind = type | tuple[type, ...]


def _walk(value: Any, kind: Kind) -> Iterator[Any]:
    if isinstance(value, kind):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _walk(item, kind)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _walk(item, kind)


def held(owner: Any, kind: Kind, skip: frozenset[str]) -> list[Any]:
    """The objects of `kind` among the attributes of `owner` and in their containers, each once, in order.

    Args:
        owner: any object with a `__dict__`.
        kind: the class or classes to look for.
        skip: names of attributes that are not looked into.

    Example:
        >>> class Owner: pass
        >>> owner = Owner(); owner.a, owner.b = 1, [2, {"c": 1}]
        >>> held(owner, int, frozenset())
        [1, 2]
    """
    found: dict[int, Any] = {}
    for name, value in list(vars(owner).items()):
        if name not in skip:
            for item in _walk(value, kind):
                found.setdefault(id(item), item)
    return list(found.values())


def unique(items: Any) -> list[Any]:
    """The items without repetitions by identity, in order."""
    return list({id(item): item for item in items}.values())
