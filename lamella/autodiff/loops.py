"""The gradient of `loop` with known bounds: a loop that runs backwards.

The forward loop is replaced by one that also writes down, in buffers with one row per step, what the steps' gradients
read: carries as they are when a step starts, and the results of its contractions (the rest is cheap to compute again).
The reverse loop carries the cotangents of the carries, and the gradients of the constants so far.

Two rules keep a step's cost independent of the number of steps:

* A `dynamic_slice` of an input of the body, such as `x[t]`, sends its gradient to that slice alone. A buffer that is
  filled row by row needs no record, and its cotangent is read row by row.
* A gradient towards a constant that is a contraction of two values of the step, such as that of a recurrent kernel,
  isn't summed step by step: both values are written down, and one large contraction sums over the steps at the end
  (as does one large sum for a bias whose gradient is the sum of such a value).

Both loops are ordinary equations with known bounds, so they can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lamella.autodiff.loop_step import Backward, Loop, Step, differentiate
from lamella.autodiff.reachability import active as active_in
from lamella.autodiff.reachability import needed
from lamella.ir import Atom, Builder, ContractSpec, Eqn, Graph, Source, TensorType, Var
from lamella.ir.primitives.contract import Affine
from lamella.ir.primitives.control import INDEX
from lamella.ir.types import is_float


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
    step = differentiate(loop, live, backward)
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
        b.eqns[place : place + 1] = [*new.eqns, replace(eqn, outputs=same, region=loop.eqn.region)]
        histories.update(zip(fresh, outputs[loop.n :], strict=True))
    return histories


def _recording(loop: Loop, values: Sequence[Var]) -> Graph:
    """The body with a row written per value."""
    b = Builder()
    b.source = loop.eqn.source
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
    used = {x for e in step.eqns for x in e.inputs} | set(step.outputs)
    consts = [v for v in loop.consts if v in used]
    given = loop.given
    init = [_or_zeros(b, cts[v], v) for v in step.arriving]
    init += [b.full(before.type, 0) for before, _ in step.sums.values()]
    init += [b.full(_rows(loop, v), 0) for v in step.rows]
    body = _reverse_body(loop, step, consts, b.source)
    bounds = b.literal(0, "int64"), b.literal(loop.steps, "int64")
    same = [histories[v] for v in step.saved]
    same += [_or_zeros(b, cts[v], v) for v in step.outside] + [given[v] for v in consts]
    results = b.loop(*bounds, *init, *same, body=body, n_carry=len(init))
    inputs = [*step.arriving, *step.sums]
    found = {v: b.cast_to(x, v.dtype) for v, x in zip(inputs, results, strict=False)}
    rows: dict[Atom, Atom] = {x: found[v] for x, v in step.by_row.items()}
    rows.update(histories.items())
    rows.update(zip(step.rows, results[len(found) :], strict=True))
    for p in step.products:
        operands = [rows.get(x) for x in p.operands]
        atoms = [given[x] if row is None else row for x, row in zip(p.operands, operands, strict=True)]  # type: ignore[index]
        total = b.contract(*atoms, spec=_over_steps(p.spec, loop.steps, [row is not None for row in operands]))
        found[p.const] = b.add(found[p.const], total) if p.const in found else total
    for const, value, axes in step.totals:
        total = b.reduce_sum(rows[value], axes=(0, *(a + 1 for a in axes)))
        found[const] = b.add(found[const], total) if const in found else total
    return found


def _or_zeros(b: Builder, ct: Atom | None, like: Var) -> Atom:
    return b.full(like.type, 0) if ct is None else ct


def _reverse_body(loop: Loop, step: Step, consts: Sequence[Var], source: Source | None) -> Graph:
    """`body(j, cotangents, sums, rows, histories, constants)`: the gradient of step `steps - 1 - j`."""
    b = Builder()
    b.source = source
    j = b.input(INDEX, "j")
    row = b.sub(b.literal(loop.steps - 1, "int64"), j)
    env: dict[Var, Atom] = {loop.index: b.add(row, b.literal(loop.low, "int64")) if loop.low else row}
    env |= {ct: b.input(ct.type) for ct in step.arriving.values()}
    env |= {before: b.input(before.type) for before, _ in step.sums.values()}
    buffers = [b.input(_rows(loop, v)) for v in step.rows]
    histories = [b.input(_rows(loop, v)) for v in step.saved]
    for v, history in zip(step.saved, histories, strict=True):
        env[v] = b.reshape(b.dynamic_slice(history, row, size=1), shape=v.shape)
    env |= {ct: b.input(ct.type) for ct in step.outside.values()}
    env |= {v: b.input(v.type, v.name) for v in consts}
    outputs = [*step.outputs, *step.rows]
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
    maps = tuple(
        (*((lead,) if row else ()), *map(widened, m)) for m, row in zip(spec.maps, stacked, strict=True)
    )
    return ContractSpec(spec.out_shape, (steps, *spec.red_shape), maps)  # type: ignore[arg-type]
