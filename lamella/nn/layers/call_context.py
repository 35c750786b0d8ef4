"""What a layer knows about the calls around it: the training flag and the outermost layer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from lamella.frontend import autocast_scope
from lamella.frontend.state import state as frontend_state
from lamella.nn.dtype_policy import is_float


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
    """Make `training` the flag of all layer calls inside; `layer` is the outermost if there is none yet.

    Variables that are read inside have the computation dtype of `layer`.
    """
    before = _state.training, _state.entry
    if _state.entry is None:
        _state.entry = layer
    if training is not None:
        _state.training = training
    try:
        with autocast_scope(_autocast_dtype(layer)):
            yield
    finally:
        _state.training, _state.entry = before


def _autocast_dtype(layer: Any) -> str | None:
    """None (no cast) unless the layer or one around it has a mixed policy, as in Keras."""
    if not is_float(layer.compute_dtype):
        return None
    if frontend_state.autocast is not None:
        return layer.compute_dtype if layer.autocast else None
    return layer.compute_dtype if layer.compute_dtype != layer.variable_dtype else None


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
