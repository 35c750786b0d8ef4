"""`Pipeline`: several layers as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class Pipeline(Layer):
    """Layers applied one after the other; a layer, not a model.

    Called by itself it counts as training unless told otherwise, as in Keras and as the random image layers do.

    Args:
        layers: list of layers.
        name: by default "pipeline" and a counter.

    Raises:
        TypeError: an item is no layer.

    Source: keras.layers.Pipeline.

    Example:
        >>> from lamella.nn.layers import CenterCrop, Rescaling
        >>> import numpy as np
        >>> pipeline = Pipeline([CenterCrop(1, 1), Rescaling(1 / 255)])
        >>> pipeline(np.array([[[0], [255], [0]]], np.uint8)).numpy().item()
        1.0
    """

    def __init__(self, layers: Sequence[Layer], name: str | None = None) -> None:
        super().__init__(name=name)
        for layer in layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"Pipeline {self.name!r} takes layers, received {layer!r} ({type(layer).__name__}).")
        self.layers = list(layers)

    def build(self, input_shape: Any) -> None:
        for layer in self.layers:
            if not layer.built:
                layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs: Any, training: bool = True) -> Any:
        for layer in self.layers:
            inputs = layer(inputs, training=training)
        return inputs

    def get_config(self) -> dict[str, Any]:
        return {"layers": [LAYERS.serialize(layer) for layer in self.layers], "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Pipeline:
        return cls([LAYERS.deserialize(layer) for layer in config["layers"]], config.get("name"))
