"""`GaussianNoise`, `GaussianDropout`, `AlphaDropout`: random while training, without effect otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor, random
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.dropout import Dropout
from lamella.nn.layers.layer import LAYERS, Layer
from lamella.ops.nn import SELU_ALPHA, SELU_SCALE


class _Noise(Layer):
    """A layer with one number and a seed; subclasses define `_disturb`."""

    supports_masking = True
    _argument = "stddev"

    def __init__(self, amount: float, high: float, seed: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        setattr(self, self._argument, finite_float(self._argument, amount, self.name, 0.0, high))
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed) if amount > 0 else None
        self.built = True

    def _disturb(self, inputs: Tensor) -> Tensor:
        raise NotImplementedError

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return self._disturb(inputs) if training and self.seed_generator is not None else inputs

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), self._argument: getattr(self, self._argument), "seed": self.seed}


@LAYERS.register()
class GaussianNoise(_Noise):
    """x + N(0, stddev²) while training.

    Args:
        stddev: standard deviation of the noise, in [0, 1] as in Keras.
        seed: int, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: `stddev` outside of [0, 1].

    Example:
        >>> out = GaussianNoise(0.1, seed=1)(ops.zeros((1000,)), training=True).numpy()
        >>> bool(abs(out.std() - 0.1) < 0.01)
        True
    """

    stddev: float

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(stddev, 1.0, seed, **kwargs)

    def _disturb(self, inputs: Tensor) -> Tensor:
        return inputs + random.normal(inputs.shape, 0.0, self.stddev, inputs.dtype, self.seed_generator)


@LAYERS.register()
class GaussianDropout(_Noise):
    """x · N(1, rate / (1 − rate)) while training: the mean and variance of `Dropout`, without zeros.

    Args:
        rate: in [0, 1).
        seed: int, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a rate outside of [0, 1).

    Source:
        Srivastava et al. 2014, "Dropout", section 10.

    Example:
        >>> out = GaussianDropout(0.5, seed=1)(ops.ones((1000,)), training=True).numpy()
        >>> bool(abs(out.std() - 1.0) < 0.1)
        True
    """

    rate: float
    _argument = "rate"

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, math.nextafter(1.0, 0.0), seed, **kwargs)

    def _disturb(self, inputs: Tensor) -> Tensor:
        stddev = math.sqrt(self.rate / (1.0 - self.rate))
        return inputs * random.normal(inputs.shape, 1.0, stddev, inputs.dtype, self.seed_generator)


@LAYERS.register()
class AlphaDropout(Dropout):
    """Dropout that keeps mean 0 and variance 1, for networks of `selu`.

    While training a value becomes α' = −α λ with probability `rate`; then all are scaled to a · x + b with
    a = ((1 − rate)(1 + rate α'²))^(−1/2) and b = −a · α' · rate.

    Args:
        rate: in [0, 1); at 0 nothing happens.
        noise_shape: shape of the random mask, see `Dropout`.
        seed: int, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a rate outside of [0, 1), or a `noise_shape` that does not broadcast.

    Source:
        Klambauer et al. 2017, arXiv:1706.02515.

    Example:
        >>> AlphaDropout(0.5)(ops.ones((1, 2))).numpy().tolist()
        [[1.0, 1.0]]
    """

    def __init__(self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(rate, noise_shape, seed, **kwargs)
        finite_float("rate", rate, self.name, 0.0, math.nextafter(1.0, 0.0))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.rate == 0:
            return inputs
        low = -SELU_ALPHA * SELU_SCALE
        a = ((1.0 - self.rate) * (1.0 + self.rate * low**2)) ** -0.5
        keep = random.bernoulli(self._noise_shape(inputs.shape), 1.0 - self.rate, self.seed_generator)
        return ops.where(keep, inputs, low) * a - a * low * self.rate
