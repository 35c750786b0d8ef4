"""`clear_session`."""

from __future__ import annotations

import gc

from lamella.frontend.seeds import forget_global_seed
from lamella.nn.naming import reset_names


def clear_session(free_memory: bool = True) -> None:
    """Start again: the names of new layers count from the beginning, and unseeded random functions get a new seed.

    Settings (dtype policy, floatx, ...) and models that exist stay as they are.

    Args:
        free_memory: whether to collect garbage at once, which takes some milliseconds.

    Source: keras.utils.clear_session.

    Example:
        >>> from lamella.nn.layers import Dense
        >>> clear_session()
        >>> Dense(1).name, Dense(1).name
        ('dense', 'dense_1')
    """
    reset_names()
    forget_global_seed()
    if free_memory:
        gc.collect()
