"""`AdditiveAttention`: scores by sums (Bahdanau)."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.layers.attention.dot_attention import Attention
from lamella.nn.layers.layer import LAYERS


@LAYERS.register()
class AdditiveAttention(Attention):
    """softmax(Σ scale · tanh(query + key)) value, summed over the last axis; inputs and masks as in `Attention`.

    Args:
        use_scale: whether `scale` (size,) is trainable; else it is 1.
        dropout: rate for the weights.
        **kwargs: arguments of `Layer`.

    Raises:
        ShapeError: not 2 or 3 inputs, or shapes or masks that don't fit.

    Source:
        Bahdanau et al. 2015, "Neural machine translation by jointly learning to align and translate".

    Example:
        >>> AdditiveAttention()([ops.ones((2, 3, 4)), ops.ones((2, 5, 4))]).shape
        (2, 3, 4)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, seed=seed, **kwargs)

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        size = input_shape[0][-1]
        if size is None:
            raise ShapeError(f"Layer {self.name!r} needs a last axis of known size, received shapes {input_shape}.")
        if self.use_scale:
            self.scale = self.add_weight((size,), "glorot_uniform", name="scale")

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        summed = ops.tanh(ops.expand_dims(query, 2) + ops.expand_dims(key, 1))
        if self.scale is not None:
            summed = summed * ops.cast(self.scale, summed.dtype)
        return ops.sum(summed, axis=-1)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["score_mode"]
        return config
