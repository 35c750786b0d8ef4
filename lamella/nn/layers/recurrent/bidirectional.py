"""`Bidirectional`: a recurrent layer and its mirror image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops, tree
from lamella.frontend import Tensor
from lamella.nn.layers.layer import LAYERS, Layer, deserialize, serialize

_MERGES = {
    "concat": lambda a, b: ops.concatenate([a, b], axis=-1), "sum": ops.add, "mul": ops.multiply,
    "ave": lambda a, b: (a + b) / 2.0, None: lambda a, b: (a, b),
}


@LAYERS.register()
class Bidirectional(Layer):
    """Two copies of a recurrent layer, one of which walks backwards in time; their outputs are merged.

    Args:
        layer: recurrent layer; both copies are made of its config and called forward_... and backward_...
        merge_mode: "concat", "sum", "mul", "ave", or None for a tuple of both.
        weights: first weights of both, or None.
        backward_layer: recurrent layer for the other direction, if it differs; its `go_backwards` must differ too.
        **kwargs: arguments of `Layer`.

    With `return_sequences`, the outputs of masked steps are 0, and the backward outputs are brought back into the
    order of time.

    Raises:
        ValueError: an unknown `merge_mode`, no recurrent layer, or a `backward_layer` that does not fit.

    Source:
        Schuster and Paliwal 1997, "Bidirectional recurrent neural networks".

    Example:
        >>> from lamella.nn.layers.recurrent import LSTM
        >>> Bidirectional(LSTM(3))(ops.ones((2, 5, 4))).shape
        (2, 6)
    """

    def __init__(self, layer: Any, merge_mode: str | None = "concat", weights: Any = None, backward_layer: Any = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        recurrent = isinstance(layer, Layer) and hasattr(layer, "go_backwards")
        if not recurrent:
            raise ValueError(f"Layer {self.name!r} needs a recurrent layer, received {layer!r}.")
        if merge_mode not in _MERGES:
            raise ValueError(f"merge_mode of layer {self.name!r} must be one of {list(_MERGES)}, received {merge_mode!r}.")
        self.merge_mode = merge_mode
        self.forward_layer = _copy(layer, f"forward_{_plain(layer.name)}")
        self._own_backward = backward_layer is not None
        self.backward_layer = self._backward(layer, backward_layer)
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        self.stateful = layer.stateful
        if self.return_sequences:
            self.forward_layer.zero_output_for_mask = self.backward_layer.zero_output_for_mask = True
        self.supports_masking = True
        self._initial_weights = weights

    def _backward(self, layer: Any, given: Any) -> Any:
        name = f"backward_{_plain((given or layer).name)}"
        if given is None:
            return _copy(layer, name, go_backwards=not layer.go_backwards)
        for attribute in ("stateful", "return_sequences", "return_state"):
            if getattr(given, attribute) != getattr(layer, attribute):
                raise ValueError(f"backward_layer of layer {self.name!r} must have the same {attribute} as its layer.")
        if given.go_backwards == layer.go_backwards:
            raise ValueError(f"backward_layer of layer {self.name!r} must walk the other way: set go_backwards.")
        return _copy(given, name)

    def build(self, sequences_shape: Sequence[int | None]) -> None:
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    def call(self, sequences: Tensor, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        first = [None, None]
        if initial_state is not None:
            states = list(initial_state)
            first = [states[: len(states) // 2], states[len(states) // 2 :]]  # type: ignore[list-item]
        results = [layer(sequences, initial_state=state, mask=mask, training=training)
                   for layer, state in zip((self.forward_layer, self.backward_layer), first, strict=True)]
        (ahead, *forward_states), (back, *backward_states) = (
            r if self.return_state else (r,) for r in results)
        back = ops.flip(back, axis=1) if self.return_sequences else back
        output = _MERGES[self.merge_mode](ahead, back)
        if not self.return_state:
            return output
        return (*(output if self.merge_mode is None else (output,)), *forward_states, *backward_states)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = tree.flatten(previous_mask)[0] if self.return_sequences else None
        if mask is None:
            return None
        outputs = [mask, mask] if self.merge_mode is None else [mask]
        states = len(tree.flatten(self.forward_layer.state_size)) * 2 if self.return_state else 0
        return outputs + [None] * states if len(outputs) + states > 1 else mask

    def compute_output_shape(self, sequences_shape: Sequence[Any]) -> Any:
        shapes = [layer.compute_output_shape(sequences_shape) for layer in (self.forward_layer, self.backward_layer)]
        (ahead, *forward_states), (back, *backward_states) = (s if self.return_state else (s,) for s in shapes)
        merged = (*ahead[:-1], ahead[-1] + back[-1]) if self.merge_mode == "concat" else ahead
        outputs = (ahead, back) if self.merge_mode is None else (merged,)
        all_shapes = (*outputs, *forward_states, *backward_states)
        return all_shapes if len(all_shapes) > 1 else merged

    def reset_state(self) -> None:
        """Set the states that stateful layers keep to zeros."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "merge_mode": self.merge_mode, "layer": serialize(self.forward_layer)}
        if self._own_backward:
            config["backward_layer"] = serialize(self.backward_layer)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        parts = {key: deserialize(config[key]) for key in ("layer", "backward_layer") if config.get(key) is not None}
        return cls(**{**config, **parts})


def _plain(name: str) -> str:
    return name.removeprefix("forward_").removeprefix("backward_")


def _copy(layer: Any, name: str, **changes: Any) -> Any:
    return type(layer).from_config({**layer.get_config(), "name": name, **changes})
