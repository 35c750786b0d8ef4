"""`Wrapper`: a layer around another one."""

from __future__ import annotations

from typing import Any

from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class Wrapper(Layer):
    """Base of layers that change what another layer does.

    Args:
        layer: the layer inside.
        **kwargs: arguments of `Layer`.

    Raises:
        TypeError: `layer` is no layer.

    Example:
        >>> from lamella.nn.layers.shaping import Identity
        >>> Wrapper(Identity(name="inner")).layer
        <Identity name=inner, built=False>
    """

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise TypeError(f"layer of {type(self).__name__} {self.name!r} must be a layer, received {layer!r}.")
        self.layer = layer

    def _build_inner(self, input_shape: Any) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True

    def build(self, input_shape: Any) -> None:
        self._build_inner(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": LAYERS.serialize(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        config = dict(config)
        return cls(LAYERS.deserialize(config.pop("layer")), **config)
