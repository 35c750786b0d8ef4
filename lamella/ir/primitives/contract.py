"""`contract`: one affine sum of products.

    out[o...] = sum over r... of x[fx(o, r)] * y[fy(o, r)]

`o` are output axes, `r` reduction axes; `fx`, `fy` are affine integer maps, one expression per operand dimension; a position
outside an operand counts as zero. Dense layers, batched matrix products, einsum and every convolution (stride, dilation,
groups, depthwise, transposed) are this node, and its gradients are the same node with index maps swapped.

Sums of float16 and bfloat16 are float32 and rounded once, at the end; with `dtype="float32"` not at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamella.errors import DTypeError, GradientError, ShapeError
from lamella.ir.core import Atom, Primitive, Sample
from lamella.ir.registry import register
from lamella.ir.types import TensorType, dtype_name, is_float, numpy_dtype, wide


@dataclass(frozen=True)
class Affine:
    """`sum(coefficients[a] * axis a) + offset`; axes count output axes first, then reduction axes."""

    coefficients: tuple[int, ...]
    offset: int = 0

    def __str__(self) -> str:
        terms = [f"{'' if c == 1 else f'{c}*'}a{a}" for a, c in enumerate(self.coefficients) if c]
        if self.offset or not terms:
            terms.append(str(self.offset))
        return "+".join(terms).replace("+-", "-")

    @staticmethod
    def parse(text: str, rank: int) -> Affine:
        coefficients, offset = [0] * rank, 0
        for sign, factor, axis, number in re.findall(r"([+-]?)(?:(?:(\d+)\*)?a(\d+)|(\d+))", text):
            value = int(factor or number or 1) * (-1 if sign == "-" else 1)
            if axis:
                coefficients[int(axis)] += value
            else:
                offset += value
        return Affine(tuple(coefficients), offset)

    def bounds(self, sizes: Sequence[int]) -> tuple[int, int]:
        """Smallest and largest value over the axes' ranges."""
        ends = [c * (n - 1) for c, n in zip(self.coefficients, sizes, strict=True)]
        return self.offset + sum(min(e, 0) for e in ends), self.offset + sum(max(e, 0) for e in ends)

    @property
    def single_axis(self) -> int | None:
        """The axis, if this is just one axis."""
        used = [a for a, c in enumerate(self.coefficients) if c]
        return used[0] if len(used) == 1 and self.coefficients[used[0]] == 1 and self.offset == 0 else None


@dataclass(frozen=True)
class ContractSpec:
    """Axes and index maps of a contraction.

    Attributes:
        out_shape: sizes of the output axes.
        red_shape: sizes of the reduction axes.
        maps: for both operands, an `Affine` per dimension.

    Example:
        >>> print(matmul_spec((32, 784), (784, 128)))
        <32,128|784; a0,a2; a2,a1>
    """

    out_shape: tuple[int, ...]
    red_shape: tuple[int, ...]
    maps: tuple[tuple[Affine, ...], tuple[Affine, ...]]

    @property
    def sizes(self) -> tuple[int, ...]:
        return self.out_shape + self.red_shape

    def __str__(self) -> str:
        def numbers(shape: tuple[int, ...]) -> str:
            return ",".join(map(str, shape))

        x, y = (",".join(map(str, m)) for m in self.maps)
        return f"<{numbers(self.out_shape)}|{numbers(self.red_shape)}; {x}; {y}>"

    @staticmethod
    def parse(text: str) -> ContractSpec:
        sizes, x, y = text.strip("<>").split(";")
        out, red = (tuple(int(n) for n in part.split(",") if n.strip()) for part in sizes.split("|"))
        rank = len(out) + len(red)
        maps = tuple(tuple(Affine.parse(e, rank) for e in part.split(",") if e.strip()) for part in (x, y))
        return ContractSpec(out, red, maps)  # type: ignore[arg-type]


def einsum_spec(equation: str, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> ContractSpec:
    """The contraction of `einsum(equation, x, y)`, such as `"bik,bkj->bij"`.

    Raises:
        ShapeError: a letter stands for two sizes, or an operand has another rank than its letters.
    """
    operands, out = equation.replace(" ", "").split("->")
    letters = operands.split(",")
    size: dict[str, int] = {}
    for names, shape in zip(letters, (x_shape, y_shape), strict=True):
        if len(names) != len(shape):
            raise ShapeError(f"einsum {equation!r}: {names!r} names {len(names)} axes, the operand has shape {shape}.")
        for letter, n in zip(names, shape, strict=True):
            if size.setdefault(letter, n) != n:
                raise ShapeError(f"einsum {equation!r}: axis {letter!r} is {size[letter]} in one operand and {n} in "
                                 f"the other (shapes {x_shape} and {y_shape}).")
    reduced = [c for c in dict.fromkeys("".join(letters)) if c not in out]
    axes = list(out) + reduced

    def maps(names: str) -> tuple[Affine, ...]:
        return tuple(Affine(tuple(int(a == c) for a in axes)) for c in names)

    return ContractSpec(tuple(size[c] for c in out), tuple(size[c] for c in reduced), (maps(letters[0]), maps(letters[1])))


def matmul_spec(x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> ContractSpec:
    """`x @ y`: leading axes of x are kept, those of y must equal x's or be absent."""
    if len(x_shape) < 2 or len(y_shape) < 2 or x_shape[-1] != y_shape[-2]:
        raise ShapeError(f"matmul needs (..., m, k) and (..., k, n); received {x_shape} and {y_shape}.")
    batch = "abcdefgh"[: len(x_shape) - 2]
    lead = batch if len(y_shape) > 2 else ""
    return einsum_spec(f"{batch}mk,{lead}kn->{batch}mn", x_shape, y_shape)


def conv_spec(x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], strides: Sequence[int], low: Sequence[int],
              out_spatial: Sequence[int], dilation: Sequence[int]) -> ContractSpec:
    """Cross-correlation of `x (n, *spatial, channels)` with `kernel (*spatial, channels, filters)`.

    `low` is the zero padding before each spatial axis; the padding after it follows from `out_spatial`.
    """
    d = len(strides)
    out_shape = (x_shape[0], *out_spatial, kernel_shape[-1])
    red_shape = tuple(kernel_shape[:-1])
    rank = len(out_shape) + len(red_shape)

    def unit(**terms: int) -> Affine:
        coefficients = [0] * rank
        for name, value in terms.items():
            if name != "offset":
                coefficients[int(name[1:])] = value
        return Affine(tuple(coefficients), terms.get("offset", 0))

    spatial = [unit(**{f"a{1 + i}": strides[i], f"a{d + 2 + i}": dilation[i], "offset": -low[i]}) for i in range(d)]
    x_map = (unit(a0=1), *spatial, unit(**{f"a{2 * d + 2}": 1}))
    y_map = (*(unit(**{f"a{d + 2 + i}": 1}) for i in range(d + 1)), unit(**{f"a{d + 1}": 1}))
    return ContractSpec(out_shape, red_shape, (x_map, y_map))


def _type_rule(x: TensorType, y: TensorType, spec: ContractSpec, dtype: str | None = None) -> TensorType:
    if x.dtype != y.dtype or not is_float(x.dtype):
        raise DTypeError(f"expected two operands of one float dtype, received {x.dtype} and {y.dtype}.")
    for operand, maps in zip((x, y), spec.maps, strict=True):
        if len(maps) != operand.ndim:
            raise ShapeError(f"operand {operand} has {operand.ndim} axes, its index map {len(maps)}: {spec}.")
    used = [any(m.coefficients[a] for maps in spec.maps for m in maps) for a in range(len(spec.sizes))]
    if not all(used):
        raise ShapeError(f"axis a{used.index(False)} is used by no operand: {spec}.")
    if dtype not in (None, x.dtype, wide(x.dtype)):
        raise DTypeError(f"the sum of products of {x.dtype} is {wide(x.dtype)}, not {dtype}.")
    return TensorType(spec.out_shape, dtype or x.dtype)


def _strided(x: np.ndarray, maps: tuple[Affine, ...], sizes: tuple[int, ...]) -> tuple[np.ndarray, list[int]]:
    """x as an array with one axis per contraction axis that it uses: padding with zeros, then strides."""
    bounds = [m.bounds(sizes) for m in maps]
    pads = [(max(0, -low), max(0, high - n + 1)) for (low, high), n in zip(bounds, x.shape, strict=True)]
    x = np.pad(x, pads) if any(map(any, pads)) else x
    axes = [a for a in range(len(sizes)) if any(m.coefficients[a] for m in maps)]
    strides = [sum(m.coefficients[a] * s for m, s in zip(maps, x.strides, strict=True)) for a in axes]
    start = tuple(slice(m.offset + low, None) for m, (low, _) in zip(maps, pads, strict=True))
    return np.lib.stride_tricks.as_strided(x[start], [sizes[a] for a in axes], strides), axes


def _numpy(x: np.ndarray, y: np.ndarray, spec: ContractSpec, dtype: str | None = None) -> np.ndarray:
    result = x.dtype if dtype is None else numpy_dtype(dtype)
    if 0 in spec.sizes:
        return np.zeros(spec.out_shape, result)
    sums = numpy_dtype(wide(dtype_name(x.dtype)))
    (x_view, x_axes), (y_view, y_axes) = (
        _strided(np.asarray(operand, sums), maps, spec.sizes) for operand, maps in zip((x, y), spec.maps, strict=True))
    with np.errstate(all="ignore"):
        if set(x_axes) & set(y_axes) == set(range(len(spec.out_shape), len(spec.sizes))):  # no batch axes: one matrix product
            out = _product(x_view, x_axes, y_view, y_axes, len(spec.out_shape))
        else:
            out = np.einsum(x_view, x_axes, y_view, y_axes, list(range(len(spec.out_shape))), optimize=True)
        return out.astype(result, copy=False)


def _product(x: np.ndarray, x_axes: list[int], y: np.ndarray, y_axes: list[int], n_out: int) -> np.ndarray:
    """Rows times columns through BLAS, then the axes in the output's order."""
    common = [a for a in x_axes if a >= n_out]
    out = np.tensordot(x, y, ([x_axes.index(a) for a in common], [y_axes.index(a) for a in common]))
    order = [a for a in x_axes if a < n_out] + [a for a in y_axes if a < n_out]
    return out.transpose([order.index(a) for a in range(n_out)])


Terms = dict[Any, int]  # coefficient per new axis; `None` is the constant


def _operand_vjp(b: Any, ct: Atom, operands: Sequence[Atom], spec: ContractSpec, which: int) -> Atom:
    """Gradient towards one operand: solve its index map for one axis per dimension, substitute into the other maps.

    The new output axes are the operand's dimensions, ("i", d). A dimension read with a stride s, `s o + k`, becomes two, quotient
    ("q", d) and remainder ("r", d), with o = q - j and k = r + s j: dense products instead of ones with zeros between.
    """
    n_out, shape = len(spec.out_shape), operands[which].type.shape
    for d, m in enumerate(spec.maps[which]):  # stride and dilation together: spread the cotangent until the stride is gone
        far = [a for a, c in enumerate(m.coefficients[:n_out])
               if abs(c) > 1 and not any(o.coefficients[a] for o in spec.maps[1 - which])]
        if far and not any(abs(c) == 1 for c in m.coefficients):
            return _operand_vjp(b, *_spread(b, ct, spec, which, d, far[0], operands), which)
    mine, other = spec.maps[which], spec.maps[1 - which]
    solved: dict[int, Terms] = {}  # old axis -> expression in new axes
    out_sizes: dict[Any, int] = {}
    red_sizes: dict[Any, int] = {}
    cuts: dict[int, tuple[int, int]] = {}  # strided dimension -> (position of its first element, stride)
    for d, m in enumerate(mine):
        strided = _strided_axes(m, mine, other, n_out, spec)
        if strided is not None:
            o, k, step = strided
            taps = -(-spec.sizes[k] // step)
            out_sizes["q", d], out_sizes["r", d] = spec.sizes[o] + taps - 1, step
            red_sizes["j", d] = taps
            solved[o], solved[k] = {("q", d): 1, ("j", d): -1}, {("r", d): 1, ("j", d): step}
            cuts[d] = (m.offset, step)
            continue
        pivots = [a for a, c in enumerate(m.coefficients) if abs(c) == 1 and a not in solved
                  and sum(bool(o.coefficients[a]) for o in mine) == 1]
        if not pivots:
            raise GradientError(f"contract {spec}: operand {which} has no axis to solve {m} for.")
        out_sizes["i", d] = shape[d]
        sign = m.coefficients[pivots[0]]  # index i = sign a + others + offset, so a = sign (i - others - offset)
        others = {("x", a): -sign * c for a, c in enumerate(m.coefficients) if c and a != pivots[0]}
        solved[pivots[0]] = {("i", d): sign, None: -sign * m.offset, **others}
    for a, n in enumerate(spec.sizes):
        if a not in solved:
            red_sizes["x", a] = n
            solved[a] = {("x", a): 1}
    names = [*out_sizes, *red_sizes]

    def substitute(m: Affine) -> Affine:
        total: Terms = {None: m.offset}
        for a, c in enumerate(m.coefficients):
            for name, k in solved[a].items() if c else ():
                total[name] = total.get(name, 0) + c * k
        return Affine(tuple(total.get(name, 0) for name in names), total[None])

    ct_map = tuple(Affine(tuple(int(axis == a) for axis in range(len(spec.sizes)))) for a in range(n_out))
    new = ContractSpec(tuple(out_sizes.values()), tuple(red_sizes.values()),
                       (tuple(map(substitute, ct_map)), tuple(map(substitute, other))))
    product = b.contract(ct, operands[1 - which], spec=new)
    return _join_remainders(b, product, shape, cuts) if cuts else product


def _spread(b: Any, ct: Atom, spec: ContractSpec, which: int, d: int, a: int,
            operands: Sequence[Atom]) -> tuple[Atom, Sequence[Atom], ContractSpec]:
    """Put zeros between the cotangent's elements along axis `a`, so that dimension `d` is read with stride 1 there."""
    n_out = len(spec.out_shape)
    step = abs(spec.maps[which][d].coefficients[a])
    none = (0,) * n_out
    interior = tuple(step - 1 if i == a else 0 for i in range(n_out))
    ct = b.pad(ct, b.literal(0, ct.type.dtype), low=none, high=none, interior=interior)
    mine = list(spec.maps[which])
    mine[d] = Affine(tuple(c // step if i == a else c for i, c in enumerate(mine[d].coefficients)), mine[d].offset)
    maps = (tuple(mine), spec.maps[1]) if which == 0 else (spec.maps[0], tuple(mine))
    return ct, operands, ContractSpec(ct.type.shape, spec.red_shape, maps)


def _strided_axes(m: Affine, mine: Sequence[Affine], other: Sequence[Affine], n_out: int,
                  spec: ContractSpec) -> tuple[int, int, int] | None:
    """(output axis, reduction axis, stride) of a map `stride o + k` of which only the other operand knows k, as one of its axes."""
    used = [a for a, c in enumerate(m.coefficients) if c]
    if len(used) != 2 or used[0] >= n_out or used[1] < n_out or m.coefficients[used[0]] < 2 or m.coefficients[used[1]] != 1:
        return None
    alone = all(sum(bool(x.coefficients[a]) for x in mine) == 1 for a in used)
    taps = [x for x in other if x.coefficients[used[1]]]
    known = len(taps) == 1 and taps[0].single_axis == used[1] and not any(x.coefficients[used[0]] for x in other)
    return (used[0], used[1], m.coefficients[used[0]]) if alone and known else None


def _join_remainders(b: Any, product: Atom, shape: tuple[int, ...], cuts: dict[int, tuple[int, int]]) -> Atom:
    """Quotients and remainders back to positions; then cut or fill up to the operand's shape."""
    sizes = iter(product.type.shape)
    joined = tuple(next(sizes) * (next(sizes) if d in cuts else 1) for d in range(len(shape)))
    low = tuple(cuts[d][0] if d in cuts else 0 for d in range(len(shape)))
    high = tuple(n - m - lo for n, m, lo in zip(shape, joined, low, strict=True))
    flat = b.reshape_to(product, joined)
    return b.pad(flat, b.literal(0, product.type.dtype), low=low, high=high, interior=(0,) * len(shape))


def _vjp(b: Any, cts: Any, inputs: Any, outputs: Any, spec: ContractSpec, dtype: str | None = None) -> list[Atom | None]:
    return [_operand_vjp(b, b.cast_to(cts[0], inputs[0].type.dtype), inputs, spec, which) for which in (0, 1)]


def _sample(equation: str, x: tuple[int, ...], y: tuple[int, ...]) -> Sample:
    return Sample(((x, "float32"), (y, "float32")), {"spec": einsum_spec(equation, x, y)})


def _conv_sample(x: tuple[int, ...], kernel: tuple[int, ...], stride: int, low: int, dilation: int, out: int) -> Sample:
    d = len(x) - 2
    return Sample(((x, "float32"), (kernel, "float32")),
                  {"spec": conv_spec(x, kernel, [stride] * d, [low] * d, [out] * d, [dilation] * d)})


register(Primitive("contract", "contract", _type_rule, _numpy, _vjp, samples=(
    _sample("mk,kn->mn", (5, 7), (7, 3)),
    _sample("mk,kn->mn", (33, 70), (70, 41)),
    _sample("km,kn->mn", (19, 40), (19, 37)),
    _sample("mk,nk->mn", (18, 9), (50, 9)),
    _sample("mk,nk->mn", (1, 9), (1, 9)),
    _sample("mk,kn->nm", (13, 9), (9, 21)),
    _sample("mk,k->m", (17, 9), (9,)),
    _sample("m,n->mn", (17,), (35,)),
    _sample("bmk,bkn->bmn", (3, 6, 5), (3, 5, 18)),
    _sample("bmhk,bnhk->bhmn", (2, 6, 3, 5), (2, 7, 3, 5)),
    _sample("abk,kn->abn", (3, 4, 8), (8, 20)),
    _sample("abc,abc->a", (3, 4, 8), (3, 4, 8)),
    _sample("mk,kn->mn", (0, 7), (7, 3)),
    _sample("mk,kn->mn", (4, 0), (0, 3)),
    _conv_sample((2, 7, 6, 3), (3, 3, 3, 5), 1, 1, 1, 5),
    _conv_sample((2, 8, 8, 2), (3, 3, 2, 4), 2, 0, 1, 4),
    _conv_sample((1, 9, 3), (2, 3, 4), 1, 2, 2, 9),
    _conv_sample((2, 5, 2), (1, 2, 3), 3, 0, 1, 2),
    Sample((((33, 70), "bfloat16"), ((70, 41), "bfloat16")), {"spec": matmul_spec((33, 70), (70, 41)), "dtype": "float32"},
           differentiable=False),
)))
