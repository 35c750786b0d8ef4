"""Reverse-mode differentiation, graph in, graph out.

Walk the equations backwards; each sends its outputs' cotangents through its primitive's `vjp` rule to its inputs, where
contributions of several uses add up. The result is ordinary equations, so it can be differentiated again.

Rules read what the forward pass has computed. Of the equations in a region (`Eqn.region`) they read a copy instead, which is
appended when the walk gets there; it waits for the gradient (`after`), so that it is computed late and shares nothing with the
forward pass, whose values inside of the region need not be kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from lamella.autodiff.loops import loop_gradient
from lamella.autodiff.reachability import active as active_in
from lamella.errors import GradientError
from lamella.ir import Atom, Builder, Eqn, Graph, Source, Var
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
    reverse = _Reverse(b, active_in(eqns, wrt), dict(cotangents))
    reverse.walk(eqns, {}, 0)
    return [reverse.cts.get(v) for v in wrt]


class _Reverse:
    """A reverse pass under way.

    Attributes:
        active: variables that carry gradients.
        cts: the gradient that has arrived so far at each variable of the forward pass.
    """

    def __init__(self, b: Builder, active: set[Var], cts: dict[Var, Atom]) -> None:
        self.b, self.active, self.cts = b, active, cts

    def walk(self, eqns: Sequence[Eqn], values: dict[Var, Atom], depth: int) -> None:
        """Differentiate `eqns`, which lie inside of `depth` regions; `values` stand for variables that were computed again."""
        groups = [list(group) for _, group in groupby(eqns, key=lambda eqn: eqn.region[depth : depth + 1])]
        for group in reversed(groups):
            if len(group[0].region) > depth:
                if any(v in self.cts and v in self.active for eqn in group for v in eqn.outputs):
                    self.walk(group, self.computed_again(group, values), depth + 1)
                continue
            for eqn in reversed(group):
                self.step(eqn, values)

    def computed_again(self, group: Sequence[Eqn], values: dict[Var, Atom]) -> dict[Var, Atom]:
        """Append a copy of a region that starts once the gradients of its results are there; the values in it."""
        b = self.b
        results = [v for eqn in group for v in eqn.outputs]
        arrived = [ct for ct in dict.fromkeys(self.cts.get(v) for v in results) if isinstance(ct, Var)]
        known = set(results)
        read = list(dict.fromkeys(x for eqn in group for x in eqn.inputs if isinstance(x, Var) and x not in known))
        given = [values.get(v, v) for v in read]
        late = [b.after(x, *arrived) if x.type.size > 1 else x for x in given]
        eqns = tuple(replace(eqn, source=_backward(eqn.source), region=b.region) for eqn in group)
        return dict(zip([*read, *results], [*late, *b.inline(Graph(tuple(read), eqns, tuple(results)), late)], strict=True))

    def step(self, eqn: Eqn, values: dict[Var, Atom]) -> None:
        """Send the gradients of an equation's outputs to its inputs."""
        b, cts = self.b, self.cts
        arriving = [cts.get(v) for v in eqn.outputs]
        if all(ct is None for ct in arriving) or not any(v in self.active for v in eqn.outputs):
            return
        if eqn.primitive.vjp is None:
            return  # piecewise constant in every float input: comparisons, is_finite
        outer, b.source = b.source, _backward(eqn.source)
        for x, ct in self._leaving(eqn, arriving, values):
            if ct is None or not isinstance(x, Var) or x not in self.active:
                continue
            cts[x] = b.add(cts[x], ct) if x in cts else ct
        b.source = outer

    def _leaving(self, eqn: Eqn, arriving: list[Atom | None], values: dict[Var, Atom]) -> list[tuple[Atom, Atom | None]]:
        """Each input of an equation with its cotangent."""
        inputs = [values.get(x, x) if isinstance(x, Var) else x for x in eqn.inputs]
        outputs = [values.get(v, v) for v in eqn.outputs]
        if eqn.primitive.name == "loop":
            original = dict(zip(inputs, eqn.inputs, strict=True))
            active = {x for x, v in original.items() if v in self.active}
            now = replace(eqn, inputs=tuple(inputs), outputs=tuple(outputs))  # type: ignore[arg-type]
            return [(original[x], ct) for x, ct in loop_gradient(self.b, now, arriving, active, backward)]  # type: ignore[arg-type]
        assert eqn.primitive.vjp is not None
        return list(zip(eqn.inputs, eqn.primitive.vjp(self.b, arriving, inputs, outputs, **eqn.params), strict=True))


def _backward(source: Source | None) -> Source | None:
    return None if source is None else replace(source, backward=True)


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
