"""Numbers of categories as vectors: one_hot, multi_hot and count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import did_you_mean
from lamella.frontend import Tensor

_OLD_NAMES = {"binary": "multi_hot", "tf-idf": "tf_idf"}


def checked_output_mode(mode: Any, known: Sequence[str], layer_name: str) -> str:
    """`mode` under its present name.

    Raises:
        ValueError: not one of `known`; names the layer.

    Example:
        >>> checked_output_mode("binary", ("int", "multi_hot"), "encoding")
        'multi_hot'
    """
    mode = _OLD_NAMES.get(mode, mode)
    if mode not in known:
        raise ValueError(f"Unknown output_mode {mode!r} of layer {layer_name!r}. {did_you_mean(str(mode), known)}")
    return mode


def refuse_sparse(sparse: bool, layer_name: str) -> None:
    """Raise ValueError for `sparse=True`: tensors are dense here."""
    if sparse:
        raise ValueError(f"Layer {layer_name!r} received sparse=True; it gives dense tensors only: leave sparse out.")


def encode(indices: Any, mode: str, depth: int, dtype: str, weights: Any = None) -> Tensor:
    """Encode integers; those outside of 0..depth - 1 leave no trace.

    Args:
        indices: integers (..., n).
        mode: "int" casts only; "one_hot" appends an axis of size `depth` (in place of a last axis of size 1); "count"
            and "multi_hot" replace the last axis by how often each number occurs in it, or whether it does.
        depth: the size of the new axis.
        dtype: of the result.
        weights: for "count": what each occurrence counts for, of the shape of `indices`.

    Example:
        >>> encode([[0, 2, 2]], "count", 4, "int32").numpy().tolist()
        [[1, 0, 2, 0]]
    """
    x = ops.convert_to_tensor(indices)
    if mode == "int":
        return ops.cast(x, dtype)
    x = x if x.ndim else ops.reshape(x, (1,))
    if mode == "one_hot":
        return ops.one_hot(ops.squeeze(x, -1) if x.ndim > 1 and x.shape[-1] == 1 else x, depth, dtype=dtype)
    counts = _counts(x, depth, ops.ones_like(x, dtype=dtype) if weights is None else ops.cast(weights, dtype))
    return ops.minimum(counts, 1) if mode == "multi_hot" else counts


def _counts(x: Tensor, depth: int, weights: Tensor) -> Tensor:
    """Added up in a table of rows x depth, so that no array of the size of a one-hot encoding arises."""
    rows = math.prod(x.shape[:-1])
    inside = ops.logical_and(x >= 0, x < depth)
    starts = ops.reshape(ops.arange(rows, dtype="int64") * depth, (*x.shape[:-1], 1))
    slots = ops.where(inside, ops.cast(x, "int64") + starts, -1)
    table = ops.segment_sum(ops.reshape(weights, (-1,)), ops.reshape(slots, (-1,)), rows * depth)
    return ops.reshape(table, (*x.shape[:-1], depth))


def encoded_shape(shape: Sequence[int | None], mode: str, depth: int | None) -> tuple[int | None, ...]:
    """The shape of `encode`'s result.

    Example:
        >>> encoded_shape((None, 3), "count", 5), encoded_shape((None, 1), "one_hot", 5)
        ((None, 5), (None, 5))
    """
    shape = tuple(shape)
    if mode == "int":
        return shape
    shape = shape or (1,)
    keeps_last = mode == "one_hot" and (len(shape) == 1 or shape[-1] != 1)
    return (*shape, depth) if keeps_last else (*shape[:-1], depth)
