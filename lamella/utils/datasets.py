"""Datasets from others and from arrays: `split_dataset`, `timeseries_dataset_from_array`; batches as tuples."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella import tree
from lamella.data import Dataset, as_arrays, is_array_like, permutation
from lamella.frontend.random import make_seed


def split_dataset(dataset: Any, left_size: float | None = None, right_size: float | None = None, shuffle: bool = False,
                  seed: int | None = None) -> tuple[Dataset, Dataset]:
    """Two datasets of the first and of the last elements of one.

    Args:
        dataset: an array, a tuple, list or dict of arrays of one length (their rows are the elements), a `Dataset`, or another
            iterable.
        left_size, right_size: numbers of elements (int) or parts of all (float); one may be left out and is what remains.
        shuffle: whether the elements are put into random order first.
        seed: of that order; None draws one.

    Raises:
        ValueError: neither size is given, one is out of range, or together they are more than there is.
        TypeError: a size that is neither int nor float.

    Source: keras.utils.split_dataset.

    Example:
        >>> left, right = split_dataset((np.arange(10), np.arange(10.0)), left_size=0.8)
        >>> len(left), [int(x) for x, y in right]
        (8, [8, 9])
    """
    if isinstance(dataset, list) and not is_array_like(dataset):
        dataset = tuple(dataset)
    arrays = is_array_like(dataset) or isinstance(dataset, (tuple, dict))
    if arrays:
        rows = as_arrays(dataset, "split_dataset: dataset", strings=True)
        n = len(Dataset.from_tensor_slices(rows))
    else:
        items = list(dataset.as_numpy_iterator() if hasattr(dataset, "as_numpy_iterator") else dataset)
        n = len(items)
    left, right = _sizes(left_size, right_size, n)
    order = permutation(n, make_seed() if seed is None else seed, 0) if shuffle else np.arange(n)

    def part(numbers: np.ndarray) -> Dataset:
        if arrays:
            return Dataset.from_tensor_slices(tree.map_structure(lambda array: array[numbers], rows))
        return Dataset.from_generator(lambda: (items[i] for i in numbers), len(numbers))

    return part(order[:left]), part(order[n - right :])


def _sizes(left: Any, right: Any, n: int) -> tuple[int, int]:
    """Numbers of elements of both parts."""
    if left is None and right is None:
        raise ValueError("split_dataset needs left_size or right_size.")
    counts: list[Any] = []
    for name, size in (("left_size", left), ("right_size", right)):
        if size is not None and (isinstance(size, bool) or not isinstance(size, (int, float))):
            raise TypeError(f"split_dataset: {name} must be an int or a float, received {size!r} ({type(size).__name__}).")
        limit = 1 if isinstance(size, float) else n
        if size is not None and not 0 < size < limit:
            raise ValueError(f"split_dataset: {name} must be more than 0 and less than {limit} "
                             f"({'a part' if limit == 1 else 'elements'}), received {size!r}.")
        counts.append(round(size * n) if isinstance(size, float) else size)
    first, second = (n - counts[1 - i] if count is None else count for i, count in enumerate(counts))
    if first + second > n or not first or not second:
        raise ValueError(f"split_dataset: {n} elements cannot be split into {first} and {second} (left_size={left!r}, "
                         f"right_size={right!r}); both parts need at least one.")
    return first, second


def timeseries_dataset_from_array(data: Any, targets: Any, sequence_length: int, sequence_stride: int = 1, sampling_rate: int = 1,
                                  batch_size: int | None = 128, shuffle: bool = False, seed: int | None = None,
                                  start_index: int | None = None, end_index: int | None = None) -> Dataset:
    """Windows of a series: (start_index, + sampling_rate, + 2 sampling_rate, ...), each beginning `sequence_stride` after the last.

    Args:
        data: (timesteps, ...).
        targets: the target of the window that begins at i is targets[i]; None for windows alone. Windows without target are
            left out.
        sequence_length: steps of a window.
        sequence_stride: steps between the beginnings of windows.
        sampling_rate: steps between the samples of a window.
        batch_size: None for single windows.
        shuffle: whether windows come in random order, another one in each pass.
        seed: of that order.
        start_index, end_index: only data[start_index:end_index] is used.

    Raises:
        ValueError: a number out of range, or not one window fits.

    Source: keras.utils.timeseries_dataset_from_array.

    Example:
        >>> data = timeseries_dataset_from_array(np.arange(10), np.arange(10) * 10, 3, sampling_rate=2, batch_size=4)
        >>> [(x[-1].numpy().tolist(), int(y[-1])) for x, y in data]
        [([3, 5, 7], 30), ([5, 7, 9], 50)]
    """
    where = "timeseries_dataset_from_array"
    series, n = as_arrays(data, f"{where}: data"), len(data)
    start, end = start_index or 0, n if end_index is None else end_index
    for name, value, low, high in (("sequence_length", sequence_length, 1, n), ("sequence_stride", sequence_stride, 1, n - 1),
                                   ("sampling_rate", sampling_rate, 1, n - 1), ("start_index", start, 0, n - 1),
                                   ("end_index", end, start + 1, n)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
            raise ValueError(f"{where}: {name} must be an int from {low} to {high} for data of length {n}, received {value!r}.")
    count = end - start - (sequence_length - 1) * sampling_rate
    goals = None if targets is None else as_arrays(targets, f"{where}: targets")[start:end]
    if goals is not None:
        count = min(count, len(goals))
    if count < 1:
        raise ValueError(f"{where}: {end - start} steps hold no window of {sequence_length} samples {sampling_rate} apart"
                         f"{'' if goals is None else f', with {len(goals)} targets'}.")
    windows = Dataset.from_tensor_slices(np.arange(0, count, sequence_stride))
    if shuffle:
        windows = windows.shuffle(count, seed)
    if batch_size is not None:
        windows = windows.batch(batch_size)
    steps = start + np.arange(sequence_length) * sampling_rate

    def items() -> Any:
        for begin in windows.as_numpy_iterator():
            window = series[np.expand_dims(begin, -1) + steps]
            yield window if goals is None else (window, goals[begin])

    return Dataset.from_generator(items, len(windows))
