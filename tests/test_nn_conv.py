"""Convolutions against Keras (JAX) with the same weights: outputs and gradients; both targets; what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from lamella import ops
from lamella.errors import ShapeError
from lamella.nn import layers

RNG = np.random.default_rng(11)
FIRST = "channels_first"


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


LINE, IMAGE, VOLUME = normal(2, 9, 4), normal(2, 7, 6, 4), normal(2, 5, 4, 3, 2)

CASES = [
    ("Conv1D", {"filters": 3, "kernel_size": 3}, LINE),
    ("Conv1D", {"filters": 3, "kernel_size": 4, "padding": "same", "activation": "relu"}, LINE),
    ("Conv1D", {"filters": 3, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, LINE),
    ("Conv1D", {"filters": 3, "kernel_size": 2, "strides": 3, "use_bias": False}, LINE),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "groups": 2}, LINE),
    ("Conv1D", {"filters": 3, "kernel_size": 3, "data_format": FIRST, "padding": "same"}, normal(2, 4, 9)),
    ("Conv1D", {"filters": 2, "kernel_size": 1}, normal(3, 1, 4)),
    ("Conv1D", {"filters": 2, "kernel_size": 3, "padding": "same"}, normal(3, 1, 4)),
    ("Conv2D", {"filters": 5, "kernel_size": 3}, IMAGE),
    ("Conv2D", {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same"}, IMAGE),
    ("Conv2D", {"filters": 5, "kernel_size": (2, 3), "strides": (3, 1), "padding": "SAME"}, IMAGE),
    ("Conv2D", {"filters": 5, "kernel_size": 1, "strides": 3}, IMAGE),
    ("Conv2D", {"filters": 5, "kernel_size": 3, "dilation_rate": 2}, IMAGE),
    ("Conv2D", {"filters": 5, "kernel_size": (3, 2), "dilation_rate": (1, 3), "padding": "same"}, IMAGE),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 2, "padding": "same", "activation": "tanh"}, IMAGE),
    ("Conv2D", {"filters": 4, "kernel_size": 2, "groups": 4, "strides": 2}, IMAGE),
    ("Conv2D", {"filters": 5, "kernel_size": 3, "data_format": FIRST}, normal(2, 4, 7, 6)),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "data_format": FIRST, "groups": 2, "strides": 2}, normal(2, 4, 7, 6)),
    ("Conv2D", {"filters": 3, "kernel_size": 5, "padding": "same"}, normal(1, 1, 1, 2)),
    ("Conv3D", {"filters": 3, "kernel_size": 2}, VOLUME),
    ("Conv3D", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, VOLUME),
    ("Conv3D", {"filters": 4, "kernel_size": (3, 2, 1), "groups": 2, "dilation_rate": (1, 2, 1)}, VOLUME),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2}, LINE),
    ("DepthwiseConv1D", {"kernel_size": 3, "padding": "same", "strides": 2}, LINE),
    ("DepthwiseConv2D", {"kernel_size": 3}, IMAGE),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 3, "padding": "same", "activation": "relu"}, IMAGE),
    ("DepthwiseConv2D", {"kernel_size": 2, "strides": 3}, IMAGE),
    ("DepthwiseConv2D", {"kernel_size": (2, 3), "dilation_rate": (1, 2), "use_bias": False}, IMAGE),
    ("DepthwiseConv2D", {"kernel_size": 3, "data_format": FIRST, "depth_multiplier": 2}, normal(2, 4, 7, 6)),
    ("SeparableConv1D", {"filters": 3, "kernel_size": 3, "depth_multiplier": 2}, LINE),
    ("SeparableConv1D", {"filters": 3, "kernel_size": 3, "padding": "same", "dilation_rate": 2}, LINE),
    ("SeparableConv2D", {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same"}, IMAGE),
    ("SeparableConv2D", {"filters": 5, "kernel_size": 2, "data_format": FIRST}, normal(2, 4, 7, 6)),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 3}, LINE),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, LINE),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 2, "strides": 4}, LINE),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}, LINE),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 2, "strides": 2}, normal(2, 1, 4)),
    ("Conv2DTranspose", {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same"}, IMAGE),
    ("Conv2DTranspose", {"filters": 5, "kernel_size": (4, 3), "strides": (2, 3), "activation": "relu"}, IMAGE),
    ("Conv2DTranspose", {"filters": 5, "kernel_size": 3, "strides": 3, "output_padding": 2}, IMAGE),
    ("Conv2DTranspose", {"filters": 5, "kernel_size": (3, 2), "strides": 3, "padding": "same",
                         "output_padding": (1, 2)}, IMAGE),
    ("Conv2DTranspose", {"filters": 5, "kernel_size": 1, "strides": 3, "padding": "same"}, IMAGE),
    ("Conv2DTranspose", {"filters": 5, "kernel_size": 3, "strides": 2, "data_format": FIRST}, normal(2, 4, 7, 6)),
    ("Conv3DTranspose", {"filters": 3, "kernel_size": 2, "strides": 2, "padding": "same"}, VOLUME),
    ("Conv3DTranspose", {"filters": 3, "kernel_size": (1, 2, 3)}, VOLUME),
]


@pytest.mark.parametrize(("name", "kwargs", "inputs"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_as_keras(same_as_keras, name, kwargs, inputs):
    same_as_keras(name, kwargs, inputs)


NATIVE = [
    (lambda x, k: ops.conv(x, k), (2, 7, 6, 4), (3, 3, 4, 5)),
    (lambda x, k: ops.conv(x, k, 2, "same"), (2, 7, 6, 4), (3, 2, 4, 17)),
    (lambda x, k: ops.conv(x, k, 1, "same", None, 2), (2, 7, 6, 4), (3, 3, 2, 6)),
    (lambda x, k: ops.conv(x, k, 3, "same", FIRST), (2, 4, 7, 6), (2, 2, 4, 5)),
    (lambda x, k: ops.conv(x, k, 1, "causal", None, 2), (2, 9, 4), (3, 4, 5)),
    (lambda x, k: ops.conv(x, k), (1, 4, 5, 3, 2), (2, 3, 1, 2, 3)),
    (lambda x, k: ops.conv_transpose(x, k, 2, "same"), (2, 5, 4, 3), (3, 3, 6, 3)),
    (lambda x, k: ops.conv_transpose(x, k, (3, 2), "valid", None, FIRST), (2, 3, 5, 4), (3, 2, 6, 3)),
    # Padding around an axis of size 1 that a reshape made.
    (lambda x, k: ops.conv(ops.reshape(x, (2, 5, 1, 3)), k, padding="same"), (2, 5, 3), (3, 3, 3, 4)),
    (lambda x, k: ops.conv(x, k, (1, 3), "same", FIRST), (3, 2, 4, 1), (2, 4, 1, 6)),
    # One window, and a row behind it that none reads.
    (lambda x, k: ops.conv(x, k, (2, 4)), (2, 4, 3, 9), (3, 3, 3, 3)),
]
# Their last output axis, or that of their gradients, belongs to both operands.
DEPTHWISE = [
    (lambda x, k: ops.depthwise_conv(x, k, 1, "same"), (2, 7, 6, 5), (3, 3, 5, 1)),
    (lambda x, k: ops.depthwise_conv(x, k, 2), (2, 7, 6, 18), (3, 2, 18, 2)),
    (lambda x, k: ops.depthwise_conv(x, k, 1, "same", FIRST), (2, 5, 7, 6), (3, 3, 5, 2)),
]


@pytest.mark.parametrize(("function", "x", "kernel"), NATIVE)
def test_native_as_reference(native_as_reference, function, x, kernel):
    native_as_reference(function, normal(*x), normal(*kernel))


@pytest.mark.parametrize(("function", "x", "kernel"), DEPTHWISE)
def test_depthwise_native_as_reference(native_as_reference, function, x, kernel):
    native_as_reference(function, normal(*x), normal(*kernel))


def test_the_transpose_is_the_gradient_of_a_convolution():
    x, kernel, y = normal(2, 9, 3), normal(4, 3, 5), normal(2, 3, 5)
    forward = ops.conv(x, kernel, 2)
    back = ops.conv_transpose(y, kernel, 2)
    padded = np.zeros(x.shape, np.float32)
    padded[:, : back.shape[1]] = back.numpy()
    np.testing.assert_allclose(float(ops.sum(forward * y)), float(np.sum(padded * x)), rtol=1e-4)


def test_a_later_call_with_another_size():
    layer = layers.Conv2D(2, 3, name="again")
    assert layer(IMAGE).shape == (2, 5, 4, 2) and layer(normal(1, 3, 9, 4)).shape == (1, 1, 7, 2)
    with pytest.raises(ShapeError, match=r"Layer 'again': window \(3, 3\) is larger than the spatial shape \(2, 9\)"):
        layer(normal(1, 2, 9, 4))
    with pytest.raises(ShapeError, match="'again' expects its inputs to have axis -1 of size 4"):
        layer(normal(1, 9, 9, 3))


def test_mixed_precision_and_integer_images():
    layer = layers.Conv2D(2, 3, dtype="mixed_bfloat16")
    assert layer(IMAGE).dtype == "bfloat16" and layer.kernel.dtype == "float32"
    assert layers.Conv2D(2, 3)(RNG.integers(0, 255, (1, 5, 5, 1)).astype(np.uint8)).dtype == "float32"


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: layers.Conv2D(3, 8)(IMAGE), ShapeError,
     r"Layer 'conv2d.*': window \(8, 8\) is larger than the spatial shape \(7, 6\)"),
    (lambda: layers.Conv1D(3, 4, dilation_rate=3)(LINE), ShapeError, r"dilated to \(10,\), is larger"),
    (lambda: layers.Conv2D(6, 3, groups=3)(IMAGE), ShapeError, "divides into 3 groups, received 4 channels"),
    (lambda: layers.Conv2D(5, 3, groups=2), ShapeError, "5 filters don't divide into 2 groups"),
    (lambda: layers.Conv2D(5, 3, groups=0), ValueError, "groups of layer 'conv2d.*' must be an int > 0"),
    (lambda: layers.Conv2D(0, 3), ValueError, r"Layer 'conv2d.*': filters must be an int >= 1"),
    (lambda: layers.Conv2D(3, (3, 3, 3)), ValueError, r"kernel_size must be an int >= 1 or 2 of them"),
    (lambda: layers.Conv2D(3, 3, strides=0), ValueError, "strides must be an int >= 1"),
    (lambda: layers.Conv2D(3, 3, padding="smae"), ValueError, "Unknown padding 'smae'. Did you mean 'same'"),
    (lambda: layers.Conv2D(3, 3, padding="causal"), ValueError, "Unknown padding 'causal'"),
    (lambda: layers.Conv2D(3, 3, strides=2, dilation_rate=2), ValueError, "can't both be above 1"),
    (lambda: layers.Conv2D(3, 3, data_format="NCHW"), ValueError, "Unknown data_format 'NCHW'"),
    (lambda: layers.Conv2D(3, 3, activation="reluu"), ValueError, "Did you mean 'relu'"),
    (lambda: layers.Conv2D(3, 3)(LINE), ShapeError,
     r"Layer 'conv2d.*' expects its inputs to have 4 axes, received shape \(2, 9, 4\)"),
    (lambda: layers.Conv2D(3, 3)(layers.Input((7, 7, None))), ShapeError, "known number of channels"),
    (lambda: layers.Conv2DTranspose(3, 3, strides=2, output_padding=2), ValueError, "output_padding must be below"),
    (lambda: layers.DepthwiseConv2D(3, depth_multiplier=-1), ValueError, "depth_multiplier .* must be an int > 0"),
    (lambda: ops.conv(IMAGE, normal(3, 3, 3, 2)), ShapeError, "takes 3 channels, the inputs .* have 4"),
    (lambda: ops.conv(IMAGE, normal(3, 4, 2)), ShapeError, "a kernel with as many axes"),
    (lambda: ops.depthwise_conv(IMAGE, normal(3, 3, 3, 2)), ShapeError, "is for 3 channels"),
    (lambda: ops.conv_transpose(IMAGE, normal(3, 3, 2, 3)), ShapeError, "takes 3 channels"),
])
def test_bad_arguments_name_the_cause(make, error, text):
    with pytest.raises(error, match=text):
        make()
