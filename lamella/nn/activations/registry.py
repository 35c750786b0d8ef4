"""The registry of the activation functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella.nn.registry import Registry
from lamella.ops.symbolic import recordable


class _Activations(Registry):
    def register(self, *aliases: str) -> Callable[[Any], Any]:
        """As `Registry.register`; what is registered takes symbolic tensors too."""
        add = super().register(*aliases)
        return lambda function: add(recordable(function, f"activations.{function.__name__}"))


ACTIVATIONS = _Activations("keras.activations", "activation")
