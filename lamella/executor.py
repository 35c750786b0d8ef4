"""Target name -> compiled callable. Code above this file never mentions a target.

Both executables have one interface:

* `exe(*arrays) -> list of arrays`: copies nothing of the inputs but donated ones; outputs are fresh.
* `exe.bind(arrays) -> call`: fixes the buffers; `call.run()` runs; `call.outputs` are the output arrays, and outputs donated an
  input are written into that input's buffer. `call.progress` is int64 `[step, stop flag]`, updated and honoured by loops.
* `call.start()` is the call on another thread: `.begin()`, `.wait(seconds)` says whether it has finished, raising its error,
  `.cancel()` whether it never began and never will.
* `exe.text(stage)`, `exe.cost()`, `exe.memory()`: what was compiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamella import native
from lamella.autodiff import finished
from lamella.ir import Graph, format_graph, numpy_dtype
from lamella.reference import evaluate
from lamella.settings import settings

TARGETS = ("native", "reference")


def compile(
    graph: Graph, donate: Mapping[int, int] | None = None, target: str | None = None, profile: bool = False
) -> Any:
    """Compile a graph.

    Args:
        graph: well-formed program.
        donate: `{output index: input index}`: these outputs may be written into their input's buffer.
        target: `"native"`, `"reference"` or None for `lamella.config.target`.
        profile: make it count the time of each kernel: `exe.costs` and `exe.times()` (native only).

    Raises:
        ValueError: unknown target, or one that has no kernels to profile.
        CompileError: the native compiler can't build the graph.

    Example:
        >>> from lamella.ir import Builder, TensorType
        >>> b = Builder()
        >>> x = b.input(TensorType((3,), "float32"))
        >>> compile(b.build([b.add(x, x)]), target="reference")(np.ones(3, np.float32))
        [array([2., 2., 2.], dtype=float32)]
    """
    graph, target = finished(graph), target or settings.target
    if target == "native":
        return native.compile(graph, donate or {}, profile)
    if target == "reference" and profile:
        raise ValueError('The target "reference" has no kernels to profile: set lamella.config.target = "native".')
    if target == "reference":
        return ReferenceExecutable(graph, donate or {})
    raise ValueError(f"Unknown target {target!r}; expected one of {', '.join(TARGETS)}.")


def fma_peak(threads: int) -> float:
    """The most that `threads` cores of this machine compute, measured, in GFLOP/s of float32."""
    return native.fma_peak(threads)


class ReferenceExecutable:
    """A graph run by the numpy interpreter."""

    def __init__(self, graph: Graph, donate: Mapping[int, int]) -> None:
        self.graph = graph
        self.donate = dict(donate)

    def __call__(self, *arrays: np.ndarray) -> list[np.ndarray]:
        return [np.array(out) for out in evaluate(self.graph, arrays)]

    def bind(self, arrays: Sequence[np.ndarray]) -> ReferenceCall:
        return ReferenceCall(self, arrays)

    def text(self, stage: str = "graph") -> str:
        return format_graph(self.graph)


class ReferenceCall:
    """A reference executable with its buffers."""

    def __init__(self, exe: ReferenceExecutable, arrays: Sequence[np.ndarray]) -> None:
        self._exe = exe
        self.arrays = list(arrays)
        self.outputs = [self.arrays[exe.donate[i]] if i in exe.donate else np.empty(a.type.shape, numpy_dtype(a.type.dtype))
                        for i, a in enumerate(exe.graph.outputs)]
        self.progress = np.zeros(2, np.int64)

    def run(self) -> None:
        values = evaluate(self._exe.graph, self.arrays)
        if self._exe.donate:  # a value may be a view of an input that another output overwrites
            values = [np.array(value) for value in values]
        for buffer, value in zip(self.outputs, values, strict=True):
            np.copyto(buffer, value)

    def start(self) -> native.RunningCall:
        return native.RunningCall(self)
