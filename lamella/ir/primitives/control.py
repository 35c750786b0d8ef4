"""Control: equations that hold graphs.

The numpy meaning of these needs an interpreter for their bodies; `lamella.reference` provides it, so `numpy` here only says so.
"""

from __future__ import annotations

from typing import Any

from lamella.errors import DTypeError, GradientError, ShapeError
from lamella.ir.core import Atom, Graph, Primitive
from lamella.ir.registry import register
from lamella.ir.types import TensorType

INDEX = TensorType((), "int64")


def _by_interpreter(*arrays: Any, **params: Any) -> Any:
    raise NotImplementedError("Control primitives are evaluated by lamella.reference.evaluate.")


def _types(graph: Graph) -> tuple[TensorType, ...]:
    return tuple(atom.type for atom in graph.outputs)


def _check_call(graph: Graph, types: tuple[TensorType, ...]) -> None:
    expected = tuple(v.type for v in graph.inputs)
    if expected != types:
        raise ShapeError(f"body {graph.name!r} takes {expected}, received {types}.")


def _loop_type(lo: TensorType, hi: TensorType, *args: TensorType, body: Graph, n_carry: int) -> tuple[TensorType, ...]:
    if lo != INDEX or hi != INDEX:
        raise DTypeError(f"loop bounds must be int64 scalars, received {lo} and {hi}.")
    _check_call(body, (INDEX, *args))
    if _types(body) != args[:n_carry]:
        raise ShapeError(f"loop body must return its carry {args[:n_carry]}, returns {_types(body)}.")
    return args[:n_carry]


def _loop_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, body: Graph, n_carry: int) -> Any:
    raise GradientError("loop has no gradient: its trip count is only known at run time.")


def _cond_type(pred: TensorType, *args: TensorType, if_true: Graph, if_false: Graph) -> tuple[TensorType, ...]:
    if pred != TensorType((), "bool"):
        raise DTypeError(f"the predicate must be a bool scalar, received {pred}.")
    _check_call(if_true, args)
    _check_call(if_false, args)
    if _types(if_true) != _types(if_false):
        raise ShapeError(f"both branches must return the same types; {_types(if_true)} and {_types(if_false)}.")
    return _types(if_true)


def _cond_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, if_true: Graph, if_false: Graph) -> Any:
    raise GradientError("cond has no gradient rule yet; use select.")


def _call_type(*args: TensorType, body: Graph) -> tuple[TensorType, ...]:
    _check_call(body, args)
    return _types(body)


def _call_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, body: Graph) -> Any:
    raise GradientError("call is inlined before differentiation.")


def _custom_type(*args: TensorType, n_out: int, n_args: int, gradient: Graph) -> tuple[TensorType, ...]:
    """`custom_gradient(outputs..., arguments..., captured...)` is `outputs`, whose gradient goes straight to the arguments, as
    `gradient` computes it from the outputs' gradients and what it captured."""
    _check_call(gradient, (*args[:n_out], *args[n_out + n_args:]))
    if _types(gradient) != args[n_out:n_out + n_args]:
        raise ShapeError(f"the gradient must have the types {args[n_out:n_out + n_args]}, has {_types(gradient)}.")
    return args[:n_out]


def _custom_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, n_out: int, n_args: int, gradient: Graph) -> list[Atom | None]:
    arriving = [b.full(v.type, 0) if ct is None else ct for ct, v in zip(cts, outputs, strict=True)]
    captured = inputs[n_out + n_args:]
    return [*[None] * n_out, *b.inline(gradient, [*arriving, *captured]), *[None] * len(captured)]


register(Primitive("loop", "control", _loop_type, _by_interpreter, _loop_vjp))
register(Primitive("cond", "control", _cond_type, _by_interpreter, _cond_vjp))
register(Primitive("call", "control", _call_type, _by_interpreter, _call_vjp))
register(Primitive("custom_gradient", "control", _custom_type, _by_interpreter, _custom_vjp))
