"""Data that comes in batches: generators, iterables, and objects with `__len__` and `__getitem__` (PyDataset)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lamella.data.arrays import as_arrays
from lamella.data.py_dataset import batch_numbers, made_ahead
from lamella.data.shuffle import permutation
from lamella.errors import DTypeError


def unpack_batch(item: Any) -> tuple[Any, Any, Any]:
    """x, y and sample weights of one item of a stream: `(x,)`, `(x, y)`, `(x, y, sample_weight)`, or x alone.

    Raises:
        ValueError: a tuple of more than three.

    Example:
        >>> unpack_batch((1, 2))
        (1, 2, None)
    """
    if isinstance(item, list):
        item = tuple(item)
    if not isinstance(item, tuple):
        return item, None, None
    if not 1 <= len(item) <= 3:
        raise ValueError(f"A batch must be (x,), (x, y) or (x, y, sample_weight), received a tuple of {len(item)}.")
    return item + (None,) * (3 - len(item))  # type: ignore[return-value]


def pack_batch(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The tuple that `fit` takes as a batch; x alone, if it is no tuple or list, stays as it is.

    Source: keras.utils.pack_x_y_sample_weight.

    Example:
        >>> pack_batch("x"), pack_batch(["a", "b"]), pack_batch("x", "y")
        ('x', (['a', 'b'],), ('x', 'y'))
    """
    if sample_weight is not None:
        return (x, y, sample_weight)
    if y is None:
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y)


class Stream:
    """Batches from a generator, an iterable or a PyDataset, converted to trees of arrays.

    Args:
        source: iterator (used up once), iterable (restarts each pass), `PyDataset`, or another object with `__getitem__` and a
            length.
        where: the method that received it, for the messages.

    Raises:
        DTypeError: the source is none of these.

    Example:
        >>> [batch[0].shape for batch in Stream([([[1.0]], [0]), ([[2.0]], [1])])]
        [(1, 1), (1, 1)]
    """

    def __init__(self, source: Any, where: str = "fit") -> None:
        self.source = source
        self.where = where
        self.once = hasattr(source, "__next__")
        self.numbered = hasattr(source, "num_batches") and hasattr(source, "__getitem__")  # a PyDataset, ours or Keras'
        self.indexed = not hasattr(source, "__iter__") and hasattr(source, "__getitem__") and hasattr(source, "__len__")
        self._seed: int | None = None
        self._passes = 0
        if not (self.once or self.indexed or hasattr(source, "__iter__")):
            raise DTypeError(f"{where}: a {type(source).__name__} is neither an array nor an iterable of batches.")

    def __len__(self) -> int:
        return len(self.source)

    def shuffle(self, seed: int) -> None:
        """Take the batches of a PyDataset in another order in each pass from now on."""
        self._seed = seed

    @property
    def length(self) -> int | None:
        """Number of batches, None if the source does not know it."""
        if self.numbered:
            return self.source.num_batches
        try:
            return len(self.source)
        except TypeError:
            return None

    def __iter__(self) -> Iterator[Any]:
        begin = getattr(self.source, "on_epoch_begin", None)
        if self.numbered and callable(begin):
            begin()
        for item in self._items():
            yield convert_batch(item, self.where)

    def on_epoch_end(self) -> None:
        """Tell a source that wants to know (PyDataset) that a pass is over."""
        hook = getattr(self.source, "on_epoch_end", None)
        if callable(hook):
            hook()

    def _items(self) -> Iterator[Any]:
        if self.numbered:
            return self._numbered_items()
        if self.indexed:
            return (self.source[i] for i in range(len(self.source)))
        if hasattr(self.source, "as_numpy_iterator"):
            return iter(self.source.as_numpy_iterator())
        return iter(self.source)

    def _numbered_items(self) -> Iterator[Any]:
        count = self.source.num_batches
        numbers = batch_numbers(count)
        if self._seed is not None and count is not None:
            numbers = permutation(count, self._seed, self._passes).tolist()
            self._passes += 1
        workers = getattr(self.source, "workers", 1)
        if workers > 1:
            return made_ahead(self.source.__getitem__, numbers, workers, self.source.max_queue_size)
        return (self.source[i] for i in numbers)


def convert_batch(item: Any, where: str = "fit") -> Any:
    """One item, x alone or `(x,)`, `(x, y)` or `(x, y, sample_weight)`, with trees of arrays."""
    x, y, weight = unpack_batch(item)
    x, y, weight = (
        as_arrays(x, f"{where}: x"),
        as_arrays(y, f"{where}: y"),
        as_arrays(weight, f"{where}: sample_weight"),
    )
    return (x,) if isinstance(item, (list, tuple)) and len(item) == 1 else pack_batch(x, y, weight)
