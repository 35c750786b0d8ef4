"""`Embedding`: a row of a table for each index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.frontend import Tensor, check_values
from lamella.nn import constraints, initializers, regularizers
from lamella.nn.layers.checks import indices_below, positive_int
from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class Embedding(Layer):
    """embeddings[index], for each index of the inputs.

    Args:
        input_dim: number of rows; indices lie in [0, input_dim).
        output_dim: length of a row.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the table.
        mask_zero: whether index 0 is padding that later layers skip. Row 0 stays trainable, as in Keras.
        input_length: accepted and ignored, as in Keras.

    Raises:
        IndexError: an index out of range (Keras gives NaN or wraps round); names its value and place. In `fit`,
            `evaluate`, `predict` and compiled functions it is looked for in their arguments, before they run; there an
            index that the program itself computes is moved into the range.

    Example:
        >>> Embedding(10, 4)(np.array([[1, 2, 3]])).shape
        (1, 3, 4)
    """

    def __init__(self, input_dim: int, output_dim: int, embeddings_initializer: Any = "uniform",
                 embeddings_regularizer: Any = None, embeddings_constraint: Any = None, mask_zero: bool = False,
                 weights: Any = None, input_length: int | None = None, **kwargs: Any) -> None:
        if input_length is not None:
            kwargs.setdefault("input_shape", (input_length,))
        super().__init__(**kwargs)
        self.input_dim = positive_int("input_dim", input_dim, self.name)
        self.output_dim = positive_int("output_dim", output_dim, self.name)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = bool(mask_zero)
        self.supports_masking = self.mask_zero
        self.autocast = False
        self.embeddings: Any = None
        self._initial_weights = weights

    def build(self, input_shape: Any = None) -> None:
        self.embeddings = self.add_weight((self.input_dim, self.output_dim), self.embeddings_initializer,
                                          name="embeddings", regularizer=self.embeddings_regularizer,
                                          constraint=self.embeddings_constraint)
        if self._initial_weights is not None:
            initial = self._initial_weights
            self.set_weights(initial if isinstance(initial, (list, tuple)) else [initial])
            self._initial_weights = None

    def call(self, inputs: Tensor) -> Tensor:
        check_values(inputs, self.check_indices)
        indices = inputs if "int" in str(inputs.dtype) else ops.cast(inputs, "int32")
        return ops.cast(ops.take(self.embeddings, indices, axis=0), self.compute_dtype)

    def check_indices(self, indices: np.ndarray) -> None:
        """Raise IndexError for the first index outside of [0, input_dim)."""
        indices_below(self.input_dim, indices, self.name)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
        }
