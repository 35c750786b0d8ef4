"""How far boxes overlap."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.bounding_boxes.formats import area, convert_format, image_size
from lamella.settings import settings


def compute_iou(boxes1: Any, boxes2: Any, bounding_box_format: str, use_masking: bool = False, mask_val: float = -1,
                image_shape: Any = None) -> Tensor:
    """The overlap of each box with each other one: common area / (area of both together + epsilon).

    Args:
        boxes1: (n, 4) or (batch, n, 4).
        boxes2: (m, 4) or (batch, m, 4).
        bounding_box_format: of both.
        use_masking: whether pairs with a box whose four numbers are all negative get `mask_val`.
        mask_val: see `use_masking`.
        image_shape: (height, width, channels), for relative formats.

    Returns:
        (n, m) or (batch, n, m).

    Raises:
        ShapeError: neither 2 nor 3 axes.
        ValueError: an unknown format, or a relative one without `image_shape`.

    Source: keras.utils.bounding_boxes.compute_iou.

    Example:
        >>> compute_iou([[0.0, 0.0, 2.0, 2.0]], [[1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0]], "xyxy").numpy().round(4)
        array([[0.3333, 0.    ]], dtype=float32)
    """
    one, two = (convert_format(boxes, bounding_box_format, "xyxy", *image_size(image_shape)) for boxes in (boxes1, boxes2))
    for boxes in (one, two):
        if boxes.ndim not in (2, 3):
            raise ShapeError(f"compute_iou takes boxes of shape (n, 4) or (batch, n, 4), received {boxes.shape}.")
    first, second = ops.expand_dims(one, -2), ops.expand_dims(two, -3)
    common, _ = _overlap(first, second)
    overlap = common / (area(first) + area(second) - common + settings.epsilon)
    if not use_masking:
        return overlap
    absent = ops.logical_or(ops.max(first, -1) < 0.0, ops.max(second, -1) < 0.0)
    return ops.where(absent, ops.cast(mask_val, overlap.dtype), overlap)


def compute_ciou(boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None) -> Tensor:
    """Complete IoU of boxes in pairs: overlap - (d^2 / c^2 + v a).

    d is the distance of the centres, c the diagonal of the box around both, v = 4 / pi^2 (atan(w2 / h2) - atan(w1 / h1))^2 and
    a = v / (v - overlap + 1).

    Args:
        boxes1, boxes2: (..., 4), of one shape.
        bounding_box_format: of both, an absolute one.
        image_shape: accepted for compatibility.

    Raises:
        ValueError: an unknown or a relative format.

    Source: Zheng et al. 2020, arXiv:1911.08287; keras.utils.bounding_boxes.compute_ciou.

    Example:
        >>> compute_ciou([[0.0, 0.0, 2.0, 2.0]], [[1.0, 0.0, 3.0, 2.0]], "xyxy").numpy().round(4)
        array([0.2564], dtype=float32)
    """
    if bounding_box_format.startswith("rel_"):
        raise ValueError(f"compute_ciou takes boxes in pixels, received the format {bounding_box_format!r}; see convert_format.")
    one, two = (convert_format(boxes, bounding_box_format, "xyxy", *image_size(image_shape)) for boxes in (boxes1, boxes2))
    tiny = settings.epsilon
    (w1, h1), (w2, h2) = ((x[..., 2] - x[..., 0], x[..., 3] - x[..., 1] + tiny) for x in (one, two))
    common, around = _overlap(one, two)
    overlap = common / (w1 * h1 + w2 * h2 - common + 2 * tiny)
    distance = ops.sum(ops.square((one[..., :2] + one[..., 2:] - two[..., :2] - two[..., 2:]) / 2.0), -1)
    v = 4 / math.pi**2 * ops.square(ops.arctan(w2 / h2) - ops.arctan(w1 / h1))
    return overlap - (distance / (around + tiny) + v * (v / (v - overlap + (1 + tiny))))


def _overlap(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    """The common area of boxes in "xyxy", and the squared diagonal of the box around both."""
    inner = ops.minimum(one[..., 2:], two[..., 2:]) - ops.maximum(one[..., :2], two[..., :2])
    outer = ops.maximum(one[..., 2:], two[..., 2:]) - ops.minimum(one[..., :2], two[..., :2])
    return ops.prod(ops.maximum(inner, 0.0), -1), ops.sum(ops.square(outer), -1)
