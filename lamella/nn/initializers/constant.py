"""Initializers without chance: zeros, ones, constants, the identity."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.nn.initializers.base import INITIALIZERS, Initializer, Shape, numpy_dtype


@INITIALIZERS.register("zeros", "zero")
class Zeros(Initializer):
    """All 0.

    Example:
        >>> Zeros()((2,)).tolist()
        [0.0, 0.0]
    """

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        return np.zeros(tuple(shape), numpy_dtype(dtype))


@INITIALIZERS.register("ones", "one")
class Ones(Initializer):
    """All 1.

    Example:
        >>> Ones()((2,)).tolist()
        [1.0, 1.0]
    """

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        return np.ones(tuple(shape), numpy_dtype(dtype))


@INITIALIZERS.register("constant")
class Constant(Initializer):
    """One value everywhere; an array is broadcast to the shape.

    Args:
        value: a number or an array.

    Raises:
        ValueError: no numbers, or the array does not broadcast to the shape.

    Example:
        >>> Constant(3)((2,)).tolist()
        [3.0, 3.0]
    """

    def __init__(self, value: Any = 0.0) -> None:
        if np.asarray(value).dtype.kind in "OUSMmc":
            raise ValueError(f"Constant needs a number or an array of numbers, received {value!r}.")
        self.value = value

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        return np.broadcast_to(np.asarray(self.value, numpy_dtype(dtype)), tuple(shape)).copy()

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value.tolist() if isinstance(self.value, np.ndarray) else self.value}


@INITIALIZERS.register("identity", "IdentityInitializer")
class Identity(Initializer):
    """gain · the identity matrix.

    Args:
        gain: the value on the diagonal.

    Raises:
        ValueError: the shape is not that of a matrix.

    Example:
        >>> Identity()((2, 2)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        if len(shape) != 2:
            raise ValueError(f"The identity initializer makes matrices only, received the shape {tuple(shape)}.")
        return (self.gain * np.eye(shape[0], shape[1])).astype(numpy_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}
