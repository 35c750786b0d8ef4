"""Data that lies in memory: trees of arrays with one number of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from lamella import tree
from lamella.data.arrays import as_arrays, rows
from lamella.data.checks import check_finite, check_fraction, check_lengths
from lamella.data.streams import pack_batch
from lamella.data.weights import class_weight_to_sample_weight


class ArrayData:
    """x, y and sample weights as trees of arrays of equal length.

    Args:
        x: array-like or tree of them.
        y: targets, or None.
        sample_weight: `(n,)`, `(n, t)` or the structure of y, or None.
        where: the method that received them (`"fit"`), for the messages.

    Raises:
        ShapeError: lengths differ or a list is ragged.
        ValueError: x is empty, or a sample weight is not finite.
        DTypeError: strings or objects.

    Example:
        >>> data = ArrayData(np.zeros((10, 4)), np.zeros(10))
        >>> data.n, data.x.dtype.name
        (10, 'float32')
    """

    def __init__(
        self, x: Any, y: Any = None, sample_weight: Any = None, where: str = "fit", check: bool = True
    ) -> None:
        self.where = where
        self.x = as_arrays(x, f"{where}: x")
        self.y = as_arrays(y, f"{where}: y")
        self.sample_weight = as_arrays(sample_weight, f"{where}: sample_weight")
        parts = {name: _leaves(getattr(self, name)) for name in ("x", "y", "sample_weight")}
        self.n = check_lengths(parts, where)
        for name, arrays in parts.items():
            for array in arrays:
                if check or name == "sample_weight":
                    check_finite(array, f"{where}: {name}", strict=name == "sample_weight")

    @property
    def batch(self) -> Any:
        """`x`, `(x, y)` or `(x, y, sample_weight)`: the tree that steps receive, here with all rows; see `pack_batch`."""
        return pack_batch(self.x, self.y, self.sample_weight)

    @property
    def leaves(self) -> list[np.ndarray]:
        """The arrays of `batch` in order; absent ones (None) are left out."""
        return _leaves(self.batch)

    def slice(self, start: int, stop: int | None) -> ArrayData:
        """The rows from `start` to `stop`, without a copy."""
        part = ArrayData.__new__(ArrayData)
        part.x, part.y, part.sample_weight = (rows(t, slice(start, stop)) for t in (self.x, self.y, self.sample_weight))
        part.where = self.where
        part.n = len(range(self.n)[start:stop])
        return part

    def split(self, fraction: float) -> tuple[ArrayData, ArrayData]:
        """Training rows and, from the tail, the validation rows: `split_at = floor(n * (1 - fraction))`.

        Raises:
            ValueError: fraction outside [0, 1), or one of the parts is empty.

        Example:
            >>> a, b = ArrayData(np.zeros((10, 1))).split(0.25)
            >>> a.n, b.n
            (7, 3)
        """
        check_fraction(fraction, "validation_split")
        at = math.floor(self.n * (1.0 - fraction))
        if at in (0, self.n):
            raise ValueError(
                f"validation_split={fraction} of {self.n} rows leaves {at} for training and {self.n - at} for "
                "validation; both need at least one."
            )
        return self.slice(0, at), self.slice(at, None)

    def with_class_weight(self, class_weight: dict[int, float]) -> ArrayData:
        """The same data with the weights of the classes as sample weights.

        Raises:
            ValueError: sample weights exist already, y is a tree or missing, or the labels hold a class without weight.
        """
        if self.sample_weight is not None:
            raise ValueError("Pass class_weight or sample_weight, not both.")
        if not isinstance(self.y, np.ndarray):
            raise ValueError("class_weight needs one array of targets y; with several outputs use sample_weight.")
        part = self.slice(0, None)
        part.sample_weight = class_weight_to_sample_weight(self.y, class_weight)
        return part

    def steps(self, batch_size: int) -> int:
        """Number of batches, the smaller last one included."""
        return -(-self.n // batch_size)

    def batches(self, batch_size: int, order: np.ndarray | None = None) -> Iterator[Any]:
        """Batches as trees of arrays, in array order or in that of a permutation."""
        for start in range(0, self.n, batch_size):
            stop = min(start + batch_size, self.n)
            yield rows(self.batch, slice(start, stop) if order is None else order[start:stop])


def _leaves(data: Any) -> list[np.ndarray]:
    return [leaf for leaf in tree.flatten(data) if leaf is not None]
