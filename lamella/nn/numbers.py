"""The check of a number that a user passes to a constructor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def number(argument: str, value: Any, owner: str, low: float = 0.0, high: float = math.inf,
           open_high: bool = False) -> float:
    """`value` as a finite float in [low, high], or [low, high) with `open_high`. Ints count as numbers, bools do not.

    Raises:
        ValueError: it is not; names the owner and the argument.

    Example:
        >>> number("beta_1", 1.5, "Adam", 0.0, 1.0, open_high=True)
        Traceback (most recent call last):
        ValueError: beta_1 of Adam must be a finite number in [0.0, 1.0), received 1.5.
    """
    kind = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not kind or not math.isfinite(value) or not low <= value <= high or (open_high and value == high):
        bounds = f" in [{low}, {high}{')' if open_high or high == math.inf else ']'}" if low > -math.inf or high < math.inf else ""
        raise ValueError(f"{argument} of {owner} must be a finite number{bounds}, received {value!r}.")
    return float(value)
