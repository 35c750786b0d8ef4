"""Boxes that go with their images: cut, padded, turned and stretched."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.bounding_boxes.formats import box_tensor, clipped


def crop(boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy") -> Tensor:
    """Boxes of an image seen in a window of it: moved, and cut off at the window's edges.

    Args:
        boxes: (..., 4).
        top, left, height, width: of the window, in pixels.
        bounding_box_format: "xyxy".

    Raises:
        ValueError: another format.

    Source: keras.utils.bounding_boxes.crop.

    Example:
        >>> crop([[10.0, 20.0, 50.0, 60.0]], top=10, left=20, height=40, width=25).numpy().tolist()
        [[0.0, 10.0, 25.0, 40.0]]
    """
    return clipped(_moved("crop", boxes, -left, -top, bounding_box_format), height, width)


def pad(boxes: Any, top: Any, left: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy") -> Tensor:
    """Boxes of an image to which rows were added at the top and columns at the left.

    Args:
        boxes: (..., 4).
        top, left: numbers of rows and columns.
        height, width: accepted for compatibility; boxes do not depend on them.
        bounding_box_format: "xyxy".

    Raises:
        ValueError: another format.

    Source: keras.utils.bounding_boxes.pad.

    Example:
        >>> pad([[1.0, 2.0, 3.0, 4.0]], top=10, left=20).numpy().tolist()
        [[21.0, 12.0, 23.0, 14.0]]
    """
    del height, width
    return _moved("pad", boxes, left, top, bounding_box_format)


def affine_transform(boxes: Any, angle: Any, translate_x: Any, translate_y: Any, scale: Any, shear_x: Any, shear_y: Any,
                     height: int, width: int, center_x: float | None = None, center_y: float | None = None,
                     bounding_box_format: str = "xyxy") -> Tensor:
    """The smallest upright boxes around moved boxes.

    With the centre c of the move, a corner p goes to c + scale A^-1 (p - c + t). A shears by the negative angles, then turns by
    -angle; t is the translation times width - 1 and height - 1.

    Args:
        boxes: (batch, n, 4).
        angle, shear_x, shear_y: degrees, (batch,).
        translate_x, translate_y: parts of width - 1 and height - 1, (batch,).
        scale: (batch,).
        height, width: of the image.
        center_x, center_y: parts of width - 1 and height - 1; 1/2 by default.
        bounding_box_format: "xyxy".

    Raises:
        ShapeError: the boxes have not three axes.
        ValueError: another format.

    Source: keras.utils.bounding_boxes.affine_transform.

    Example:
        >>> zero, one = ops.zeros((1,)), ops.ones((1,))
        >>> affine_transform([[[0.0, 0.0, 2.0, 1.0]]], zero + 90, zero, zero, one, zero, zero, 9, 9).numpy().round(3).tolist()
        [[[0.0, 6.0, 1.0, 8.0]]]
    """
    _only_xyxy("affine_transform", bounding_box_format)
    boxes = box_tensor("affine_transform", boxes)
    if boxes.ndim != 3:
        raise ShapeError(f"affine_transform takes boxes of shape (batch, n, 4), received {boxes.shape}.")

    def column(numbers: Any, factor: float = 1.0) -> Tensor:
        return ops.reshape(ops.cast(numbers, boxes.dtype), (-1, 1, 1)) * factor

    x = ops.stack([boxes[..., i] for i in (0, 2, 2, 0)], -1)  # the four corners of each box
    y = ops.stack([boxes[..., i] for i in (1, 1, 3, 3)], -1)
    middle_x = (0.5 if center_x is None else center_x) * (width - 1)
    middle_y = (0.5 if center_y is None else center_y) * (height - 1)
    x = x - middle_x + column(translate_x, width - 1)
    y = y - middle_y + column(translate_y, height - 1)
    turn, across, down = (column(degrees, -math.pi / 180) for degrees in (angle, shear_x, shear_y))
    a, c = ops.cos(turn - down) / ops.cos(down), -ops.sin(turn - down) / ops.cos(down)
    b, d = a * ops.tan(across) + ops.sin(turn), ops.cos(turn) - c * ops.tan(across)
    size = column(scale)
    x, y = (d * x - b * y) * size + middle_x, (a * y - c * x) * size + middle_y
    return ops.stack([ops.min(x, -1), ops.min(y, -1), ops.max(x, -1), ops.max(y, -1)], -1)


def _moved(what: str, boxes: Any, right: Any, down: Any, bounding_box_format: str) -> Tensor:
    _only_xyxy(what, bounding_box_format)
    boxes = box_tensor(what, boxes)
    return ops.stack([boxes[..., i] + (right if i % 2 == 0 else down) for i in range(4)], -1)


def _only_xyxy(what: str, bounding_box_format: str) -> None:
    if bounding_box_format != "xyxy":
        raise ValueError(f"{what} takes boxes in 'xyxy', received {bounding_box_format!r}; see convert_format.")
