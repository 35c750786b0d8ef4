"""Checks of constructor arguments that several layers share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.errors import ShapeError


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


def indices_below(size: int, indices: np.ndarray, layer_name: str) -> None:
    """Raise IndexError for the first index outside of [0, size); floats count by their whole part.

    Example:
        >>> indices_below(3, np.array([[0, 2], [1, 3]]), "embedding")
        Traceback (most recent call last):
        IndexError: Layer 'embedding' takes indices from 0 to 2, received 3 in row 1, at (1, 1): 1 of 4 is out of range.
    """
    if not indices.size or (indices.min() > -1 and indices.max() < size):
        return
    bad = np.argwhere(~((indices > -1) & (indices < size)))
    place = tuple(int(i) for i in bad[0])
    where = f" in row {place[0]}, at {place}" if len(place) > 1 else f" in row {place[0]}" if place else ""
    value = indices[place].item()
    value = int(value) if value % 1 == 0 else value
    raise IndexError(f"Layer {layer_name!r} takes indices from 0 to {size - 1}, received {value}{where}: "
                     f"{len(bad)} of {indices.size} {'is' if len(bad) == 1 else 'are'} out of range.")


def check_mask(mask: Any, shape: Sequence[int], layer_name: str, what: str = "mask") -> None:
    """Raise ShapeError unless a mask (None is none) has this shape; `what` is its name in the message."""
    if mask is not None and tuple(mask.shape) != tuple(shape):
        raise ShapeError(f"Layer {layer_name!r} expects a {what} of shape {tuple(shape)}, received {tuple(mask.shape)}.")


def check_broadcast(what: str, shape: Sequence[int], target: Sequence[int], layer_name: str) -> None:
    """Raise ShapeError unless a shape broadcasts to another; `what` is its name in the message."""
    lead = len(target) - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, target[lead:], strict=True)):
        raise ShapeError(f"Layer {layer_name!r} expects {what} to broadcast to {tuple(target)}, received shape "
                         f"{tuple(shape)}.")
