"""Keys of random numbers, and the generators that count them up.

A key is uint32[2] = (seed, counter); element i of a draw depends on the key and i alone (`random_bits`), so that
results do not depend on threads, and a mask can be computed again from its key instead of being stored.
"""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from lamella.frontend.arithmetic import add
from lamella.frontend.binding import bind, convert_to_tensor
from lamella.frontend.state import init_scope
from lamella.frontend.tensor import Tensor, TensorLike
from lamella.frontend.variable import Variable


class SeedGenerator:
    """A stream of keys. Its state is a variable, so that a compiled program draws new numbers at every call.

    Args:
        seed: non-negative integer; None draws one from Python's `random`, which `set_random_seed` seeds.
        name: of the state variable.

    Raises:
        ValueError: the seed is negative or no integer.

    Example:
        >>> generator = SeedGenerator(7)
        >>> generator.next().numpy(), generator.next().numpy()
        (array([7, 0], dtype=uint32), array([7, 1], dtype=uint32))
    """

    def __init__(self, seed: int | None = None, name: str = "seed_generator", **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(f"SeedGenerator got unexpected arguments {sorted(kwargs)}.")
        self.name = name
        self.seed = make_seed() if seed is None else check_seed(seed)
        with init_scope():
            self.state = Variable(
                np.array([self.seed & 0xFFFFFFFF, 0], np.uint32), trainable=False, name=f"{name}_state"
            )

    def next(self, ordered: bool = True) -> Tensor:
        """The present key, uint32[2]; the state moves on by one."""
        del ordered
        key = self.state.value()
        self.state.assign(add(key, bind("iota", shape=(2,), axis=0, dtype="uint32")))
        return key

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        return cls(**config)


def check_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"A seed must be a non-negative integer, received {seed!r}.")
    return int(seed)


# Seeds come from a generator of our own: other packages draw from Python's (rich does when it is imported).
_SEEDS = python_random.Random()


def make_seed() -> int:
    """A fresh seed; the sequence starts again at `set_random_seed`."""
    return _SEEDS.randint(1, int(1e9))


class _Global:
    generator: SeedGenerator | None = None


def global_seed_generator() -> SeedGenerator:
    """The generator behind `seed=None`."""
    if _Global.generator is None:
        _Global.generator = SeedGenerator()
    return _Global.generator


def forget_global_seed() -> None:
    """Let the next draw with `seed=None` begin a new stream."""
    _Global.generator = None


def set_random_seed(seed: int) -> None:
    """Seed Python's `random`, `numpy.random` and Lamella: a program started again from here draws the same numbers.

    Raises:
        ValueError: the seed is negative or no integer.
    """
    seed = check_seed(seed)
    python_random.seed(seed)
    _SEEDS.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    if _Global.generator is None:
        _Global.generator = SeedGenerator(seed)
    _Global.generator.seed = seed
    _Global.generator.state.assign(np.array([seed & 0xFFFFFFFF, 0], np.uint32))


def draw_key(seed: Any = None) -> Tensor:
    """A key from `seed`: a SeedGenerator's next, the global generator's next (None), an integer's, or a key itself."""
    if seed is None:
        return global_seed_generator().next()
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, TensorLike):
        return seed._tensor()
    return convert_to_tensor(np.array([check_seed(seed) & 0xFFFFFFFF, 0], np.uint32))
