"""`gaussian_blur`, and blurs of another width for each image."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from lamella.frontend import Tensor, cast
from lamella.frontend.arithmetic import to_floats
from lamella.ops.convolution import depthwise_conv
from lamella.ops.creation import arange
from lamella.ops.elementwise import exp, square
from lamella.ops.image.layout import Axes, image_tensor
from lamella.ops.indexed import take
from lamella.ops.linear import matmul
from lamella.ops.reduction import sum
from lamella.ops.shaping import broadcast_to, pad, reshape
from lamella.ops.windows import per_axis


def gaussian_blur(images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0),
                  data_format: str | None = None) -> Tensor:
    """Each pixel the mean of those around it, weighted by exp(-(dx / sigma_x)^2 / 2 - (dy / sigma_y)^2 / 2); zeros lie
    outside, and count.

    Args:
        images: (height, width, channels), or a batch of them; (channels, height, width) for "channels_first".
        kernel_size: (width, height) of the window: as Keras computes it, not as it says.
        sigma: (sigma_x, sigma_y) in pixels, numbers or tensors.
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ShapeError: no image and no batch of images.
        ValueError: a size below 1, an unknown format.

    Source: keras.ops.image.gaussian_blur.

    Example:
        >>> gaussian_blur([[[0.0], [1.0], [0.0]]], (3, 1)).numpy().ravel().round(2)
        array([0.27, 0.45, 0.27], dtype=float32)
    """
    given, axes = image_tensor("gaussian_blur", images, data_format)
    width, height = per_axis(kernel_size, 2, "kernel_size")
    x = to_floats(reshape(given, (1, *given.shape)) if given.ndim == 3 else given)[0]._tensor()
    for window, size, deviation in (((1, width), width, sigma[0]), ((height, 1), height, sigma[1])):
        kernel = reshape(_weights(size, cast(deviation, x.dtype)), (*window, 1, 1))
        kernel = broadcast_to(kernel, (*window, x.shape[axes.channels], 1))
        x = depthwise_conv(x, kernel, padding="same", data_format=data_format)
    return reshape(x, given.shape)


def blur_each(images: Tensor, kernel_size: tuple[int, int], sigma: tuple[Tensor, Tensor], axes: Axes) -> Tensor:
    """`gaussian_blur` of a batch, each image with its own sigmas.

    Args:
        kernel_size: (width, height), odd.
        sigma: (sigma_x, sigma_y), float tensors (batch, 1, 1, 1).
    """
    x = images
    for axis, size, deviation in zip((axes.columns, axes.rows), kernel_size, sigma, strict=True):
        weights = cast(_weights(size, reshape(deviation, (-1, 1))), x.dtype)
        n, margins = x.shape[axis], [(0, 0)] * x.ndim
        margins[axis] = (size // 2, size // 2)
        padded, key = pad(x, margins), [slice(None)] * x.ndim
        terms = []
        for tap in range(size):
            key[axis] = slice(tap, tap + n)
            terms.append(padded[tuple(key)] * reshape(weights[:, tap], (-1, 1, 1, 1)))
        x = functools.reduce(operator.add, terms)
    return x


def blur_fields(fields: Tensor, radius: int, sigma: Tensor) -> Tensor:
    """Planes of numbers (batch, height, width), each blurred with its own sigma (batch or 1, 1, 1) over places at most
    `radius` away; zeros lie outside, and count.
    """
    sides = []
    for n in fields.shape[1:]:
        distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        weights = _weights(2 * radius + 1, reshape(sigma, (-1, 1)))  # (batch, taps)
        near = cast(distance <= radius, weights.dtype)
        sides.append(take(weights, np.minimum(radius + distance, 2 * radius), axis=1) * near)
    down, across = sides
    return matmul(matmul(down, fields), across)  # both are symmetric


def _weights(size: int, sigma: Tensor) -> Tensor:
    """The bell curve at `size` places around 0 along the last axis, with sum 1."""
    weights = exp(square((arange(size, dtype=sigma.dtype) - (size - 1) / 2) / sigma) * -0.5)
    return weights / sum(weights, -1, keepdims=True)
