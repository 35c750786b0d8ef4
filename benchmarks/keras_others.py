"""Further networks in the Keras API, in the form of keras_networks.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_networks import Network, crossentropy, images


def mobile(k: Any) -> Network:
    """A stem and four depthwise separable blocks with batch normalization, as in MobileNet, on 32 x 32 images."""
    layers = k.layers

    def block(filters: int, stride: int) -> list:
        return [
            layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU(),
            layers.Conv2D(filters, 1, use_bias=False), layers.BatchNormalization(), layers.ReLU()]  # fmt: skip

    blocks = [block(64, 1), block(128, 2), block(128, 1), block(256, 2)]
    model = k.Sequential([layers.Input((32, 32, 3)), layers.Conv2D(32, 3, padding="same", activation="relu"), *sum(blocks, []),
                          layers.GlobalAveragePooling2D(), layers.Dense(10)])  # fmt: skip
    return model, *images(np.random.default_rng(0), 32, 32, 32, 3), crossentropy(k)


def unet(k: Any) -> Network:
    """Two steps down, two up by transposed convolutions, with skip connections: one number per pixel of 64 x 64."""
    layers, rng = k.layers, np.random.default_rng(0)

    def twice(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        return x

    inputs = layers.Input((64, 64, 1))
    first = twice(inputs, 16)
    second = twice(layers.MaxPooling2D()(first), 32)
    x = twice(layers.MaxPooling2D()(second), 64)
    x = twice(layers.Concatenate()([layers.Conv2DTranspose(32, 2, strides=2)(x), second]), 32)
    x = twice(layers.Concatenate()([layers.Conv2DTranspose(16, 2, strides=2)(x), first]), 16)
    model = k.Model(inputs, layers.Conv2D(1, 1)(x))
    x, y = rng.random((8, 64, 64, 1), dtype="float32"), rng.integers(0, 2, (8, 64, 64, 1)).astype("float32")
    return model, x, y, k.losses.BinaryCrossentropy(from_logits=True)


def _words(k: Any, layer: Any) -> Network:
    rng = np.random.default_rng(0)
    model = k.Sequential([k.layers.Input((80,), dtype="int32"), k.layers.Embedding(20000, 128), layer, k.layers.Dense(1)])
    x, y = rng.integers(0, 20000, (32, 80)).astype("int32"), rng.integers(0, 2, (32, 1)).astype("float32")
    return model, x, y, k.losses.BinaryCrossentropy(from_logits=True)


def gru(k: Any) -> Network:
    """A GRU over 80 words."""
    return _words(k, k.layers.GRU(128))


def bilstm(k: Any) -> Network:
    """LSTMs over 80 words in both directions."""
    return _words(k, k.layers.Bidirectional(k.layers.LSTM(64)))


def series(k: Any) -> Network:
    """1-D convolutions over 4096 points of 8 channels."""
    layers, rng = k.layers, np.random.default_rng(0)
    stack = [layers.Input((4096, 8))]
    for filters in (32, 32, 64, 64):
        stack += [layers.Conv1D(filters, 9, padding="same", activation="relu"), layers.MaxPooling1D(4)]
    model = k.Sequential([*stack, layers.GlobalAveragePooling1D(), layers.Dense(10)])
    return model, rng.random((16, 4096, 8), dtype="float32"), rng.integers(0, 10, 16).astype("int32"), crossentropy(k)


def norms(k: Any) -> Network:
    """Eight 1 x 1 convolutions, each with batch normalization: little to multiply, much to normalize."""
    layers = k.layers
    stack = [layers.Input((32, 32, 16))]
    for _ in range(8):
        stack += [layers.Conv2D(16, 1, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
    model = k.Sequential([*stack, layers.GlobalAveragePooling2D(), layers.Dense(10)])
    return model, *images(np.random.default_rng(0), 64, 32, 32, 16), crossentropy(k)


OTHERS = {"mobile": mobile, "unet": unet, "gru": gru, "bilstm": bilstm, "series": series, "norms": norms}
