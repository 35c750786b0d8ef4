"""`PyDataset`: batches that a class makes by number, if wanted on several threads ahead of their use."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class PyDataset:
    """Base of datasets that make batch number i in `__getitem__(self, i)`, and tell the number of batches by `__len__` or
    `num_batches`.

    `fit` takes the batches in another order in each epoch unless `shuffle=False`.

    Args:
        workers: threads that make batches ahead; 1 makes each when it is needed. With more, `__getitem__` must be safe to call from
            several threads.
        use_multiprocessing: accepted for compatibility: workers are threads. (numpy and the reading of files leave other threads
            running.)
        max_queue_size: how many batches may wait.

    Source: keras.utils.PyDataset.

    Example:
        >>> class Squares(PyDataset):
        ...     def __len__(self):
        ...         return 3
        ...     def __getitem__(self, i):
        ...         return i * i
        >>> list(Squares())
        [0, 1, 4]
    """

    workers = 1
    use_multiprocessing = False
    max_queue_size = 10

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __getitem__(self, index: int) -> Any:
        """Batch number `index`: `(x,)`, `(x, y)` or `(x, y, sample_weight)`."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index).")

    @property
    def num_batches(self) -> int | None:
        """Batches of one pass: the length, where there is a `__len__`. None: without end, so `fit` needs `steps_per_epoch`."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(f"{type(self).__name__} must define __len__(self) or the property num_batches.")

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in batch_numbers(self.num_batches))

    def on_epoch_begin(self) -> None:
        """Called before the first batch of an epoch."""

    def on_epoch_end(self) -> None:
        """Called after the last batch of an epoch."""


def batch_numbers(count: int | None) -> Iterable[int]:
    """0 ... count - 1, or without end."""
    return itertools.count() if count is None else range(count)


def made_ahead(make: Callable[[int], Any], numbers: Iterable[int], workers: int, waiting: int) -> Iterator[Any]:
    """`make(i)` for each number, in order, computed by threads while at most `waiting` results are not yet taken.

    Example:
        >>> list(made_ahead(lambda i: i * i, range(4), workers=2, waiting=2))
        [0, 1, 4, 9]
    """
    pending: collections.deque[Future[Any]] = collections.deque()
    left = iter(numbers)
    with ThreadPoolExecutor(workers) as pool:
        try:
            pending.extend(pool.submit(make, i) for i in itertools.islice(left, max(waiting, 1)))
            while pending:
                result = pending.popleft().result()
                pending.extend(pool.submit(make, i) for i in itertools.islice(left, 1))
                yield result
        finally:
            for future in pending:
                future.cancel()
