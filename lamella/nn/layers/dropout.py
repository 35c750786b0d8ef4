"""`Dropout`: random zeros while training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, random
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class Dropout(Layer):
    """While training: each value is 0 with probability `rate`, else divided by 1 − rate. Otherwise: unchanged.

    Args:
        rate: in [0, 1]; 1 gives zeros.
        noise_shape: shape of the random mask, broadcast over the inputs; None stands for the size of the inputs, so
            that `(None, 1, None)` drops the same features at all steps.
        seed: int, or None for one drawn from `set_random_seed`'s state.

    Raises:
        ValueError: a rate outside of [0, 1], or a `noise_shape` that does not broadcast.

    Source:
        Srivastava et al. 2014, "Dropout"; scaling as in Keras.

    Example:
        >>> from lamella import ops
        >>> Dropout(0.5)(ops.ones((1, 2))).numpy().tolist()
        [[1.0, 1.0]]
        >>> values = Dropout(0.5, seed=1)(ops.ones((100,)), training=True).numpy()
        >>> sorted(set(values.tolist()))
        [0.0, 2.0]
    """

    supports_masking = True

    def __init__(self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = finite_float("rate", rate, self.name, 0.0, 1.0)
        self.seed = seed
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self.seed_generator = random.SeedGenerator(seed) if self.rate > 0 else None
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, self._noise_shape(inputs.shape), seed=self.seed_generator)

    def _noise_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.noise_shape is None:
            return shape
        noise = tuple(have if want is None else want for want, have in zip(self.noise_shape, shape, strict=False))
        if len(self.noise_shape) != len(shape) or any(a not in (1, b) for a, b in zip(noise, shape, strict=True)):
            raise ShapeError(f"noise_shape {self.noise_shape} of layer {self.name!r} does not broadcast to inputs of "
                             f"shape {shape}.")
        return noise

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}
