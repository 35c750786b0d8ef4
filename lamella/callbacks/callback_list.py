"""All callbacks of a run as one."""

from __future__ import annotations

from typing import Any

from lamella import tree
from lamella.callbacks.callback import Callback
from lamella.callbacks.history import History
from lamella.callbacks.progbar_logger import ProgbarLogger

_BATCH_HOOKS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}


class CallbackList(Callback):
    """Calls each hook of each callback in order; all receive the same `logs` dict.

    Args:
        callbacks: a callback, or nested lists of them, or None.
        add_history: append a `History` unless there is one.
        add_progbar: append a `ProgbarLogger` unless there is one.
        model: passed to every callback.
        **params: `verbose`, `epochs`, `steps`, `metrics`.

    Raises:
        TypeError: an item is no callback.

    Source: keras.callbacks.CallbackList.

    Example:
        >>> CallbackList([[Callback()]], add_history=True).callbacks[1]
        <lamella.callbacks.history.History object at ...>
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks = [] if callbacks is None else tree.flatten(callbacks)
        for callback in self.callbacks:
            if isinstance(callback, type) or not hasattr(callback, "on_train_begin"):
                raise TypeError(
                    f"callbacks must hold Callback instances, received {callback!r}"
                    + (": a class; call it to make an instance." if isinstance(callback, type) else ".")
                )
        if add_history and not self._find(History):
            self.callbacks.append(History())
        if add_progbar and not self._find(ProgbarLogger):
            self.callbacks.append(ProgbarLogger())
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def _find(self, kind: type) -> Any:
        return next((c for c in self.callbacks if isinstance(c, kind)), None)

    @property
    def history(self) -> Any:
        """The `History` among the callbacks, or None."""
        return self._find(History)

    def append(self, callback: Callback) -> None:
        self.callbacks.append(callback)

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    @property
    def needs_step_logs(self) -> bool:  # type: ignore[override]
        """Whether any callback wants the metrics after every step."""
        return any(callback.needs_step_logs for callback in self.callbacks)

    def has_batch_hooks(self, kind: str) -> bool:
        """Whether any callback really overrides a batch hook of `"train"`, `"test"` or `"predict"`."""
        return any(_overrides(callback, hook) for callback in self.callbacks for hook in _BATCH_HOOKS[kind])


def _overrides(callback: Any, hook: str) -> bool:
    """On the class, or on the instance as LambdaCallback does."""
    if isinstance(callback, CallbackList):
        return any(_overrides(inner, hook) for inner in callback.callbacks)
    return hook in vars(callback) or getattr(type(callback), hook, None) is not getattr(Callback, hook)


def _fan_out(hook: str) -> Any:
    def call(self: CallbackList, *args: Any, **kwargs: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(*args, **kwargs)

    call.__doc__ = getattr(Callback, hook).__doc__
    return call


for _hook in [name for name in vars(Callback) if name.startswith("on_")] + ["close"]:
    setattr(CallbackList, _hook, _fan_out(_hook))
