"""Products: matmul, einsum, tensordot and their relatives, each one `contract`."""

from __future__ import annotations

import string
from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, convert_to_tensor, promote
from lamella.frontend.arithmetic import contract
from lamella.frontend.arithmetic import matmul as matmul
from lamella.ops.axes import one_axis
from lamella.ops.creation import diagonal
from lamella.ops.elementwise import multiply
from lamella.ops.reduction import sum
from lamella.ops.shaping import concatenate, expand_dims, moveaxis, ravel, reshape, stack, transpose

LETTERS = string.ascii_letters


def dot(x1: Any, x2: Any) -> Tensor:
    """Sum over the last axis of x1 and the second to last (or only) axis of x2; scalars multiply."""
    x, y = promote(x1, x2)
    if not x.ndim or not y.ndim:
        return multiply(x, y)
    return tensordot(x, y, axes=((x.ndim - 1,), (max(y.ndim - 2, 0),)))


def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Tensor:
    """Sum of products over pairs of axes: `axes` pairs of lists, or the number of last axes of x1 and first axes of
    x2.
    """
    x, y = promote(x1, x2)
    if isinstance(axes, int):
        left, right = list(range(x.ndim - axes, x.ndim)), list(range(axes))
    else:
        left, right = (
            [one_axis(a, v.ndim) for a in (g if isinstance(g, (list, tuple)) else [g])]
            for g, v in zip(axes, (x, y), strict=True)
        )
    if len(left) != len(right) or any(x.shape[a] != y.shape[b] for a, b in zip(left, right, strict=True)):
        raise ShapeError(f"tensordot: axes {left} of {x.shape} don't fit axes {right} of {y.shape}.")
    names_x = LETTERS[: x.ndim]
    names_y = list(LETTERS[x.ndim : x.ndim + y.ndim])
    for a, b in zip(left, right, strict=True):
        names_y[b] = names_x[a]
    out = "".join(c for i, c in enumerate(names_x) if i not in left) + "".join(
        c for i, c in enumerate(names_y) if i not in right
    )
    return contract(x, y, f"{names_x},{''.join(names_y)}->{out}")


def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Tensor:
    """Sum of products by letters, such as `einsum("bik,bkj->bij", x, y)`; without `->`, letters that appear once
    remain, sorted.

    More than two operands are multiplied from left to right. `...` stands for leading axes that the operands share.

    Raises:
        ShapeError: a letter stands for two sizes.
    """
    if kwargs:
        raise TypeError(f"einsum got unexpected arguments {sorted(kwargs)}.")
    values = [v._tensor() for v in (promote(*operands) if len(operands) > 1 else [convert_to_tensor(operands[0])])]
    inputs, output = _explicit(subscripts.replace(" ", ""), values)
    opened = [_open_diagonals(v, names) for v, names in zip(values, inputs, strict=True)]
    values, inputs = [v for v, _ in opened], [names for _, names in opened]
    result, names = values[0], inputs[0]
    if len(values) == 1:
        return _single(result, names, output)
    for i, (value, letters) in enumerate(zip(values[1:], inputs[1:], strict=True)):
        later = "".join(inputs[i + 2 :]) + output
        kept = "".join(dict.fromkeys(c for c in names + letters if c in later)) if i + 2 < len(values) else output
        result, names = contract(result, value, f"{names},{letters}->{kept}"), kept
    return result


def _explicit(subscripts: str, values: list[Tensor]) -> tuple[list[str], str]:
    """Letters of each operand and of the result, the Ellipsis replaced by letters that aren't in use."""
    left, arrow, output = subscripts.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(values):
        raise ShapeError(f"einsum {subscripts!r} names {len(inputs)} operands, received {len(values)}.")
    free = [c for c in LETTERS if c not in subscripts]
    rank = max(
        (v.ndim - len(names.replace("...", "")) for names, v in zip(inputs, values, strict=True) if "..." in names),
        default=0,
    )
    dots = "".join(free[:rank])
    if any("..." in names and v.ndim != len(names) - 3 + rank for names, v in zip(inputs, values, strict=True)):
        raise ShapeError(f"einsum {subscripts!r}: '...' must stand for the same axes in each operand that has it.")
    inputs = [names.replace("...", dots) for names in inputs]
    if not arrow:
        letters = "".join(inputs)
        output = dots + "".join(sorted(c for c in set(letters) - set(dots) if letters.count(c) == 1))
    return inputs, output.replace("...", dots)


def _open_diagonals(x: Tensor, names: str) -> tuple[Tensor, str]:
    """A letter that an operand has twice stands for its diagonal."""
    for c in dict.fromkeys(names):
        while names.count(c) > 1:
            first, second = names.index(c), names.index(c, names.index(c) + 1)
            if x.shape[first] != x.shape[second]:
                raise ShapeError(f"einsum: axis {c!r} is {x.shape[first]} and {x.shape[second]} in one operand.")
            x = diagonal(x, 0, first, second)
            names = names[:first] + names[first + 1 : second] + names[second + 1 :] + c
    return x, names


def _single(x: Tensor, names: str, output: str) -> Tensor:
    summed = tuple(i for i, c in enumerate(names) if c not in output)
    x = bind("reduce_sum", x, axes=summed) if summed else x
    rest = [c for c in names if c in output]
    return transpose(x, [rest.index(c) for c in output])


def inner(x1: Any, x2: Any) -> Tensor:
    """Sum of products over the last axes."""
    x, y = promote(x1, x2)
    return tensordot(x, y, axes=((x.ndim - 1,), (y.ndim - 1,))) if x.ndim and y.ndim else multiply(x, y)


def outer(x1: Any, x2: Any) -> Tensor:
    """x1[i] * x2[j] of the flattened operands."""
    return multiply(expand_dims(ravel(x1), 1), expand_dims(ravel(x2), 0))


def vdot(x1: Any, x2: Any) -> Tensor:
    """The sum of products of the flattened operands."""
    return tensordot(ravel(x1), ravel(x2), 1)


def kron(x1: Any, x2: Any) -> Tensor:
    """Blocks x1[i, j] * x2."""
    x, y = promote(x1, x2)
    rank = max(x.ndim, y.ndim)
    shapes = [(1,) * (rank - v.ndim) + v.shape for v in (x, y)]
    left = reshape(x, tuple(n for size in shapes[0] for n in (size, 1)))
    right = reshape(y, tuple(n for size in shapes[1] for n in (1, size)))
    return reshape(multiply(left, right), tuple(a * b for a, b in zip(*shapes, strict=True)))


def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Tensor:
    """The cross product of vectors of 3 (or 2, whose third element is 0; then two of them give a scalar)."""
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    x, y = moveaxis(x1, axisa, -1), moveaxis(x2, axisb, -1)
    flat = x.shape[-1] == y.shape[-1] == 2
    x, y = (v if v.shape[-1] == 3 else concatenate([v, v[..., :1] * 0], -1) for v in (x, y))
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        raise ShapeError(f"cross needs vectors of 2 or 3 elements, received {x.shape} and {y.shape}.")
    a, b = [x[..., i] for i in range(3)], [y[..., i] for i in range(3)]
    parts = [a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3] for i in range(3)]
    return parts[2] if flat else moveaxis(stack(parts, -1), -1, axisc)


def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Tensor:
    """The integral by trapezoids: sum of (y[i] + y[i + 1]) / 2 * width."""
    values = moveaxis(y, axis, -1)
    middle = (values[..., 1:] + values[..., :-1]) / 2
    if x is None:
        return sum(middle * dx, -1)
    places = convert_to_tensor(x)
    places = places if places.ndim == 1 else moveaxis(places, axis, -1)
    return sum(middle * (places[..., 1:] - places[..., :-1]), -1)
