"""Boxes relative to anchors, as detectors predict them."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.bounding_boxes.formats import convert_format, image_size
from lamella.settings import settings


def encode_box_to_deltas(anchors: Any, boxes: Any, anchor_format: str, box_format: str, encoding_format: str = "center_yxhw",
                         variance: Any = None, image_shape: Any = None) -> Tensor:
    """Boxes relative to anchors: (centre - anchor's centre) / anchor's size, ln(size / anchor's size), divided by the variance.

    Args:
        anchors: (n, 4).
        boxes: (n, 4) or (batch, n, 4).
        anchor_format, box_format: see `lamella.utils.bounding_boxes`.
        encoding_format: "center_yxhw" or "center_xywh", the order of the result.
        variance: four numbers.
        image_shape: (height, width, channels), for relative formats.

    Raises:
        ShapeError: the variance has not 4 numbers.
        ValueError: an unknown format.

    Source: Ren et al. 2015, arXiv:1506.01497; keras.utils.bounding_boxes.encode_box_to_deltas.

    Example:
        >>> encode_box_to_deltas([[0.0, 0.0, 4.0, 4.0]], [[2.0, 0.0, 6.0, 4.0]], "xyxy", "xyxy").numpy().tolist()
        [[0.0, 0.5, 0.0, 0.0]]
    """
    size = _encoding(encoding_format, variance, image_shape)
    anchor = convert_format(anchors, anchor_format, encoding_format, *size)
    box = convert_format(boxes, box_format, encoding_format, *size)
    own, other = (ops.maximum(x[..., 2:], settings.epsilon) for x in (anchor, box))
    deltas = ops.concatenate([(box[..., :2] - anchor[..., :2]) / own, ops.log(other / own)], -1)
    return deltas if variance is None else deltas / ops.convert_to_tensor(variance, "float32")


def decode_deltas_to_boxes(anchors: Any, boxes_delta: Any, anchor_format: str, box_format: str,
                           encoded_format: str = "center_yxhw", variance: Any = None, image_shape: Any = None) -> Any:
    """The inverse of `encode_box_to_deltas`.

    Args:
        anchors: (n, 4), or a dict of them by level.
        boxes_delta: (n, 4) or (batch, n, 4), or a dict of them.
        anchor_format, box_format, variance, image_shape: see `encode_box_to_deltas`.
        encoded_format: "center_yxhw" or "center_xywh", the order of the deltas.

    Raises:
        ShapeError: the variance has not 4 numbers.
        ValueError: an unknown format.

    Source: keras.utils.bounding_boxes.decode_deltas_to_boxes.

    Example:
        >>> decode_deltas_to_boxes([[0.0, 0.0, 4.0, 4.0]], [[0.0, 0.5, 0.0, 0.0]], "xyxy", "xyxy").numpy().tolist()
        [[2.0, 0.0, 6.0, 4.0]]
    """
    if isinstance(anchors, dict):
        return {level: decode_deltas_to_boxes(anchor, boxes_delta[level], anchor_format, box_format, encoded_format, variance,
                                              image_shape) for level, anchor in anchors.items()}
    size = _encoding(encoded_format, variance, image_shape)
    anchor = convert_format(anchors, anchor_format, encoded_format, *size)
    deltas = ops.convert_to_tensor(boxes_delta)
    deltas = deltas if variance is None else deltas * ops.convert_to_tensor(variance, "float32")
    own = anchor[..., 2:]
    box = ops.concatenate([deltas[..., :2] * own + anchor[..., :2], ops.exp(deltas[..., 2:]) * own], -1)
    return convert_format(box, encoded_format, box_format, *size)


def _encoding(encoding_format: str, variance: Any, image_shape: Any) -> tuple[Any, Any]:
    if encoding_format not in ("center_xywh", "center_yxhw"):
        raise ValueError(f"Deltas are in 'center_xywh' or 'center_yxhw', received {encoding_format!r}.")
    if variance is not None and ops.convert_to_tensor(variance).shape[-1:] != (4,):
        raise ShapeError(f"variance must have 4 numbers, received {variance!r}.")
    return image_size(image_shape)
