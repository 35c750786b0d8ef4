"""Class weights are sample weights, worked out on the host once per fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamella.settings import settings


def class_weight_to_sample_weight(y: np.ndarray, class_weight: Mapping[Any, float]) -> np.ndarray:
    """Weight of each row: `w[i] = class_weight[class of y[i]]`.

    The class is the argmax over the last axis if that is longer than 1, else the value itself. A class that the mapping
    lacks is an error, not a silent 1.0.

    Raises:
        ValueError: labels hold a class without weight, or a weight is negative or not finite.

    Example:
        >>> class_weight_to_sample_weight(np.array([0, 1, 1]), {0: 1.0, 1: 3.0})
        array([1., 3., 3.], dtype=float32)
    """
    labels = y
    if y.ndim > 1:
        labels = np.argmax(y, axis=-1) if y.shape[-1] > 1 else y[..., 0]
    labels = np.rint(labels).astype(np.int64)
    classes, inverse = np.unique(labels, return_inverse=True)
    table = {int(key): float(value) for key, value in class_weight.items()}
    for key, value in table.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"class_weight of class {key} must be a finite number >= 0, received {value}.")
    missing = [int(c) for c in classes if int(c) not in table]
    if missing:
        raise ValueError(
            f"class_weight has no weight for the classes {missing}; it has {sorted(table)}. "
            "Give each class that occurs a weight."
        )
    return np.array([table[int(c)] for c in classes], settings.floatx)[inverse].reshape(labels.shape)
