"""`function`: a Python function compiled as a whole, once per combination of shapes, dtypes and Python values."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella import executor
from lamella.frontend.binding import bind, convert_to_tensor
from lamella.frontend.records import literal
from lamella.frontend.signature import Arguments, arrange, cause, scan, signature_of, specs
from lamella.frontend.state import context, state
from lamella.frontend.tensor import Tensor
from lamella.frontend.tracing import TensorSpec, Traced, trace
from lamella.frontend.variable import aligned_empty
from lamella.ir import Literal, Var
from lamella.settings import settings


class Function:
    """A compiled Python function; made by the decorator `function`.

    Attributes:
        retraces: why each specialisation after the first was made, in words.
    """

    def __init__(self, python_function: Callable[..., Any]) -> None:
        self.python_function = python_function
        self.retraces: list[str] = []
        self._signature = signature_of(python_function)
        self._by_call: dict[Any, tuple[Specialization, list[int] | None]] = {}
        self._by_arguments: dict[Any, Specialization] = {}
        self._lock = threading.RLock()
        self.__name__ = "function"  # for what has no name of its own
        functools.update_wrapper(self, python_function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.trace is not None:  # inside another function: part of it
            return self.python_function(*args, **kwargs)
        leaves: list[Any] = []
        key = settings.target, state.autocast, scan(args, leaves), scan(kwargs, leaves) if kwargs else None
        found = self._by_call.get(key)
        if found is None:
            with self._lock:
                found = self._by_call[key] = self._specialize(args, kwargs)
        specialization, order = found
        if order is not None:
            leaves = [leaves[i] for i in order]
        return specialization.replay(leaves) if state.tapes else specialization(leaves)

    def trace(self, *args: Any, **kwargs: Any) -> Traced:
        """The graph for these arguments (values are only looked at for shape and dtype), first of the public stages.

        Example:
            >>> double = function(lambda x: x * 2)
            >>> print(double.trace(np.ones(3, np.float32)).text().splitlines()[1])
              v1:float32[3] = mul v0 2.0:float32
        """
        return self._trace(arrange(self._signature, args, kwargs))

    @property
    def specializations(self) -> int:
        """Number of compiled versions."""
        return len(self._by_arguments)

    def _trace(self, arguments: Arguments) -> Traced:
        with context(None):
            return trace(
                lambda args, kwargs: self.python_function(*args, **kwargs),
                specs(arguments),
                self.__name__.strip("<>"),
            )

    def _specialize(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Specialization, list[int] | None]:
        arguments = arrange(self._signature, args, kwargs)
        labels = {**arguments.labels, "(target)": settings.target, "(autocast)": str(state.autocast)}
        key = settings.target, state.autocast, arguments.key
        if key not in self._by_arguments:
            specialization = Specialization(self._trace(arguments), (args, kwargs), labels)
            self._report(labels)
            self._by_arguments[key] = specialization
        order = arguments.order
        return self._by_arguments[key], None if order == list(range(len(order))) else order

    def _report(self, labels: dict[str, str]) -> None:
        earlier = [s.labels for s in self._by_arguments.values()]
        reason = cause(labels, earlier)
        if earlier:
            self.retraces.append(reason)
        if "trace" in settings.log:
            print(f"lamella trace: {self.__name__}, specialisation {len(earlier) + 1}: {reason}", file=sys.stderr)

    def __get__(self, instance: Any, owner: type | None = None) -> Function:
        """A method: each object has its own specialisations, for each has its own variables."""
        if instance is None:
            return self
        bound = Function(self.python_function.__get__(instance, owner))
        instance.__dict__[self.__name__] = bound  # found there before this descriptor next time
        return bound


class Specialization:
    """One compiled version with its buffers."""

    def __init__(self, traced: Traced, keep: Any, labels: dict[str, str]) -> None:
        self.traced = traced
        self.labels = labels
        self._keep = keep  # objects whose ids are part of the key
        self._buffers = [aligned_empty(v.type.shape, v.type.dtype) for v in traced.graph.inputs[: traced.n_inputs]]
        executable = executor.compile(traced.graph, traced.donate)
        self._call = executable.bind([*self._buffers, *(v._array for v in traced.variables)])
        self._outputs = self._call.outputs[: traced.n_results]
        self._single = isinstance(traced.structure, TensorSpec)
        self._lock = threading.Lock()

    def __call__(self, leaves: Sequence[Any]) -> Any:
        with self._lock:
            for buffer, leaf in zip(self._buffers, leaves, strict=True):
                np.copyto(buffer, leaf._array if type(leaf) is Tensor else leaf)  # type: ignore[arg-type]
            self.traced.check_inputs(self._buffers)
            self._call.run()
            results = [Tensor(a.copy()) for a in self._outputs]  # the buffers belong to the next call
        return results[0] if self._single else self.traced.unflatten(results)

    def replay(self, leaves: Sequence[Any]) -> Any:
        """Run equation by equation in sight of the open tapes."""
        traced, graph = self.traced, self.traced.graph
        inputs = [convert_to_tensor(x) for x in leaves]
        traced.check_inputs([x._concrete() for x in inputs])
        values = inputs + [v._stored() for v in traced.variables]
        env: dict[Var, Tensor] = dict(zip(graph.inputs, values, strict=True))

        def read(atom: Var | Literal) -> Tensor:
            return env[atom] if isinstance(atom, Var) else literal(atom)

        for eqn in graph.eqns:
            out = bind(eqn.primitive.name, *map(read, eqn.inputs), **eqn.params)
            env.update(zip(eqn.outputs, out if isinstance(out, tuple) else (out,), strict=True))
        outputs = [read(a) for a in graph.outputs]
        for position, value in zip(traced.assigned, outputs[traced.n_results :], strict=True):
            traced.variables[position].assign(value)
        return traced.unflatten(outputs[: traced.n_results])


def function(
    python_function: Callable[..., Any] | None = None,
    *,
    jit_compile: bool | None = None,
    reduce_retracing: bool | None = None,
    autograph: bool | None = None,
) -> Any:
    """Compile a function of tensors as one program.

    The first call with new shapes, dtypes or Python values traces and compiles; `function.retraces` (and
    LAMELLA_LOG=trace) says why. Variables that the function assigns are updated in place; if it raises while being
    traced, none has changed.

    Args:
        python_function: the function; or None, to use options: `@function(jit_compile=True)`.
        jit_compile, reduce_retracing, autograph: accepted for compatibility; everything is compiled, and Python's
            `if` on a tensor is an error.

    Example:
        >>> @function
        ... def mean(x):
        ...     return (x[0] + x[1]) / 2
        >>> mean(np.array([1.0, 2.0])).item()
        1.5
    """
    del jit_compile, reduce_retracing, autograph
    return function if python_function is None else Function(python_function)
