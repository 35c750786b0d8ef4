"""What is left of a graph once nobody will differentiate it any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lamella.ir import Atom, Graph, Var


def finished(graph: Graph) -> Graph:
    """The graph without the gradients that functions brought along (`custom_gradient`): their outputs are what they computed.

    Example:
        >>> from lamella.ir import Builder, TensorType
        >>> b = Builder()
        >>> finished(b.build([b.input(TensorType((), "float32"))])).eqns
        ()
    """
    env: dict[Var, Atom] = {}

    def read(atom: Atom) -> Atom:
        return env.get(atom, atom) if isinstance(atom, Var) else atom

    def inside(value: Any) -> Any:
        return finished(value) if isinstance(value, Graph) else value

    eqns = []
    for eqn in graph.eqns:
        inputs = tuple(map(read, eqn.inputs))
        if eqn.primitive.name == "custom_gradient":
            env.update(zip(eqn.outputs, inputs, strict=False))
        else:
            eqns.append(replace(eqn, inputs=inputs, params={k: inside(v) for k, v in eqn.params.items()}))
    return replace(graph, eqns=tuple(eqns), outputs=tuple(map(read, graph.outputs)))
