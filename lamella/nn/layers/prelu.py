"""`PReLU`: a rectifier with learned slopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn import constraints, initializers, regularizers
from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class PReLU(Layer):
    """x if x > 0 else alpha · x, with alpha learned: one per position of a sample, or shared along some axes.

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: of alpha.
        shared_axes: axes (from 1) along which one alpha serves, such as `(1, 2)` for images.
        **kwargs: arguments of `Layer`.

    Raises:
        ShapeError: a shared axis out of range, or an axis that is not shared has unknown size.

    Source:
        He et al. 2015, arXiv:1502.01852.

    Example:
        >>> layer = PReLU(alpha_initializer="ones", shared_axes=1)
        >>> layer(ops.convert_to_tensor([[-2.0, 3.0]])).numpy().tolist()
        [[-2.0, 3.0]]
    """

    supports_masking = True

    def __init__(self, alpha_initializer: Any = "Zeros", alpha_regularizer: Any = None, alpha_constraint: Any = None,
                 shared_axes: int | Sequence[int] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes and list(shared_axes)
        self.alpha: Any = None

    def build(self, input_shape: Sequence[int | None]) -> None:
        shared = self.shared_axes or []
        if any(not 1 <= axis < len(input_shape) for axis in shared):
            raise ShapeError(f"Layer {self.name!r} has shared_axes {shared}, received inputs of {len(input_shape)} "
                             "axes (axis 0 is the batch).")
        shape = [1 if axis in shared else size for axis, size in enumerate(input_shape)][1:]
        if None in shape:
            raise ShapeError(f"Layer {self.name!r} needs known sizes on all axes that are not shared, received inputs "
                             f"of shape {tuple(input_shape)}.")
        self.alpha = self.add_weight(shape, self.alpha_initializer, name="alpha",  # type: ignore[arg-type]
                                     regularizer=self.alpha_regularizer, constraint=self.alpha_constraint)
        axes = {axis: size for axis, size in enumerate(input_shape) if axis and axis not in shared}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=axes)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.relu(inputs) - ops.cast(self.alpha, self.compute_dtype) * ops.relu(-inputs)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }
