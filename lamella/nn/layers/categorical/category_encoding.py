"""`CategoryEncoding`: numbers of categories as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.frontend import Tensor, check_values
from lamella.nn.layers.categorical.encoding import checked_output_mode, encode, encoded_shape, refuse_sparse
from lamella.nn.layers.checks import indices_below, positive_int
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class CategoryEncoding(Layer):
    """Encode integers in [0, num_tokens).

    Args:
        num_tokens: number of categories.
        output_mode: "multi_hot" (1 for each category that occurs along the last axis), "count" (how often it does) or
            "one_hot" (each integer by itself).
        sparse: False; tensors are dense.

    Raises:
        ValueError: no `num_tokens`, an unknown mode, or `count_weights` in another mode than "count".
        IndexError: an integer out of range, in eager calls and in the arguments of compiled programs. One that a
            program computes leaves no trace in the encoding, as all do in Keras.

    Source:
        As Keras; with three axes and more it encodes along the last one, as Keras' documentation says.

    Example:
        >>> CategoryEncoding(4, output_mode="count")([[0, 1], [3, 3]]).numpy().tolist()
        [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]]
    """

    def __init__(self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.num_tokens = positive_int("num_tokens", num_tokens, self.name)
        self.output_mode = checked_output_mode(output_mode, ("one_hot", "multi_hot", "count"), self.name)
        refuse_sparse(sparse, self.name)
        self.built = True

    def call(self, inputs: Tensor, count_weights: Any = None) -> Tensor:
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(f"Layer {self.name!r} takes count_weights only with output_mode='count', received "
                             f"{self.output_mode!r}.")
        check_values(ops.convert_to_tensor(inputs), self.check_indices)
        return encode(ops.cast(inputs, "int64"), self.output_mode, self.num_tokens, self.compute_dtype, count_weights)

    def check_indices(self, indices: np.ndarray) -> None:
        """Raise IndexError for the first integer outside of [0, num_tokens)."""
        indices_below(self.num_tokens, indices, self.name)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return encoded_shape(input_shape, self.output_mode, self.num_tokens)

    def compute_output_spec(self, inputs: Any, count_weights: Any = None) -> Any:
        return KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_tokens": self.num_tokens, "output_mode": self.output_mode}
