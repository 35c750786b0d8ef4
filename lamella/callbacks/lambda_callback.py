"""Hooks from plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella.callbacks.callback import Callback
from lamella.errors import did_you_mean


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin, on_epoch_end: `(epoch, logs)`.
        on_train_begin, on_train_end: `(logs)`.
        on_train_batch_begin, on_train_batch_end: `(batch, logs)`.
        **kwargs: any other hook by its name.

    Raises:
        TypeError: a name that is no hook.

    Source: keras.callbacks.LambdaCallback.

    Example:
        >>> seen = []
        >>> LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch)).on_epoch_end(3, {})
        >>> seen
        [3]
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Callable[..., Any],
    ) -> None:
        super().__init__()
        named = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        hooks = [name for name in dir(Callback) if name.startswith("on_")]
        for name in kwargs:
            if name not in hooks:
                raise TypeError(f"LambdaCallback has no hook {name!r}. {did_you_mean(name, hooks)}")
        for name, function in (named | kwargs).items():
            if function is not None:
                setattr(self, name, function)  # an instance attribute: only hooks that are set count as overridden
