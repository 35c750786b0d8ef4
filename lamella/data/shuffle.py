"""The order of rows in an epoch: a pure function of (seed, pass), so that any epoch can be replayed on its own."""

from __future__ import annotations

import numpy as np


def permutation(n: int, seed: int, epoch: int, batch_size: int | None = None) -> np.ndarray:
    """Order of `n` rows in pass number `epoch`.

    Args:
        n: number of rows.
        seed: one number per fit.
        epoch: index of the pass over the data.
        batch_size: if given, rows move only within each contiguous batch (Keras' `shuffle="batch"`).

    Example:
        >>> sorted(permutation(4, seed=1, epoch=0).tolist())
        [0, 1, 2, 3]
        >>> bool((permutation(100, 1, 0) == permutation(100, 1, 0)).all())
        True
    """
    rng = np.random.default_rng((seed, epoch))
    if batch_size is None:
        return rng.permutation(n)
    full = n - n % batch_size
    head = rng.permuted(np.arange(full).reshape(-1, batch_size), axis=1).reshape(-1)
    return np.concatenate([head, full + rng.permutation(n - full)])
