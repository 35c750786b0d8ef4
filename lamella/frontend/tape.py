"""`GradientTape`: records what happens, and differentiates it backwards.

Eagerly the tape keeps the primitives that depend on something watched, builds a graph of them when a gradient is
asked for, and applies the reverse pass through `bind`, so that outer tapes record it and can differentiate again. In
a trace the equations are already there: the reverse pass is appended to the trace's own graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import tree
from lamella.autodiff import backward
from lamella.errors import GradientError, ShapeError
from lamella.frontend.binding import bind, cast, convert_to_tensor
from lamella.frontend.records import EagerRecords, TraceRecords
from lamella.frontend.state import state
from lamella.frontend.tensor import Tensor, TensorLike
from lamella.frontend.variable import Variable
from lamella.ir import numpy_dtype
from lamella.ir.types import is_float

_UNCONNECTED = ("none", "zero")


class GradientTape:
    """Records operations for differentiation.

    Args:
        persistent: whether `gradient` may be called more than once.
        watch_accessed_variables: whether trainable variables are watched when they are read.

    Example:
        >>> x = convert_to_tensor(3.0)
        >>> with GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = x * x
        >>> tape.gradient(y, x).item()
        6.0
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._watch_accessed = watch_accessed_variables
        self._records: EagerRecords | TraceRecords = self._new_records()
        self._wanted: set[Variable] = set()  # variables watched by name
        self._reads: dict[Variable, list[Tensor]] = {}
        self._recording = False
        self._used = False

    @staticmethod
    def _new_records() -> EagerRecords | TraceRecords:
        return EagerRecords() if state.trace is None else TraceRecords(state.trace)

    def __enter__(self) -> GradientTape:
        if self._recording:
            raise RuntimeError("This tape is already recording.")
        self._records = self._new_records()
        self._push()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._recording:
            self._pop()

    def _push(self) -> None:
        self._recording = True
        self._records.resume()
        state.tapes = (*state.tapes, self)

    def _pop(self) -> None:
        self._recording = False
        self._records.pause()
        state.tapes = tuple(t for t in state.tapes if t is not self)

    def stop_recording(self) -> _Paused:
        """A context in which this tape doesn't record."""
        if not self._recording:
            raise ValueError("This tape isn't recording.")
        return _Paused(self)

    def reset(self) -> None:
        """Forget everything recorded so far."""
        self._records = self._new_records()
        self._reads, self._used = {}, False
        if self._recording:
            self._records.resume()

    def watch(self, tensor: Any) -> None:
        """Make gradients towards a tensor or variable (or a tree of them) available.

        Raises:
            GradientError: it isn't a float.
            TypeError: it is no tensor.
        """
        for leaf in tree.flatten(tensor):
            _check_float(leaf, "watch")
            if isinstance(leaf, Variable):
                self._wanted.add(leaf)
            else:
                self._records.watch(leaf)

    def watched_variables(self) -> tuple[Variable, ...]:
        """Watched variables that were read, in order of first use."""
        return tuple(self._reads)

    def read(self, variable: Variable, value: Tensor) -> None:
        """Called whenever a variable is read while this tape is open."""
        if variable in self._wanted or (self._watch_accessed and variable.trainable and is_float(value.dtype)):
            self._reads.setdefault(variable, []).append(value)
            self._records.watch(value)

    def record(self, primitive: Any, inputs: Sequence[Any], params: dict[str, Any], outputs: Sequence[Tensor]) -> None:
        """Called for every eager operation while this tape is open."""
        self._records.record(primitive, inputs, params, outputs)

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: str = "none"
    ) -> Any:
        """The gradient of the sum of all elements of `target` towards `sources`.

        Args:
            target: tensor, or a tree of them.
            sources: watched tensors and variables, or a tree of them.
            output_gradients: gradient arriving at each target, of its shape; None is ones.
            unconnected_gradients: `"none"` or `"zero"`: what stands for a source that the target doesn't depend on.

        Returns:
            A tree like `sources`. A source that isn't watched counts as unconnected.

        Raises:
            RuntimeError: second call on a tape that isn't persistent.
            GradientError: a target or source isn't a float, or the path crosses a primitive without gradient.
        """
        if unconnected_gradients not in _UNCONNECTED:
            raise ValueError(f"unconnected_gradients must be 'none' or 'zero', received {unconnected_gradients!r}.")
        if self._used and not self._persistent:
            raise RuntimeError(
                "A non-persistent GradientTape can only be used to compute one set of gradients; "
                "create it with GradientTape(persistent=True) to compute several."
            )
        leaves = tree.flatten(sources)
        for leaf in leaves:
            _check_float(leaf, "differentiate towards")
        if self._recording and not self._persistent:
            self._pop()  # what follows is no part of what is differentiated
        grads = self._gradients(_targets(target, output_gradients), leaves)
        if not self._persistent:
            self._used, self._reads = True, {}
            self._records = self._new_records()
        if unconnected_gradients == "zero":
            grads = [_zeros_like(s) if g is None else g for s, g in zip(leaves, grads, strict=True)]
        return tree.unflatten(sources, grads) if isinstance(sources, (list, tuple, dict)) else grads[0]

    def _gradients(self, targets: list[tuple[Tensor, Tensor]], sources: list[TensorLike]) -> list[Tensor | None]:
        """One gradient per source; a variable's is the sum over its reads."""
        reads = [self._reads.get(s, []) if isinstance(s, Variable) else [s._tensor()] for s in sources]
        flat = list({id(t): t for group in reads for t in group}.values())
        found = dict(zip(map(id, flat), self._records.gradients(targets, flat, backward), strict=True))
        sums: list[Tensor | None] = []
        for group in reads:
            parts = [found[id(t)] for t in {id(t): t for t in group}.values() if found[id(t)] is not None]
            total = parts[0] if parts else None
            for part in parts[1:]:
                total = bind("add", total, part)
            sums.append(total)
        return sums


class _Paused:
    def __init__(self, tape: GradientTape) -> None:
        self._tape = tape

    def __enter__(self) -> None:
        self._tape._pop()

    def __exit__(self, *exception: object) -> None:
        self._tape._push()


def _check_float(leaf: Any, what: str) -> None:
    if not isinstance(leaf, TensorLike):
        raise TypeError(
            f"A tape can only {what} tensors and variables, received {type(leaf).__name__}; convert it with "
            "ops.convert_to_tensor before it is used."
        )
    if not is_float(leaf.dtype):
        raise GradientError(
            f"A tape can't {what} a {leaf.dtype} tensor of shape {leaf.shape}: gradients exist for floats only. "
            "Cast it to a float dtype first."
        )


def _targets(target: Any, output_gradients: Any) -> list[tuple[Tensor, Tensor]]:
    """Pairs of a target and the gradient that arrives there."""
    targets = tree.flatten(target)
    arriving = tree.flatten(output_gradients) if output_gradients is not None else [None] * len(targets)
    pairs = []
    for leaf, gradient in zip(targets, arriving, strict=True):
        _check_float(leaf, "differentiate")
        tensor = leaf._tensor()
        ct = _ones(tensor) if gradient is None else cast(convert_to_tensor(gradient), tensor.dtype)
        if ct.shape != tensor.shape:
            raise ShapeError(f"output_gradients must have the target's shape {tensor.shape}, received {ct.shape}.")
        pairs.append((tensor, ct))
    return pairs


def _ones(tensor: Tensor) -> Tensor:
    one = Tensor(np.ones((), numpy_dtype(tensor.dtype)))
    return bind("broadcast", one, shape=tensor.shape) if tensor.shape else one


def _zeros_like(x: TensorLike) -> Tensor:
    return bind("broadcast", Tensor(np.zeros((), numpy_dtype(x.dtype))), shape=x.shape)


def stop_gradient(x: Any) -> Tensor:
    """`x`, through which no gradient flows.

    Example:
        >>> stop_gradient([1.0, 2.0]).numpy()
        array([1., 2.], dtype=float32)
    """
    return bind("stop_gradient", convert_to_tensor(x))
