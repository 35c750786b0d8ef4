"""A small dataset for custom training loops, with the names of `tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lamella import tree
from lamella.data.arrays import as_arrays, rows
from lamella.data.checks import check_lengths, check_positive_int
from lamella.data.shuffle import permutation
from lamella.frontend import Tensor
from lamella.frontend.random import make_seed


class Dataset:
    """A re-iterable sequence of trees of tensors; methods return a new dataset and never change this one.

    Tuples and dicts are trees, lists are arrays, as in `tf.data`. Strings come as numpy arrays, for layers such as
    `TextVectorization` in `map`.

    Example:
        >>> data = Dataset.from_tensor_slices((np.arange(10.0), np.arange(10))).batch(4)
        >>> [x.shape for x, y in data]
        [(4,), (4,), (2,)]
    """

    def __init__(self, make: Callable[[], Iterator[Any]], length: int | None) -> None:
        self._make = make
        self._length = length

    @staticmethod
    def from_tensor_slices(tensors: Any) -> Dataset:
        """The rows of a tree of arrays of equal length.

        Raises:
            ShapeError: lengths differ.
        """
        arrays = _arrays(tensors, "tensors")
        n = check_lengths({"tensors": tree.flatten(arrays)}, "from_tensor_slices")
        return _Rows(arrays, n)

    @staticmethod
    def from_generator(generator: Callable[[], Any], length: int | None = None) -> Dataset:
        """What `generator()` yields, called anew for each pass."""
        return Dataset(lambda: (_arrays(item, "an item") for item in generator()), length)

    def __iter__(self) -> Iterator[Any]:
        return (tree.map_structure(_tensor, item) for item in self._make())

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The same items with numpy arrays as leaves."""
        return self._make()

    def __len__(self) -> int:
        if self._length is None:
            raise TypeError("This dataset does not know its length.")
        return self._length

    def shuffle(self, buffer_size: int, seed: int | None = None) -> Dataset:
        """Items in random order, drawn from a buffer of `buffer_size` items; another order in each pass."""
        size = check_positive_int(buffer_size, "buffer_size")
        passes = _Passes(seed)
        return Dataset(lambda: _buffered(self._make(), size, passes.next_generator()), self._length)

    def batch(self, batch_size: int, drop_remainder: bool = False) -> Dataset:
        """`batch_size` items stacked on a new first axis; the last batch may be smaller."""
        size = check_positive_int(batch_size, "batch_size")
        n = self._length
        length = None if n is None else n // size if drop_remainder else -(-n // size)
        return Dataset(lambda: _batched(self._make(), size, drop_remainder), length)

    def map(self, function: Callable[..., Any]) -> Dataset:
        """`function(*item)` for each item that is a tuple, `function(item)` for others."""

        def apply(item: Any) -> Any:
            item = tree.map_structure(_tensor, item)
            result = function(*item) if isinstance(item, tuple) else function(item)
            return tree.map_structure(np.asarray, result)

        return Dataset(lambda: map(apply, self._make()), self._length)

    def repeat(self, count: int | None = None) -> Dataset:
        """The items `count` times over; without end if None."""

        def make() -> Iterator[Any]:
            done = 0
            while count is None or done < count:
                yield from self._make()
                done += 1

        return Dataset(make, None if count is None or self._length is None else self._length * count)

    def take(self, count: int) -> Dataset:
        """The first `count` items."""
        return Dataset(
            lambda: (item for item, _ in zip(self._make(), range(count), strict=False)),
            None if self._length is None else min(count, self._length),
        )

    def prefetch(self, buffer_size: int | None = None) -> Dataset:
        """This dataset: the data is in memory already."""
        return self

    cache = prefetch


class _Rows(Dataset):
    """Rows of arrays: shuffling and batching work on row numbers, so that a batch is one indexed read."""

    def __init__(
        self, arrays: Any, n: int, passes: _Passes | None = None, size: int | None = None, drop: bool = False
    ) -> None:
        self.arrays, self.n, self._passes, self._size, self._drop = arrays, n, passes, size, drop
        length = n if size is None else n // size if drop else -(-n // size)
        super().__init__(self._read, length)

    def _read(self) -> Iterator[Any]:
        order = np.arange(self.n) if self._passes is None else self._passes.next_order(self.n)
        if self._size is None:
            return (rows(self.arrays, int(i)) for i in order)
        stop = self.n - self.n % self._size if self._drop else self.n
        return (rows(self.arrays, order[i : i + self._size]) for i in range(0, stop, self._size))

    def shuffle(self, buffer_size: int, seed: int | None = None) -> Dataset:
        """Rows in random order. The buffer is free here, so every size gives a permutation of all rows."""
        check_positive_int(buffer_size, "buffer_size")
        return super().shuffle(buffer_size, seed) if self._size else _Rows(self.arrays, self.n, _Passes(seed))

    def batch(self, batch_size: int, drop_remainder: bool = False) -> Dataset:
        """See `Dataset.batch`."""
        size = check_positive_int(batch_size, "batch_size")
        return (
            super().batch(size, drop_remainder)
            if self._size
            else _Rows(self.arrays, self.n, self._passes, size, drop_remainder)
        )


class _Passes:
    """Counts the passes over a shuffled dataset, so that each has another order."""

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self._count = 0

    def _next(self) -> tuple[int, int]:
        if self._seed is None:
            self._seed = make_seed()
        self._count += 1
        return self._seed, self._count - 1

    def next_order(self, n: int) -> np.ndarray:
        return permutation(n, *self._next())

    def next_generator(self) -> np.random.Generator:
        return np.random.default_rng(self._next())


def _arrays(structure: Any, name: str) -> Any:
    if isinstance(structure, tuple):
        return tuple(_arrays(part, f"{name}[{i}]") for i, part in enumerate(structure))
    return as_arrays(structure, name, strings=True)


def _tensor(leaf: Any) -> Any:
    holds_strings = isinstance(leaf, str) or np.asarray(leaf).dtype.kind in "USO"
    return leaf if leaf is None or holds_strings else Tensor(np.asarray(leaf))


def _batched(items: Iterator[Any], size: int, drop: bool) -> Iterator[Any]:
    held: list[Any] = []
    for item in items:
        held.append(item)
        if len(held) == size:
            yield tree.map_structure(lambda *leaves: np.stack(leaves), *held)
            held = []
    if held and not drop:
        yield tree.map_structure(lambda *leaves: np.stack(leaves), *held)


def _buffered(items: Iterator[Any], size: int, rng: np.random.Generator) -> Iterator[Any]:
    held: list[Any] = []
    for item in items:
        held.append(item)
        if len(held) == size:
            yield held.pop(int(rng.integers(len(held))))
    rng.shuffle(held)  # type: ignore[arg-type]
    yield from held
