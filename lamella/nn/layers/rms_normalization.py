"""`RMSNormalization`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.ir.types import wide
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.layer import LAYERS, Layer
from lamella.ops.axes import many_axes


@LAYERS.register()
class RMSNormalization(Layer):
    """x · scale / √(mean(x²) + ε), with the mean over `axis`, computed in float32 or wider.

    Args:
        axis: one axis or several; `scale` has their sizes.
        epsilon: ε.
        **kwargs: arguments of `Layer`.

    Raises:
        ShapeError: an axis out of range or of unknown size.

    Source:
        Zhang and Sennrich 2019, arXiv:1910.07467.

    Example:
        >>> RMSNormalization(epsilon=0.0)(ops.convert_to_tensor([[2.0, -2.0]])).numpy().tolist()
        [[1.0, -1.0]]
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.epsilon = finite_float("epsilon", epsilon, self.name, 0.0)
        self.scale: Any = None

    def _axes(self, rank: int) -> tuple[int, ...]:
        try:
            return many_axes(self.axis, rank)
        except ShapeError as error:
            raise ShapeError(f"Layer {self.name!r}: {error}") from None

    def build(self, input_shape: Sequence[int | None]) -> None:
        sizes = {axis: input_shape[axis] for axis in self._axes(len(input_shape))}
        if None in sizes.values():
            raise ShapeError(f"Layer {self.name!r} needs a known size on axis {self.axis}, received inputs of shape "
                             f"{tuple(input_shape)}.")
        self.scale = self.add_weight(tuple(sizes.values()), "ones", name="scale", autocast=False)  # type: ignore[arg-type]
        self.input_spec = InputSpec(ndim=len(input_shape), axes=sizes)

    def call(self, inputs: Tensor) -> Tensor:
        dtype = wide(self.compute_dtype)
        x, axes = ops.cast(inputs, dtype), self._axes(len(inputs.shape))
        shape = [n if axis in axes else 1 for axis, n in enumerate(x.shape)]
        factor = ops.rsqrt(ops.mean(ops.square(x), axis=axes, keepdims=True) + self.epsilon)
        return ops.cast(x * factor * ops.reshape(ops.cast(self.scale, dtype), shape), self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}
