"""`Masking`: steps without data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class Masking(Layer):
    """Marks the steps whose features all equal `mask_value`, for the layers behind it; they become 0.

    Args:
        mask_value: the value that stands for missing data.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: `mask_value` is no finite number.

    Example:
        >>> from lamella.nn.masks import get_mask
        >>> out = Masking(-1.0)(ops.convert_to_tensor([[[1.0, -1.0], [-1.0, -1.0]]]))
        >>> out.numpy().tolist(), get_mask(out).numpy().tolist()
        ([[[1.0, -1.0], [0.0, 0.0]]], [[True, False]])
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = finite_float("mask_value", mask_value, self.name)
        self.built = True

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.where(ops.expand_dims(self.compute_mask(inputs), -1), inputs, 0.0)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mask_value": self.mask_value}
