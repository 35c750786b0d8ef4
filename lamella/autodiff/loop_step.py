"""One step of a loop, differentiated: what `loops.py` puts into the reverse loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lamella.autodiff.reachability import dependent, needed
from lamella.errors import GradientError
from lamella.ir import Atom, Builder, ContractSpec, Eqn, Graph, Literal, TensorType, Var
from lamella.ir.types import wide

Backward = Callable[..., list[Atom | None]]


class Loop:
    """A loop equation taken apart.

    Attributes:
        eqn, body: the equation and its body.
        n: number of carries.
        low, steps: first index and number of steps.
        index, carries, consts: inputs of the body.
        made: the equation behind each variable of the body.

    Raises:
        GradientError: a bound is only known at run time.
    """

    def __init__(self, eqn: Eqn) -> None:
        low, high = eqn.inputs[:2]
        if not isinstance(low, Literal) or not isinstance(high, Literal):
            raise GradientError("A loop has a gradient only if its bounds are numbers, not values known at run time.")
        self.eqn, self.n = eqn, eqn.params["n_carry"]
        self.body: Graph = eqn.params["body"]
        self.low, self.steps = int(low.value), max(int(high.value) - int(low.value), 0)
        self.index: Var = self.body.inputs[0]
        self.carries: tuple[Var, ...] = self.body.inputs[1 : 1 + self.n]
        self.consts: tuple[Var, ...] = self.body.inputs[1 + self.n :]
        self.made: dict[Atom, Eqn] = {v: e for e in self.body.eqns for v in e.outputs}

    @property
    def given(self) -> dict[Var, Atom]:
        """What the loop is called with, for each carry and constant of the body."""
        return dict(zip(self.body.inputs[1:], self.eqn.inputs[2:], strict=True))

    def each_row_once(self, buffer: Var, row: Atom, start: Atom) -> bool:
        """Whether `start` takes every row of `buffer` once: it is the index, or counts down instead of up."""
        if self.low or buffer.shape[0] != self.steps or row.type.shape[0] != 1:
            return False
        eqn = self.made.get(start)
        while eqn is not None and eqn.primitive.name == "cast":
            start = eqn.inputs[0]
            eqn = self.made.get(start)
        if eqn is None or eqn.primitive.name != "sub":
            return start is self.index
        last, index = eqn.inputs
        return index is self.index and isinstance(last, Literal) and int(last.value) == self.steps - 1

    def rows_written(self) -> dict[Var, Eqn]:
        """Carries that the loop fills row by row and doesn't read: the equation that writes a row."""
        found: dict[Var, Eqn] = {}
        atoms = [x for e in self.body.eqns for x in e.inputs] + list(self.body.outputs)
        for carry, out in zip(self.carries, self.body.outputs, strict=True):
            eqn = self.made.get(out)
            if eqn is None or eqn.primitive.name != "dynamic_update_slice" or eqn.inputs[0] is not carry:
                continue
            once = all(sum(x is v for x in atoms) == 1 for v in (carry, out))
            if once and self.each_row_once(carry, *eqn.inputs[1:]):
                found[carry] = eqn
        return found

    def recorded(self) -> dict[Var, int]:
        """Values that are written to row `index` of a carry: the position of that carry in the outputs."""
        found: dict[Var, int] = {}
        for carry, eqn in self.rows_written().items():
            value = unreshaped(eqn.inputs[1], self.made)
            if isinstance(value, Var) and eqn.inputs[2] is self.index and value.shape == carry.shape[1:]:
                found.setdefault(value, self.carries.index(carry))
        return found


def unreshaped(x: Atom, made: dict[Atom, Eqn]) -> Atom:
    """The value that `x` is a reshaped form of."""
    while x in made and made[x].primitive.name == "reshape":
        x = made[x].inputs[0]
    return x


@dataclass
class Product:
    """A gradient towards a constant that one contraction over all steps gives."""

    const: Var
    operands: tuple[Atom, Atom]
    spec: ContractSpec


@dataclass
class Step:
    """The gradient of one step; its equations are on the body's variables and those that stand here.

    Attributes:
        eqns: equations in order.
        arriving: cotangent of each live carry after the step.
        leaving: the same before the step.
        outside: cotangent of each carry that the loop fills row by row: it stays the same.
        sums: gradient so far of each constant that is summed step by step, at least in float32: before and after the step.
        by_row: values that `sums` of a constant hold in row `index`.
        products: gradients that are summed at the end.
        totals: gradients that are sums of an operand of a product along axes, and over all steps: constant, operand, axes.
        saved: values of the body that `eqns` and `products` read.
        rows: operands of products that the reverse loop itself has to write down.
    """

    eqns: list[Eqn] = field(default_factory=list)
    arriving: dict[Var, Var] = field(default_factory=dict)
    leaving: dict[Var, Atom] = field(default_factory=dict)
    outside: dict[Var, Var] = field(default_factory=dict)
    sums: dict[Var, tuple[Var, Atom]] = field(default_factory=dict)
    by_row: dict[Atom, Var] = field(default_factory=dict)
    products: list[Product] = field(default_factory=list)
    totals: list[tuple[Var, Var, tuple[int, ...]]] = field(default_factory=list)
    saved: list[Var] = field(default_factory=list)
    rows: list[Var] = field(default_factory=list)

    @property
    def outputs(self) -> list[Atom]:
        """What the equations are for, without `rows`."""
        return [*self.leaving.values(), *(after for _, after in self.sums.values())]


def differentiate(loop: Loop, live: Sequence[Var], backward: Backward) -> Step:
    """The gradient of the body towards its inputs `live`."""
    return _Differentiation(loop, live).run(backward)


class _Differentiation:
    def __init__(self, loop: Loop, live: Sequence[Var]) -> None:
        self.loop, self.live, self.step = loop, live, Step()
        self.b = Builder()
        self.b.eqns.extend(loop.body.eqns)
        self.reads = [e for e in loop.body.eqns if e.primitive.name == "dynamic_slice" and e.inputs[0] in live]
        self.writes = {v: e for v, e in loop.rows_written().items() if v in live}

    def run(self, backward: Backward) -> Step:
        cts = self._seed()
        skipped = [*self.reads, *self.writes.values()]
        inputs = [v for v in self.live if v not in self.writes]
        slices = [e.output for e in self.reads]
        grads = backward(self.b, [e for e in self.loop.body.eqns if e not in skipped], cts, [*inputs, *slices])
        into = dict(zip(slices, grads[len(inputs) :], strict=True))
        rest = {v: self._without_products(v, grad) for v, grad in zip(inputs, grads, strict=False)}
        for v, grad in zip(inputs, grads, strict=False):
            pairs = [(e, into[e.output]) for e in self.reads if e.inputs[0] is v and into[e.output] is not None]
            self._leave(v, grad, rest[v], pairs)  # type: ignore[arg-type]
        self._finish()
        return self.step

    def _seed(self) -> dict[Var, Atom]:
        """The cotangents of the body's outputs."""
        b, step = self.b, self.step
        cts: dict[Var, Atom] = {}
        for carry, out in zip(self.loop.carries, self.loop.body.outputs, strict=True):
            if carry not in self.live:
                continue
            ct = Var(carry.type)
            (step.outside if carry in self.writes else step.arriving)[carry] = ct
            arriving: Atom = ct
            if carry in self.writes:
                _, out, start = self.writes[carry].inputs
                arriving = b.dynamic_slice(ct, start, size=1)
            if isinstance(out, Var):
                cts[out] = b.add(cts[out], arriving) if out in cts else arriving
        return cts

    def _without_products(self, v: Var, grad: Atom | None) -> list[Atom]:
        """The terms of a constant's gradient that don't wait for the end."""
        terms = self._terms(grad) if v in self.loop.consts else []
        return [term for term in terms if not self._defer(v, term)]

    def _leave(self, v: Var, grad: Atom | None, terms: list[Atom], slices: list[tuple[Eqn, Atom]]) -> None:
        """What goes out of the step for one input of the body; of a constant's gradient, `terms` are left."""
        b, step = self.b, self.step
        if v in self.loop.carries:
            step.leaving[v] = self._into_slices(b.full(v.type, 0) if grad is None else grad, slices)
            return
        rest = [term for term in terms if not self._defer_sum(v, term)]
        if not rest and slices and self._fill(v, slices):
            return
        before = Var(TensorType(v.shape, wide(v.dtype)))
        total: Atom = before
        for term in rest:
            total = b.add(total, b.cast_to(term, before.dtype))
        total = self._into_slices(total, slices)
        if total is not before:
            step.sums[v] = before, total

    def _into_slices(self, total: Atom, slices: list[tuple[Eqn, Atom]]) -> Atom:
        """Add gradients of slices in place."""
        b = self.b
        for eqn, ct in slices:
            at, size = eqn.inputs[1], eqn.params["size"]
            row = b.add(b.dynamic_slice(total, at, size=size), b.cast_to(ct, total.type.dtype))
            total = b.dynamic_update_slice(total, row, at)
        return total

    def _fill(self, v: Var, slices: list[tuple[Eqn, Atom]]) -> bool:
        """Write rows instead of adding to them, where every step has a row of its own; whether that is so."""
        start = slices[0][0].inputs[1]
        if any(e.inputs[1] is not start or not self.loop.each_row_once(v, e.output, start) for e, _ in slices):
            return False
        row = slices[0][1]
        for _, ct in slices[1:]:
            row = self.b.add(row, ct)
        before = Var(v.type)
        self.step.sums[v] = before, self.b.dynamic_update_slice(before, row, start)
        value = unreshaped(row, {y: e for e in self.b.eqns for y in e.outputs})
        if start is self.loop.index and value.type.shape == v.shape[1:]:
            self.step.by_row[value] = v
        return True

    def _terms(self, grad: Atom | None) -> list[Atom]:
        """The summands of a gradient."""
        if grad is None:
            return []
        eqn = next((e for e in self.b.eqns if grad in e.outputs), None)
        if eqn is not None and eqn.primitive.name == "add" and all(x.type == grad.type for x in eqn.inputs):
            return [term for x in eqn.inputs for term in self._terms(x)]
        return [grad]

    def _defer(self, const: Var, term: Atom) -> bool:
        """Leave a contraction of values of the step for the end; whether it was one."""
        eqn = next((e for e in self.b.eqns if term in e.outputs), None)
        if eqn is None or eqn.primitive.name != "contract":
            return False
        loop, step = self.loop, self.step
        changing = dependent(self.b.eqns, [loop.index, *loop.carries, *step.arriving.values(), *step.outside.values()])
        x, y = eqn.inputs
        # An operand that stays the same has to be at hand after the loop: a constant itself.
        if not all(v in changing or v in loop.consts for v in (x, y)) or changing.isdisjoint((x, y)):
            return False
        step.products.append(Product(const, (x, y), eqn.params["spec"]))
        return True

    def _defer_sum(self, const: Var, term: Atom) -> bool:
        """Leave a sum over what is written down anyway, as an operand of a product, for the end (the gradient of a bias)."""
        eqn = next((e for e in self.b.eqns if term in e.outputs), None)
        if eqn is None or eqn.primitive.name != "reduce_sum":
            return False
        (value,) = eqn.inputs
        if not any(value is x for p in self.step.products for x in p.operands) or value in self.loop.consts:
            return False
        self.step.totals.append((const, value, eqn.params["axes"]))  # type: ignore[arg-type]
        return True

    def _finish(self) -> None:
        """Keep what the step needs; dear values of the forward pass are remembered instead of computed again."""
        loop, step = self.loop, self.step
        changing = dependent(loop.body.eqns, [loop.index, *loop.carries])
        worth = [self._settled(e.output) for e in loop.body.eqns if self._worth_a_row(e) and e.output in changing]
        remembered = list(dict.fromkeys(worth))
        operands = [x for p in step.products for x in p.operands if isinstance(x, Var)]
        step.eqns, read = needed(self.b.eqns, [*step.outputs, *operands], set(remembered))
        step.saved = [v for v in (*loop.carries, *remembered) if v in read]
        at_hand = {*step.saved, *loop.consts, *step.by_row}
        step.rows = [x for x in dict.fromkeys(operands) if x not in at_hand]

    def _settled(self, value: Var) -> Var:
        """What becomes of a value that nobody else reads, in elementwise equations: remembering that spares them too."""
        forward = set(map(id, self.loop.body.eqns))
        while True:
            readers = [e for e in self.b.eqns if value in e.inputs]
            if len(readers) != 1 or id(readers[0]) not in forward or value in self.loop.body.outputs:
                return value
            (reader,) = readers
            if reader.primitive.kind != "elementwise" or reader.output.type != value.type:
                return value
            value = reader.output

    def _worth_a_row(self, eqn: Eqn) -> bool:
        """Contractions are dear to compute again; a slice of a buffer that is carried is smaller than the buffer."""
        name = eqn.primitive.name
        return name == "contract" or (name == "dynamic_slice" and eqn.inputs[0] in self.loop.carries)
