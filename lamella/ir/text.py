"""Printer and parser of graphs; `parse_graph(format_graph(g))` is `g` up to variable identity.

    graph(v0:float32[3], v1:float32[]) {
      v2:float32[3] = add v0 v1
      v3:float32[3] = mul v2 2.0:float32
      return v3
    }
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from lamella.ir.core import Atom, Eqn, Graph, Literal, Source, Var
from lamella.ir.primitives.contract import ContractSpec
from lamella.ir.registry import PRIMITIVES
from lamella.ir.types import TensorType


class _Names:
    """Numbers variables in order of appearance."""

    def __init__(self) -> None:
        self.names: dict[Var, str] = {}

    def __call__(self, atom: Atom) -> str:
        if isinstance(atom, Literal):
            return f"{atom.value.item()!r}:{atom.dtype}"
        return self.names.setdefault(atom, f"v{len(self.names)}")

    def typed(self, var: Var) -> str:
        return f"{self(var)}:{var.type}"


def format_graph(graph: Graph, sources: bool = False) -> str:
    """The graph as text; `sources` adds each equation's place and layer as a comment.

    Example:
        >>> from lamella.ir import Builder
        >>> b = Builder()
        >>> x = b.input(TensorType((3,), "float32"))
        >>> print(format_graph(b.build([b.exp(x)], "f")))
        f(v0:float32[3]) {
          v1:float32[3] = exp v0
          return v1
        }
    """
    return "\n".join(_graph_lines(graph, _Names(), "", sources))


def _graph_lines(graph: Graph, name: _Names, indent: str, sources: bool) -> Iterator[str]:
    yield f"{indent}{graph.name}({', '.join(map(name.typed, graph.inputs))}) {{"
    for eqn in graph.eqns:
        yield from _eqn_lines(eqn, name, indent + "  ", sources)
    yield f"{indent}  return {' '.join(map(name, graph.outputs))}".rstrip()
    yield f"{indent}}}"


def _eqn_lines(eqn: Eqn, name: _Names, indent: str, sources: bool) -> Iterator[str]:
    plain = {k: v for k, v in eqn.params.items() if not isinstance(v, Graph)}
    params = " ".join(f"{k}={_format_param(v)}" for k, v in plain.items())
    inputs = " ".join(map(name, eqn.inputs))
    outputs = " ".join(map(name.typed, eqn.outputs))
    line = f"{indent}{outputs} = {eqn.primitive.name}{f'[{params}]' if params else ''} {inputs}".rstrip()
    source = eqn.source
    yield line + (f"  # {source.scope} {source.place}".rstrip() if sources and source else "")
    for key, value in eqn.params.items():
        if isinstance(value, Graph):
            yield f"{indent}where {key} ="
            yield from _graph_lines(value, name, indent + "  ", sources)


def _format_param(value: Any) -> str:
    return str(value).replace(" ", "")


def parse_graph(text: str) -> Graph:
    """The graph that `format_graph` printed; comments and sources are dropped.

    Raises:
        ValueError: naming the line that can't be read.
    """
    lines = [line.split("  #")[0].strip() for line in text.strip().splitlines()]
    return _Parser(lines).graph()


class _Parser:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0
        self.vars: dict[str, Var] = {}

    def next(self) -> str:
        self.at += 1
        if self.at > len(self.lines):
            raise ValueError("The text ends within a graph.")
        return self.lines[self.at - 1]

    def graph(self) -> Graph:
        head = self.next()
        name, _, rest = head.partition("(")
        inputs = tuple(self.define(v) for v in rest.rpartition(")")[0].split(", ") if v)
        eqns: list[Eqn] = []
        while not (line := self.next()).startswith("return"):
            eqns.append(self.eqn(line))
        outputs = tuple(map(self.atom, line.split()[1:]))
        if self.next() != "}":
            raise ValueError(f"Line {self.at}: expected a closing brace.")
        return Graph(inputs, tuple(eqns), outputs, name.strip())

    def eqn(self, line: str) -> Eqn:
        left, sign, right = line.partition(" = ")
        if not sign:
            raise ValueError(f"Line {self.at}: expected an equation, found {line!r}.")
        call, _, inputs = right.partition("] ") if "[" in right.split(" ")[0] else right.partition(" ")
        primitive, _, params = call.rstrip("]" if right.endswith("]") else "").partition("[")
        kwargs: dict[str, Any] = {k: _parse_param(v) for k, v in (p.split("=", 1) for p in _split_params(params))}
        atoms = tuple(map(self.atom, inputs.split()))
        while self.at < len(self.lines) and self.lines[self.at].startswith("where "):
            key = self.next().split()[1]
            kwargs[key] = self.graph()
        outputs = tuple(map(self.define, left.split()))
        return Eqn(PRIMITIVES[primitive], atoms, kwargs, outputs, Source())

    def define(self, text: str) -> Var:
        name, _, type_text = text.partition(":")
        dtype, _, shape = type_text.rstrip("]").partition("[")
        self.vars[name] = Var(TensorType(tuple(int(n) for n in shape.split(",") if n), dtype), name)
        return self.vars[name]

    def atom(self, text: str) -> Atom:
        if text in self.vars:
            return self.vars[text]
        value, sign, dtype = text.partition(":")
        if not sign:
            raise ValueError(f"Line {self.at}: {text!r} is not defined.")
        return Literal({"True": True, "False": False}.get(value) if value in ("True", "False") else float(value)
                       if any(c in value for c in ".einf") else int(value), dtype)


def _split_params(text: str) -> list[str]:
    """Parameters are separated by single spaces, and hold none except inside a spec's angle brackets."""
    parts, depth, current = [], 0, ""
    for c in text:
        depth += (c == "<") - (c == ">")
        if c == " " and not depth:
            parts.append(current)
            current = ""
        else:
            current += c
    return parts + [current] if current else parts


def _parse_param(text: str) -> Any:
    if text.startswith("<"):
        return ContractSpec.parse(text)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text  # a dtype name
