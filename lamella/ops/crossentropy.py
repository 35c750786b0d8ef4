"""One-hot codes, and crossentropies between them and predictions."""

from __future__ import annotations

from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, cast, convert_to_tensor
from lamella.frontend.arithmetic import to_floats
from lamella.ops.axes import one_axis
from lamella.ops.elementwise import clip, log, negative
from lamella.ops.nn import log_sigmoid, log_softmax
from lamella.ops.reduction import max, sum
from lamella.ops.shaping import expand_dims, squeeze
from lamella.settings import settings


def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Tensor:
    """1 where the class number equals x, along a new axis; all 0 for numbers outside 0..num_classes - 1."""
    x = convert_to_tensor(x)
    x = x if x.dtype in ("int32", "int64") else cast(x, "int32")  # a smaller dtype may not hold all class numbers
    axis = one_axis(axis, x.ndim + 1)
    line = bind(
        "iota", shape=tuple(num_classes if a == axis else 1 for a in range(x.ndim + 1)), axis=axis, dtype=x.dtype
    )
    return cast(bind("eq", expand_dims(x, axis), line), dtype)


def multi_hot(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False, **kwargs: Any
) -> Tensor:
    """1 for each class number that occurs along the last axis of `inputs`."""
    classes = kwargs.pop("num_tokens", num_classes)
    if kwargs or classes is None:
        raise TypeError("multi_hot takes inputs, num_classes, axis, dtype and sparse; num_classes is needed.")
    x = convert_to_tensor(inputs)
    return max(one_hot(x, classes, axis, dtype), 1 if x.ndim > 1 else 0)


def _check_same(target: Tensor, output: Tensor) -> None:
    if target.shape != output.shape or not output.ndim:
        raise ShapeError(
            f"target and output must have the same shape with at least one axis; received {target.shape} "
            f"and {output.shape}."
        )


def _clipped(output: Tensor) -> Tensor:
    return clip(output, settings.epsilon, 1.0 - settings.epsilon)


def _log_probabilities(output: Tensor, from_logits: bool, axis: int) -> Tensor:
    if from_logits:
        return log_softmax(output, axis)
    return log(_clipped(output / sum(output, axis, True)))


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """-sum(target log p) over `axis`; p = output / sum(output), clipped to epsilon..1 - epsilon, or softmax(output)
    of logits.

    Args:
        target: probabilities, of the output's shape.
        output: probabilities or logits.
    """
    target, (output,) = convert_to_tensor(target), to_floats(output)
    _check_same(target, output)
    return negative(sum(target * _log_probabilities(output, from_logits, axis), axis))


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """-log p[target] with the p of `categorical_crossentropy`; 0 for targets outside of the classes.

    Args:
        target: class numbers, shape of the output without its class axis (or with size 1 there).
        output: probabilities or logits.
    """
    target, (output,) = cast(target, "int32"), to_floats(output)
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = squeeze(target, -1)
    axis = one_axis(axis, output.ndim)
    if target.shape != tuple(n for a, n in enumerate(output.shape) if a != axis):
        raise ShapeError(
            f"target must have the output's shape without its class axis; received {target.shape} and {output.shape}."
        )
    hot = one_hot(target, output.shape[axis], axis, output.dtype)
    return negative(sum(hot * _log_probabilities(output, from_logits, axis), axis))


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """-(target log p + (1 - target) log(1 - p)) by element; p = output clipped to epsilon..1 - epsilon, or sigmoid of
    logits.
    """
    target, (output,) = convert_to_tensor(target), to_floats(output)
    if target.shape != output.shape:
        raise ShapeError(f"target and output must have the same shape; received {target.shape} and {output.shape}.")
    target = cast(target, output.dtype)
    if from_logits:
        return negative(target * log_sigmoid(output)) - (1.0 - target) * log_sigmoid(negative(output))
    p = _clipped(output)
    return negative(target * log(p) + (1.0 - target) * log(1.0 - p))
