"""Stop when the loss is no number any more."""

from __future__ import annotations

import numpy as np

from lamella.callbacks.callback import Callback


class TerminateOnNaN(Callback):
    """Stops training when a batch loss is NaN or infinite.

    It watches the loss of every step without returning to Python after each: the check runs while the epoch runs, a few
    times a second, and once more at its end.

    Args:
        raise_error: raise a RuntimeError instead of stopping quietly.

    Raises:
        RuntimeError: if `raise_error`.

    Source: keras.callbacks.TerminateOnNaN, which looks at the running mean of the epoch instead.

    Example:
        >>> TerminateOnNaN().on_train_progress(2, {"loss": np.array([0.5, 0.4])})
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_train_progress(self, step: int, logs: dict[str, np.ndarray]) -> None:
        losses = logs.get("loss", np.zeros(0))[:step]
        bad = ~np.isfinite(losses)
        if not bad.any() or self.model.stop_training:
            return
        first = int(np.argmax(bad))
        message = f"Batch {first}: the loss is {losses[first]}, terminating training."
        if self.raise_error:
            raise RuntimeError(message)
        print(message)
        self.model.stop_training = True
