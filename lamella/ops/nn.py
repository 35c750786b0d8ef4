"""Activations, softmax, losses and normalizations."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.frontend import Tensor, bind, convert_to_tensor, custom_gradient
from lamella.frontend.arithmetic import numeric, to_floats
from lamella.ir.types import UNSIGNED
from lamella.ops.axes import one_axis
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
    sqrt,
    square,
    tanh,
)
from lamella.ops.logic import where
from lamella.ops.reduction import cumsum, in_single, max, sum
from lamella.ops.shaping import flip, split
from lamella.ops.sorting import sort

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def relu(x: Any) -> Tensor:
    """max(x, 0); gradient 0 at 0, NaN stays NaN."""
    (x,) = numeric(convert_to_tensor(x))
    return _relu(x)


@custom_gradient
def _relu(x: Tensor) -> tuple[Tensor, Any]:
    """The choice by `lt` is one instruction, that by `le` says where the gradient ends."""
    zero = convert_to_tensor(0, x.dtype)
    below = bind("le", x, zero)
    return bind("select", bind("lt", x, zero), zero, x), lambda g: bind("select", below, convert_to_tensor(0, g.dtype), g)


def relu6(x: Any) -> Tensor:
    """min(max(x, 0), 6)."""
    (x,) = to_floats(x)
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
    return _gelu_tanh(x) if approximate else _gelu(x)


# The slopes are written out as one factor: it can be computed where the activation is, and is all that the backward pass needs.

@custom_gradient
def _gelu(x: Tensor) -> tuple[Tensor, Any]:
    below = bind("erf", x * math.sqrt(0.5)) * 0.5 + 0.5
    slope = below + x * exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return x * below, lambda g: g * slope


@custom_gradient
def _gelu_tanh(x: Tensor) -> tuple[Tensor, Any]:
    c = math.sqrt(2 / math.pi)
    t = tanh((x + x * x * x * 0.044715) * c)
    slope = (t + 1.0) * 0.5 + x * 0.5 * (1.0 - t * t) * (x * x * (3 * 0.044715 * c) + c)
    return x * 0.5 * (t + 1.0), lambda g: g * slope


def silu(x: Any) -> Tensor:
    """x sigmoid(x)."""
    (x,) = to_floats(x)
    return _silu(x)


@custom_gradient
def _silu(x: Tensor) -> tuple[Tensor, Any]:
    s = sigmoid(x)
    slope = s * (x * (1.0 - s) + 1.0)
    return x * s, lambda g: g * slope


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
    (x,) = numeric(convert_to_tensor(x))
    return minimum(x, 1) if x.dtype in UNSIGNED else clip(x, -1, 1)


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


def sparsemax(x: Any, axis: int = -1) -> Tensor:
    """max(x - t, 0) along `axis`, with t such that the sum is 1: the nearest point of the simplex.

    Of the elements in descending order the first k are kept, k the largest number with 1 + k x[k] above the sum of the first k.
    (Keras 3.15.1 takes a wrong t where more than one is kept: its values do not add up to 1.)

    Source:
        Martins and Astudillo 2016, "From softmax to sparsemax".

    Example:
        >>> sparsemax([1.0, 0.5, -1.0]).numpy()
        array([0.75, 0.25, 0.  ], dtype=float32)
    """
    (x,) = to_floats(convert_to_tensor(x))
    axis = one_axis(axis, x.ndim)
    x = x - bind("stop_gradient", max(x, axis, True))  # the result is the same; digits of x are kept
    falling = flip(sort(bind("stop_gradient", x), axis), axis)
    shape = tuple(n if a == axis else 1 for a, n in enumerate(x.shape))
    count = bind("iota", shape=shape, axis=axis, dtype=x.dtype) + 1.0
    sums = cumsum(falling, axis)
    size = sum(where(count * falling + 1.0 > sums, convert_to_tensor(1, x.dtype), 0.0), axis, True)
    threshold = (sum(where(count == size, sums, 0.0), axis, True) - 1.0) / size
    # t again, from what is kept: its gradient is that of a mean, without one of sorting.
    kept = x > threshold
    t = (sum(where(kept, x, 0.0), axis, True) - 1.0) / sum(where(kept, convert_to_tensor(1, x.dtype), 0.0), axis, True)
    return where(kept, x - t, 0.0)


@in_single
def softmax(x: Any, axis: Any = -1) -> Tensor:
    """e^(x - m) / sum(e^(x - m)), m the maximum over `axis`; in float32 inside for float16 and bfloat16."""

    @custom_gradient
    def probabilities(x: Tensor) -> tuple[Tensor, Any]:
        e = exp(x - max(x, axis, True))
        p = e / sum(e, axis, True)
        return p, lambda g: p * (g - sum(g * p, axis, True))  # needs nothing but p

    return probabilities(x)


@in_single
def log_softmax(x: Any, axis: Any = -1) -> Tensor:
    """x - m - log(sum(e^(x - m))), m the maximum over `axis`; in float32 inside for float16 and bfloat16."""
    shifted = x - bind("stop_gradient", max(x, axis, True))
    return shifted - log(sum(exp(shifted), axis, True))


def __getattr__(name: str) -> Any:
    """What else Keras has in `ops.nn` stands in other files."""
    return getattr(ops, name)
