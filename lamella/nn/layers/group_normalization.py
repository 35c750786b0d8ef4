"""`GroupNormalization`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.ir.types import wide
from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.normalization import AffineNormalization


@LAYERS.register()
class GroupNormalization(AffineNormalization):
    """(x − μ) · γ / √(σ² + ε) + β, with μ and σ² (÷ N) of each sample over the positions and a group of channels.

    Args:
        groups: number of groups; −1 makes each channel a group of its own (instance normalization).
        axis: the channel axis.
        epsilon: ε.
        center, scale: whether there are β and γ, one per channel.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint:
            of the weights.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: `groups` is neither −1 nor > 0.
        ShapeError: the groups do not divide the channels, an axis out of range or of unknown size.

    Source:
        Wu and He 2018, arXiv:1803.08494.

    Example:
        >>> layer = GroupNormalization(groups=2, epsilon=0.0)
        >>> layer(ops.convert_to_tensor([[0.0, 2.0, 5.0, 9.0]])).numpy().tolist()
        [[-1.0, 1.0, -1.0, 1.0]]
    """

    def __init__(self, groups: int = 32, axis: int = -1, epsilon: float = 1e-3, center: bool = True,
                 scale: bool = True, beta_initializer: Any = "zeros", gamma_initializer: Any = "ones",
                 beta_regularizer: Any = None, gamma_regularizer: Any = None, beta_constraint: Any = None,
                 gamma_constraint: Any = None, **kwargs: Any) -> None:
        super().__init__(axis, epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer,
                         gamma_regularizer, beta_constraint, gamma_constraint, **kwargs)
        if isinstance(groups, bool) or not isinstance(groups, int) or (groups < 1 and groups != -1):
            raise ValueError(f"groups of layer {self.name!r} must be -1 or an int > 0, received {groups!r}.")
        self.groups = groups

    def build(self, input_shape: Sequence[int | None]) -> None:
        ((axis, channels),) = self._sizes(input_shape).items()
        if axis == 0 or channels % self._count(channels):
            raise ShapeError(f"Layer {self.name!r} expects a number of channels that divides into {self.groups} groups "
                             f"on axis {self.axis}, received inputs of shape {tuple(input_shape)}.")
        self._make_affine((channels,))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: channels})

    def _count(self, channels: int) -> int:
        return channels if self.groups == -1 else self.groups

    def call(self, inputs: Tensor) -> Tensor:
        dtype = wide(self.compute_dtype)
        (axis,) = self._axes(len(inputs.shape))
        shape, channels = inputs.shape, inputs.shape[axis]
        groups = self._count(channels)
        x = ops.reshape(ops.cast(inputs, dtype), (*shape[:axis], groups, channels // groups, *shape[axis + 1 :]))
        over = tuple(a for a in range(1, len(x.shape)) if a != axis)
        centred = x - ops.mean(x, axis=over, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=over, keepdims=True)
        normal = ops.reshape(centred * ops.rsqrt(variance + self.epsilon), shape)
        along = [channels if a == axis else 1 for a in range(len(shape))]
        return self._affine(normal, None, along, dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups}
