"""The IR: four immutable classes.

    graph    ::= name(var, ...) { eqn ... return atom, ... }
    eqn      ::= var, ... = primitive[params] atom, ...
    atom     ::= var | literal
    literal  ::= number : dtype            (always a scalar)

Single assignment; every shape static; every dtype explicit. A `Source` on an equation says which user line and layer it came
from, so that errors and reports can name them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lamella.ir.types import TensorType, numpy_dtype


class Var:
    """A value with a type; two variables are equal only if they are the same object."""

    __slots__ = ("type", "name")

    def __init__(self, type: TensorType, name: str = "") -> None:
        self.type = type
        self.name = name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape

    @property
    def dtype(self) -> str:
        return self.type.dtype

    def __repr__(self) -> str:
        return f"{self.name or '_'}:{self.type}"


class Literal:
    """A scalar constant."""

    __slots__ = ("type", "value")

    def __init__(self, value: Any, dtype: str) -> None:
        self.type = TensorType((), dtype)
        self.value = numpy_dtype(dtype).type(value)

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def dtype(self) -> str:
        return self.type.dtype

    def __repr__(self) -> str:
        return f"{self.value}:{self.dtype}"


Atom = Var | Literal


@dataclass(frozen=True)
class Source:
    """Where an equation comes from.

    Attributes:
        place: `file:line` of the user's code, or an empty string.
        scope: path of layers such as `sequential/dense`, or an empty string.
        backward: whether it computes a gradient of what stands there.
    """

    place: str = ""
    scope: str = ""
    backward: bool = False


@dataclass(frozen=True)
class Sample:
    """Inputs on which a primitive is tested on every target.

    Attributes:
        inputs: `(shape, dtype)` or `(shape, dtype, low, high)` of each input, drawn uniformly, or an array.
        params: the equation's parameters.
        differentiable: whether finite differences make sense at this sample.
    """

    inputs: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)
    differentiable: bool = True


@dataclass(frozen=True)
class Primitive:
    """Everything that Lamella knows about one primitive operation.

    Attributes:
        name: as printed in graphs.
        kind: fusion class: `elementwise`, `contract`, `reduce`, `move`, `leaf`, `index` or `control`.
        type_rule: `(*input types, **params) -> TensorType | tuple[TensorType, ...]`; raises ShapeError or DTypeError.
        numpy: `(*arrays, **params) -> array | tuple of arrays`: the meaning.
        vjp: `(builder, cotangents, inputs, outputs, **params) -> one atom or None per input`, `None` if not differentiable.
        scalar: elementwise only: `(ScalarOps, *values, **params) -> value`, the definition that native code is made from.
        samples: tested on all targets, forward and gradient.
        tolerance: largest error against the float64 meaning, in units of float32 rounding of the result's scale.
    """

    name: str
    kind: str
    type_rule: Callable[..., Any]
    numpy: Callable[..., Any]
    vjp: Callable[..., Sequence[Atom | None]] | None = None
    scalar: Callable[..., Any] | None = None
    samples: tuple[Sample, ...] = ()
    tolerance: float = 8.0

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Eqn:
    """One application of a primitive.

    Attributes:
        region: numbers of the regions around it, from the outermost in, whose values the reverse pass computes again instead of
            reading them.
    """

    primitive: Primitive
    inputs: tuple[Atom, ...]
    params: dict[str, Any]
    outputs: tuple[Var, ...]
    source: Source | None = None
    region: tuple[int, ...] = ()

    @property
    def output(self) -> Var:
        """The only output."""
        (output,) = self.outputs
        return output

    def __repr__(self) -> str:
        return f"{', '.join(map(repr, self.outputs))} = {self.primitive.name}[{self.params}] {self.inputs}"


@dataclass(frozen=True, eq=False)
class Graph:
    """A program: inputs, equations in order, outputs."""

    inputs: tuple[Var, ...]
    eqns: tuple[Eqn, ...]
    outputs: tuple[Atom, ...]
    name: str = "graph"
