"""Graph to graph: bring a program into the form that fusion understands, and drop redundant work.

One walk rebuilds the graph equation by equation: lowering rules replace primitives that kernels don't know by ones that they do,
algebraic rules drop no-ops, constants are folded, equal equations are shared (forward and backward pass alike) and dead ones are
dropped. Loop bodies are simplified the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamella.ir import PRIMITIVES, Atom, Builder, ContractSpec, Eqn, Graph, Literal, TensorType, Var
from lamella.ir.primitives.contract import Affine
from lamella.ir.primitives.elementwise import broadcast_shapes
from lamella.ir.types import wide
from lamella.native.indexing import is_unit_reshape, is_view
from lamella.native.padding import Pieces, add_pads, pad
from lamella.native.scattering import scatter_add
from lamella.native.target import machine

Replacement = list[Atom] | None


def simplify(graph: Graph, constants: frozenset[int] = frozenset()) -> Graph:
    """The simplified graph, with the same inputs and outputs; `constants` are inputs that a loop never changes."""
    return _dead_code(_Rebuild(graph, constants).run())


class _Rebuild:
    def __init__(self, graph: Graph, constants: frozenset[int]) -> None:
        self.graph, self.constants = graph, constants
        self.fixed: set[Atom] = set()  # what a loop never changes
        self.b = Builder()
        self.env: dict[Var, Atom] = {}
        self.defs: dict[Var, Eqn] = {}
        self.seen: dict[Any, tuple[Atom, ...]] = {}
        self.pieces: dict[Atom, Pieces] = {}  # of sums of arrays that are mostly zero

    def run(self) -> Graph:
        for position, var in enumerate(self.graph.inputs):
            self.env[var] = self.b.input(var.type, var.name)
            if position in self.constants:
                self.fixed.add(self.env[var])
        for eqn in self.graph.eqns:
            self.eqn(eqn)
        return self.b.build([self.read(a) for a in self.graph.outputs], self.graph.name)

    def read(self, atom: Atom) -> Atom:
        return self.env[atom] if isinstance(atom, Var) else atom

    def eqn(self, eqn: Eqn) -> None:
        self.b.source = eqn.source
        outputs = self.emit(eqn.primitive.name, [self.read(a) for a in eqn.inputs], eqn.params)
        self.env.update(zip(eqn.outputs, outputs, strict=True))

    def emit(self, name: str, inputs: list[Atom], params: dict[str, Any]) -> list[Atom]:
        """Emit one equation through all rules."""
        folded = _fold(name, inputs, params)
        if folded is not None:
            return folded
        empty = self.empty(name, inputs, params)
        if empty is not None:
            return empty
        rule = _RULES.get(name)
        replaced = rule(self, *inputs, **params) if rule else None
        if replaced is not None:
            return replaced
        if name == "loop":
            inputs, params = _hoist(self, *_loop_constants(inputs, params))
        key = (name, tuple(map(_key, inputs)), repr(sorted(params.items(), key=lambda p: p[0])) if params else "")
        if key in self.seen and name != "loop":
            return list(self.seen[key])
        out = self.b.emit(name, *inputs, **params)
        outputs = list(out) if isinstance(out, tuple) else [out]
        self.seen[key] = tuple(outputs)
        self.defs.update((v, self.b.eqns[-1]) for v in outputs)
        return outputs

    def one(self, name: str, *inputs: Atom, **params: Any) -> Atom:
        (output,) = self.emit(name, list(inputs), params)
        return output

    def definition(self, atom: Atom, name: str) -> Eqn | None:
        eqn = self.defs.get(atom) if isinstance(atom, Var) else None
        return eqn if eqn is not None and eqn.primitive.name == name else None

    def empty(self, name: str, inputs: list[Atom], params: dict[str, Any]) -> Replacement:
        """Nothing needs computing for outputs without elements."""
        if name in ("broadcast", "loop", "call", "cond"):
            return None
        result = PRIMITIVES[name].type_rule(*(a.type for a in inputs), **params)
        types = [result] if isinstance(result, TensorType) else list(result)
        if any(t.size for t in types):
            return None
        return [self.one("broadcast", Literal(0, t.dtype), shape=t.shape) for t in types]

    def inline(self, graph: Graph, inputs: list[Atom]) -> list[Atom]:
        env = dict(zip(graph.inputs, inputs, strict=True))
        around = self.b.source
        for eqn in graph.eqns:
            args = [env[a] if isinstance(a, Var) else a for a in eqn.inputs]
            self.b.source = eqn.source or around
            env.update(zip(eqn.outputs, self.emit(eqn.primitive.name, args, eqn.params), strict=True))
        self.b.source = around
        return [env[a] if isinstance(a, Var) else a for a in graph.outputs]


def _loop_constants(inputs: list[Atom], params: dict[str, Any]) -> tuple[list[Atom], dict[str, Any]]:
    """Move literal constants of a loop into its body, and simplify the body."""
    body, first = params["body"], 2 + params["n_carry"]
    b = Builder()
    args: list[Atom] = []
    for position, var in enumerate(body.inputs):
        outside = inputs[position + 1] if position else None  # body inputs: the counter, then everything after lo and hi
        fixed = position + 1 >= first and isinstance(outside, Literal)
        args.append(outside if fixed else b.input(var.type, var.name))  # type: ignore[arg-type]
    outputs = b.inline(body, args)
    kept = [a for i, a in enumerate(inputs) if i < first or isinstance(a, Var)]
    constants = frozenset(range(1 + params["n_carry"], len(b.inputs)))
    return kept, params | {"body": simplify(b.build(outputs, body.name), constants)}


def _hoist(r: _Rebuild, inputs: list[Atom], params: dict[str, Any]) -> tuple[list[Atom], dict[str, Any]]:
    """Compute what a loop's body would compute alike in every step before the loop. Views stay: they cost nothing inside."""
    body: Graph = params["body"]
    first = 1 + params["n_carry"]
    outside: dict[Var, Atom] = dict(zip(body.inputs[first:], inputs[first + 1:], strict=True))
    later: dict[Var, Eqn] = {}
    moved: dict[Var, Atom] = {}
    around = r.b.source

    def emit(atom: Atom) -> Atom:
        if isinstance(atom, Var) and atom not in outside:
            eqn = later[atom]
            r.b.source = eqn.source
            outside[atom] = r.one(eqn.primitive.name, *map(emit, eqn.inputs), **eqn.params)
        return outside[atom] if isinstance(atom, Var) else atom

    for eqn in body.eqns:
        if len(eqn.outputs) != 1 or not eqn.inputs or eqn.primitive.name == "loop":
            continue
        if all(a in outside or a in later for a in eqn.inputs if isinstance(a, Var)):
            later[eqn.output] = eqn
            if not is_view(eqn) and eqn.output.type.size > 1:
                moved[eqn.output] = emit(eqn.output)
    r.b.source = around
    new = [Var(v.type, v.name) for v in moved]
    replace = dict(zip(moved, new, strict=True))
    eqns = tuple(Eqn(e.primitive, tuple(replace.get(a, a) for a in e.inputs), e.params, e.outputs, e.source)  # type: ignore[arg-type,call-overload]
                 for e in body.eqns if not (len(e.outputs) == 1 and e.output in moved))
    outputs = tuple(replace.get(a, a) for a in body.outputs)  # type: ignore[arg-type,call-overload]
    slim = _dead_code(Graph((*body.inputs, *new), eqns, outputs, body.name))
    return [*inputs, *moved.values()], params | {"body": slim}


def _key(atom: Atom) -> Any:
    return atom if isinstance(atom, Var) else (repr(atom.value), atom.dtype)


def _fold(name: str, inputs: list[Atom], params: dict[str, Any]) -> Replacement:
    """Scalar arithmetic on constants, by the reference interpreter."""
    if not inputs or not all(isinstance(a, Literal) for a in inputs):
        return None
    primitive = PRIMITIVES[name]
    if primitive.kind != "elementwise":
        return None
    value = np.asarray(primitive.numpy(*(np.asarray(a.value) for a in inputs), **params))
    return [Literal(value[()], primitive.type_rule(*(a.type for a in inputs), **params).dtype)]


def _dead_code(graph: Graph) -> Graph:
    live = {a for a in graph.outputs if isinstance(a, Var)}
    kept: list[Eqn] = []
    for eqn in reversed(graph.eqns):
        if live.intersection(eqn.outputs):
            kept.append(eqn)
            live.update(a for a in eqn.inputs if isinstance(a, Var))
    return Graph(graph.inputs, tuple(reversed(kept)), graph.outputs, graph.name)


# Rules: (rebuild, *inputs, **params) -> the atoms that replace the equation, or None to keep it.

def _identity(r: _Rebuild, x: Atom, **_: Any) -> Replacement:
    return [x]


def _call(r: _Rebuild, *args: Atom, body: Graph) -> Replacement:
    return r.inline(body, list(args))


def _custom_gradient(r: _Rebuild, *args: Atom, n_out: int, n_args: int, gradient: Graph) -> Replacement:
    return list(args[:n_out])


def _cond(r: _Rebuild, pred: Atom, *args: Atom, if_true: Graph, if_false: Graph) -> Replacement:
    """Both branches are pure, so compute both and select."""
    yes, no = r.inline(if_true, list(args)), r.inline(if_false, list(args))
    return [r.one("select", pred, a, b) for a, b in zip(yes, no, strict=True)]


def _cast(r: _Rebuild, x: Atom, dtype: str) -> Replacement:
    return [x] if x.type.dtype == dtype else None


def _reshape(r: _Rebuild, x: Atom, shape: tuple[int, ...]) -> Replacement:
    if x.type.shape == shape:
        return [x]
    inner = r.definition(x, "reshape")
    return [r.one("reshape", inner.inputs[0], shape=shape)] if inner else None


def _transpose(r: _Rebuild, x: Atom, perm: tuple[int, ...]) -> Replacement:
    if perm == tuple(range(len(perm))):
        return [x]
    inner = r.definition(x, "transpose")
    if inner:
        return [r.one("transpose", inner.inputs[0], perm=tuple(inner.params["perm"][p] for p in perm))]
    moved = [p for p in perm if x.type.shape[p] != 1]
    if moved == sorted(moved):  # only axes of size 1 change place
        return [r.one("reshape", x, shape=tuple(x.type.shape[p] for p in perm))]
    return None


def _broadcast(r: _Rebuild, x: Atom, shape: tuple[int, ...]) -> Replacement:
    return [x] if x.type.shape == shape else None


def _strip_broadcasts(name: str) -> Callable[..., Replacement]:
    """An operand that was only stretched needs no stretching: elementwise inputs broadcast anyway."""

    def rule(r: _Rebuild, *inputs: Atom, **params: Any) -> Replacement:
        identity = _algebra(name, inputs)
        out_shape = broadcast_shapes(*(a.type.shape for a in inputs))
        if identity is not None and identity.type.shape == out_shape:
            return [identity]
        for i, atom in enumerate(inputs):
            eqn = r.definition(atom, "broadcast")
            if eqn is None:
                continue
            rest = [a.type.shape for j, a in enumerate(inputs) if j != i] + [eqn.inputs[0].type.shape]
            if broadcast_shapes(*rest) == out_shape:
                slim = [eqn.inputs[0] if j == i else a for j, a in enumerate(inputs)]
                return r.emit(name, slim, params)
        return None

    return rule


def _algebra(name: str, inputs: tuple[Atom, ...]) -> Atom | None:
    """x * 1, x / 1, x - 0 (exact also for NaN, infinities and signed zeros)."""
    if len(inputs) != 2:
        return None
    x, y = inputs
    if isinstance(y, Literal) and ((name in ("mul", "div", "pow") and y.value == 1) or
                                   (name == "sub" and y.value == 0 and not np.signbit(y.value))):
        return x
    if isinstance(x, Literal) and name == "mul" and x.value == 1:
        return y
    return None


def _reduce(name: str) -> Callable[..., Replacement]:
    def rule(r: _Rebuild, x: Atom, axes: tuple[int, ...]) -> Replacement:
        long = tuple(a for a in axes if x.type.shape[a] != 1)
        shape = tuple(n for a, n in enumerate(x.type.shape) if a not in axes)
        if x.type.size == 0:
            neutral = Literal(1 if name == "reduce_prod" else 0, x.type.dtype)
            return [r.one("broadcast", neutral, shape=shape) if shape else neutral]
        if not axes:
            return [x]
        if not long:
            return [r.one("reshape", x, shape=shape)]
        rank = max(long) + 1
        if x.type.shape[rank:] and set(x.type.shape[rank:]) == {1}:  # a sum over the rows of (n, 1) is one along the last axis
            return [r.one("reshape", r.one(name, r.one("reshape", x, shape=x.type.shape[:rank]), axes=long), shape=shape)]
        if len(long) == len(axes):
            return None
        return [r.one("reshape", r.one(name, x, axes=long), shape=shape)]

    return rule


def _reduce_sum(r: _Rebuild, x: Atom, axes: tuple[int, ...]) -> Replacement:
    return _reduce("reduce_sum")(r, x, axes) or _split_sum(r, x, axes)


SPLIT = 64  # fixed: the order of summation must not depend on the number of threads
SPLIT_FROM = 1 << 15


def _split_sum(r: _Rebuild, x: Atom, axes: tuple[int, ...]) -> Replacement:
    """A long sum into few outputs goes in two stages, so that several threads can share it."""
    shape = x.type.shape
    first = axes[0] if axes else 0
    kept = math.prod(n for a, n in enumerate(shape) if a not in axes)
    if not axes or x.type.size < SPLIT_FROM or kept >= 256 or axes != tuple(range(first, first + len(axes))):
        return None
    total = math.prod(shape[a] for a in axes)
    parts = next((p for p in range(SPLIT, 1, -1) if total % p == 0), 1)
    if parts == 1 or first != 0 and kept > 1:
        return None
    split = shape[:first] + (parts, total // parts) + shape[first + len(axes):]
    wider = r.one("cast", _split_rows(r, x, split, kept), dtype=wide(x.type.dtype))
    partial = r.one("reduce_sum", wider, axes=(first + 1,))
    return [r.one("cast", r.one("reduce_sum", partial, axes=(first,)), dtype=x.type.dtype)]


def _split_rows(r: _Rebuild, x: Atom, shape: tuple[int, ...], kept: int) -> Atom:
    """`x` reshaped. Squares (of a norm, a penalty) are computed behind the reshape: only what is squared must be in memory."""
    square = r.definition(x, "mul")
    if kept > 1 or square is None or square.inputs[0] is not square.inputs[1]:
        return r.one("reshape", x, shape=shape)
    base = r.one("reshape", square.inputs[0], shape=shape)
    return r.one("mul", base, base)


def _argmax(r: _Rebuild, x: Atom, axis: int) -> Replacement:
    """The smallest index at which x equals its maximum; a NaN counts as the maximum, as in numpy."""
    shape = x.type.shape
    kept = tuple(1 if a == axis else n for a, n in enumerate(shape))
    top = r.one("reshape", r.one("reduce_max", x, axes=(axis,)), shape=kept)
    hit = r.one("eq", x, top)
    if x.type.dtype not in ("bool",) and "float" in x.type.dtype:
        hit = r.one("logical_or", hit, r.one("ne", x, x))
    position = r.one("iota", shape=shape, axis=axis, dtype="int32")
    return [r.one("reduce_min", r.one("select", hit, position, Literal(shape[axis], "int32")), axes=(axis,))]


SORT_BY_RANK = 400  # numpy sorts longer rows faster, callback included


def _sort(r: _Rebuild, x: Atom) -> Replacement:
    """By counting ranks, n^2 comparisons per row, all parallel: rows are short wherever a network sorts inside its graph."""
    n = x.type.shape[-1]
    if n > SORT_BY_RANK:
        return None
    lead = x.type.shape[:-1]
    wide = lead + (n, n)
    mine, other = r.one("reshape", x, shape=lead + (n, 1)), r.one("reshape", x, shape=lead + (1, n))
    i, j = (r.one("iota", shape=wide, axis=len(lead) + a, dtype="int32") for a in (0, 1))
    tie = r.one("logical_and", _same(r, mine, other), r.one("lt", j, i))
    before = r.one("logical_or", _less(r, other, mine), tie)
    rank = r.one("reduce_sum", r.one("cast", before, dtype="int32"), axes=(len(lead) + 1,))
    at = r.one("eq", r.one("reshape", rank, shape=lead + (1, n)), i)
    order = r.one("reduce_max", r.one("select", at, j, Literal(0, "int32")), axes=(len(lead) + 1,))
    rows = math.prod(lead)
    base = r.one("mul", r.one("iota", shape=(rows, n), axis=0, dtype="int32"), Literal(n, "int32"))
    flat = r.one("add", base, r.one("reshape", order, shape=(rows, n)))
    values = r.one("gather", r.one("reshape", x, shape=(rows * n,)), flat)
    return [r.one("reshape", values, shape=x.type.shape), order]


def _same(r: _Rebuild, x: Atom, y: Atom) -> Atom:
    """Equal, counting NaN as equal to NaN."""
    equal = r.one("eq", x, y)
    if "float" not in x.type.dtype:
        return equal
    return r.one("logical_or", equal, r.one("logical_and", r.one("ne", x, x), r.one("ne", y, y)))


def _less(r: _Rebuild, x: Atom, y: Atom) -> Atom:
    """Less, with NaN after everything, as numpy sorts."""
    less = r.one("lt", x, y)
    if "float" not in x.type.dtype:
        return less
    return r.one("logical_or", less, r.one("logical_and", r.one("eq", x, x), r.one("ne", y, y)))


def _contract(r: _Rebuild, x: Atom, y: Atom, spec: ContractSpec, **dtype: str) -> Replacement:
    if 0 in spec.sizes:
        return [r.one("broadcast", Literal(0, dtype.get("dtype", x.type.dtype)), shape=spec.out_shape)]
    if 1 in spec.sizes:
        return _without_units(r, x, y, spec, dtype)
    operands, maps = [x, y], list(spec.maps)
    changed = False
    for i in range(2):
        eqn = r.definition(operands[i], "transpose")
        if eqn is not None:
            operands[i], changed = eqn.inputs[0], True
            maps[i] = tuple(m for _, m in sorted(zip(eqn.params["perm"], maps[i], strict=True), key=lambda p: p[0]))
        eqn = r.definition(operands[i], "reshape")
        if eqn is not None and is_unit_reshape(eqn) and _units_are_inside(eqn, maps[i], spec.sizes):
            operands[i], maps[i], changed = eqn.inputs[0], _drop_units(eqn, maps[i], len(spec.sizes)), True
        padded = _pad_operand(r, operands[i], maps[i], spec.sizes)
        if padded is not None:
            operands[i], maps[i] = padded
            changed = True
    if changed:
        return [r.one("contract", *operands, spec=ContractSpec(spec.out_shape, spec.red_shape, (maps[0], maps[1])), **dtype)]
    out = dtype.get("dtype", x.type.dtype)
    return (_as_reduction(r, x, y, spec, out) or _contiguous_columns(r, x, y, spec, dtype) or _split_reduction(r, x, y, spec, out)
            or _split_images(r, x, y, spec, out))


def _sum_of_parts(r: _Rebuild, x: Atom, y: Atom, spec: ContractSpec, dtype: str) -> Replacement:
    """A contraction whose first axis numbers the parts of a sum, added up; parts of half precision are not rounded."""
    sums = wide(x.type.dtype)
    parts = r.b.contract(x, y, spec=spec, **({} if sums == x.type.dtype else {"dtype": sums}))
    return [r.one("cast", r.one("reduce_sum", parts, axes=(0,)), dtype=dtype)]


def _units_are_inside(eqn: Eqn, maps: tuple[Affine, ...], sizes: tuple[int, ...]) -> bool:
    """Whether an operand is read nowhere but at 0 on its axes of size 1; the padding around one counts as zeros, so it stays."""
    return all(m.bounds(sizes) == (0, 0) for m, n in zip(maps, eqn.output.shape, strict=True) if n == 1)


def _drop_units(eqn: Eqn, maps: tuple[Affine, ...], rank: int) -> tuple[Affine, ...]:
    """Index maps of what a reshape adds or drops axes of size 1 to; the index on such an axis is always 0."""
    long = iter(m for m, n in zip(maps, eqn.output.shape, strict=True) if n != 1)
    return tuple(next(long) if n != 1 else Affine((0,) * rank) for n in eqn.inputs[0].type.shape)


def _without_units(r: _Rebuild, x: Atom, y: Atom, spec: ContractSpec, dtype: dict[str, str]) -> Replacement:
    """Drop axes of size 1, so that what follows the product shares its shape."""
    keep = [a for a, n in enumerate(spec.sizes) if n != 1]

    def slim(m: Affine) -> Affine:
        return Affine(tuple(m.coefficients[a] for a in keep), m.offset)

    maps = tuple(tuple(map(slim, operand)) for operand in spec.maps)
    new = ContractSpec(tuple(n for n in spec.out_shape if n != 1), tuple(n for n in spec.red_shape if n != 1), (maps[0], maps[1]))
    return [r.one("reshape", r.one("contract", x, y, spec=new, **dtype), shape=spec.out_shape)]


def _pad_operand(r: _Rebuild, x: Atom, maps: tuple[Affine, ...], sizes: tuple[int, ...]) -> tuple[Atom, tuple[Affine, ...]] | None:
    """Zeros around an operand that is read outside, so that kernels need no bounds."""
    bounds = [m.bounds(sizes) for m in maps]
    low = tuple(max(0, -lo) for lo, _ in bounds)
    high = tuple(max(0, hi - n + 1) for (_, hi), n in zip(bounds, x.type.shape, strict=True))
    if not any(low + high):
        return None
    padded = r.one("pad", x, Literal(0, x.type.dtype), low=low, high=high, interior=(0,) * len(low))
    return padded, tuple(Affine(m.coefficients, m.offset + lo) for m, lo in zip(maps, low, strict=True))


def _as_reduction(r: _Rebuild, x: Atom, y: Atom, spec: ContractSpec, dtype: str) -> Replacement:
    """A product without rows or columns to tile (dot, matrix-vector, outer) is a fused multiply and sum."""
    axes = [[m.single_axis for m in maps] for maps in spec.maps]
    if any(a is None for operand in axes for a in operand) or any(len(set(o)) != len(o) for o in axes):
        return None
    n_out = len(spec.out_shape)
    long = [a for a in range(n_out) if spec.sizes[a] > 1]
    rows = [a for a in long if a in axes[0] and a not in axes[1]]
    columns = [a for a in long if a in axes[1] and a not in axes[0]]
    # The contraction kernel runs along a contiguous output axis of one operand; with rows and columns it packs to get one.
    runs = rows and columns or columns and axes[1][-1] in columns or rows and axes[0][-1] in rows
    if runs and any(n > 1 for n in spec.red_shape):
        return None

    def spread(operand: Atom, names: list[int | None]) -> Atom:
        read = tuple(spec.sizes[a] for a in names)  # type: ignore[index]
        if operand.type.shape != read:  # the rest is not looked at, as the rows behind the last window of a convolution
            operand = r.one("slice", operand, start=(0,) * len(read), stop=read, stride=(1,) * len(read))
        order = sorted(range(len(names)), key=lambda d: names[d])  # type: ignore[arg-type,return-value]
        moved = r.one("transpose", r.one("cast", operand, dtype=wide(operand.type.dtype)), perm=tuple(order))
        present = set(names)
        return r.one("reshape", moved, shape=tuple(n if a in present else 1 for a, n in enumerate(spec.sizes)))

    product = r.one("mul", spread(x, axes[0]), spread(y, axes[1]))
    if product.type.shape != spec.sizes:
        product = r.one("broadcast", product, shape=spec.sizes)
    total = r.one("reduce_sum", product, axes=tuple(range(n_out, len(spec.sizes)))) if spec.red_shape else product
    return [r.one("cast", total, dtype=dtype)]


REDUCTION_PARTS = 4  # fixed, as SPLIT
FEW_ROWS = 64


def _split_reduction(r: _Rebuild, x: Atom, y: Atom, spec: ContractSpec, dtype: str) -> Replacement:
    """A product of few rows with a large weight matrix is cut along the reduction, and the parts are added afterwards.

    Threads then share such a product as they share the weights' update, by rows of the weights: each reads those that it wrote,
    and only the small partial results travel between cores (at batch 32, the whole step of a dense network is 1.6 x faster).
    """
    if len(spec.red_shape) != 1 or spec.red_shape[0] % REDUCTION_PARTS:
        return None
    k, outputs = spec.red_shape[0], math.prod(spec.out_shape)
    a = len(spec.out_shape)
    if x in r.fixed or y in r.fixed:
        return None  # nobody updates these weights
    small, large = sorted((x.type.size, y.type.size))
    if large < 1 << 16 or large < 2 * (small + outputs) or small > k * FEW_ROWS:
        return None
    parts, part = REDUCTION_PARTS, k // REDUCTION_PARTS

    def split(m: Affine) -> Affine:  # new axes: part, the outputs, the position within the part
        return Affine((m.coefficients[a] * part, *m.coefficients), m.offset)

    maps = tuple(tuple(map(split, operand)) for operand in spec.maps)
    new = ContractSpec((parts, *spec.out_shape), (part,), (maps[0], maps[1]))
    return _sum_of_parts(r, x, y, new, dtype)


def _contiguous_columns(r: _Rebuild, x: Atom, y: Atom, spec: ContractSpec, dtype: dict[str, str]) -> Replacement:
    """Turn a small matrix that many blocks of rows share (a convolution's kernel, for the gradient of its input) so that its output
    axis is contiguous; otherwise every block would have to pack it again."""
    n_out, operands, maps = len(spec.out_shape), [x, y], list(spec.maps)
    for i in range(2):
        axes = [m.single_axis for m in maps[i]]
        other_axes = {a for m in maps[1 - i] for a, c in enumerate(m.coefficients) if c and a < n_out and spec.sizes[a] > 1}
        own = {a for m in maps[i] for a, c in enumerate(m.coefficients) if c}
        if operands[i].type.size > operands[1 - i].type.size and operands[i] not in r.fixed:
            continue
        if len(other_axes - own) < (1 if operands[i] in r.fixed else 2):
            continue  # a loop's constant is turned before the loop, so it pays for a single block
        columns = [d for d, a in enumerate(axes) if a is not None and a < n_out and a not in other_axes and spec.sizes[a] > 1]
        if not columns or columns[-1] == len(axes) - 1:
            continue
        perm = [d for d in range(len(axes)) if d != columns[-1]] + [columns[-1]]
        plain = {a for a in axes if a is not None and sum(bool(m.coefficients[a]) for m in maps[i]) == 1}
        maps[i], (maps[1 - i], flipped) = tuple(maps[i][d] for d in perm), _forwards(maps[1 - i], spec.sizes, n_out, plain)
        turned = r.b.transpose(operands[i], perm=tuple(perm))
        turned = r.b.reverse(turned, axes=tuple(d for d, m in enumerate(maps[i]) if m.single_axis in flipped))
        operands[i] = r.b.reshape(turned, shape=(turned.type.size,))  # through memory: views alone would be absorbed again
        turned = r.b.reshape(operands[i], shape=turned.type.shape)
        if (x, y)[i] in r.fixed:
            r.fixed.add(turned)
        operands[i] = turned
        return [r.one("contract", *operands, spec=ContractSpec(spec.out_shape, spec.red_shape, (maps[0], maps[1])), **dtype)]
    return None


def _forwards(maps: tuple[Affine, ...], sizes: tuple[int, ...], n_out: int,
              plain: set[int]) -> tuple[tuple[Affine, ...], set[int]]:
    """Index maps with those reduction axes among `plain` that ran backwards turned round, and which these are."""
    backwards = {a for a in plain if a >= n_out and any(m.coefficients[a] < 0 for m in maps)
                 and all(m.coefficients[a] <= 0 for m in maps)}

    def turn(m: Affine) -> Affine:
        offset = m.offset + sum(m.coefficients[a] * (sizes[a] - 1) for a in backwards)
        return Affine(tuple(-c if a in backwards else c for a, c in enumerate(m.coefficients)), offset)

    return tuple(map(turn, maps)), backwards


def _split_images(r: _Rebuild, x: Atom, y: Atom, spec: ContractSpec, dtype: str) -> Replacement:
    """The gradient of a convolution's kernel sums over all images: take a few at a time, so that they stay in L2 while all outputs
    use them, and add the parts afterwards."""
    if len(spec.red_shape) < 2 or all(m.single_axis is not None for maps in spec.maps for m in maps):
        return None
    images, outputs, a = spec.red_shape[0], math.prod(spec.out_shape), len(spec.out_shape)
    nbytes = x.type.nbytes + y.type.nbytes
    wanted = max(nbytes // (machine().l2 // 2), 8)
    parts = min((p for p in range(2, images + 1) if images % p == 0), key=lambda p: abs(p - wanted), default=1)
    if parts == 1 or outputs * parts > (x.type.size + y.type.size) // 2 or outputs > min(x.type.size, y.type.size):
        return None
    part = images // parts

    def split(m: Affine) -> Affine:  # new axes: part, the outputs, the image within the part, the other reduced axes
        return Affine((m.coefficients[a] * part, *m.coefficients), m.offset)

    maps = tuple(tuple(map(split, operand)) for operand in spec.maps)
    new = ContractSpec((parts, *spec.out_shape), (part, *spec.red_shape[1:]), (maps[0], maps[1]))
    return _sum_of_parts(r, x, y, new, dtype)


_RULES: dict[str, Callable[..., Replacement]] = {
    "stop_gradient": _identity, "call": _call, "custom_gradient": _custom_gradient, "cond": _cond, "cast": _cast,
    "reshape": _reshape, "transpose": _transpose,
    "broadcast": _broadcast, "argmax": _argmax, "sort": _sort, "contract": _contract, "reduce_sum": _reduce_sum, "pad": pad,
    "scatter_add": scatter_add,
    "add": lambda r, x, y: add_pads(r, x, y) or _strip_broadcasts("add")(r, x, y),
}
_RULES |= {name: _strip_broadcasts(name) for name, p in PRIMITIVES.items() if p.kind == "elementwise" and name not in _RULES}
_RULES |= {name: _reduce(name) for name in ("reduce_max", "reduce_min", "reduce_prod")}
