"""Arrays prepared for a model: one-hot labels, scaling to unit length, sequences of one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """One-hot rows of class numbers, as ``categorical_crossentropy`` wants them.

    Args:
        x: class numbers, any shape; a last axis of size 1 is dropped.
        num_classes: size of the new last axis; the largest class plus one where it is not given.

    Returns:
        A float32 array of zeros and ones, shape ``x.shape + (num_classes,)`` (Keras: float64, and casts it in ``fit``).

    Raises:
        ValueError: a number is not whole, is negative or is not below ``num_classes``; or ``x`` is empty and
            ``num_classes`` not given. The message names the first such number and where it stands.

    Example:
        >>> to_categorical([0, 2], 3)
        array([[1., 0., 0.],
               [0., 0., 1.]], dtype=float32)
    """
    given = np.asarray(x)
    if given.ndim > 1 and given.shape[-1] == 1:
        given = given[..., 0]
    _refuse(given, ~np.isfinite(given), "is not a whole number")
    classes = given.astype("int64")
    _refuse(given, classes != given, "is not a whole number")
    if not num_classes:
        if classes.size == 0:
            raise ValueError("to_categorical: x is empty, so num_classes must be given")
        num_classes = max(int(classes.max()), 0) + 1
    _refuse(given, (classes < 0) | (classes >= num_classes), f"is not a class number from 0 to {num_classes - 1}")
    rows = np.zeros((classes.size, num_classes), "float32")
    rows[np.arange(classes.size), classes.ravel()] = 1
    return rows.reshape(*classes.shape, num_classes)


def _refuse(x: np.ndarray, bad: np.ndarray, reason: str) -> None:
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        where = f" at position {place[0] if len(place) == 1 else place}" if place else ""
        raise ValueError(f"to_categorical: {x[place].item()!r}{where} {reason} ({int(bad.sum())} of {x.size} are not)")


def normalize(x: Any, axis: int = -1, order: float = 2) -> np.ndarray:
    """Divide by the norm along an axis; where the norm is 0 the values stay as they are.

    Formula: ``x / (sum_axis |x|^order)^(1/order)``.

    Args:
        x: numbers; whole numbers become float64.
        axis: the axis whose entries form one vector.
        order: order of the norm; ``numpy.inf`` is the largest absolute value.

    Returns:
        An array of the shape of ``x``.

    Raises:
        numpy.exceptions.AxisError: ``x`` has no such axis.

    Example:
        >>> normalize([[3.0, 4.0], [0.0, 0.0]])
        array([[0.6, 0.8],
               [0. , 0. ]])
    """
    array = np.asarray(x)
    length = np.linalg.norm(array, ord=order, axis=axis, keepdims=True)
    return array / np.where(length == 0, length.dtype.type(1), length)


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Bring sequences to one length: shorter ones are filled up, longer ones are cut.

    Args:
        sequences: one sequence per sample; the entries may themselves be arrays, all of one shape.
        maxlen: the length; that of the longest sequence where it is not given.
        dtype: dtype of the result (``object`` for strings of any length).
        padding: fill up in front (``"pre"``) or behind (``"post"``).
        truncating: cut off in front (``"pre"``) or behind (``"post"``).
        value: what to fill up with.

    Returns:
        An array of shape ``(len(sequences), maxlen, *shape of an entry)``.

    Raises:
        ValueError: an unknown ``padding`` or ``truncating``, a sample that is not a sequence, entries of different
            shapes, or a text as ``value`` for a dtype that cannot hold it.

    Example:
        >>> pad_sequences([[1], [2, 3], [4, 5, 6, 7]], maxlen=3)
        array([[0, 0, 1],
               [0, 2, 3],
               [5, 6, 7]], dtype=int32)
    """
    for name, choice in (("padding", padding), ("truncating", truncating)):
        if choice not in ("pre", "post"):
            raise ValueError(f"pad_sequences: {name} is {choice!r}, must be 'pre' or 'post'")
    if isinstance(value, str) and np.dtype(dtype).kind not in "OSU":
        name = np.dtype(dtype).name
        raise ValueError(f"pad_sequences: dtype {name} cannot hold the text {value!r}; use dtype=object")
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"pad_sequences: sequences is {type(sequences).__name__}, must be a list of sequences")
    for i, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__"):
            raise ValueError(f"pad_sequences: sample {i} is {sequence!r}, not a sequence")
    if maxlen is None:
        maxlen = max(map(len, sequences), default=0)
    filled = [i for i, sequence in enumerate(sequences) if len(sequence)]
    entry = np.shape(sequences[filled[0]])[1:] if filled else ()
    padded = np.full((len(sequences), maxlen, *entry), value, dtype)
    for i in filled:
        sequence = sequences[i]
        cut = max(len(sequence) - maxlen, 0)
        kept = np.asarray(sequence[cut:] if truncating == "pre" else sequence[: len(sequence) - cut], dtype)
        if kept.shape[1:] != entry and len(kept):
            raise ValueError(f"pad_sequences: entries of sample {i} have shape {kept.shape[1:]}, before it {entry}")
        start = maxlen - len(kept) if padding == "pre" else 0
        padded[i, start : start + len(kept)] = kept
    return padded
