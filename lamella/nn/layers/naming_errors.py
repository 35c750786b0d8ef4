"""Errors from below a layer get the layer's name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def errors_name(layer: Any) -> Iterator[None]:
    """Put `Layer 'name': ` before the message of a ValueError that is raised inside.

    Example:
        >>> from types import SimpleNamespace
        >>> with errors_name(SimpleNamespace(name="conv")):
        ...     raise ValueError("strides must be positive.")
        Traceback (most recent call last):
        ValueError: Layer 'conv': strides must be positive.
    """
    try:
        yield
    except ValueError as error:
        prefix = f"Layer {layer.name!r}: "
        if str(error).startswith("Layer "):
            raise
        raise type(error)(prefix + str(error)) from None
