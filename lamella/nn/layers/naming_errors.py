"""Errors from below a layer get the layer's name."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any


def name_layer(error: Exception, layer: Any) -> None:
    """Put `Layer 'name': ` before the message of an error, unless it names that layer, or one inside of it, already.

    The error stays the same object, so that its traceback still leads to the line that raised it.

    Example:
        >>> from types import SimpleNamespace
        >>> error = ValueError("strides must be positive.")
        >>> name_layer(error, SimpleNamespace(name="conv")), str(error)
        (None, "Layer 'conv': strides must be positive.")
    """
    message = str(error)
    if not message.startswith(("Layer ", "Model ")) and repr(layer.name) not in message:
        error.args = (f"{getattr(layer, '_kind', 'Layer')} {layer.name!r}: {message}",)


@contextlib.contextmanager
def errors_name(layer: Any) -> Iterator[None]:
    """Name the layer in a ValueError that is raised inside."""
    try:
        yield
    except ValueError as error:
        name_layer(error, layer)
        raise


def named_init(init: Callable[..., None]) -> Callable[..., None]:
    """`__init__` whose errors name the layer: unknown activations, dtypes, initializers and the like."""
    @functools.wraps(init)
    def named(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except (TypeError, ValueError) as error:
            if isinstance(vars(self).get("name"), str):
                inner = str(error)
                if inner.startswith("Layer ") and repr(self.name) not in inner:  # of a layer made in here, such as a cell
                    error.args = ("l" + inner[1:],)
                name_layer(error, self)
            raise
    return named
