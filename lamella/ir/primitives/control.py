"""Control: equations that hold graphs.

The numpy meaning of these needs an interpreter for their bodies; `lamella.reference` provides it, so `numpy` here only says so.
"""

from __future__ import annotations

from typing import Any

from lamella.errors import DTypeError, GradientError, ShapeError
from lamella.ir.core import Atom, Graph, Primitive
from lamella.ir.registry import register
from lamella.ir.types import TensorType, is_float

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


def _call_type(*args: TensorType, body: Graph, backward: Graph | None = None, wrt: tuple[int, ...] = ()) -> tuple[TensorType, ...]:
    """`backward` stands for the body's own gradient: from inputs and cotangents of the float outputs to gradients of the inputs
    `wrt`."""
    _check_call(body, args)
    out = _types(body)
    if backward is not None:
        _check_call(backward, (*args, *(t for t in out if is_float(t.dtype))))
        wanted = tuple(args[i] for i in wrt)
        if _types(backward) != wanted:
            raise ShapeError(f"the gradient {backward.name!r} must return {wanted}, returns {_types(backward)}.")
    return out


def _call_vjp(b: Any, cts: Any, inputs: Any, outputs: Any, body: Graph, backward: Graph | None = None,
              wrt: tuple[int, ...] = ()) -> list[Atom | None]:
    if backward is None:
        raise GradientError("call is inlined before differentiation.")
    arriving = [b.full(y.type, 0) if ct is None else ct for y, ct in zip(outputs, cts, strict=True) if is_float(y.type.dtype)]
    grads = dict(zip(wrt, b.inline(backward, [*inputs, *arriving]), strict=True))
    return [grads.get(i) for i in range(len(inputs))]


register(Primitive("loop", "control", _loop_type, _by_interpreter, _loop_vjp))
register(Primitive("cond", "control", _cond_type, _by_interpreter, _cond_vjp))
register(Primitive("call", "control", _call_type, _by_interpreter, _call_vjp))
