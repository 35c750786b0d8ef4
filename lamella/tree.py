"""Nested containers: lists, tuples and dicts with leaves.

`None` is a leaf, so that optional arguments keep their place. Dicts are walked in the order of their sorted keys, whatever
the order in which they were filled: two dicts with the same keys are one structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def keys_of(mapping: dict[Any, Any]) -> list[Any]:
    """The keys of a dict, sorted; in order of insertion where they cannot be compared.

    Example:
        >>> keys_of({"b": 1, "a": 2}), keys_of({"b": 1, 0: 2})
        (['a', 'b'], ['b', 0])
    """
    try:
        return sorted(mapping)
    except TypeError:
        return list(mapping)


def flatten(tree: Any) -> list[Any]:
    """The leaves of a tree, depth first.

    Example:
        >>> flatten({"b": (3,), "a": [1, 2]})
        [1, 2, 3]
    """
    if isinstance(tree, dict):
        return [leaf for key in keys_of(tree) for leaf in flatten(tree[key])]
    if isinstance(tree, (list, tuple)):
        return [leaf for value in tree for leaf in flatten(value)]
    return [tree]


def unflatten(structure: Any, leaves: Any) -> Any:
    """A tree shaped like `structure` that holds `leaves` in order.

    Example:
        >>> unflatten({"b": 0, "a": [0, 0]}, [1, 2, 3])
        {'b': 3, 'a': [1, 2]}
    """
    return _unflatten(structure, iter(leaves))


def _unflatten(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, dict):
        values = {key: _unflatten(structure[key], leaves) for key in keys_of(structure)}
        return {key: values[key] for key in structure}
    if isinstance(structure, (list, tuple)):
        items = [_unflatten(value, leaves) for value in structure]
        if hasattr(structure, "_fields"):  # namedtuple
            return type(structure)(*items)
        return type(structure)(items)
    return next(leaves)


def map_structure(function: Callable[..., Any], *trees: Any) -> Any:
    """Apply `function` to the corresponding leaves of trees of one structure.

    Example:
        >>> map_structure(lambda a, b: a + b, {"x": 1}, {"x": 2})
        {'x': 3}
    """
    return unflatten(trees[0], [function(*leaves) for leaves in zip(*map(flatten, trees), strict=True)])
