"""What a layer knows about the calls around it: the training flag and the outermost layer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any


class _State(threading.local):
    training: bool | None = None
    entry: Any = None


_state = _State()


def current_training() -> bool | None:
    """The training flag of the call in progress, None outside of any."""
    return _state.training


def is_outermost() -> bool:
    """Whether no layer call is in progress on this thread."""
    return _state.entry is None


@contextlib.contextmanager
def call_context(layer: Any, training: bool | None) -> Iterator[None]:
    """Make `training` the flag of all layer calls inside; `layer` is the outermost if there is none yet."""
    before = _state.training, _state.entry
    if _state.entry is None:
        _state.entry = layer
    if training is not None:
        _state.training = training
    try:
        yield
    finally:
        _state.training, _state.entry = before


@contextlib.contextmanager
def training_scope(training: bool) -> Iterator[None]:
    """Set the training flag for layers called inside, as a training step does.

    Example:
        >>> with training_scope(True):
        ...     current_training()
        True
    """
    before = _state.training
    _state.training = training
    try:
        yield
    finally:
        _state.training = before
