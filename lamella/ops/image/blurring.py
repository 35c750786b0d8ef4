"""`gaussian_blur`."""

from __future__ import annotations

from typing import Any

from lamella.frontend import Tensor, cast
from lamella.frontend.arithmetic import to_floats
from lamella.ops.convolution import depthwise_conv
from lamella.ops.creation import arange
from lamella.ops.elementwise import exp, square
from lamella.ops.image.layout import image_tensor
from lamella.ops.reduction import sum
from lamella.ops.shaping import broadcast_to, reshape
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
        weights = exp(square((arange(size, dtype=x.dtype) - (size - 1) / 2) / cast(deviation, x.dtype)) * -0.5)
        kernel = reshape(weights / sum(weights), (*window, 1, 1))
        kernel = broadcast_to(kernel, (*window, x.shape[axes.channels], 1))
        x = depthwise_conv(x, kernel, padding="same", data_format=data_format)
    return reshape(x, given.shape)
