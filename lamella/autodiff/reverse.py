"""Reverse-mode differentiation, graph in, graph out.

Walk the equations backwards; each sends its outputs' cotangents through its primitive's `vjp` rule to its inputs, where
contributions of several uses add up. The result is ordinary equations, so it can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lamella.autodiff.loops import loop_gradient
from lamella.autodiff.reachability import active as active_in
from lamella.errors import GradientError
from lamella.ir import Atom, Builder, Eqn, Graph, Var
from lamella.ir.types import is_float


def backward(b: Builder, eqns: Sequence[Eqn], cotangents: dict[Var, Atom], wrt: Sequence[Var]) -> list[Atom | None]:
    """Append the reverse pass of `eqns` to `b`.

    Args:
        b: open graph that already holds `eqns`.
        eqns: in order of execution.
        cotangents: gradient arriving at each target, of the target's type.
        wrt: variables to differentiate towards.

    Returns:
        One gradient per variable of `wrt`, or None where no target depends on it.

    Raises:
        GradientError: the path from a target to `wrt` crosses a primitive without gradient rule.
    """
    active = active_in(eqns, wrt)
    cts: dict[Var, Atom] = dict(cotangents)
    for eqn in reversed(eqns):
        arriving = [cts.get(v) for v in eqn.outputs]
        if all(ct is None for ct in arriving) or not any(v in active for v in eqn.outputs):
            continue
        if eqn.primitive.vjp is None:
            continue  # piecewise constant in every float input: comparisons, is_finite
        outer, b.source = b.source, eqn.source and replace(eqn.source, backward=True)
        for x, ct in _leaving(b, eqn, arriving, active):
            if ct is None or not isinstance(x, Var) or x not in active:
                continue
            cts[x] = b.add(cts[x], ct) if x in cts else ct
        b.source = outer
    return [cts.get(v) for v in wrt]


def _leaving(b: Builder, eqn: Eqn, arriving: list[Atom | None], active: set[Var]) -> list[tuple[Atom, Atom | None]]:
    """Each input of an equation with its cotangent."""
    if eqn.primitive.name == "loop":
        return [*loop_gradient(b, eqn, arriving, active, backward)]
    assert eqn.primitive.vjp is not None
    return list(zip(eqn.inputs, eqn.primitive.vjp(b, arriving, eqn.inputs, eqn.outputs, **eqn.params), strict=True))


def gradient_graph(graph: Graph, wrt: Sequence[int]) -> Graph:
    """The graph `(inputs, one cotangent per output) -> gradients towards inputs[wrt]`; zeros where nothing depends.

    Raises:
        GradientError: an input of `wrt` is not a float.
    """
    b = Builder()
    inputs = [b.input(v.type, v.name) for v in graph.inputs]
    for i in wrt:
        if not is_float(inputs[i].dtype):
            raise GradientError(f"Gradients exist towards float inputs; input {i} of {graph.name} is {inputs[i].type}.")
    outputs = b.inline(graph, inputs)
    cotangents: dict[Var, Atom] = {}
    forward = list(b.eqns)
    for out in outputs:
        ct = b.input(out.type)
        if isinstance(out, Var) and is_float(out.dtype):
            cotangents[out] = b.add(cotangents[out], ct) if out in cotangents else ct
    grads = backward(b, forward, cotangents, [inputs[i] for i in wrt])
    filled = [b.full(inputs[i].type, 0) if g is None else g for i, g in zip(wrt, grads, strict=True)]
    return b.build(filled, f"{graph.name}_gradient")
