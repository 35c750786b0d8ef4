"""What a layer demands of its inputs, checked before each call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamella import tree
from lamella.errors import ShapeError


class InputSpec:
    """Demands on one input: each given one must hold.

    Args:
        dtype: name of the dtype.
        shape: all sizes; None matches any.
        ndim: number of axes.
        min_ndim, max_ndim: bounds of the number of axes.
        axes: sizes of single axes, `{axis: size}`; a size of None matches any.

    Example:
        >>> InputSpec(min_ndim=2, axes={-1: 4}).complaint((8, 5), "float32")
        'axis -1 of size 4'
    """

    def __init__(self, dtype: str | None = None, shape: Sequence[int | None] | None = None, ndim: int | None = None,
                 max_ndim: int | None = None, min_ndim: int | None = None,
                 axes: Mapping[int, int | None] | None = None) -> None:
        self.dtype, self.shape = dtype, None if shape is None else tuple(shape)
        self.ndim = len(shape) if shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}

    def complaint(self, shape: Sequence[int | None], dtype: str) -> str | None:
        """What was expected but is not there, or None if the input fits."""
        rank = len(shape)
        if self.ndim is not None and rank != self.ndim:
            return f"{self.ndim} axes"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"at least {self.min_ndim} axes"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"at most {self.max_ndim} axes"
        if self.dtype is not None and dtype != self.dtype:
            return f"dtype {self.dtype}"
        for axis, size in self.axes.items():
            if not -rank <= axis < rank or (size is not None and shape[axis] not in (size, None)):
                return f"axis {axis} of size {size}"
        pairs = zip(self.shape or (), shape, strict=False)
        if any(want is not None and got is not None and want != got for want, got in pairs):
            return f"shape {self.shape}"
        return None


def check_input(spec: Any, inputs: Any, layer_name: str) -> None:
    """Hold `inputs` against a tree of specs; None demands nothing.

    Raises:
        ShapeError: the number of inputs or one of them does not fit; names the layer, what was expected and received.
    """
    if spec is None:
        return
    specs = tree.flatten(spec)
    leaves = tree.flatten(inputs)
    if len(specs) != len(leaves):
        raise ShapeError(f"Layer {layer_name!r} expects {len(specs)} input(s), received {len(leaves)}.")
    for index, (one, leaf) in enumerate(zip(specs, leaves, strict=True)):
        if one is None or not hasattr(leaf, "shape"):
            continue
        complaint = one.complaint(tuple(leaf.shape), str(leaf.dtype))
        if complaint:
            which = f"input {index} of " if len(specs) > 1 else ""
            raise ShapeError(f"Layer {layer_name!r} expects {which}its inputs to have {complaint}, "
                             f"received shape {tuple(leaf.shape)}, dtype {leaf.dtype}.")
