"""`rearrange`: axes by name."""

from __future__ import annotations

import math
import re
from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, convert_to_tensor
from lamella.ops.shaping import reshape, transpose


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Tensor:
    """Split, exchange and join axes, as a pattern says: `"b (h s) c -> b s (h c)"`.

    Args:
        tensor: tensor.
        pattern: names of the axes before and after `->`; a group in parentheses is one axis, the product of its parts.
        **axes_lengths: sizes of parts; in each group at most one may be left out.

    Raises:
        ShapeError: the pattern doesn't fit the shape.

    Source:
        Rogozhnikov 2022, "Einops".

    Example:
        >>> rearrange([[1, 2, 3, 4]], "a (b c) -> a c b", b=2).numpy().tolist()
        [[[1, 3], [2, 4]]]
    """
    x = convert_to_tensor(tensor)
    before, arrow, after = pattern.partition("->")
    groups, wanted = _groups(before), _groups(after)
    if not arrow or len(groups) != x.ndim:
        raise ShapeError(f"rearrange: {pattern!r} names {len(groups)} axes before '->', the tensor has shape {x.shape}.")
    sizes: dict[str, int] = {}
    for group, n in zip(groups, x.shape, strict=True):
        sizes.update(_sizes(group, n, axes_lengths, pattern))
    names, order = [a for g in groups for a in g], [a for g in wanted for a in g]
    if sorted(names) != sorted(order) or len(set(names)) != len(names):
        raise ShapeError(f"rearrange: {pattern!r} must name each axis once on both sides.")
    parts = reshape(x, tuple(sizes[a] for a in names))
    moved = transpose(parts, [names.index(a) for a in order])
    return reshape(moved, tuple(math.prod(sizes[a] for a in g) for g in wanted))


def _groups(side: str) -> list[list[str]]:
    return [part.strip("()").split() for part in re.findall(r"\([^)]*\)|\w+", side)]


def _sizes(group: list[str], n: int, given: dict[str, int], pattern: str) -> dict[str, int]:
    """The sizes of an axis' parts; one that isn't given follows from the others."""
    sizes = {a: int(given[a]) for a in group if a in given}
    known = math.prod(sizes.values())
    open_ = [a for a in group if a not in given]
    if len(open_) > 1 or not known or n % known or (not open_ and known != n):
        raise ShapeError(f"rearrange: an axis of size {n} doesn't divide into ({' '.join(group)}) of {pattern!r} with {given}.")
    return {a: sizes.get(a, n // known) for a in group}
