"""Pools with a given number of windows, whatever the size of the inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, convert_to_tensor
from lamella.frontend.arithmetic import to_floats
from lamella.ir import einsum_spec
from lamella.ops.reduction import max, mean
from lamella.ops.shaping import concatenate, moveaxis, reshape
from lamella.ops.windows import is_channels_first, per_axis


def adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Tensor:
    """The mean of windows that cover each axis evenly: window i of o is [floor(i n / o), ceil((i + 1) n / o)).

    The axes are done one after another.

    Args:
        inputs: (n, *spatial, channels), or (n, channels, *spatial) for "channels_first"; 1 to 3 spatial axes.
        output_size: number of windows, one int or one per spatial axis.
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ShapeError: another number of axes.
        ValueError: a size below 1, unknown format.

    Example:
        >>> adaptive_average_pool([[[1.0], [3.0], [8.0]]], 2).numpy().ravel().tolist()
        [2.0, 5.5]
    """
    x, sizes, at = _arguments("adaptive_average_pool", inputs, output_size, data_format)
    (x,) = (t._tensor() for t in to_floats(x))
    for axis, out in enumerate(sizes, at):
        x = _mean_along(x, axis, out)
    return x


def adaptive_max_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Tensor:
    """The largest element of the windows of `adaptive_average_pool`; equal largest ones share the gradient.

    Args:
        inputs, output_size, data_format: see `adaptive_average_pool`.

    Raises:
        ShapeError: another number of axes.
        ValueError: a size below 1, unknown format.

    Example:
        >>> adaptive_max_pool([[[1.0], [3.0], [8.0]]], 2).numpy().ravel().tolist()
        [3.0, 8.0]
    """
    x, sizes, at = _arguments("adaptive_max_pool", inputs, output_size, data_format)
    for axis, out in enumerate(sizes, at):
        x = _max_along(x, axis, out)
    return x


def _arguments(name: str, inputs: Any, output_size: Any,
               data_format: str | None) -> tuple[Tensor, tuple[int, ...], int]:
    x = convert_to_tensor(inputs)
    if not 3 <= x.ndim <= 5 or 0 in x.shape[1:]:
        raise ShapeError(f"{name} takes inputs with 1 to 3 spatial axes beside batch and channels, none of size 0; "
                         f"received shape {x.shape}.")
    return x, per_axis(output_size, x.ndim - 2, "output_size"), 2 if is_channels_first(data_format) else 1


def _bounds(n: int, out: int) -> list[tuple[int, int]]:
    return [(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]


def _split(x: Tensor, axis: int, out: int) -> Tensor:
    return reshape(x, (*x.shape[:axis], out, x.shape[axis] // out, *x.shape[axis + 1 :]))


def _mean_along(x: Tensor, axis: int, out: int) -> Tensor:
    """Even windows are rows of a matrix; uneven ones a product with the matrix of their weights."""
    n = x.shape[axis]
    if n % out == 0:
        return mean(_split(x, axis, out), axis + 1)
    weights = np.zeros((n, out))
    for i, (start, stop) in enumerate(_bounds(n, out)):
        weights[start:stop, i] = 1 / (stop - start)
    letters = "abcde"[: x.ndim]
    equation = f"{letters},{letters[axis]}z->{letters.replace(letters[axis], 'z')}"
    return bind("contract", x, convert_to_tensor(weights, x.dtype), spec=einsum_spec(equation, x.shape, weights.shape))


def _max_along(x: Tensor, axis: int, out: int) -> Tensor:
    n = x.shape[axis]
    if n % out == 0:
        return max(_split(x, axis, out), axis + 1)
    last = moveaxis(x, axis, -1)
    parts = [max(last[..., start:stop], -1, True) for start, stop in _bounds(n, out)]
    return moveaxis(concatenate(parts, -1), -1, axis)
