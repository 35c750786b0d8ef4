"""Checks of constructor arguments that several layers share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def positive_int(argument: str, value: Any, layer_name: str) -> int:
    """`value` as an int > 0.

    Raises:
        ValueError: it is not; names the layer and the argument.

    Example:
        >>> positive_int("units", 0, "dense")
        Traceback (most recent call last):
        ValueError: units of layer 'dense' must be an int > 0, received 0.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value <= 0:
        raise ValueError(f"{argument} of layer {layer_name!r} must be an int > 0, received {value!r}.")
    return int(value)


def finite_float(argument: str, value: Any, layer_name: str, low: float = -math.inf, high: float = math.inf) -> float:
    """`value` as a finite float in [low, high].

    Raises:
        ValueError: it is not; names the layer and the argument.

    Example:
        >>> finite_float("rate", 2.0, "dropout", 0.0, 1.0)
        Traceback (most recent call last):
        ValueError: rate of layer 'dropout' must be a finite number in [0.0, 1.0], received 2.0.
    """
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{argument} of layer {layer_name!r} must be a finite number in [{low}, {high}], "
                         f"received {value!r}.")
    return float(value)
