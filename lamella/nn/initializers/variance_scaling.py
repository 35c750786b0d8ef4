"""Initializers whose spread follows the number of inputs and outputs of a weight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.nn.initializers.base import INITIALIZERS, RandomInitializer
from lamella.nn.initializers.random import truncated_unit_normal

_TRUNCATED_STD = 0.87962566103423978  # the standard deviation of a unit normal cut at +-2


def compute_fans(shape: Sequence[int], input_axes: Sequence[int] | None = None,
                 output_axes: Sequence[int] | None = None) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight, as Keras counts them: leading axes are the receptive field.

    With both `input_axes` and `output_axes` the fans are the products of these sizes.

    Example:
        >>> compute_fans((3, 4)), compute_fans((3, 3, 16, 32)), compute_fans((5,))
        ((3, 4), (144, 288), (5, 5))
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
    if len(shape) == 0:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


@INITIALIZERS.register("variance_scaling")
class VarianceScaling(RandomInitializer):
    """Zero mean, variance scale / fan.

    Args:
        scale: > 0.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal" (σ = √(scale/fan) / 0.8796 before the cut at 2σ), "untruncated_normal"
            (σ = √(scale/fan)) or "uniform" (in ±√(3 scale/fan)); "normal" means truncated.
        seed: an int fixes the sequence of the streams.
        input_axes, output_axes: the axes whose sizes make up the two fans, where leading axes are no receptive field.

    Raises:
        ValueError: a bad scale, mode or distribution.

    Example:
        >>> values = VarianceScaling(2.0, "fan_in", "uniform", seed=1)((6, 1000))
        >>> bool(abs(values).max() <= 1.0)
        True
    """

    MODES = ("fan_in", "fan_out", "fan_avg")
    DISTRIBUTIONS = ("normal", "truncated_normal", "untruncated_normal", "uniform")

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal",
                 seed: int | None = None, input_axes: Sequence[int] | None = None,
                 output_axes: Sequence[int] | None = None) -> None:
        super().__init__(seed)
        if not scale > 0 or not math.isfinite(scale):
            raise ValueError(f"scale must be a finite number > 0, received {scale!r}.")
        if mode not in self.MODES:
            raise ValueError(f"mode must be one of {self.MODES}, received {mode!r}.")
        if distribution not in self.DISTRIBUTIONS:
            raise ValueError(f"distribution must be one of {self.DISTRIBUTIONS}, received {distribution!r}.")
        self.scale, self.mode = scale, mode
        self.input_axes, self.output_axes = input_axes, output_axes
        self.distribution = "truncated_normal" if distribution == "normal" else distribution

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return generator.uniform(-limit, limit, shape)
        if self.distribution == "truncated_normal":
            return math.sqrt(variance) / _TRUNCATED_STD * truncated_unit_normal(generator, shape)
        return math.sqrt(variance) * generator.standard_normal(shape)

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "mode": self.mode, "distribution": self.distribution, **super().get_config(),
                "input_axes": self.input_axes, "output_axes": self.output_axes}


class _Preset(VarianceScaling):
    """A named choice of scale, mode and distribution; its config holds the seed and the axes only."""

    PRESET: tuple[float, str, str]

    def __init__(self, seed: int | None = None, input_axes: Sequence[int] | None = None,
                 output_axes: Sequence[int] | None = None) -> None:
        super().__init__(*self.PRESET, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "input_axes": self.input_axes, "output_axes": self.output_axes}


@INITIALIZERS.register("glorot_uniform")
class GlorotUniform(_Preset):
    """Uniform in ±√(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio 2010.

    Example:
        >>> GlorotUniform(seed=1)((2, 3)).shape
        (2, 3)
    """

    PRESET = (1.0, "fan_avg", "uniform")


@INITIALIZERS.register("glorot_normal")
class GlorotNormal(_Preset):
    """Truncated normal, variance 2 / (fan_in + fan_out).

    Source: Glorot and Bengio 2010.

    Example:
        >>> GlorotNormal(seed=1)((2, 3)).shape
        (2, 3)
    """

    PRESET = (1.0, "fan_avg", "truncated_normal")


@INITIALIZERS.register("he_uniform")
class HeUniform(_Preset):
    """Uniform in ±√(6 / fan_in).

    Source: He et al. 2015, arXiv:1502.01852.

    Example:
        >>> HeUniform(seed=1)((2, 3)).shape
        (2, 3)
    """

    PRESET = (2.0, "fan_in", "uniform")


@INITIALIZERS.register("he_normal")
class HeNormal(_Preset):
    """Truncated normal, variance 2 / fan_in.

    Source: He et al. 2015, arXiv:1502.01852.

    Example:
        >>> HeNormal(seed=1)((2, 3)).shape
        (2, 3)
    """

    PRESET = (2.0, "fan_in", "truncated_normal")


@INITIALIZERS.register("lecun_uniform")
class LecunUniform(_Preset):
    """Uniform in ±√(3 / fan_in).

    Source: LeCun et al. 1998, Efficient BackProp.

    Example:
        >>> LecunUniform(seed=1)((2, 3)).shape
        (2, 3)
    """

    PRESET = (1.0, "fan_in", "uniform")


@INITIALIZERS.register("lecun_normal")
class LecunNormal(_Preset):
    """Truncated normal, variance 1 / fan_in.

    Source: LeCun et al. 1998, Efficient BackProp.

    Example:
        >>> LecunNormal(seed=1)((2, 3)).shape
        (2, 3)
    """

    PRESET = (1.0, "fan_in", "truncated_normal")
