"""Layers of several inputs: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate; and their functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.layers.layer import LAYERS, Layer
from lamella.nn.masks import get_mask


class _Merge(Layer):
    """Takes a list of inputs; ranks are made equal by axes of size 1 after the batch, then numpy's broadcasting."""

    supports_masking = True
    _inputs_needed: int | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.built = True

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """A place counts if it does in one of the inputs; without a mask on each input there is none."""
        masks = previous_mask if isinstance(previous_mask, (list, tuple)) else [previous_mask]
        return None if any(mask is None for mask in masks) else functools.reduce(ops.logical_or, masks)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        self._check(inputs)
        rank = max(len(x.shape) for x in inputs)
        merged = [_of_rank(x, rank) for x in inputs]
        if any(len({size for size in sizes if size != 1}) > 1 for sizes in zip(*(x.shape for x in merged), strict=True)):
            raise ShapeError(f"Layer {self.name!r} expects inputs of shapes that broadcast together, received "
                             f"{', '.join(str(tuple(x.shape)) for x in inputs)}.")
        return self._merge(merged)

    def _check(self, inputs: Any) -> None:
        needed = self._inputs_needed
        if not isinstance(inputs, (list, tuple)) or not inputs or (needed and len(inputs) != needed):
            received = len(inputs) if isinstance(inputs, (list, tuple)) else f"a {type(inputs).__name__}"
            raise ShapeError(f"Layer {self.name!r} expects a list of {needed or 'one or more'} inputs, "
                             f"received {received}.")

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        raise NotImplementedError


def _where_kept(x: Tensor, mask: Any, other: Any) -> Tensor:
    """`x`, and `other` in its masked places."""
    return x if mask is None else ops.where(ops.expand_dims(mask, -1), x, other)


def _extreme(choose: Callable[[Tensor, Tensor], Tensor], inputs: list[Tensor]) -> Tensor:
    """Merge pair by pair; a masked place takes the value of the other input, as Keras."""
    output, kept = inputs[0], get_mask(inputs[0])
    for x in inputs[1:]:
        mask = get_mask(x)
        x = _where_kept(x, mask, output)
        output = choose(_where_kept(output, kept, x), x)
        kept = None if mask is None or kept is None else ops.logical_or(kept, mask)
    return output


def _of_rank(x: Tensor, rank: int) -> Tensor:
    missing = rank - len(x.shape)
    return ops.reshape(x, (*x.shape[:1], *([1] * missing), *x.shape[1:])) if missing else x


@LAYERS.register()
class Add(_Merge):
    """The sum of all inputs.

    Example:
        >>> Add()([ops.ones((1, 2)), ops.ones((1, 2))]).numpy().tolist()
        [[2.0, 2.0]]
    """

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return functools.reduce(ops.add, inputs)


@LAYERS.register()
class Subtract(_Merge):
    """The first input minus the second.

    Example:
        >>> Subtract()([ops.ones((1, 2)), ops.ones((1, 2))]).numpy().tolist()
        [[0.0, 0.0]]
    """

    _inputs_needed = 2

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return ops.subtract(*inputs)


@LAYERS.register()
class Multiply(_Merge):
    """The product of all inputs, element by element; masked places count as 1, or 0 where all inputs are masked.

    Example:
        >>> Multiply()([2.0 * ops.ones((1, 2)), ops.ones((1, 2))]).numpy().tolist()
        [[2.0, 2.0]]
    """

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        masks = [get_mask(x) for x in inputs]
        product = functools.reduce(ops.multiply, [_where_kept(x, mask, 1) for x, mask in zip(inputs, masks, strict=True)])
        all_masked = all(mask is not None for mask in masks)
        return _where_kept(product, functools.reduce(ops.logical_or, masks), 0) if all_masked else product


@LAYERS.register()
class Average(_Merge):
    """The sum of all inputs divided by their number.

    Example:
        >>> Average()([ops.ones((1, 2)), ops.zeros((1, 2))]).numpy().tolist()
        [[0.5, 0.5]]
    """

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return functools.reduce(ops.add, inputs) / len(inputs)


@LAYERS.register()
class Maximum(_Merge):
    """The largest of the inputs, element by element; masked places do not count.

    Example:
        >>> Maximum()([ops.ones((1, 2)), ops.zeros((1, 2))]).numpy().tolist()
        [[1.0, 1.0]]
    """

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return _extreme(ops.maximum, inputs)


@LAYERS.register()
class Minimum(_Merge):
    """The smallest of the inputs, element by element; masked places do not count.

    Example:
        >>> Minimum()([ops.ones((1, 2)), ops.zeros((1, 2))]).numpy().tolist()
        [[0.0, 0.0]]
    """

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return _extreme(ops.minimum, inputs)


@LAYERS.register()
class Concatenate(_Merge):
    """The inputs behind one another along `axis`; their other sizes must be equal.

    Args:
        axis: along which to join.

    Raises:
        ShapeError: the other sizes differ.

    Example:
        >>> Concatenate()([ops.ones((1, 2)), ops.zeros((1, 1))]).numpy().tolist()
        [[1.0, 1.0, 0.0]]
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        self._check(inputs)
        rank = len(inputs[0].shape)
        if not -rank <= self.axis < rank:
            raise ShapeError(f"Layer {self.name!r} has axis {self.axis}, received inputs of {rank} axes.")
        others = {tuple(n for i, n in enumerate(x.shape) if i != self.axis % rank) for x in inputs}
        if len(others) > 1:
            raise ShapeError(f"Layer {self.name!r} expects inputs that differ only on axis {self.axis}, "
                             f"received shapes {', '.join(str(tuple(x.shape)) for x in inputs)}.")
        return ops.concatenate(list(inputs), axis=self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The masks behind one another, or where the features are joined, the places that one of the inputs keeps."""
        if not isinstance(previous_mask, (list, tuple)) or all(mask is None for mask in previous_mask):
            return None
        full = []
        for x, mask in zip(inputs, previous_mask, strict=True):
            flags = ops.ones_like(x, dtype="bool") if mask is None else mask
            missing = len(x.shape) - len(flags.shape)
            flags = ops.reshape(flags, (*flags.shape, *([1] * missing))) if missing else flags
            full.append(ops.broadcast_to(flags, x.shape))
        return ops.any(ops.concatenate(full, axis=self.axis), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


def add(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Add(**kwargs)(inputs)`.

    Example:
        >>> add([ops.ones((1, 1)), ops.ones((1, 1))]).numpy().tolist()
        [[2.0]]
    """
    return Add(**kwargs)(inputs)


def subtract(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Subtract(**kwargs)(inputs)`."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Multiply(**kwargs)(inputs)`."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Average(**kwargs)(inputs)`."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Maximum(**kwargs)(inputs)`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Minimum(**kwargs)(inputs)`."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate(axis, **kwargs)(inputs)`."""
    return Concatenate(axis, **kwargs)(inputs)
