"""Evaluate graphs with numpy, one equation after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.ir import Atom, Builder, Graph, Literal, Primitive, Var, numpy_dtype


def evaluate(graph: Graph, args: Sequence[Any]) -> list[np.ndarray]:
    """The outputs of `graph` at `args`.

    Example:
        >>> from lamella.ir import TensorType
        >>> b = Builder()
        >>> x = b.input(TensorType((2,), "float32"))
        >>> evaluate(b.build([b.add(x, x)]), [np.ones(2, np.float32)])
        [array([2., 2.], dtype=float32)]
    """
    env: dict[Var, np.ndarray] = dict(zip(graph.inputs, map(np.asarray, args), strict=True))

    def read(atom: Atom) -> np.ndarray:
        return env[atom] if isinstance(atom, Var) else np.asarray(atom.value)

    for eqn in graph.eqns:
        results = apply(eqn.primitive, [read(a) for a in eqn.inputs], eqn.params)
        env.update(zip(eqn.outputs, results, strict=True))
    return [read(a) for a in graph.outputs]


def apply(primitive: Primitive, arrays: Sequence[np.ndarray], params: dict[str, Any]) -> Sequence[np.ndarray]:
    """The outputs of one primitive."""
    control = _CONTROL.get(primitive.name)
    if control is not None:
        return control(*arrays, **params)
    result = primitive.numpy(*arrays, **params)
    return result if isinstance(result, tuple) else (np.asarray(result),)


def _loop(lo: Any, hi: Any, *args: Any, body: Graph, n_carry: int) -> Sequence[np.ndarray]:
    carry, consts = list(args[:n_carry]), args[n_carry:]
    for i in range(int(lo), int(hi)):
        carry = evaluate(body, [np.int64(i), *carry, *consts])
    return carry


def _cond(pred: Any, *args: Any, if_true: Graph, if_false: Graph) -> Sequence[np.ndarray]:
    return evaluate(if_true if pred else if_false, args)


def _call(*args: Any, body: Graph) -> Sequence[np.ndarray]:
    return evaluate(body, args)


def _custom_gradient(*args: Any, n_out: int, n_args: int, gradient: Graph) -> Sequence[np.ndarray]:
    return args[:n_out]


_CONTROL: dict[str, Callable[..., Sequence[np.ndarray]]] = {
    "loop": _loop, "cond": _cond, "call": _call, "custom_gradient": _custom_gradient}


def widen(graph: Graph) -> Graph:
    """The same graph with every float as float64: the oracle for rounding errors."""
    def wide(dtype: str) -> str:
        return "float64" if dtype in ("float16", "bfloat16", "float32") else dtype

    b = Builder()
    env: dict[Var, Atom] = {}
    for var in graph.inputs:
        env[var] = b.input(type(var.type)(var.shape, wide(var.dtype)), var.name)

    def read(atom: Atom) -> Atom:
        return env[atom] if isinstance(atom, Var) else Literal(numpy_dtype(wide(atom.dtype)).type(atom.value), wide(atom.dtype))

    for eqn in graph.eqns:
        params = {k: widen(v) if isinstance(v, Graph) else wide(v) if k == "dtype" and eqn.primitive.name != "bitcast" else v
                  for k, v in eqn.params.items()}
        out = b.emit(eqn.primitive.name, *map(read, eqn.inputs), **params)
        env.update(zip(eqn.outputs, out if isinstance(out, tuple) else (out,), strict=True))
    return b.build([read(a) for a in graph.outputs], graph.name)
