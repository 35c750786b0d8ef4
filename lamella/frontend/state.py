"""What is in progress on this thread: the trace, the open tapes, the name scope."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _State(threading.local):
    """Attributes are class defaults, so that a new thread starts clean.

    Attributes:
        trace: the `Trace` that equations are appended to, or None in eager mode.
        tapes: open gradient tapes of this context, outermost first.
        scope: path of the name scopes, such as `sequential/dense`.
        autocast: float dtype that variables are read in, or None for their own.
    """

    trace: Any = None
    tapes: tuple[Any, ...] = ()
    scope: str = ""
    autocast: str | None = None


state = _State()


def is_tracing() -> bool:
    """Whether operations on this thread are being recorded into a graph instead of computed."""
    return state.trace is not None


@contextmanager
def context(trace: Any, tapes: tuple[Any, ...] = ()) -> Iterator[None]:
    """Replace the trace and the tapes for a while."""
    outer = state.trace, state.tapes
    state.trace, state.tapes = trace, tapes
    try:
        yield
    finally:
        state.trace, state.tapes = outer


@contextmanager
def init_scope() -> Iterator[None]:
    """Compute eagerly, seen by no trace and no tape; for creating and initializing variables.

    Example:
        >>> with init_scope():
        ...     is_tracing()
        False
    """
    with context(None):
        yield


@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Add `name` to the path that equations and variables made inside carry.

    Example:
        >>> with name_scope("model"), name_scope("dense"):
        ...     state.scope
        'model/dense'
    """
    outer = state.scope
    state.scope = f"{outer}/{name}" if outer else name
    try:
        yield
    finally:
        state.scope = outer


@contextmanager
def autocast_scope(dtype: str | None) -> Iterator[None]:
    """Read float variables as `dtype` (None: as they are), as layers with a mixed dtype policy do.

    Example:
        >>> with autocast_scope("bfloat16"):
        ...     state.autocast
        'bfloat16'
    """
    outer = state.autocast
    state.autocast = dtype
    try:
        yield
    finally:
        state.autocast = outer
