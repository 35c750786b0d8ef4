"""Formats of boxes, and what is left of boxes inside of an image."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.errors import ShapeError, did_you_mean
from lamella.frontend import Tensor

_ABSOLUTE = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw")
FORMATS = (*_ABSOLUTE, *(f"rel_{name}" for name in _ABSOLUTE[:4]))


def convert_format(boxes: Any, source: str, target: str, height: Any = None, width: Any = None, dtype: str = "float32") -> Any:
    """Boxes in another format.

    Args:
        boxes: (..., 4), or a dict with "boxes" and others, which stay as they are.
        source, target: formats, see `lamella.utils.bounding_boxes`.
        height, width: of the image, between relative and absolute formats.
        dtype: of the result.

    Raises:
        ShapeError: the last axis has not 4 numbers.
        ValueError: an unknown format, or height and width are missing.

    Source: keras.utils.bounding_boxes.convert_format.

    Example:
        >>> convert_format([10, 20, 30, 60], "xyxy", "center_xywh").numpy().tolist()
        [20.0, 40.0, 20.0, 40.0]
    """
    if isinstance(boxes, dict):
        return {**boxes, "boxes": convert_format(boxes["boxes"], source, target, height, width, dtype)}
    source, target = (_known(name) for name in (source, target))
    boxes = ops.cast(box_tensor("convert_format", boxes), dtype)
    if source == target:
        return boxes
    from_relative, to_relative = (name.startswith("rel_") for name in (source, target))
    if (from_relative or to_relative) and (height is None or width is None):
        raise ValueError(f"convert_format from {source!r} to {target!r} needs the height and width of the image.")
    left, top, right, bottom = _edges(boxes, source.removeprefix("rel_"))
    if from_relative != to_relative:
        x, y = (ops.cast(size, dtype) for size in (width, height))
        if to_relative:
            left, top, right, bottom = left / x, top / y, right / x, bottom / y
        else:
            left, top, right, bottom = left * x, top * y, right * x, bottom * y
    return ops.stack(_written(left, top, right, bottom, target.removeprefix("rel_")), -1)


def _edges(boxes: Tensor, source: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    a, b, c, d = (boxes[..., i] for i in range(4))
    if "y" in source and source.index("y") < source.index("x"):
        a, b, c, d = b, a, d, c
    if source.startswith("center"):
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return (a, b, a + c, b + d) if source == "xywh" else (a, b, c, d)


def _written(left: Tensor, top: Tensor, right: Tensor, bottom: Tensor, target: str) -> tuple[Tensor, ...]:
    wide, high = right - left, bottom - top
    numbers = {"xyxy": (left, top, right, bottom), "yxyx": (top, left, bottom, right), "xywh": (left, top, wide, high),
               "center_xywh": (left + wide / 2, top + high / 2, wide, high),
               "center_yxhw": (top + high / 2, left + wide / 2, high, wide)}
    return numbers[target]


def clip_to_image_size(bounding_boxes: dict[str, Any], height: Any = None, width: Any = None,
                       bounding_box_format: str = "xyxy") -> dict[str, Any]:
    """The parts of boxes inside of the image; labels of boxes without any become -1.

    Args:
        bounding_boxes: a dict with "boxes" (..., 4) and perhaps "labels" (...).
        height, width: of the image, for "xyxy".
        bounding_box_format: "xyxy" or "rel_xyxy".

    Raises:
        ValueError: another format, or height and width are missing.

    Source: keras.utils.bounding_boxes.clip_to_image_size.

    Example:
        >>> inside = clip_to_image_size({"boxes": [[-5.0, 0.0, 5.0, 9.0], [12.0, 0.0, 13.0, 1.0]], "labels": [3, 4]}, 8, 10)
        >>> inside["boxes"].numpy().tolist(), inside["labels"].numpy().tolist()
        ([[0.0, 0.0, 5.0, 8.0], [10.0, 0.0, 10.0, 1.0]], [3, -1])
    """
    if bounding_box_format not in ("xyxy", "rel_xyxy"):
        raise ValueError(f"clip_to_image_size takes boxes in 'xyxy' or 'rel_xyxy', received {bounding_box_format!r}.")
    if bounding_box_format == "rel_xyxy":
        height = width = 1.0
    if height is None or width is None:
        raise ValueError("clip_to_image_size needs the height and width of the image for boxes in 'xyxy'.")
    boxes = clipped(box_tensor("clip_to_image_size", bounding_boxes["boxes"]), height, width)
    result = {**bounding_boxes, "boxes": boxes}
    if bounding_boxes.get("labels") is not None:
        result["labels"] = ops.where(area(boxes) > 0, ops.convert_to_tensor(bounding_boxes["labels"]), -1)
    return result


def area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def clipped(boxes: Tensor, height: Any, width: Any) -> Tensor:
    x, y = (ops.cast(size, boxes.dtype) for size in (width, height))
    return ops.stack([ops.clip(boxes[..., i], 0, x if i % 2 == 0 else y) for i in range(4)], -1)


def box_tensor(what: str, boxes: Any) -> Tensor:
    boxes = ops.convert_to_tensor(boxes)
    if not boxes.ndim or boxes.shape[-1] != 4:
        raise ShapeError(f"{what} takes boxes with 4 numbers on the last axis, received shape {boxes.shape}.")
    return boxes


def image_size(image_shape: Any) -> tuple[Any, Any]:
    return (None, None) if image_shape is None else (image_shape[0], image_shape[1])


def _known(name: str) -> str:
    if name.lower() not in FORMATS:
        raise ValueError(f"Unknown format of boxes {name!r}. {did_you_mean(name.lower(), FORMATS)}")
    return name.lower()
