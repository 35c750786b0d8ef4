"""`UnitNormalization`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.layer import LAYERS, Layer
from lamella.nn.layers.naming_errors import errors_name
from lamella.ops.axes import many_axes


@LAYERS.register()
class UnitNormalization(Layer):
    """x / √(Σ x²) with the sum over `axis`: vectors of length 1 (a zero vector stays zero).

    Args:
        axis: one axis or several.
        **kwargs: arguments of `Layer`.

    Raises:
        ShapeError: an axis out of range.

    Example:
        >>> UnitNormalization()(ops.convert_to_tensor([[3.0, 4.0]])).numpy().round(6).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        with errors_name(self):
            axes = many_axes(self.axis, len(inputs.shape))
        return ops.normalize(inputs, axis=axes, order=2, epsilon=1e-12)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        with errors_name(self):
            many_axes(self.axis, len(input_shape))
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}
