"""Functions applied to every row, every element, every prefix; and one of several functions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella import tree
from lamella.errors import ShapeError
from lamella.frontend import Tensor, convert_to_tensor
from lamella.frontend.branching import cond
from lamella.ops.axes import one_axis
from lamella.ops.control import scan
from lamella.ops.shaping import broadcast_to, concatenate, flip, moveaxis, reshape, stack


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """`f` on each row of `xs`, results stacked; traced once and run as a loop.

    Args:
        f: function of a tree of rows.
        xs: tree of tensors that share the size of the first axis.

    Source:
        keras.ops.map.

    Example:
        >>> map(lambda x: x * x, [1.0, 2.0]).numpy().tolist()
        [1.0, 4.0]
    """
    _, ys = scan(lambda _, x: ((), f(x)), (), xs)
    return ys


def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """The same as `map`."""
    return map(function, elements)


def vectorize(pyfunc: Callable[..., Any], *, excluded: Any = None, signature: str | None = None) -> Callable[..., Any]:
    """A function of tensors from one of scalars (or of the axes that a signature names), applied along all other axes.

    Args:
        pyfunc: function of tensors; traced once.
        excluded: positions of arguments that are passed on as they are; arguments by keyword are, too.
        signature: axes that `pyfunc` takes and gives, such as `"(m,n),(n)->(m)"`; None: scalars.

    Returns:
        A function whose arguments' leading axes broadcast like numpy's.

    Raises:
        ValueError: no function, or no signature.

    Example:
        >>> vectorize(lambda a, b: a - b if a.shape == () else None)([3, 4], [[1], [2]]).numpy().tolist()
        [[2, 3], [1, 2]]
    """
    if not callable(pyfunc):
        raise ValueError(f"vectorize takes a function, received {pyfunc!r}.")
    ranks = None if signature is None else _ranks(signature)
    left_alone = set(excluded or ())

    def vectorized(*args: Any, **kwargs: Any) -> Any:
        moving = [i for i in range(len(args)) if i not in left_alone]
        if ranks is not None and len(ranks) != len(moving):
            raise ShapeError(f"The signature {signature!r} names {len(ranks)} arguments, received {len(moving)}.")
        tensors = [convert_to_tensor(args[i]) for i in moving]
        cuts = [t.ndim - rank for t, rank in zip(tensors, ranks or [0] * len(tensors), strict=True)]
        lead = np.broadcast_shapes(*(t.shape[:cut] for t, cut in zip(tensors, cuts, strict=True)))

        def call(values: Sequence[Tensor]) -> Any:
            known = dict(zip(moving, values, strict=True))
            return pyfunc(*(known.get(i, arg) for i, arg in enumerate(args)), **kwargs)

        if not lead:
            return call(tensors)
        rows = [reshape(broadcast_to(t, lead + t.shape[cut:]), (math.prod(lead), *t.shape[cut:]))
                for t, cut in zip(tensors, cuts, strict=True)]
        return tree.map_structure(lambda y: reshape(y, lead + y.shape[1:]), map(call, rows))

    return vectorized


def _ranks(signature: str) -> list[int]:
    """How many axes of each argument a signature names."""
    group = r"\(\s*(?:\w+\s*(?:,\s*\w+\s*)*)?\)"
    if not re.fullmatch(rf"\s*{group}(?:\s*,\s*{group})*\s*->\s*{group}(?:\s*,\s*{group})*\s*", signature):
        raise ValueError(f"{signature!r} is no signature such as '(m,n),(n)->(m)'.")
    return [len(re.findall(r"\w+", part)) for part in re.findall(group, signature.split("->")[0])]


def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All prefixes combined by an associative function: e[0], f(e[0], e[1]), f(f(e[0], e[1]), e[2]), ..., in about 2 log2(n) calls.

    Args:
        f: function of two trees like `elems`, elementwise along `axis`.
        elems: tree of tensors of one size n along `axis`.
        reverse: whether to start at the end.
        axis: along which the elements stand.

    Raises:
        ShapeError: sizes differ.

    Source:
        Blelloch 1990, "Prefix sums and their applications".

    Example:
        >>> associative_scan(lambda a, b: a + b, [1, 2, 3]).numpy().tolist()
        [1, 3, 6]
    """
    elems = convert_to_tensor(elems) if _is_vector(elems) else tree.map_structure(convert_to_tensor, elems)
    leaves = tree.flatten(elems)
    axes = [one_axis(axis, x.ndim) for x in leaves]
    rows = [moveaxis(x, a, 0) for x, a in zip(leaves, axes, strict=True)]
    if len({x.shape[0] for x in rows}) != 1:
        raise ShapeError(f"associative_scan needs elements of one size along axis {axis}, received {[x.shape for x in leaves]}.")

    def combine(x: list[Tensor], y: list[Tensor]) -> list[Tensor]:
        pair = [tree.unflatten(elems, [moveaxis(v, 0, a) for v, a in zip(side, axes, strict=True)]) for side in (x, y)]
        return [moveaxis(convert_to_tensor(v), a, 0) for v, a in zip(tree.flatten(f(*pair)), axes, strict=True)]

    rows = [flip(x, 0) for x in rows] if reverse else rows
    rows = _prefixes(combine, rows)
    rows = [flip(x, 0) for x in rows] if reverse else rows
    return tree.unflatten(elems, [moveaxis(x, 0, a) for x, a in zip(rows, axes, strict=True)])


def _is_vector(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and all(isinstance(leaf, (int, float)) for leaf in x)


def _prefixes(combine: Callable[[list[Tensor], list[Tensor]], list[Tensor]], rows: list[Tensor]) -> list[Tensor]:
    """Combine neighbours, scan those, and fill in every other prefix."""
    n = rows[0].shape[0]
    if n < 2:
        return rows
    odd = _prefixes(combine, combine([x[: n - 1 : 2] for x in rows], [x[1::2] for x in rows]))
    if n == 2:
        even = [x[:1] for x in rows]
    else:
        later = combine([x[: (n - 1) // 2] for x in odd], [x[2::2] for x in rows])
        even = [concatenate([x[:1], y]) for x, y in zip(rows, later, strict=True)]
    return [_interleaved(x, y) for x, y in zip(even, odd, strict=True)]


def _interleaved(even: Tensor, odd: Tensor) -> Tensor:
    """even[0], odd[0], even[1], ..."""
    k = odd.shape[0]
    both = reshape(stack([even[:k], odd], 1), (2 * k, *odd.shape[1:]))
    return concatenate([both, even[k:]]) if even.shape[0] > k else both


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """branches[index](*operands), the index moved into the range. In a trace an index without known value computes all branches and
    chooses; see `cond`.

    Example:
        >>> switch(1, [lambda x: x + 1, lambda x: x * 10], 3)
        30
    """
    index = convert_to_tensor(index)
    if index._array is not None:
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)
    first, *rest = branches
    if not rest:
        return first(*operands)
    return cond(index <= 0, lambda: first(*operands), lambda: switch(index - 1, rest, *operands))
