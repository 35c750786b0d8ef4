"""`utils.bounding_boxes` against Keras."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import lamella as tf
from lamella import ops
from lamella.errors import ShapeError
from lamella.nn.bounding_boxes.formats import FORMATS

OURS, THEIRS = tf.keras.utils.bounding_boxes, keras.utils.bounding_boxes
RNG = np.random.default_rng(4)
CORNERS = np.sort(RNG.uniform(-5, 70, (2, 6, 2, 2)), axis=2).reshape(2, 6, 4).astype(np.float32)
SIZE = {"height": 40, "width": 60}


def close(got, want, atol=1e-5):
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-5, atol=atol)


def test_names():
    assert [name for name in dir(THEIRS) if name[0] != "_" and not hasattr(OURS, name)] == []


@pytest.mark.parametrize(("source", "target"), list(itertools.product(FORMATS, FORMATS)))
def test_formats(source, target):
    boxes = np.asarray(THEIRS.convert_format(CORNERS, "xyxy", source, **SIZE))
    close(OURS.convert_format(boxes, source, target.upper(), **SIZE), THEIRS.convert_format(boxes, source, target, **SIZE), 2e-5)
    both = {"boxes": boxes[0].astype(int), "labels": np.arange(6)}
    got = OURS.convert_format(both, source, target, **SIZE)
    close(got["boxes"], THEIRS.convert_format(both["boxes"], source, target, **SIZE), 2e-5)
    assert got["labels"] is both["labels"] and got["boxes"].dtype == "float32"


@pytest.mark.parametrize("boxes", [CORNERS, CORNERS[0]])
def test_clip_crop_pad(boxes):
    labels = np.arange(boxes[..., 0].size).reshape(boxes.shape[:-1])
    for kwargs, scale in ((SIZE, 1), ({"bounding_box_format": "rel_xyxy"}, np.float32(0.02))):
        mine, other = (k.clip_to_image_size({"boxes": boxes * scale, "labels": labels, "x": 1}, **kwargs) for k in (OURS, THEIRS))
        assert set(mine) == set(other) and np.array_equal(mine["labels"], other["labels"])
        close(mine["boxes"], other["boxes"])
    assert "labels" not in OURS.clip_to_image_size({"boxes": boxes}, **SIZE)
    window = {"top": 3, "left": 7, "height": 20, "width": 30}
    close(OURS.crop(boxes, **window), THEIRS.crop(boxes, **window))
    close(OURS.pad(boxes, 3, 7), THEIRS.pad(boxes, 3, 7))


MOVES = {"angle": (30.0, -75.0), "translate_x": (0.1, -0.3), "translate_y": (0.0, 0.2), "scale": (1.0, 0.7), "shear_x": (0.0, 20.0),
         "shear_y": (10.0, -5.0)}


@pytest.mark.parametrize("names", [*[(name,) for name in MOVES], tuple(MOVES)], ids="-".join)
@pytest.mark.parametrize("center", [{}, {"center_x": 0.2, "center_y": 0.9}], ids=["middle", "aside"])
def test_affine_transform(names, center):
    still = {"angle": 0.0, "translate_x": 0.0, "translate_y": 0.0, "scale": 1.0, "shear_x": 0.0, "shear_y": 0.0}
    kwargs = {name: np.array(MOVES[name] if name in names else (value,) * 2, np.float32) for name, value in still.items()}
    mine, other = (k.affine_transform(CORNERS, **kwargs, **SIZE, **center) for k in (OURS, THEIRS))
    close(mine, other, 1e-3)


@pytest.mark.parametrize("encoding", ["center_xywh", "center_yxhw"])
@pytest.mark.parametrize("variance", [None, [0.1, 0.1, 0.2, 0.2]])
@pytest.mark.parametrize("name", ["xyxy", "xywh", "rel_yxyx"])
def test_deltas(encoding, variance, name):
    shape = (*SIZE.values(), 3)
    anchors, boxes = (np.asarray(THEIRS.convert_format(b, "xyxy", name, **SIZE)) for b in (CORNERS[0], CORNERS))
    kwargs = {"anchor_format": name, "box_format": name, "variance": variance, "image_shape": shape}
    deltas = OURS.encode_box_to_deltas(anchors, boxes, encoding_format=encoding, **kwargs)
    close(deltas, THEIRS.encode_box_to_deltas(anchors, boxes, encoding_format=encoding, **kwargs), 1e-4)
    back = OURS.decode_deltas_to_boxes(anchors, deltas, encoded_format=encoding, **kwargs)
    close(back, boxes, 1e-3)
    close(back, THEIRS.decode_deltas_to_boxes(anchors, deltas.numpy(), encoded_format=encoding, **kwargs), 1e-3)
    levels = OURS.decode_deltas_to_boxes({"p3": anchors, "p4": anchors}, {"p3": deltas, "p4": deltas * 0}, encoded_format=encoding,
                                         **kwargs)
    assert np.array_equal(levels["p3"], back)
    close(levels["p4"][0], anchors, 1e-4)


@pytest.mark.parametrize("name", ["xyxy", "center_xywh", "rel_xywh"])
def test_overlaps(name):
    one, two = (np.asarray(THEIRS.convert_format(b, "xyxy", name, **SIZE)) for b in (CORNERS, CORNERS[::-1, :4] + 3))
    image = {"image_shape": (*SIZE.values(), 3)}
    for a, b in ((one, two), (one[0], two[0]), (one, one)):
        close(OURS.compute_iou(a, b, name, **image), THEIRS.compute_iou(a, b, name, **image))
    if not name.startswith("rel"):
        close(OURS.compute_ciou(one[:, :4], two, name), THEIRS.compute_ciou(one[:, :4], two, name))
    marked = np.concatenate([CORNERS, np.full((2, 1, 4), -1, np.float32)], 1)
    mine, other = (k.compute_iou(marked, marked, "xyxy", use_masking=True, mask_val=-2) for k in (OURS, THEIRS))
    close(mine, other)
    assert (mine.numpy() == -2).sum() == 26


def test_native_as_reference_and_gradient(native_as_reference):
    native_as_reference(lambda a, b: OURS.compute_ciou(a, b, "xyxy"), CORNERS, CORNERS + np.float32(2), gradient=True)
    native_as_reference(lambda a: OURS.convert_format(a, "xyxy", "rel_center_xywh", **SIZE), CORNERS, gradient=True)


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: OURS.convert_format(CORNERS, "xyyx", "xyxy"), ValueError, "Unknown format of boxes 'xyyx'. Did you mean"),
    (lambda: OURS.convert_format(CORNERS[..., :3], "xyxy", "xywh"), ShapeError, r"4 numbers on the last axis.*\(2, 6, 3\)"),
    (lambda: OURS.convert_format(CORNERS, "xyxy", "rel_xyxy"), ValueError, "needs the height and width"),
    (lambda: OURS.clip_to_image_size({"boxes": CORNERS}), ValueError, "needs the height and width"),
    (lambda: OURS.clip_to_image_size({"boxes": CORNERS}, 1, 1, "xywh"), ValueError, "'xyxy' or 'rel_xyxy', received 'xywh'"),
    (lambda: OURS.crop(CORNERS, 0, 0, 1, 1, "xywh"), ValueError, "crop takes boxes in 'xyxy'"),
    (lambda: OURS.affine_transform(CORNERS[0], *[ops.zeros((1,))] * 6, 9, 9), ShapeError, r"\(batch, n, 4\)"),
    (lambda: OURS.encode_box_to_deltas(CORNERS, CORNERS, "xyxy", "xyxy", "xyxy"), ValueError, "Deltas are in"),
    (lambda: OURS.encode_box_to_deltas(CORNERS, CORNERS, "xyxy", "xyxy", variance=[1.0]), ShapeError, "variance must have 4"),
    (lambda: OURS.compute_iou(CORNERS[0, 0], CORNERS, "xyxy"), ShapeError, "compute_iou takes boxes of shape"),
    (lambda: OURS.compute_ciou(CORNERS, CORNERS, "rel_xyxy"), ValueError, "boxes in pixels"),
])
def test_bad_arguments_name_the_cause(call, error, text):
    with pytest.raises(error, match=text):
        call()
