"""Gradient checking by central differences along one random direction.

One direction costs two evaluations whatever the size, and a wrong gradient disagrees in almost every direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lamella.autodiff.reverse import gradient_graph
from lamella.ir import Graph
from lamella.ir.types import is_float

Evaluate = Callable[[Graph, Sequence[np.ndarray]], list[np.ndarray]]


def check_gradients(graph: Graph, args: Sequence[np.ndarray], evaluate: Evaluate, order: int = 2, step: float = 1e-5,
                    tolerance: float = 1e-5, seed: int = 0) -> None:
    """Compare reverse mode with central differences, to `order`, for all float inputs.

    Args:
        graph: float64 program.
        args: float64 (or integer) arrays.
        evaluate: interpreter, such as `lamella.reference.evaluate`.
        step: of the differences; the error of the comparison is about step^2.
        tolerance: relative.

    Raises:
        AssertionError: with both numbers.
    """
    rng = np.random.default_rng(seed)
    wrt = [i for i, v in enumerate(graph.inputs) if is_float(v.dtype)]
    if not wrt or order == 0:
        return
    direction = {i: rng.standard_normal(args[i].shape) for i in wrt}
    cts = [rng.standard_normal(v.shape) if is_float(v.dtype) else np.zeros(v.shape, v.dtype)
           for v in (a.type for a in graph.outputs)]

    def projected(sign: int) -> float:
        moved = [a + sign * step * direction[i] if i in direction else a for i, a in enumerate(args)]
        return sum(float(np.sum(ct * out)) for ct, out in zip(cts, evaluate(graph, moved), strict=True))

    gradient = gradient_graph(graph, wrt)
    grads = evaluate(gradient, [*args, *cts])
    expected = (projected(1) - projected(-1)) / (2 * step)
    received = sum(float(np.sum(g * direction[i])) for i, g in zip(wrt, grads, strict=True))
    scale = 1 + abs(expected) + sum(float(np.sum(np.abs(g * direction[i]))) for i, g in zip(wrt, grads, strict=True))
    if not abs(expected - received) <= tolerance * scale:
        raise AssertionError(f"{graph.name}: differences give {expected}, reverse mode {received}.")
    check_gradients(gradient, [*args, *cts], evaluate, order - 1, step, tolerance * 10, seed + 1)
