"""Activations, softmax, losses and normalizations."""

from __future__ import annotations

import math
from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, cast, convert_to_tensor
from lamella.frontend.arithmetic import to_floats
from lamella.ops.axes import many_axes, one_axis
from lamella.ops.elementwise import (
    absolute,
    clip,
    exp,
    expm1,
    log,
    log1p,
    maximum,
    minimum,
    negative,
    rsqrt,
    sqrt,
    square,
    tanh,
)
from lamella.ops.logic import where
from lamella.ops.reduction import max, mean, sum, var
from lamella.ops.shaping import expand_dims, reshape, split, squeeze
from lamella.settings import settings

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def relu(x: Any) -> Tensor:
    """max(x, 0); gradient 0 at 0, NaN stays NaN."""
    x = convert_to_tensor(x)
    zero = convert_to_tensor(0, x.dtype)
    return bind("select", bind("le", x, zero), zero, x)


def relu6(x: Any) -> Tensor:
    """min(max(x, 0), 6)."""
    return minimum(maximum(x, 0), 6)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """x where x >= 0, else negative_slope * x."""
    (x,) = to_floats(x)
    return where(x >= 0, x, x * negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha (e^x - 1)."""
    (x,) = to_floats(x)
    above = x > 0
    return where(above, x, expm1(where(above, 0.0, x)) * alpha)


def selu(x: Any) -> Tensor:
    """1.0507 elu(x, 1.67326): keeps mean 0 and variance 1 through layers."""
    return elu(x, SELU_ALPHA) * SELU_SCALE


def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """max(x, 0) + min(0, alpha (e^(x / alpha) - 1))."""
    (x,) = to_floats(x)
    above = x > 0
    return where(above, x, expm1(where(above, 0.0, x / alpha)) * alpha)


def sigmoid(x: Any) -> Tensor:
    """1 / (1 + e^-x), without overflow."""
    return bind("logistic", *to_floats(x))


def gelu(x: Any, approximate: bool = True) -> Tensor:
    """x times the normal distribution function: x (1 + erf(x / sqrt 2)) / 2, or with tanh(sqrt(2/pi) (x + 0.044715
    x^3)) for erf.
    """
    (x,) = to_floats(x)
    if approximate:
        return x * 0.5 * (tanh((x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)) + 1.0)
    return x * 0.5 * (bind("erf", x * math.sqrt(0.5)) + 1.0)


def silu(x: Any) -> Tensor:
    """x sigmoid(x)."""
    (x,) = to_floats(x)
    return x * sigmoid(x)


swish = silu


def softplus(x: Any) -> Tensor:
    """log(1 + e^x) = max(x, 0) + log1p(e^-|x|)."""
    (x,) = to_floats(x)
    return maximum(x, 0.0) + log1p(exp(negative(absolute(x))))


def log_sigmoid(x: Any) -> Tensor:
    """log(1 / (1 + e^-x)) = -softplus(-x)."""
    return negative(softplus(negative(to_floats(x)[0])))


def softsign(x: Any) -> Tensor:
    """x / (1 + |x|)."""
    (x,) = to_floats(x)
    return x / (absolute(x) + 1.0)


def hard_sigmoid(x: Any) -> Tensor:
    """relu6(x + 3) / 6."""
    return relu6(to_floats(x)[0] + 3.0) / 6.0


def hard_silu(x: Any) -> Tensor:
    """x hard_sigmoid(x)."""
    (x,) = to_floats(x)
    return x * hard_sigmoid(x)


hard_swish = hard_silu


def hard_tanh(x: Any) -> Tensor:
    """x clipped to -1..1."""
    return clip(x, -1.0, 1.0)


def tanh_shrink(x: Any) -> Tensor:
    """x - tanh(x)."""
    (x,) = to_floats(x)
    return x - tanh(x)


def soft_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """x moved towards 0 by the threshold: 0 within it."""
    (x,) = to_floats(x)
    return where(x > threshold, x - threshold, where(x < -threshold, x + threshold, 0.0))


def hard_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """x where |x| > threshold, else 0."""
    (x,) = to_floats(x)
    return where(absolute(x) > threshold, x, 0.0)


def threshold(x: Any, threshold: float, default_value: float) -> Tensor:
    """x where x > threshold, else default_value."""
    (x,) = to_floats(x)
    return where(x > threshold, x, default_value)


def squareplus(x: Any, b: float = 4) -> Tensor:
    """(x + sqrt(x^2 + b)) / 2."""
    (x,) = to_floats(x)
    return (x + sqrt(x * x + float(b))) / 2.0


def sparse_plus(x: Any) -> Tensor:
    """0 for x <= -1, (x + 1)^2 / 4 between, x for x >= 1."""
    (x,) = to_floats(x)
    return where(x <= -1.0, 0.0, where(x < 1.0, square(x + 1.0) / 4.0, x))


def sparse_sigmoid(x: Any) -> Tensor:
    """(x + 1) / 2 clipped to 0..1."""
    (x,) = to_floats(x)
    return where(x <= -1.0, 0.0, where(x >= 1.0, 1.0, (x + 1.0) * 0.5))


def glu(x: Any, axis: int = -1) -> Tensor:
    """First half of the axis times sigmoid of the second half."""
    first, second = split(x, 2, axis)
    return first * sigmoid(second)


def softmax(x: Any, axis: Any = -1) -> Tensor:
    """e^(x - m) / sum(e^(x - m)), m the maximum over `axis`."""
    (x,) = to_floats(x)
    e = exp(x - bind("stop_gradient", max(x, axis, True)))
    return e / sum(e, axis, True)


def log_softmax(x: Any, axis: Any = -1) -> Tensor:
    """x - m - log(sum(e^(x - m))), m the maximum over `axis`."""
    (x,) = to_floats(x)
    shifted = x - bind("stop_gradient", max(x, axis, True))
    return shifted - log(sum(exp(shifted), axis, True))


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


def normalize(x: Any, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> Tensor:
    """x / max(|x|_order, epsilon) over `axis`; for order 2: x rsqrt(max(sum x^2, epsilon^2))."""
    (x,) = to_floats(x)
    small = settings.epsilon if epsilon is None else epsilon
    if order == 2:
        return x * rsqrt(maximum(sum(square(x), axis, True), small**2))
    size = sum(absolute(x) ** order, axis, True) ** (1.0 / order)
    return x / maximum(size, small)


def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Tensor:
    """(x - mean) rsqrt(variance + epsilon) scale + offset; the vectors lie along `axis`."""
    x = convert_to_tensor(x)
    shape = tuple(n if a == one_axis(axis, x.ndim) else 1 for a, n in enumerate(x.shape))
    factor = rsqrt(reshape(variance, shape) + epsilon)
    if scale is not None:
        factor = factor * reshape(scale, shape)
    out = (x - reshape(mean, shape)) * factor
    return out if offset is None else out + reshape(offset, shape)


def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, **kwargs: Any
) -> Tensor:
    """(x - mean) rsqrt(variance + epsilon) gamma + beta, with mean and variance over `axis` of each sample."""
    if kwargs:
        raise TypeError(f"layer_normalization got unexpected arguments {sorted(kwargs)}.")
    (x,) = to_floats(x)
    small = settings.epsilon if epsilon is None else epsilon
    out = (x - mean(x, axis, True)) * rsqrt(var(x, axis, True) + small)
    shape = tuple(n if a in many_axes(axis, x.ndim) else 1 for a, n in enumerate(x.shape))
    out = out if gamma is None else out * reshape(gamma, shape)
    return out if beta is None else out + reshape(beta, shape)


def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Tensor:
    """x rsqrt(mean(x^2) + epsilon) scale, with the mean over `axis`."""
    (x,) = to_floats(x)
    small = settings.epsilon if epsilon is None else epsilon
    out = x * rsqrt(mean(square(x), axis, True) + small)
    return out if scale is None else out * scale
