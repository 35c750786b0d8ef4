"""`ReversibleEmbedding`: an embedding that also gives the logits of its rows."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.embedding import Embedding
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.nn.layers.layer import LAYERS


@LAYERS.register()
class ReversibleEmbedding(Embedding):
    """embeddings[index], or with `reverse=True` the logits x · embeddingsᵀ.

    Args:
        input_dim: number of rows.
        output_dim: length of a row.
        tie_weights: whether both directions share the table; else the way back has a kernel of its own.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the table.
        mask_zero: whether index 0 is padding that later layers skip.
        reverse_dtype: dtype of the way back; by default the dtype of the computation.
        logit_soft_cap: c: logits become c · tanh(logits / c).
        **kwargs: arguments of `Layer`.

    Raises:
        IndexError: an index out of range, where `Embedding` looks for it.

    Source:
        Press and Wolf 2017, "Using the output embedding to improve language models".

    Example:
        >>> layer = ReversibleEmbedding(10, 4)
        >>> layer(layer(ops.ones((2, 3), "int32")), reverse=True).shape
        (2, 3, 10)
    """

    def __init__(self, input_dim: int, output_dim: int, tie_weights: bool = True,
                 embeddings_initializer: Any = "uniform", embeddings_regularizer: Any = None,
                 embeddings_constraint: Any = None, mask_zero: bool = False, reverse_dtype: Any = None,
                 logit_soft_cap: float | None = None, **kwargs: Any) -> None:
        super().__init__(input_dim, output_dim, embeddings_initializer, embeddings_regularizer, embeddings_constraint,
                         mask_zero, **kwargs)
        self.tie_weights, self.reverse_dtype, self.logit_soft_cap = bool(tie_weights), reverse_dtype, logit_soft_cap
        self.reverse_embeddings: Any = None

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight((self.output_dim, self.input_dim), self.embeddings_initializer,
                                                      name="reverse_embeddings")

    def call(self, inputs: Tensor, reverse: bool = False) -> Tensor:
        if not reverse:
            return super().call(inputs)
        dtype = self.reverse_dtype or self.compute_dtype
        kernel = ops.transpose(self.embeddings) if self.tie_weights else self.reverse_embeddings
        logits = ops.matmul(ops.cast(inputs, dtype), ops.cast(kernel, dtype))
        if self.logit_soft_cap is not None:
            logits = ops.tanh(logits / self.logit_soft_cap) * self.logit_soft_cap
        return logits

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return super().compute_mask(inputs, mask) if "int" in str(inputs.dtype) else mask

    def compute_output_spec(self, inputs: Any, reverse: bool = False, **_: Any) -> Any:
        if not reverse:
            return KerasTensor((*inputs.shape, self.output_dim), self.compute_dtype)
        return KerasTensor((*inputs.shape[:-1], self.input_dim), self.reverse_dtype or self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "tie_weights": self.tie_weights, "reverse_dtype": self.reverse_dtype,
                "logit_soft_cap": self.logit_soft_cap}
