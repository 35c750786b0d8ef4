"""lamella.ops.image against keras.ops.image (JAX): values, dtypes, gradients; both targets; what it refuses."""

from __future__ import annotations

import inspect
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras
import numpy as np
import pytest

import lamella as tf
from lamella import ops
from lamella.errors import DTypeError, ShapeError
from lamella.frontend import GradientTape
from lamella.ops.image.resizing import KERNELS, resampling_matrix

RNG = np.random.default_rng(23)
FIRST = "channels_first"
MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def uniform(*shape):
    return RNG.uniform(0, 1, shape).astype(np.float32)


BATCH, ONE, BATCH_FIRST = uniform(2, 7, 6, 3), uniform(5, 8, 1), uniform(2, 3, 7, 6)
BYTES = RNG.integers(0, 256, (2, 9, 7, 3)).astype(np.uint8)
EDGES = [[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1], [0.5, 0.5, 0.5], [1e-8, 0, 0]]
COLORS = np.concatenate([EDGES, uniform(30, 3)])[None, None].astype(np.float32)
TRANSFORM = np.array([[0.8, 0.3, 1.1, -0.2, 1.2, -2.3, 0, 0], [1.5, -0.7, 9.3, 0.4, 0.9, -7.7, 0, 0]], np.float32)
EXACT = np.array([[0.75, 0.25, 1.5, -0.25, 1.25, -2.0, 0, 0], [1.5, -0.75, 9.25, 0.5, 1, -7.5, 0, 0]], np.float32)  # halves too
PLACES = RNG.uniform(-9, 12, (3, 4, 5)).astype(np.float32)

CASES = [("resize", (images, size), {"interpolation": interpolation, "antialias": antialias, "data_format": form})
         for interpolation, antialias in [("nearest", False), *((k, a) for k in KERNELS for a in (False, True))]
         for images, size, form in [(BATCH, (11, 3), None), (BATCH_FIRST[1], (4, 9), FIRST)]]
CASES += [("resize", (images, (4, 3)), {"interpolation": interpolation})
          for interpolation in ("nearest", "bicubic") for images in (uniform(1, 1, 2), BYTES)]
CASES += [("resize", (images, size), {flag: True, "interpolation": interpolation, "fill_value": 0.4, "data_format": form})
          for flag in ("crop_to_aspect_ratio", "pad_to_aspect_ratio")
          for interpolation, images, size, form in [
              ("bilinear", BATCH, (8, 3), None), ("nearest", BATCH, (3, 8), None), ("bilinear", ONE, (4, 4), None),
              ("nearest", BATCH_FIRST, (6, 11), FIRST), ("bilinear", BYTES, (5, 5), None)]]
CASES += [("affine_transform", (images, transform), {"interpolation": interpolation, "fill_mode": mode, "fill_value": 0.6})
          for mode in MODES
          for interpolation, images, transform in [("bilinear", BATCH, TRANSFORM), ("nearest", BYTES, EXACT)]]
CASES += [("affine_transform", (BATCH_FIRST, TRANSFORM), {"fill_mode": "wrap", "data_format": FIRST}),
          ("affine_transform", (BATCH_FIRST[0], TRANSFORM[0]), {"data_format": FIRST}),
          ("affine_transform", (ONE, TRANSFORM[1]), {}), ("affine_transform", (BYTES, EXACT), {"fill_mode": "reflect"})]
CASES += [("map_coordinates", (uniform(3, 5, 4), PLACES, order), {"fill_mode": mode, "fill_value": -1.5})
          for mode in MODES for order in (0, 1)]
CASES += [("map_coordinates", (uniform(6), np.arange(-14, 15, dtype=np.float32)[None] / 2, order), {"fill_mode": mode})
          for mode in MODES for order in (0, 1)]
CASES += [("map_coordinates", (uniform(1), np.array([[-3.3, 0.0, 0.4, 2.0]], np.float32), 1), {"fill_mode": mode})
          for mode in MODES if mode != "mirror"]  # which divides by zero there, on JAX
CASES += [("map_coordinates", (BYTES[0, :, :, 0], np.array([[0, 2], [5, 9]]), 1), {}),
          ("map_coordinates", (BYTES[0, :, :, 0], np.array([[0.5, 2.25], [5.5, 3.25]], np.float32), 1), {"fill_value": 7.9})]
CASES += [(name, (images,), {}) for name in ("rgb_to_grayscale", "rgb_to_hsv", "hsv_to_rgb")
          for images in (COLORS, 3 - 6 * COLORS)]
CASES += [(name, (BATCH_FIRST[0],), {"data_format": FIRST}) for name in ("rgb_to_grayscale", "rgb_to_hsv", "hsv_to_rgb")]
CASES += [("rgb_to_grayscale", (BYTES,), {}), ("rgb_to_grayscale", (ONE,), {})]
CASES += [("crop_images", (BATCH, 1, 2, 0, 3), {}), ("crop_images", (BATCH, 1, 2), {"target_height": 3, "target_width": 4}),
          ("crop_images", (ONE,), {"bottom_cropping": 2, "right_cropping": 0, "target_height": 1, "target_width": 8}),
          ("crop_images", (BATCH_FIRST, 1, 2, 0, 3, None, None, FIRST), {}),
          ("pad_images", (BATCH, 1, 2, 0, 3), {}), ("pad_images", (BYTES, 1, 2), {"target_height": 10, "target_width": 9}),
          ("pad_images", (ONE,), {"bottom_padding": 2, "right_padding": 0, "target_height": 9, "target_width": 8}),
          ("pad_images", (BATCH_FIRST, 1, 2, 0, 3, None, None, FIRST), {})]
CASES += [("gaussian_blur", (BATCH, (5, 2), (0.5, 2.0)), {"data_format": "channels_last"}),
          ("gaussian_blur", (ONE, (1, 3), (3.0, 0.7)), {"data_format": "channels_last"}),
          ("gaussian_blur", (BATCH_FIRST,), {"data_format": FIRST})]
CASES += [("extract_patches", (images, size), {"strides": strides, "dilation_rate": gap, "padding": padding, "data_format": form})
          for images, form in ((BATCH, None), (BATCH_FIRST[0], FIRST))
          for size, strides, gap, padding in ((3, None, 1, "valid"), ((2, 3), (1, 2), 1, "same"), (2, 1, 3, "valid"))]
CASES += [("extract_patches_3d", (uniform(2, 4, 5, 6, 2), (2, 1, 3)), {"strides": 2, "padding": "same"}),
          ("extract_patches_3d", (uniform(2, 4, 5, 6), 2), {"data_format": FIRST}),
          ("extract_patches", (uniform(3, 4, 5, 2), (2, 3, 1)), {}),
          ("sobel_edges", (BATCH,), {}), ("sobel_edges", (BATCH_FIRST,), {"data_format": FIRST}),
          ("ssim", (uniform(2, 13, 12, 3), uniform(2, 13, 12, 3)), {}),
          ("ssim", (uniform(2, 7, 9), uniform(2, 7, 9), 2.0), {"filter_size": 5, "filter_sigma": 0.8, "data_format": FIRST})]


def split(args):
    arrays = [a for a in args if isinstance(a, np.ndarray)]
    return arrays, args[len(arrays):]


def in_keras(name, args, kwargs):
    """The function of arrays alone, and the arrays."""
    arrays, rest = split(args)
    return (lambda *xs: getattr(keras.ops.image, name)(*xs, *rest, **kwargs)), arrays



@pytest.mark.parametrize(("name", "args", "kwargs"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_as_keras(name, args, kwargs):
    got = getattr(ops.image, name)(*args, **kwargs)
    theirs, arrays = in_keras(name, args, kwargs)
    want = jax.jit(theirs)(*arrays)
    assert got.shape == tuple(want.shape) and got.dtype == str(want.dtype)
    exact = BYTES.dtype == got.dtype
    np.testing.assert_allclose(got.numpy(), np.asarray(want), rtol=0 if exact else 2e-5, atol=0 if exact else 2e-6)
    signatures = [list(inspect.signature(getattr(k, name)).parameters.items()) for k in (ops.image, keras.ops.image)]
    assert [(p, v.default) for p, v in signatures[0]] == [(p, v.default) for p, v in signatures[1]]


SMOOTH = [c for c in CASES if c[1][0].dtype == np.float32][::11]


@pytest.mark.parametrize(("name", "args", "kwargs"), SMOOTH, ids=[f"{c[0]}-{i}" for i, c in enumerate(SMOOTH)])
def test_gradients_as_keras(name, args, kwargs):
    arrays, rest = split(args)
    tensors = [ops.convert_to_tensor(a) for a in arrays]
    with GradientTape() as tape:
        for tensor in tensors:
            tape.watch(tensor)
        out = getattr(ops.image, name)(*tensors, *rest, **kwargs)
        direction = np.random.default_rng(3).standard_normal(out.shape).astype(np.float32)
        loss = ops.sum(out * direction)
    got = tape.gradient(loss, tensors)
    theirs, _ = in_keras(name, args, kwargs)
    gradient = jax.grad(lambda *xs: (theirs(*xs) * direction).sum(), tuple(range(len(arrays))))
    want = jax.jit(gradient)(*arrays)
    for a, b in zip(got, want, strict=True):
        a = np.zeros_like(b) if a is None else a.numpy()
        if a.shape[-1] == 8:  # c0 and c1 of a transform mean something else on JAX
            a, b = a[..., :6], b[..., :6]
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(b).max())))


@pytest.mark.parametrize("function", [
    lambda x: ops.image.resize(x, (11, 4), "nearest"),
    lambda x: ops.image.resize(x, (11, 4), "bicubic"),
    lambda x: ops.image.resize(x, (3, 9), "lanczos5", antialias=True),
    lambda x: ops.image.resize(x, (8, 3), pad_to_aspect_ratio=True, fill_value=0.3),
    lambda x: ops.image.affine_transform(x, TRANSFORM, fill_mode="reflect"),
    lambda x: ops.image.affine_transform(x, TRANSFORM, "nearest", fill_value=2.0),
    lambda x: ops.image.hsv_to_rgb(ops.image.rgb_to_hsv(x)),
    lambda x: ops.image.rgb_to_grayscale(x),
    lambda x: ops.image.gaussian_blur(x, (3, 5), (1.0, 2.0)),
    lambda x: ops.image.extract_patches(x, 3, 2, padding="same"),
    lambda x: ops.image.sobel_edges(x) + ops.expand_dims(ops.expand_dims(ops.image.ssim(x, x * x, filter_size=3), 1), (1, 2, 3)),
])
def test_native_as_reference(native_as_reference, function):
    native_as_reference(function, BATCH)


def test_nearest_is_exact_for_all_sizes():
    """Whole numbers (j + 1/2) n / m are not missed. (XLA multiplies by 1 / m, and misses pixel 20 of 2 -> 41.)"""
    for n in (1, 2, 10, 14, 27):
        for m in (1, 3, 25, 41, 49, 55):
            got = ops.image.resize(np.arange(n, dtype=np.int32).reshape(n, 1, 1), (m, 1), "nearest").numpy().ravel()
            assert got.tolist() == [(2 * j + 1) * n // (2 * m) for j in range(m)]


def test_resampling_rows_sum_to_one_and_keep_symmetry():
    for interpolation in KERNELS:
        for n, m, antialias in [(1, 5, False), (7, 3, True), (3, 8, True), (50, 7, True), (7, 50, False)]:
            w = resampling_matrix(n, m, interpolation, antialias)
            np.testing.assert_allclose(w.sum(1), 1.0, atol=1e-12)
            np.testing.assert_allclose(w, w[::-1, ::-1], atol=1e-12)


def test_a_projective_transform():
    matrix = np.array([0.9, 0.2, 1.0, -0.1, 1.1, 0.5, 0.02, -0.03], np.float32)
    y, x = np.mgrid[:7, :6].astype(np.float32)
    k = matrix[6] * x + matrix[7] * y + 1
    places = [(matrix[3] * x + matrix[4] * y + matrix[5]) / k, (matrix[0] * x + matrix[1] * y + matrix[2]) / k]
    got = ops.image.affine_transform(BATCH[0], matrix, fill_mode="nearest").numpy()
    for channel in range(3):
        want = ops.image.map_coordinates(BATCH[0, :, :, channel], np.stack(places), 1, "nearest")
        np.testing.assert_allclose(got[..., channel], want.numpy(), rtol=1e-5, atol=1e-6)


def test_one_transform_serves_a_batch_and_far_positions_are_safe():
    one, two = (ops.image.affine_transform(BATCH, t) for t in (TRANSFORM[0], TRANSFORM[[0, 0]]))
    assert np.array_equal(one, two)
    far = np.array([[-3e38, 1e20, np.inf, -np.inf]], np.float32)
    for mode, want in (("constant", 9.0), ("nearest", None)):
        out = ops.image.map_coordinates(np.array([1.0, 2.0], np.float32), far, 0, mode, 9.0).numpy()
        assert out.tolist() == ([want] * 4 if want else [1.0, 2.0, 2.0, 1.0])


def test_the_name_space():
    assert tf.keras.ops.image is tf.ops.image is ops.image


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: ops.image.resize(BATCH[0, 0], (2, 2)), ShapeError, r"resize takes an image \(3 axes\).*received shape \(6, 3\)"),
    (lambda: ops.image.resize(BATCH, (2, 2, 2)), ValueError, "size must be an int >= 1 or 2 of them"),
    (lambda: ops.image.resize(BATCH, (2, 0)), ValueError, "size must be an int >= 1"),
    (lambda: ops.image.resize(BATCH, (2, 2), "bilinaer"), ValueError, "Did you mean 'bilinear'"),
    (lambda: ops.image.resize(BATCH, (2, 2), "area"), ValueError, "Unknown interpolation 'area'"),
    (lambda: ops.image.resize(BATCH, (2, 2), fill_mode="reflect"), ValueError, "Unknown fill_mode 'reflect'"),
    (lambda: ops.image.resize(BATCH, (2, 2), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), ValueError, "not both"),
    (lambda: ops.image.resize(BATCH, (2, 2), data_format="last"), ValueError, "Unknown data_format 'last'"),
    (lambda: ops.image.affine_transform(BATCH, TRANSFORM[:, :6]), ShapeError, r"of shape \(8,\) or \(2, 8\).*received \(2, 6\)"),
    (lambda: ops.image.affine_transform(BATCH, TRANSFORM, "bicubic"), ValueError, "Unknown interpolation 'bicubic'"),
    (lambda: ops.image.affine_transform(BATCH, TRANSFORM, fill_mode="miror"), ValueError, "Did you mean 'mirror'"),
    (lambda: ops.image.map_coordinates(BATCH, PLACES, 1), ShapeError, r"of shape \(4, ...\).*received \(3, 4, 5\)"),
    (lambda: ops.image.map_coordinates(BATCH[0], PLACES, 3), ValueError, "order of map_coordinates must be 0"),
    (lambda: ops.image.rgb_to_hsv(BYTES), DTypeError, "rgb_to_hsv takes floats in .* received uint8"),
    (lambda: ops.image.rgb_to_grayscale(BATCH[..., :2]), ShapeError, "3 channels on axis -1"),
    (lambda: ops.image.crop_images(BATCH, 1, 1, 1), ValueError, "needs two of left_cropping, right_cropping, target_width"),
    (lambda: ops.image.extract_patches(BATCH, 8), ShapeError, r"window \(8, 8\) is larger than the spatial shape \(7, 6\)"),
    (lambda: ops.image.extract_patches(BATCH[0, 0], 2), ShapeError, "takes 2 spatial axes and channels"),
    (lambda: ops.image.sobel_edges(ONE), ShapeError, "takes a batch of images"),
    (lambda: ops.image.ssim(BATCH, ONE), ShapeError, "two images of one shape"),
    (lambda: ops.image.crop_images(BATCH, 5, 1, 5, 1), ShapeError, "leave nothing of shape"),
    (lambda: ops.image.crop_images(BATCH, 0, 1, target_height=9, target_width=1), ShapeError, "do not fit"),
    (lambda: ops.image.pad_images(BATCH, -1, 1, 1, 1), ValueError, "must be >= 0"),
    (lambda: ops.image.pad_images(BATCH, 0, 1, target_height=5, target_width=9), ShapeError, "do not fit"),
    (lambda: ops.image.gaussian_blur(BATCH, (0, 3)), ValueError, "kernel_size must be an int >= 1"),
])
def test_bad_arguments_name_the_cause(call, error, text):
    with pytest.raises(error, match=text):
        call()
