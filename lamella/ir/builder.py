"""Builds graphs: the only place that appends equations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamella.errors import DTypeError, ShapeError
from lamella.ir.core import Atom, Eqn, Graph, Literal, Source, Var
from lamella.ir.registry import PRIMITIVES
from lamella.ir.types import TensorType


class Builder:
    """An open graph. `b.add(x, y)` appends an equation for any primitive name.

    Example:
        >>> b = Builder()
        >>> x = b.input(TensorType((3,), "float32"), "x")
        >>> graph = b.build([b.exp(x)])
        >>> len(graph.eqns)
        1
    """

    def __init__(self) -> None:
        self.inputs: list[Var] = []
        self.eqns: list[Eqn] = []
        self.source: Source | None = None
        self.region: tuple[int, ...] = ()

    def input(self, type: TensorType, name: str = "") -> Var:
        var = Var(type, name)
        self.inputs.append(var)
        return var

    def literal(self, value: Any, dtype: str) -> Literal:
        return Literal(value, dtype)

    def emit(self, name: str, *inputs: Atom, **params: Any) -> Any:
        """Append `name[params] inputs`; the output variable, or a tuple of them for several.

        Raises:
            ShapeError, DTypeError: from the primitive's type rule, with the user's place added.
        """
        primitive = PRIMITIVES[name]
        try:
            result = primitive.type_rule(*(x.type for x in inputs), **params)
        except (ShapeError, DTypeError) as error:
            where = " ".join(filter(None, [self.source.scope, self.source.place])) if self.source else ""
            raise type(error)(f"{name}: {error}" + (f" (in {where})" if where else "")) from None
        single = isinstance(result, TensorType)
        outputs = tuple(Var(type) for type in ((result,) if single else result))
        self.eqns.append(Eqn(primitive, tuple(inputs), params, outputs, self.source, self.region))
        return outputs[0] if single else outputs

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in PRIMITIVES:
            raise AttributeError(f"Builder has no method and Lamella no primitive named {name!r}.")
        return lambda *inputs, **params: self.emit(name, *inputs, **params)

    def inline(self, graph: Graph, inputs: Sequence[Atom]) -> list[Atom]:
        """Append a copy of `graph`'s equations with its inputs replaced; the atoms that stand for its outputs."""
        env: dict[Var, Atom] = dict(zip(graph.inputs, inputs, strict=True))

        def read(atom: Atom) -> Atom:
            return env[atom] if isinstance(atom, Var) else atom

        for eqn in graph.eqns:
            outputs = tuple(Var(v.type, v.name) for v in eqn.outputs)
            env.update(zip(eqn.outputs, outputs, strict=True))
            self.eqns.append(Eqn(eqn.primitive, tuple(map(read, eqn.inputs)), eqn.params, outputs, eqn.source, eqn.region))
        return [read(atom) for atom in graph.outputs]

    def build(self, outputs: Sequence[Atom], name: str = "graph") -> Graph:
        return Graph(tuple(self.inputs), tuple(self.eqns), tuple(outputs), name)

    # Shorthands that vjp rules and compositions use all the time.

    def constant_like(self, x: Atom, value: float) -> Literal:
        """A scalar literal in x's dtype; elementwise inputs broadcast it."""
        return Literal(value, x.type.dtype)

    def full(self, type: TensorType, value: float) -> Atom:
        literal = Literal(value, type.dtype)
        return literal if type.shape == () else self.emit("broadcast", literal, shape=type.shape)

    def cast_to(self, x: Atom, dtype: str) -> Atom:
        return x if x.type.dtype == dtype else self.emit("cast", x, dtype=dtype)

    def reshape_to(self, x: Atom, shape: tuple[int, ...]) -> Atom:
        return x if x.type.shape == shape else self.emit("reshape", x, shape=shape)

    def sum_to(self, x: Atom, shape: tuple[int, ...]) -> Atom:
        """Undo broadcasting: sum x over the axes that were stretched from `shape`."""
        have = x.type.shape
        if have == shape:
            return x
        lead = len(have) - len(shape)
        axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(shape) if n == 1 and have[i + lead] != 1)
        return self.reshape_to(self.emit("reduce_sum", x, axes=axes) if axes else x, shape)
