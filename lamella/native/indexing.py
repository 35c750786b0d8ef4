"""Index expressions: where in a variable a point of a kernel's domain reads.

An `Ix` is affine in the domain axes plus terms that are only known at run time (a gathered row, the start of a slice). Views
(transpose, slice, broadcast ...) cost nothing: they only rewrite indices on the way to the value that is in memory.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from lamella.ir import Atom, Eqn, Var


class Dynamic(NamedTuple):
    """A run-time term: element `index` of the integer `var`, clamped to 0..limit."""

    var: Any  # Atom
    index: tuple[Ix, ...]
    limit: int


class Ix(NamedTuple):
    """`sum(coefficient * axis) + const + dynamic terms`, axes ascending."""

    axes: tuple[tuple[int, int], ...] = ()
    const: int = 0
    dynamic: tuple[tuple[Dynamic, int], ...] = ()

    def scaled(self, factor: int, offset: int = 0) -> Ix:
        return Ix(tuple((a, c * factor) for a, c in self.axes), self.const * factor + offset,
                  tuple((d, c * factor) for d, c in self.dynamic))

    def plus(self, other: Ix) -> Ix:
        axes = dict(self.axes)
        for a, c in other.axes:
            axes[a] = axes.get(a, 0) + c
        return Ix(tuple(sorted((a, c) for a, c in axes.items() if c)), self.const + other.const, self.dynamic + other.dynamic)


Index = tuple[Ix, ...]
ZERO = Ix()
WIDE_ROW = 16  # elements: reading such rows from here and there costs little more than reading an array


def axis(a: int) -> Ix:
    return Ix(((a, 1),))


@lru_cache(4096)
def domain_index(shape: tuple[int, ...], first: int = 0) -> Index:
    """The identity index of a domain; axes of size 1 are the constant 0."""
    return tuple(axis(first + a) if n != 1 else ZERO for a, n in enumerate(shape))


@lru_cache(4096)
def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Element strides of a contiguous array."""
    result = [1] * len(shape)
    for a in range(len(shape) - 2, -1, -1):
        result[a] = result[a + 1] * shape[a + 1]
    return tuple(result)


def flat(index: Index, shape: tuple[int, ...]) -> Ix:
    """The position in memory, in elements."""
    total = ZERO
    for ix, stride in zip(index, strides(shape), strict=True):
        total = total.plus(ix.scaled(stride))
    return total


def operand_index(x: Atom, out_shape: tuple[int, ...], index: Index) -> Index:
    """The index of an elementwise operand that broadcasts to `out_shape`."""
    shape = x.type.shape
    if shape == out_shape:
        return index
    lead = len(out_shape) - len(shape)
    return tuple(index[lead + d] if n == out_shape[lead + d] else ZERO for d, n in enumerate(shape))


def is_unit_reshape(eqn: Eqn) -> bool:
    """A reshape that only adds or drops axes of size 1."""
    def long(shape: tuple[int, ...]) -> list[int]:
        return [n for n in shape if n != 1]

    return eqn.primitive.name == "reshape" and long(eqn.inputs[0].type.shape) == long(eqn.output.type.shape)


VIEWS = ("broadcast", "transpose", "slice", "reverse", "dynamic_slice")


def is_view(eqn: Eqn) -> bool:
    return eqn.primitive.name in VIEWS or is_unit_reshape(eqn)


def view_index(eqn: Eqn, index: Index) -> Index:
    """The index into a view's operand."""
    x, out = eqn.inputs[0], eqn.output
    shape = x.type.shape
    match eqn.primitive.name:
        case "broadcast":
            return operand_index(x, out.shape, index)
        case "reshape":
            long = iter(ix for ix, n in zip(index, out.shape, strict=True) if n != 1)
            return tuple(next(long) if n != 1 else ZERO for n in shape)
        case "transpose":
            moved = dict(zip(eqn.params["perm"], index, strict=True))
            return tuple(moved[d] for d in range(len(shape)))
        case "slice":
            return tuple(ix.scaled(step, start) for ix, step, start in
                         zip(index, eqn.params["stride"], eqn.params["start"], strict=True))
        case "reverse":
            return tuple(ix.scaled(-1, n - 1) if d in eqn.params["axes"] else ix
                         for d, (ix, n) in enumerate(zip(index, shape, strict=True)))
        case "dynamic_slice":
            start = Dynamic(eqn.inputs[1], (), shape[0] - eqn.params["size"])
            return (index[0].plus(Ix(dynamic=((start, 1),))), *index[1:])
    raise ValueError(f"{eqn.primitive.name} is no view.")


def gather_index(eqn: Eqn, index: Index) -> Index:
    """The index into the gathered array."""
    x, indices = eqn.inputs
    rank = len(indices.type.shape)
    row = Dynamic(indices, index[:rank], x.type.shape[0] - 1)
    return (Ix(dynamic=((row, 1),)), *index[rank:])


def resolve_views(atom: Atom, index: Index, definitions: dict[Var, Eqn]) -> tuple[Atom, Index]:
    """Follow views down to a value that is computed or in memory."""
    while isinstance(atom, Var) and atom in definitions and is_view(definitions[atom]):
        eqn = definitions[atom]
        atom, index = eqn.inputs[0], view_index(eqn, index)
    return atom, index
