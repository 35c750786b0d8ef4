"""The type checker: run after every pass in tests, after tracing always."""

from __future__ import annotations

from lamella.errors import CheckError
from lamella.ir.core import Eqn, Graph, Var
from lamella.ir.types import TensorType


def check(graph: Graph) -> Graph:
    """Return `graph` if it is well formed: every variable defined once, before use, and every type as its rule says.

    Raises:
        CheckError: naming the equation.
    """
    defined: set[Var] = set()
    for var in graph.inputs:
        _define(defined, var, f"input of {graph.name}")
    for number, eqn in enumerate(graph.eqns):
        where = f"equation {number} of {graph.name}: {eqn}"
        _check_eqn(eqn, defined, where)
        for var in eqn.outputs:
            _define(defined, var, where)
    for atom in graph.outputs:
        if isinstance(atom, Var) and atom not in defined:
            raise CheckError(f"output {atom} of {graph.name} is defined nowhere.")
    return graph


def _define(defined: set[Var], var: Var, where: str) -> None:
    if var in defined:
        raise CheckError(f"{var} is defined twice: {where}.")
    defined.add(var)


def _check_eqn(eqn: Eqn, defined: set[Var], where: str) -> None:
    for atom in eqn.inputs:
        if isinstance(atom, Var) and atom not in defined:
            raise CheckError(f"{atom} is used before its definition: {where}.")
    result = eqn.primitive.type_rule(*(a.type for a in eqn.inputs), **eqn.params)
    expected = (result,) if isinstance(result, TensorType) else tuple(result)
    received = tuple(v.type for v in eqn.outputs)
    if expected != received:
        raise CheckError(f"types should be {expected}, are {received}: {where}.")
    for value in eqn.params.values():
        if isinstance(value, Graph):
            check(value)
