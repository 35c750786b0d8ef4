"""Optimizer steps as functions from values to values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor, Variable


def _values(variables: Sequence[Variable]) -> list[Tensor]:
    return [variable.value() for variable in variables]


def _assign(variables: Sequence[Variable], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(ops.cast(ops.convert_to_tensor(value), variable.dtype))


def stateless_apply(optimizer: Any, optimizer_values: Sequence[Any], grads: Sequence[Any],
                    trainable_values: Sequence[Any]) -> tuple[list[Tensor], list[Tensor]]:
    """(new values of the trainable variables, new values of the optimizer's); no variable changes.

    Raises:
        ShapeError: another number of values than variables.

    Example:
        >>> from lamella.nn.optimizers import SGD
        >>> v = Variable([1.0], name="v")
        >>> sgd = SGD(0.5)
        >>> sgd.build([v])
        >>> new, _ = stateless_apply(sgd, [x.value() for x in sgd.variables], [[1.0]], [[3.0]])
        >>> new[0].numpy().tolist(), v.numpy().tolist()
        ([2.5], [1.0])
    """
    trainable, own = optimizer._trainable_variables, optimizer.variables
    if len(trainable) != len(trainable_values) or len(own) != len(optimizer_values):
        raise ShapeError(f"stateless_apply received {len(trainable_values)} values for {len(trainable)} trainable "
                         f"variables and {len(optimizer_values)} for {len(own)} of the optimizer; build() it first.")
    everything = [*trainable, *own]
    before = _values(everything)
    try:
        _assign(everything, [*trainable_values, *optimizer_values])
        optimizer.apply(grads, trainable)
        return _values(trainable), _values(own)
    finally:
        _assign(everything, before)
