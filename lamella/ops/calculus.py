"""Derivatives in ops: gradients of one's own, and forward mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella import tree
from lamella.frontend import GradientTape, Tensor, cast, convert_to_tensor
from lamella.frontend.custom_gradient import custom_gradient as custom_gradient
from lamella.ir.types import is_float
from lamella.ops.creation import zeros_like
from lamella.ops.reduction import sum


def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The result of a function and its derivative in one direction: (y, dy/dx t).

    Reverse mode twice: the gradient u -> (dy/dx)^T u is linear in u, and its own gradient in the direction t is dy/dx t.

    Args:
        fun: function of tensors.
        primals: its arguments, a list or tuple.
        tangents: directions, a list or tuple of the same structure.
        has_aux: whether `fun` returns a pair, of which the second is handed on.

    Returns:
        The result, the derivative of each of its tensors, and with `has_aux` the rest.

    Example:
        >>> y, dy = jvp(lambda x: x * x, (3.0,), (1.0,))
        >>> y.item(), dy.item()
        (9.0, 6.0)
    """
    arguments = tree.map_structure(convert_to_tensor, tuple(primals))
    inputs = [x for x in tree.flatten(arguments) if is_float(x.dtype)]
    directions = [cast(t, x.dtype) for x, t in zip(tree.flatten(arguments), tree.flatten(tuple(tangents)), strict=True)
                  if is_float(x.dtype)]
    with GradientTape() as second:
        with GradientTape() as first:
            first.watch(inputs)
            result = fun(*arguments)
            out, *aux = result if has_aux else (result,)
            out = tree.map_structure(convert_to_tensor, out)
        outputs = [y for y in tree.flatten(out) if is_float(y.dtype)]
        weights = [zeros_like(y) for y in outputs]
        second.watch(weights)
        grads = first.gradient(outputs, inputs, output_gradients=weights, unconnected_gradients="zero")
        total: Any = 0.0
        for gradient, direction in zip(grads, directions, strict=True):
            total = total + sum(gradient * direction)
    derivatives = iter(second.gradient(total, weights, unconnected_gradients="zero"))

    def derivative(y: Tensor) -> Tensor:
        return next(derivatives) if is_float(y.dtype) else zeros_like(y)

    return (out, tree.map_structure(derivative, out), *aux)
