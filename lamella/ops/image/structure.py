"""`sobel_edges` and `ssim`: what stands out in an image, and how much two images look alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.errors import ShapeError
from lamella.frontend import Tensor, cast, convert_to_tensor
from lamella.frontend.arithmetic import to_floats
from lamella.ops.convolution import depthwise_conv
from lamella.ops.image.layout import image_tensor
from lamella.ops.reduction import mean
from lamella.ops.shaping import broadcast_to, expand_dims, stack

_SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def sobel_edges(images: Any, data_format: str | None = None) -> Tensor:
    """How much images change downwards and to the right: [dy, dx] of each pixel, by Sobel's 3 x 3 kernels; zeros lie outside.

    Args:
        images: a batch (n, height, width, channels); (n, channels, height, width) for "channels_first".
        data_format: "channels_last" (default) or "channels_first".

    Returns:
        The shape of the images and a last axis of 2.

    Raises:
        ShapeError: no batch of images.
        ValueError: an unknown format.

    Source: keras.ops.image.sobel_edges.

    Example:
        >>> sobel_edges([[[[0.0], [1.0], [1.0]]]]).numpy()[0, 0, 1, 0].tolist()
        [0.0, 2.0]
    """
    x, axes = image_tensor("sobel_edges", images, data_format)
    if x.ndim != 4:
        raise ShapeError(f"sobel_edges takes a batch of images (4 axes), received shape {x.shape}.")
    return stack([_filtered(x, axes.channels, kernel, "same", data_format) for kernel in (_SOBEL.T, _SOBEL)], -1)


def ssim(image1: Any, image2: Any, max_val: float = 1.0, filter_size: int = 11, filter_sigma: float = 1.5, k1: float = 0.01,
         k2: float = 0.03, data_format: str | None = None) -> Tensor:
    """The structural similarity of two images, 1 for equal ones: the mean over windows and channels of

        (2 μ1 μ2 + c1) (2 σ12 + c2) / ((μ1² + μ2² + c1) (σ1² + σ2² + c2)),    c1 = (k1 max)², c2 = (k2 max)²

    with means, variances and covariance weighted by a bell curve of width `filter_sigma` over each window.

    Args:
        image1, image2: (height, width, channels), or batches of them; (channels, height, width) for "channels_first".
        max_val: the largest possible value.
        filter_size: side of the windows, which lie inside of the image.
        filter_sigma: width of the bell curve in pixels.
        k1, k2: small numbers that keep the divisor off 0.
        data_format: "channels_last" (default) or "channels_first".

    Returns:
        One number for each pair of images.

    Raises:
        ShapeError: no images, shapes that differ, or images smaller than a window.
        ValueError: an unknown format.

    Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity".

    Example:
        >>> image = np.random.default_rng(0).random((12, 12, 1))
        >>> round(ssim(image, image).item(), 3), ssim(image, 1 - image).item() < 0
        (1.0, True)
    """
    x, axes = image_tensor("ssim", image1, data_format)
    y, _ = image_tensor("ssim", image2, data_format)
    if x.shape != y.shape:
        raise ShapeError(f"ssim takes two images of one shape, received {x.shape} and {y.shape}.")
    dtype, single = x.dtype, x.ndim == 3
    x, y = (t._tensor() for t in to_floats(x, y))
    if single:
        x, y = expand_dims(x, 0), expand_dims(y, 0)
    bell = np.exp(-0.5 * ((np.arange(filter_size) - (filter_size - 1) / 2) / filter_sigma) ** 2)
    kernel = np.outer(bell, bell) / bell.sum() ** 2

    def local(t: Tensor) -> Tensor:
        return _filtered(t, axes.channels, kernel, "valid", data_format)

    mean1, mean2, c1, c2 = local(x), local(y), (k1 * max_val) ** 2, (k2 * max_val) ** 2
    products, squares = mean1 * mean2, mean1 * mean1 + mean2 * mean2
    covariance, variances = local(x * y) - products, local(x * x) + local(y * y) - squares
    likeness = (2 * products + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    result = mean(likeness, axis=(1, 2, 3))
    return cast(result[0] if single else result, dtype)


def _filtered(x: Tensor, channels: int, kernel: np.ndarray, padding: str, data_format: str | None) -> Tensor:
    """Each channel of a batch convolved with one kernel (height, width)."""
    weights = convert_to_tensor(kernel[:, :, None, None], x.dtype)
    weights = broadcast_to(weights, (*kernel.shape, x.shape[channels], 1))
    return depthwise_conv(x, weights, padding=padding, data_format=data_format)
