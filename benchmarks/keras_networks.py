"""The networks of the tables in the Keras API: built with `lamella.keras` and with `keras` alike.

Each function takes the library and factors that scale the work; it returns `(model, x, y, loss)`, with a batch of random data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Network = tuple[Any, Any, np.ndarray, Any]


def crossentropy(k: Any) -> Any:
    return k.losses.SparseCategoricalCrossentropy(from_logits=True)


def images(rng: np.random.Generator, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.random(shape, dtype="float32"), rng.integers(0, 10, shape[0]).astype("int32")


def cnn(k: Any, batch: int = 1, depth: int = 1, length: int = 1, width: int = 1) -> Network:
    """Two convolutions with pooling; `length` stretches the images, `depth` puts further convolutions behind each."""
    shape = (128 * batch, 28 * length, 28, 1)
    stack = [k.layers.Input(shape[1:])]
    for filters in (32 * width, 64 * width):
        stack.append(k.layers.Conv2D(filters, 3, activation="relu"))
        stack += [k.layers.Conv2D(filters, 3, padding="same", activation="relu") for _ in range(depth - 1)]
        stack.append(k.layers.MaxPooling2D())
    model = k.Sequential([*stack, k.layers.Flatten(), k.layers.Dense(10)])
    return model, *images(np.random.default_rng(0), *shape), crossentropy(k)


def resnet20(k: Any, batch: int = 1, depth: int = 1, length: int = 1, width: int = 1) -> Network:
    """ResNet-20 on 32 x 32 images, with projections where the shape changes."""
    layers = k.layers

    def normalized(x: Any, filters: int, size: int, stride: int = 1) -> Any:
        x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    shape = (64 * batch, 32 * length, 32, 3)
    inputs = layers.Input(shape[1:])
    x = layers.ReLU()(normalized(inputs, 16 * width, 3))
    for filters in (16 * width, 32 * width, 64 * width):
        for block in range(3 * depth):
            stride = 2 if filters > 16 * width and block == 0 else 1
            y = layers.ReLU()(normalized(x, filters, 3, stride))
            short = x if x.shape[-1] == filters else normalized(x, filters, 1, stride)
            x = layers.ReLU()(layers.Add()([normalized(y, filters, 3), short]))
    model = k.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
    return model, *images(np.random.default_rng(0), *shape), crossentropy(k)


def lstm(k: Any, batch: int = 1, depth: int = 1, length: int = 1, width: int = 1) -> Network:
    """Embedding of 20,000 words and an LSTM over 80 of them."""
    rng, units, words = np.random.default_rng(0), 128 * width, 80 * length
    inner = [k.layers.LSTM(units, return_sequences=True) for _ in range(depth - 1)]
    model = k.Sequential([k.layers.Input((words,), dtype="int32"), k.layers.Embedding(20000, units), *inner, k.layers.LSTM(units),
                          k.layers.Dense(1)])  # fmt: skip
    x, y = rng.integers(0, 20000, (32 * batch, words)).astype("int32"), rng.integers(0, 2, (32 * batch, 1)).astype("float32")
    return model, x, y, k.losses.BinaryCrossentropy(from_logits=True)


def gpt(k: Any, batch: int = 1, depth: int = 1, length: int = 1, width: int = 1) -> Network:
    """Two pre-norm transformer layers over 128 tokens."""
    layers, vocabulary, heads = k.layers, 1000, 4
    size, tokens = 128 * width, 128 * length
    ids, places = layers.Input((tokens,), dtype="int32"), layers.Input((tokens,), dtype="int32")
    x = layers.Add()([layers.Embedding(vocabulary, size)(ids), layers.Embedding(tokens, size)(places)])
    for _ in range(2 * depth):
        h = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(heads, size // heads)(h, h, use_causal_mask=True)])
        h = layers.Dense(4 * size, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(size)(h)])
    model = k.Model([ids, places], layers.Dense(vocabulary)(layers.LayerNormalization()(x)))
    words = np.random.default_rng(0).integers(0, vocabulary, (16 * batch, tokens)).astype("int32")
    return model, [words, np.tile(np.arange(tokens, dtype="int32"), (16 * batch, 1))], words, crossentropy(k)


NETWORKS = {"cnn": cnn, "resnet20": resnet20, "lstm": lstm, "gpt": gpt}
