"""Boxes around objects in images (`keras.utils.bounding_boxes`): formats, moves, overlaps, and boxes relative to anchors.

A box is four numbers on the last axis. Formats: "xyxy" left, top, right, bottom; "yxyx" top, left, bottom, right; "xywh" left, top,
width, height; "center_xywh" and "center_yxhw" the centre and the size; with "rel_" before the first four of them in parts of the
image's width and height.
"""

from lamella.nn.bounding_boxes.anchors import decode_deltas_to_boxes as decode_deltas_to_boxes
from lamella.nn.bounding_boxes.anchors import encode_box_to_deltas as encode_box_to_deltas
from lamella.nn.bounding_boxes.formats import clip_to_image_size as clip_to_image_size
from lamella.nn.bounding_boxes.formats import convert_format as convert_format
from lamella.nn.bounding_boxes.moves import affine_transform as affine_transform
from lamella.nn.bounding_boxes.moves import crop as crop
from lamella.nn.bounding_boxes.moves import pad as pad
from lamella.nn.bounding_boxes.overlap import compute_ciou as compute_ciou
from lamella.nn.bounding_boxes.overlap import compute_iou as compute_iou
