"""`ActivityRegularization`."""

from __future__ import annotations

from typing import Any

from lamella.frontend import Tensor
from lamella.nn import regularizers
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class ActivityRegularization(Layer):
    """The inputs unchanged; adds (l1 · Σ|x| + l2 · Σx²) / batch size to the loss.

    Args:
        l1, l2: factors.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a negative factor.

    Example:
        >>> from lamella import ops
        >>> layer = ActivityRegularization(l1=0.5)
        >>> _ = layer(ops.ones((2, 3)))
        >>> float(layer.losses[0])
        1.5
    """

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.l1 = finite_float("l1", l1, self.name, 0.0)
        self.l2 = finite_float("l2", l2, self.name, 0.0)
        self.activity_regularizer = regularizers.L1L2(self.l1, self.l2)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "l1": self.l1, "l2": self.l2}
        del config["activity_regularizer"]
        return config
