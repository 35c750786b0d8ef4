"""Looks at all targets on the host, once, before training: what a loss cannot be right for is an error there.

A function of a loss carries its check as the attribute `check_targets`. Keras computes a plausible number instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Check = Callable[..., None]


def raise_where(bad: np.ndarray, targets: np.ndarray, text: str, hint: str = "", what: str = "Target") -> None:
    """Complain about the first target that is bad.

    Args:
        bad: bool, of the shape of the targets.
        targets: all of them.
        text: what is wrong, after the value and the place.
        hint: what to do.
        what: the word for a target.

    Raises:
        ValueError: one is bad.

    Example:
        >>> raise_where(np.array([False, True]), np.array([0, 5]), "is not in [0, 1]", "Scale them.")
        Traceback (most recent call last):
        ValueError: Target 5 at (1,) is not in [0, 1] (1 such targets). Scale them.
    """
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{what} {targets[place]} at {place} {text} ({int(bad.sum())} such targets). {hint}".rstrip())


def check_finite_targets(y_true: np.ndarray) -> None:
    """No target may be NaN or infinite: the loss and then all weights would be so too.

    Raises:
        ValueError: one is; gives its place.

    Example:
        >>> check_finite_targets(np.array([0.0, np.nan]))
        Traceback (most recent call last):
        ValueError: Target nan at (1,) is not finite (1 such targets). Remove these rows or fill them.
    """
    targets = np.asarray(y_true)
    if targets.dtype.kind not in "iub":
        raise_where(~np.isfinite(targets), targets, "is not finite", "Remove these rows or fill them.")


def within(low: float, high: float, hint: str = "") -> Check:
    """A check that all targets lie in [low, high].

    Example:
        >>> within(0, 1)(np.array([0.5, 3.0]), (None, 1))
        Traceback (most recent call last):
        ValueError: Target 3.0 at (1,) is not in [0, 1] (1 such targets).
    """
    bounds = f"in [{low}, {high}]" if math.isfinite(high) else f">= {low}"

    def check(y_true: np.ndarray, prediction_shape: Any, **_: Any) -> None:
        targets = np.asarray(y_true)
        if targets.size and not (targets.min() >= low and (high == math.inf or targets.max() <= high)):
            raise_where(~((targets >= low) & (targets <= high)), targets, f"is not {bounds}", hint)

    return check


def check_signs(y_true: np.ndarray, prediction_shape: Any, **_: Any) -> None:
    """Targets must be −1 and 1, or 0 and 1.

    Raises:
        ValueError: one is something else, or all three occur.

    Example:
        >>> check_signs(np.array([-1, 0, 1]), (None, 1))
        Traceback (most recent call last):
        ValueError: Target 0 at (1,) is neither -1 nor 1 (1 such targets). Hinge losses take -1 and 1, or 0 and 1.
    """
    targets = np.asarray(y_true)
    hint = "Hinge losses take -1 and 1, or 0 and 1."
    lowest = 0 if targets.size and targets.min() >= 0 else -1
    raise_where((targets != lowest) & (targets != 1), targets, f"is neither {lowest} nor 1", hint)
