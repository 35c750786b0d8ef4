"""Nested containers: lists, tuples and dicts with leaves.

`None` is a leaf, so that optional arguments keep their place. Dicts are walked in key order of insertion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def flatten(tree: Any) -> list[Any]:
    """The leaves of a tree, depth first.

    Example:
        >>> flatten({"a": [1, 2], "b": (3,)})
        [1, 2, 3]
    """
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in flatten(value)]
    if isinstance(tree, (list, tuple)):
        return [leaf for value in tree for leaf in flatten(value)]
    return [tree]


def unflatten(structure: Any, leaves: Any) -> Any:
    """A tree shaped like `structure` that holds `leaves` in order.

    Example:
        >>> unflatten({"a": [0, 0], "b": 0}, [1, 2, 3])
        {'a': [1, 2], 'b': 3}
    """
    return _unflatten(structure, iter(leaves))


def _unflatten(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, dict):
        return {key: _unflatten(value, leaves) for key, value in structure.items()}
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
