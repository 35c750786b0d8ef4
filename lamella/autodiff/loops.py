"""The gradient of `loop` with known bounds: a loop that runs backwards.

The forward loop is replaced by one that also writes down, in buffers with one row per step, what the steps' gradients
read: carries as they are when a step starts, and the results of its contractions (the rest is cheap to compute again).
The reverse loop carries the cotangents of the carries, and the gradients of the constants so far.

Two rules keep a step's cost independent of the number of steps:

* A `dynamic_slice` of an input of the body, such as `x[t]`, sends its gradient to that slice alone. A buffer that is only
  written to needs no record, as the gradient of `dynamic_update_slice` doesn't read it.
* A gradient towards a constant that is a contraction of two values of the step, such as that of a recurrent kernel, isn't
  summed step by step: both values are written down, and one large contraction sums over the steps at the end.

Both loops are ordinary equations with known bounds, so they can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lamella.autodiff.reachability import active as active_in
from lamella.autodiff.reachability import dependent, needed
from lamella.errors import GradientError
from lamella.ir import Atom, Builder, ContractSpec, Eqn, Graph, Literal, TensorType, Var
from lamella.ir.primitives.contract import Affine
from lamella.ir.primitives.control import INDEX
from lamella.ir.types import is_float

Backward = Callable[..., list[Atom | None]]


class Loop:
    """A loop equation taken apart.

    Attributes:
        eqn, body: the equation and its body.
        n: number of carries.
        low, steps: first index and number of steps.
        index, carries, consts: inputs of the body.

    Raises:
        GradientError: a bound is only known at run time.
    """

    def __init__(self, eqn: Eqn) -> None:
        low, high = eqn.inputs[:2]
        if not isinstance(low, Literal) or not isinstance(high, Literal):
            raise GradientError("A loop has a gradient only if its bounds are numbers; these are known at run time only.")
        self.eqn, self.body, self.n = eqn, eqn.params["body"], eqn.params["n_carry"]
        self.low, self.steps = int(low.value), max(int(high.value) - int(low.value), 0)
        self.index, self.carries = self.body.inputs[0], self.body.inputs[1 : 1 + self.n]
        self.consts = self.body.inputs[1 + self.n :]

    @property
    def given(self) -> dict[Var, Atom]:
        """What the loop is called with, for each carry and constant of the body."""
        return dict(zip(self.body.inputs[1:], self.eqn.inputs[2:], strict=True))

    def recorded(self) -> dict[Var, int]:
        """Values of a step that are written to row `index` of a carry: position of that carry in the outputs."""
        made = {v: e for e in self.body.eqns for v in e.outputs}
        found: dict[Var, int] = {}
        for k, (carry, out) in enumerate(zip(self.carries, self.body.outputs, strict=True)):
            write = made.get(out) if isinstance(out, Var) else None
            if write is None or write.primitive.name != "dynamic_update_slice" or self.low:
                continue
            buffer, row, start = write.inputs
            if buffer is carry and start is self.index and carry.shape[0] == self.steps and isinstance(row, Var):
                reshape = made.get(row)
                value = reshape.inputs[0] if reshape is not None and reshape.primitive.name == "reshape" else row
                if isinstance(value, Var) and value.type.size == row.type.size and row.shape[0] == 1:
                    found.setdefault(value, k)
        return found


@dataclass
class Product:
    """A gradient towards a constant that one contraction over all steps gives."""

    const: Var
    operands: tuple[Atom, Atom]
    spec: ContractSpec


@dataclass
class Step:
    """The gradient of one step.

    Attributes:
        eqns: equations, on the body's variables and those of `arriving` and `sums`.
        arriving: cotangent of each live carry after the step, a variable.
        leaving: the same before the step.
        sums: gradient so far of each constant that is summed step by step: a variable, and the atom after the step.
        products: gradients that are summed at the end.
        saved: values of the body that `eqns` and `products` read.
        given: the body's constants.
    """

    eqns: list[Eqn] = field(default_factory=list)
    arriving: dict[Var, Var] = field(default_factory=dict)
    leaving: dict[Var, Atom] = field(default_factory=dict)
    sums: dict[Var, tuple[Var, Atom]] = field(default_factory=dict)
    products: list[Product] = field(default_factory=list)
    saved: list[Var] = field(default_factory=list)
    given: frozenset[Var] = frozenset()

    @property
    def rows(self) -> list[Var]:
        """Operands of products that the reverse loop itself has to write down."""
        operands = [x for p in self.products for x in p.operands if isinstance(x, Var)]
        return [x for x in dict.fromkeys(operands) if x not in self.saved and x not in self.given]


def loop_gradient(b: Builder, eqn: Eqn, arriving: Sequence[Atom | None], active: set[Var],
                  backward: Backward) -> list[tuple[Atom, Atom]]:
    """Append the reverse loop of `eqn` and replace `eqn` by a loop that records what it needs.

    Args:
        b: open graph that holds `eqn`, or what replaced it in an earlier call.
        arriving: cotangent of each output.
        active: variables outside of the loop that gradients are wanted for.
        backward: reverse mode on equations.

    Returns:
        Pairs of an input of the loop and its cotangent.

    Raises:
        GradientError: a bound is only known at run time.
    """
    place = next(i for i, e in enumerate(b.eqns) if e.outputs and e.outputs[0] is eqn.outputs[0])
    loop = Loop(b.eqns[place])
    cts = dict(zip(loop.carries, [*arriving, *[None] * loop.n], strict=False))
    if not loop.steps:
        return [(loop.given[v], ct) for v, ct in cts.items() if ct is not None]
    live = _live(loop, {v for v, ct in cts.items() if ct is not None}, active)
    step = _step(loop, live, backward)
    histories = _record(b, place, loop, step.saved)
    return [(loop.given[v], ct) for v, ct in _reverse(b, loop, step, histories, cts).items()]


def _live(loop: Loop, arriving: set[Var], active: set[Var]) -> list[Var]:
    """Carries and constants that depend on something active and that an arriving cotangent reaches."""
    sources = {v for v, atom in loop.given.items() if isinstance(atom, Var) and atom in active and is_float(v.dtype)}
    results = dict(zip(loop.carries, loop.body.outputs, strict=True))
    while True:
        flowing = active_in(loop.body.eqns, sources)
        more = {c for c, out in results.items() if isinstance(out, Var) and out in flowing} - sources
        if not more:
            break
        sources |= more
    reached = arriving & sources
    while True:
        eqns = [e for e in loop.body.eqns if not flowing.isdisjoint(e.outputs)]
        _, read = needed(eqns, [results[c] for c in loop.carries if c in reached])
        more = (read & sources & set(loop.carries)) - reached
        if not more:
            return [v for v in loop.body.inputs if v in reached or (v in loop.consts and v in read & sources)]
        reached |= more


def _step(loop: Loop, live: Sequence[Var], backward: Backward) -> Step:
    """Differentiate the body once."""
    b, step = Builder(), Step(given=frozenset(loop.consts))
    b.eqns.extend(loop.body.eqns)
    reads = [e for e in loop.body.eqns if e.primitive.name == "dynamic_slice" and e.inputs[0] in live]
    cts: dict[Var, Atom] = {}
    for carry, out in zip(loop.carries, loop.body.outputs, strict=True):
        if carry in live:
            step.arriving[carry] = ct = Var(carry.type)
            if isinstance(out, Var):
                cts[out] = b.add(cts[out], ct) if out in cts else ct
    slices = [e.output for e in reads]
    grads = backward(b, [e for e in loop.body.eqns if e not in reads], cts, [*live, *slices])
    into = dict(zip(slices, grads[len(live) :], strict=True))
    for v, grad in zip(live, grads, strict=False):
        _leave(b, loop, step, v, grad, [(e, into[e.output]) for e in reads if e.inputs[0] is v])
    _cut(b, loop, step)
    return step


def _leave(b: Builder, loop: Loop, step: Step, v: Var, grad: Atom | None, slices: Sequence[tuple[Eqn, Atom | None]]) -> None:
    """What goes out of the step for one input of the body."""
    if v in loop.consts:
        total: Atom = Var(v.type)
        start = total
        for part in _terms(b, grad):
            total = total if _defer(b, loop, step, v, part) else b.add(total, part)
    else:
        total = start = b.full(v.type, 0) if grad is None else grad
    for eqn, ct in slices:
        if ct is not None:
            at, size = eqn.inputs[1], eqn.params["size"]
            total = b.dynamic_update_slice(total, b.add(b.dynamic_slice(total, at, size=size), ct), at)
    if v not in loop.consts:
        step.leaving[v] = total
    elif total is not start:
        assert isinstance(start, Var)
        step.sums[v] = start, total


def _terms(b: Builder, grad: Atom | None) -> list[Atom]:
    """The summands of a gradient."""
    if grad is None:
        return []
    eqn = next((e for e in b.eqns if grad in e.outputs), None)
    if eqn is not None and eqn.primitive.name == "add" and all(x.type == grad.type for x in eqn.inputs):
        return [term for x in eqn.inputs for term in _terms(b, x)]
    return [grad]


def _defer(b: Builder, loop: Loop, step: Step, const: Var, term: Atom) -> bool:
    """Leave a contraction of values of the step for the end; whether it was one."""
    eqn = next((e for e in b.eqns if term in e.outputs), None)
    if eqn is None or eqn.primitive.name != "contract":
        return False
    changing = dependent(b.eqns, [loop.index, *loop.carries, *step.arriving.values()])
    x, y = eqn.inputs
    # An operand that stays the same has to be at hand after the loop: a constant itself.
    if not all(v in changing or v in loop.consts for v in (x, y)) or changing.isdisjoint((x, y)):
        return False
    step.products.append(Product(const, (x, y), eqn.params["spec"]))
    return True


def _cut(b: Builder, loop: Loop, step: Step) -> None:
    """Keep what the step needs; contractions of the forward pass are remembered instead of computed again."""
    changing = dependent(loop.body.eqns, [loop.index, *loop.carries])
    remembered = [e.output for e in loop.body.eqns if _worth_a_row(e, loop) and e.output in changing]
    outputs = [*step.leaving.values(), *(after for _, after in step.sums.values()),
               *(x for p in step.products for x in p.operands)]
    step.eqns, read = needed(b.eqns, outputs, set(remembered))
    step.saved = [v for v in (*loop.carries, *remembered) if v in read]


def _worth_a_row(eqn: Eqn, loop: Loop) -> bool:
    """Contractions are dear to compute again; a slice of a buffer that is carried is smaller than the buffer."""
    name = eqn.primitive.name
    return name == "contract" or (name == "dynamic_slice" and eqn.inputs[0] in loop.carries)


def _record(b: Builder, place: int, loop: Loop, saved: Sequence[Var]) -> dict[Var, Atom]:
    """Replace the loop by one that writes `saved` down; the buffer of each."""
    known = loop.recorded()
    fresh = [v for v in saved if v not in known]
    histories: dict[Var, Atom] = {v: loop.eqn.outputs[known[v]] for v in saved if v in known}
    if fresh:
        new = Builder()
        new.source = loop.eqn.source
        inputs = loop.eqn.inputs
        buffers = [new.full(_rows(loop, v), 0) for v in fresh]
        args = (*inputs[: 2 + loop.n], *buffers, *inputs[2 + loop.n :])
        outputs = new.loop(*args, body=_recording(loop, fresh), n_carry=loop.n + len(fresh))
        eqn = new.eqns.pop()
        same = (*loop.eqn.outputs, *outputs[loop.n :])
        b.eqns[place : place + 1] = [*new.eqns, Eqn(eqn.primitive, eqn.inputs, eqn.params, same, loop.eqn.source)]
        histories.update(zip(fresh, outputs[loop.n :], strict=True))
    return histories


def _recording(loop: Loop, values: Sequence[Var]) -> Graph:
    """The body with a row written per value."""
    b = Builder()
    index, *carries = (b.input(v.type, v.name) for v in loop.body.inputs[: 1 + loop.n])
    buffers = [b.input(_rows(loop, v)) for v in values]
    consts = [b.input(v.type, v.name) for v in loop.consts]
    body = Graph(loop.body.inputs, loop.body.eqns, (*loop.body.outputs, *values))
    results = b.inline(body, [index, *carries, *consts])
    row = b.sub(index, b.literal(loop.low, "int64")) if loop.low else index
    written = [_write(b, *pair, row) for pair in zip(buffers, results[loop.n :], strict=True)]
    return b.build([*results[: loop.n], *written], loop.body.name)


def _rows(loop: Loop, v: Var) -> TensorType:
    return TensorType((loop.steps, *v.shape), v.dtype)


def _write(b: Builder, buffer: Atom, value: Atom, row: Atom) -> Atom:
    return b.dynamic_update_slice(buffer, b.reshape(value, shape=(1, *value.type.shape)), row)


def _reverse(b: Builder, loop: Loop, step: Step, histories: dict[Var, Atom],
             cts: dict[Var, Atom | None]) -> dict[Var, Atom]:
    """Append the reverse loop and the products; the gradient of each live input of the body."""
    used = {x for e in step.eqns for x in e.inputs} | {a for _, a in step.sums.values()} | set(step.leaving.values())
    consts = [v for v in loop.consts if v in used]
    given = loop.given
    init: list[Atom] = [ct if (ct := cts[v]) is not None else b.full(v.type, 0) for v in step.arriving]
    init += [b.full(v.type, 0) for v in step.sums]
    init += [b.full(_rows(loop, v), 0) for v in step.rows]
    body = _reverse_body(loop, step, consts)
    bounds = b.literal(0, "int64"), b.literal(loop.steps, "int64")
    results = b.loop(*bounds, *init, *(histories[v] for v in step.saved), *(given[v] for v in consts), body=body,
                     n_carry=len(init))
    found: dict[Var, Atom] = dict(zip([*step.arriving, *step.sums], results, strict=False))
    rows = histories | dict(zip(step.rows, results[len(found) :], strict=True))
    for p in step.products:
        operands = [rows.get(x) if isinstance(x, Var) else None for x in p.operands]
        atoms = [given[x] if row is None else row for x, row in zip(p.operands, operands, strict=True)]  # type: ignore[index]
        total = b.contract(*atoms, spec=_over_steps(p.spec, loop.steps, [row is not None for row in operands]))
        found[p.const] = b.add(found[p.const], total) if p.const in found else total
    return found


def _reverse_body(loop: Loop, step: Step, consts: Sequence[Var]) -> Graph:
    """`body(j, cotangents, sums, rows, histories, constants)`: the gradient of step `steps - 1 - j`."""
    b = Builder()
    j = b.input(INDEX, "j")
    row = b.sub(b.literal(loop.steps - 1, "int64"), j)
    env: dict[Var, Atom] = {loop.index: b.add(row, b.literal(loop.low, "int64")) if loop.low else row}
    env |= {ct: b.input(ct.type) for ct in step.arriving.values()}
    env |= {before: b.input(before.type) for before, _ in step.sums.values()}
    buffers = [b.input(_rows(loop, v)) for v in step.rows]
    histories = [b.input(_rows(loop, v)) for v in step.saved]
    for v, history in zip(step.saved, histories, strict=True):
        env[v] = b.reshape(b.dynamic_slice(history, row, size=1), shape=v.shape)
    env |= {v: b.input(v.type, v.name) for v in consts}
    outputs = [*step.leaving.values(), *(after for _, after in step.sums.values()), *step.rows]
    results = b.inline(Graph(tuple(env), tuple(step.eqns), tuple(outputs)), list(env.values()))
    n = len(outputs) - len(step.rows)
    written = [_write(b, *pair, row) for pair in zip(buffers, results[n:], strict=True)]
    return b.build([*results[:n], *written], f"{loop.body.name}_gradient")


def _over_steps(spec: ContractSpec, steps: int, stacked: Sequence[bool]) -> ContractSpec:
    """The contraction that also sums over a leading axis of the `stacked` operands."""
    n = len(spec.out_shape)

    def widened(m: Affine) -> Affine:
        return Affine((*m.coefficients[:n], 0, *m.coefficients[n:]), m.offset)

    lead = Affine(tuple(int(a == n) for a in range(len(spec.sizes) + 1)))
    maps = tuple(((lead,) if is_row else ()) + tuple(map(widened, m)) for m, is_row in zip(spec.maps, stacked, strict=True))
    return ContractSpec(spec.out_shape, (steps, *spec.red_shape), maps)  # type: ignore[arg-type]
