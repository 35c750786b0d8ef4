"""Initializers that draw each value alone, and orthogonal matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamella.nn.initializers.base import INITIALIZERS, RandomInitializer
from lamella.nn.numbers import number


def truncated_unit_normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A unit normal restricted to [-2, 2], by drawing the outliers again."""
    values = generator.standard_normal(shape)
    while True:
        outside = np.abs(values) > 2
        count = int(np.count_nonzero(outside))
        if not count:
            return values
        values[outside] = generator.standard_normal(count)


@INITIALIZERS.register("random_normal", "normal")
class RandomNormal(RandomInitializer):
    """Normal with `mean` and `stddev`.

    Raises:
        ValueError: a number that is not finite, or a negative `stddev`.

    Example:
        >>> RandomNormal(seed=1)((2, 3)).shape
        (2, 3)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = number("mean", mean, type(self).__name__, -math.inf)
        self.stddev = number("stddev", stddev, type(self).__name__)

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return self.mean + self.stddev * generator.standard_normal(shape)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


@INITIALIZERS.register("truncated_normal")
class TruncatedNormal(RandomNormal):
    """Normal cut at mean ± 2 stddev (of the uncut normal), as in Keras.

    Example:
        >>> bool(np.abs(TruncatedNormal(seed=1)((1000,))).max() <= 0.1)
        True
    """

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return self.mean + self.stddev * truncated_unit_normal(generator, shape)


@INITIALIZERS.register("random_uniform", "uniform")
class RandomUniform(RandomInitializer):
    """Uniform in [minval, maxval).

    Raises:
        ValueError: a number that is not finite, or minval > maxval.

    Example:
        >>> bool(np.abs(RandomUniform(seed=1)((1000,))).max() <= 0.05)
        True
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = (number(argument, value, "RandomUniform", -math.inf)
                                    for argument, value in (("minval", minval), ("maxval", maxval)))
        if minval > maxval:
            raise ValueError(f"RandomUniform needs minval <= maxval, received {minval} and {maxval}.")

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return generator.uniform(self.minval, self.maxval, shape)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, **super().get_config()}


@INITIALIZERS.register("orthogonal", "OrthogonalInitializer")
class Orthogonal(RandomInitializer):
    """gain · a random matrix with orthonormal columns (rows, if wider than tall); leading axes are flattened.

    Source: Saxe et al. 2014, arXiv:1312.6120; the sign rule of Keras (positive diagonal of R).

    Raises:
        ValueError: the shape has fewer than two axes.

    Example:
        >>> q = Orthogonal(seed=1)((4, 3), "float64")
        >>> bool(np.allclose(q.T @ q, np.eye(3)))
        True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = number("gain", gain, "Orthogonal", -math.inf)

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        if len(shape) < 2:
            raise ValueError(f"The orthogonal initializer needs a shape of two axes or more, received {shape}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        normal = generator.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(normal)
        q = q * np.sign(np.diag(r))
        return self.gain * (q.T if rows < columns else q).reshape(shape)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, **super().get_config()}
