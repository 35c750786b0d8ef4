"""The bases of all initializers.

Each call draws from a fresh stream: two weights that share one initializer object differ. With a seed, the n-th call of
an object always gives the same values; without, the stream comes from `set_random_seed`'s state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from lamella.frontend import random
from lamella.nn.registry import Registry, checked_config
from lamella.settings import settings

INITIALIZERS = Registry("keras.initializers", "initializer")
Shape = Sequence[int]


def numpy_dtype(dtype: str | None) -> np.dtype:
    """The numpy dtype of a name; None is the default float."""
    name = dtype or settings.floatx
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


class Initializer:
    """Base of all initializers: `initializer(shape, dtype=None)` gives an array.

    Example:
        >>> class Sevens(Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return np.full(shape, 7.0)
        >>> Sevens()((2,)).tolist()
        [7.0, 7.0]
    """

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} does not define __call__.")

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        return checked_config(cls, config)


class RandomInitializer(Initializer):
    """Base of the random ones: `sample(generator, shape)` draws float64 values from a fresh stream for each call.

    Args:
        seed: an int fixes the sequence of the streams; None takes them from `set_random_seed`'s state.

    Raises:
        ValueError: the seed is not an int >= 0.
    """

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
            raise ValueError(f"{type(self).__name__} needs seed=None or an int >= 0, received {seed!r}.")
        self.seed = seed
        self._calls = 0

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        entropy = random.make_seed() if self.seed is None else [int(self.seed), self._calls]
        self._calls += 1
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
        return np.asarray(self.sample(generator, tuple(shape))).astype(numpy_dtype(dtype))

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} does not define sample.")

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}
