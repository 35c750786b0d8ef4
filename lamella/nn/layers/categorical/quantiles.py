"""Quantiles of a stream in bounded memory: a summary of weighted values that batches are merged into."""

from __future__ import annotations

import numpy as np

EMPTY = np.zeros((2, 0), np.float32)


def summary_of(values: np.ndarray, epsilon: float) -> np.ndarray:
    """Every k-th value in sorted order, k = max(1, epsilon · n), with the weight k; shape (2, m).

    Example:
        >>> summary_of(np.array([3.0, 1.0, 2.0], np.float32), 0.01).tolist()
        [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]
    """
    ordered = np.sort(values, axis=None)
    step = max(ordered.size * epsilon, 1)
    chosen = ordered[int(step - 1)::int(step)]
    return np.stack([chosen, np.full_like(chosen, step)])


def merged(first: np.ndarray, second: np.ndarray, epsilon: float) -> np.ndarray:
    """One summary of two."""
    both = np.concatenate([first, second], axis=1)
    return compressed(both[:, np.argsort(both[0])], epsilon)


def compressed(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """About 1 / epsilon values, at equal steps of the cumulated weight, interpolated linearly.

    Example:
        >>> compressed(np.array([[0, 1, 2, 3], [1, 1, 1, 1]], np.float32), 0.5).tolist()
        [[1.0, 3.0], [2.0, 2.0]]
    """
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    cumulated = summary[1].cumsum()
    places = cumulated / cumulated[-1]
    values, reached = np.interp(shares, places, summary[0]), np.interp(shares, places, cumulated)
    return np.stack([values, np.diff(reached, prepend=0)]).astype(np.float32)


def boundaries(summary: np.ndarray, bins: int) -> list[float]:
    """The values that divide a summary into `bins` parts of equal weight."""
    return compressed(summary, 1 / bins)[0, :-1].tolist()
