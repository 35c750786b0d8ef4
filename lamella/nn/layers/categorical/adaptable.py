"""`AdaptableLayer`: layers that learn what they need from data, before training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lamella.frontend.state import is_tracing
from lamella.nn.layers.layer import Layer


class AdaptableLayer(Layer):
    """Base of layers with `adapt`: `reset_state`, then `update_state` for each batch, then `finalize_state`.

    What was learned is a constant of the programs that it is compiled into, so it cannot change after that.
    """

    _compiled_in = False

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learn from data, replacing what was learned before.

        Args:
            data: an array or a list, whose first axis counts the samples; or an iterable of batches (a dataset, a
                generator), of which each may be a tuple whose first item counts.
            steps: how many batches to read from an iterable; None for all.

        Raises:
            ValueError: what it would learn was given to the constructor.
            RuntimeError: the layer is part of a compiled model already.
        """
        self._check_adaptable()
        self.reset_state()
        for batch in self._batches(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget the batches seen since the last `finalize_state`."""
        raise NotImplementedError

    def update_state(self, data: Any) -> None:
        """Take one batch into account."""
        raise NotImplementedError

    def finalize_state(self) -> None:
        """Make the batches seen count in calls."""
        raise NotImplementedError

    def _batches(self, data: Any, steps: int | None) -> Iterator[Any]:
        if isinstance(data, (list, tuple)) or hasattr(data, "__array__"):
            yield data
            return
        for step, batch in enumerate(data):
            if step == steps:
                return
            yield batch[0] if isinstance(batch, tuple) else batch

    def _check_adaptable(self) -> None:
        self._check_changeable()

    def _check_changeable(self) -> None:
        if self._compiled_in:
            raise RuntimeError(f"Layer {self.name!r} is part of a compiled program, which keeps what the layer learned: "
                               "adapt it before, or make a new layer and model.")

    def _note_compilation(self) -> None:
        """Called where a constant of the layer is read."""
        self._compiled_in |= is_tracing()
