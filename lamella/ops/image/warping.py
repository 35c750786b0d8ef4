"""Images bent: `perspective_transform`, `elastic_transform`."""

from __future__ import annotations

from typing import Any

from lamella.errors import ShapeError
from lamella.frontend import Tensor, bind, convert_to_tensor
from lamella.frontend.arithmetic import to_floats
from lamella.frontend.random import draw_key, normal
from lamella.ops.image.blurring import blur_fields
from lamella.ops.image.layout import Axes, image_tensor
from lamella.ops.image.sampling import affine_transform, read_images
from lamella.ops.linalg import solve
from lamella.ops.shaping import concatenate, reshape, stack


def perspective_transform(images: Any, start_points: Any, end_points: Any, interpolation: str = "bilinear", fill_value: float = 0,
                          data_format: str | None = None) -> Tensor:
    """Images seen from elsewhere: four points are moved, straight lines stay straight.

    Output pixel (x, y) shows the input at ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1, with the
    eight numbers that lead from the end points to the start points.

    Args:
        images: (height, width, channels), or a batch of them; (channels, height, width) for "channels_first".
        start_points: four points (x, y) in pixels, (4, 2), or (batch, 4, 2); no three of them on a line.
        end_points: where they come to lie, of the same shape.
        interpolation: "bilinear" or "nearest".
        fill_value: what lies outside of the input.
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ShapeError: no image and no batch of images, or other shapes of the points.
        ValueError: an unknown interpolation or format.

    Source: keras.ops.image.perspective_transform.

    Example:
        >>> corners = [[0.0, 0.0], [2.0, 0.0], [0.0, 1.0], [2.0, 1.0]]
        >>> mirrored = [[2.0, 0.0], [0.0, 0.0], [2.0, 1.0], [0.0, 1.0]]
        >>> image = [[[1.0], [2.0], [3.0]], [[4.0], [5.0], [6.0]]]
        >>> perspective_transform(image, corners, mirrored, "nearest").numpy()[..., 0].tolist()
        [[3.0, 2.0, 1.0], [6.0, 5.0, 4.0]]
    """
    x, _ = image_tensor("perspective_transform", images, data_format)
    start, end = (convert_to_tensor(points) for points in (start_points, end_points))
    batch = 1 if x.ndim == 3 else x.shape[0]
    if start.shape != end.shape or start.shape not in ((4, 2), (1, 4, 2), (batch, 4, 2)):
        raise ShapeError(f"perspective_transform needs start and end points of shape (4, 2) or ({batch}, 4, 2) for images of "
                         f"shape {x.shape}, received {start.shape} and {end.shape}.")
    start, end = (points._tensor() for points in to_floats(start, end))
    return affine_transform(x, _homography(start, end), interpolation, "constant", fill_value, data_format)


def _homography(start: Tensor, end: Tensor) -> Tensor:
    """(batch, 8): a0, a1, a2, b0, b1, b2, c0, c1 that lead from `end` to `start`; see `perspective_transform`.

    For each point the two equations a0 x + a1 y + a2 - u (c0 x + c1 y) = u and b0 x + b1 y + b2 - v (c0 x + c1 y) = v.
    """
    start, end = (reshape(points, (-1, 4, 2)) for points in (start, end))
    x, y = end[..., 0], end[..., 1]
    u, v = start[..., 0], start[..., 1]
    zero, one = x * 0.0, x * 0.0 + 1.0
    across = stack([x, y, one, zero, zero, zero, -u * x, -u * y], -1)
    down = stack([zero, zero, zero, x, y, one, -v * x, -v * y], -1)
    wanted = concatenate([u, v], -1)
    return reshape(solve(concatenate([across, down], 1), reshape(wanted, (-1, 8, 1))), (-1, 8))


def elastic_transform(images: Any, alpha: float = 20.0, sigma: float = 5.0, interpolation: str = "bilinear",
                      fill_mode: str = "reflect", fill_value: float = 0.0, seed: Any = None,
                      data_format: str | None = None) -> Tensor:
    """Images bent as if drawn on rubber: each pixel shows the input at (x + alpha dx, y + alpha dy).

    dx and dy are smooth fields, each sigma times standard normal numbers, blurred by a Gaussian of width sigma that is cut off at
    3 sigma; zeros lie outside.

    Args:
        images: (height, width, channels), or a batch of them; (channels, height, width) for "channels_first".
        alpha: strength.
        sigma: width of the Gaussian, in pixels, positive.
        interpolation: "bilinear" or "nearest".
        fill_mode, fill_value: what lies outside, see `map_coordinates`.
        seed: see `lamella.random.uniform`.
        data_format: "channels_last" (default) or "channels_first".

    Raises:
        ShapeError: no image and no batch of images.
        ValueError: an unknown interpolation, fill mode or format.

    Source: Simard, Steinkraus, Platt 2003, "Best practices for convolutional neural networks"; keras.ops.image.elastic_transform,
    where an int as seed makes dx and dy equal.

    Example:
        >>> elastic_transform([[[1.0], [2.0]]], alpha=0.0).numpy().ravel().tolist()
        [1.0, 2.0]
    """
    x, axes = image_tensor("elastic_transform", images, data_format)
    shape = (1 if x.ndim == 3 else x.shape[0], x.shape[axes.rows], x.shape[axes.columns])
    noise = normal((2 * shape[0], *shape[1:]), dtype="float32", seed=draw_key(seed))
    width = convert_to_tensor(sigma, "float32")
    return bend(x, axes, noise, int(6 * sigma) // 2, reshape(width, (1, 1, 1)), alpha, interpolation, fill_mode, fill_value)


def bend(x: Tensor, axes: Axes, noise: Tensor, radius: int, sigma: Tensor, alpha: Any, interpolation: str, fill_mode: str,
         fill_value: Any) -> Tensor:
    """`elastic_transform` with given noise.

    Args:
        noise: (2 batch, height, width): for dx of all images, then for dy.
        radius: where the Gaussian is cut off, in pixels.
        sigma, alpha: for all images, or for each: float tensors (batch, 1, 1).
    """
    height, width = noise.shape[1:]
    batch = noise.shape[0] // 2
    dx, dy = (blur_fields(noise[start : start + batch] * sigma, radius, sigma) * alpha for start in (0, batch))
    columns = bind("iota", shape=(1, 1, width), axis=2, dtype="float32") + dx
    rows = bind("iota", shape=(1, height, 1), axis=1, dtype="float32") + dy
    return read_images(x, axes, rows, columns, interpolation, fill_mode, fill_value)
