"""The networks of keras_networks.py in JAX, by hand: name -> function that returns (parameters, statistics, x, y, apply, loss).

`apply(parameters, statistics, x, training) -> (outputs, statistics)`; the statistics are those of batch normalization.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

RNG = np.random.default_rng(0)


def glorot(*shape: int) -> jax.Array:
    """Uniform weights; the last two axes are those of the matrix."""
    receptive = int(np.prod(shape[:-2]))
    limit = (6 / (receptive * (shape[-2] + shape[-1]))) ** 0.5
    return jnp.asarray(RNG.uniform(-limit, limit, shape), jnp.float32)


def zeros(*shape: int) -> jax.Array:
    return jnp.zeros(shape, jnp.float32)


def ones(*shape: int) -> jax.Array:
    return jnp.ones(shape, jnp.float32)


def convolution(x, kernel, stride: int = 1, padding: str = "SAME"):
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def pooled(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def classes(logits, labels):
    """Mean cross-entropy of class numbers."""
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1)
    return -chosen.mean()


def binary(logits, y):
    return (jnp.maximum(logits, 0) - logits * y + jnp.log1p(jnp.exp(-jnp.abs(logits)))).mean()


def images(*shape: int):
    return RNG.random(shape, dtype="float32"), RNG.integers(0, 10, shape[0]).astype("int32")


def cnn():
    parameters = [glorot(3, 3, 1, 32), zeros(32), glorot(3, 3, 32, 64), zeros(64), glorot(1600, 10), zeros(10)]

    def apply(p, statistics, x, training):
        x = pooled(jax.nn.relu(convolution(x, p[0], padding="VALID") + p[1]))
        x = pooled(jax.nn.relu(convolution(x, p[2], padding="VALID") + p[3]))
        return x.reshape(len(x), -1) @ p[4] + p[5], statistics

    return parameters, [], *images(128, 28, 28, 1), apply, classes


def resnet20():
    parameters, statistics, plan = [], [], []

    def add(old: int, new: int, size: int, stride: int) -> None:
        parameters.append((glorot(size, size, old, new), ones(new), zeros(new)))
        statistics.append((zeros(new), ones(new)))
        plan.append(stride)

    add(3, 16, 3, 1)
    old = 16
    for new in (16, 32, 64):
        for block in range(3):
            stride = 2 if new > 16 and block == 0 else 1
            add(old, new, 3, stride)
            add(new, new, 3, 1)
            if old != new:
                add(old, new, 1, stride)
            old = new
    head = (glorot(64, 10), zeros(10))

    def apply(p, statistics, x, training):
        layers, (w, b) = p
        after = []

        def normalized(x):
            i = len(after)
            (kernel, scale, shift), (mean, variance) = layers[i], statistics[i]
            x = convolution(x, kernel, plan[i])
            if training:
                batch_mean, batch_variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
                after.append((mean * 0.99 + batch_mean * 0.01, variance * 0.99 + batch_variance * 0.01))
                mean, variance = batch_mean, batch_variance
            else:
                after.append((mean, variance))
            return (x - mean) * (lax.rsqrt(variance + 1e-3) * scale) + shift

        x = jax.nn.relu(normalized(x))
        for new in (16, 32, 64):
            for _ in range(3):
                y = normalized(jax.nn.relu(normalized(x)))
                x = jax.nn.relu(y + (x if x.shape[-1] == new else normalized(x)))
        return x.mean((1, 2)) @ w + b, after

    return (parameters, head), statistics, *images(64, 32, 32, 3), apply, classes


def lstm():
    parameters = [jnp.asarray(RNG.uniform(-0.05, 0.05, (20000, 128)), jnp.float32), glorot(128, 512), glorot(128, 512), zeros(512),
                  glorot(128, 1), zeros(1)]  # fmt: skip

    def apply(p, statistics, ids, training):
        x = p[0][ids] @ p[1] + p[3]

        def step(carry, x):
            h, c = carry
            i, f, g, o = jnp.split(x + h @ p[2], 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        start = zeros(len(ids), 128)
        (h, _), _ = lax.scan(step, (start, start), x.swapaxes(0, 1))
        return h @ p[4] + p[5], statistics

    x, y = RNG.integers(0, 20000, (32, 80)).astype("int32"), RNG.integers(0, 2, (32, 1)).astype("float32")
    return parameters, [], x, y, apply, binary


def gpt(width: int = 128, heads: int = 4, tokens: int = 128, vocabulary: int = 1000):
    def embedding(rows: int) -> jax.Array:
        return jnp.asarray(RNG.uniform(-0.05, 0.05, (rows, width)), jnp.float32)

    def layer() -> dict:
        return {"norm1": (ones(width), zeros(width)), "norm2": (ones(width), zeros(width)),
                "qkv": (glorot(width, 3 * width), zeros(3 * width)), "out": (glorot(width, width), zeros(width)),
                "up": (glorot(width, 4 * width), zeros(4 * width)), "down": (glorot(4 * width, width), zeros(width))}  # fmt: skip

    parameters = {"words": embedding(vocabulary), "places": embedding(tokens), "layers": [layer(), layer()],
                  "norm": (ones(width), zeros(width)), "head": (glorot(width, vocabulary), zeros(vocabulary))}  # fmt: skip
    mask = jnp.where(np.tril(np.ones((tokens, tokens), bool)), 0.0, -1e30)

    def normalized(x, parameters):
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(variance + 1e-3) * parameters[0] + parameters[1]

    def dense(x, parameters):
        return x @ parameters[0] + parameters[1]

    def apply(p, statistics, ids, training):
        x = p["words"][ids] + p["places"]
        for layer in p["layers"]:
            qkv = jnp.split(dense(normalized(x, layer["norm1"]), layer["qkv"]), 3, -1)
            q, k, v = (z.reshape(*z.shape[:2], heads, -1) for z in qkv)
            scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * (width // heads) ** -0.5
            y = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores + mask), v)
            x = x + dense(y.reshape(x.shape), layer["out"])
            x = x + dense(jax.nn.gelu(dense(normalized(x, layer["norm2"]), layer["up"]), approximate=False), layer["down"])
        return dense(normalized(x, p["norm"]), p["head"]), statistics

    words = RNG.integers(0, vocabulary, (16, tokens)).astype("int32")
    return parameters, [], words, words, apply, classes


NETWORKS = {f.__name__: f for f in (cnn, resnet20, lstm, gpt)}
