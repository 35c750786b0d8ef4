"""Checks of hyperparameters, at construction: a bad value must not wait until training to show."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.nn.numbers import number as number


def optional_number(argument: str, value: Any, optimizer: str) -> float | None:
    """None, or `value` as a finite float >= 0.

    Raises:
        ValueError: it is neither.

    Example:
        >>> optional_number("clipnorm", None, "SGD"), optional_number("clipnorm", 1, "SGD")
        (None, 1.0)
    """
    return None if value is None else number(argument, value, optimizer)


def flag(argument: str, value: Any, optimizer: str) -> bool:
    """`value` as a bool.

    Raises:
        ValueError: it is no bool.

    Example:
        >>> flag("nesterov", True, "SGD")
        True
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{argument} of {optimizer} must be True or False, received {value!r}.")
    return bool(value)


def ema_frequency(value: Any, use_ema: bool, optimizer: str) -> int | None:
    """None, or an int >= 1 if averages are kept.

    Raises:
        ValueError: it is neither.

    Example:
        >>> ema_frequency(10, True, "SGD")
        10
    """
    if value is not None and (not use_ema or isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"ema_overwrite_frequency of {optimizer} must be an int >= 1, with use_ema=True, "
                         f"received {value!r}.")
    return value


def accumulation_steps(value: Any, optimizer: str) -> int | None:
    """None (also for 1), or an int >= 2.

    Raises:
        ValueError: it is neither.

    Example:
        >>> accumulation_steps(4, "SGD"), accumulation_steps(1, "SGD")
        (4, None)
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"gradient_accumulation_steps of {optimizer} must be None or an int >= 1, received {value!r}.")
    return int(value) if value > 1 else None
