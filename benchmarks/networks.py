"""Training steps of four networks, Lamella against torch eager: cnn, resnet20, lstm and gpt (docs/LOG.md keeps the results).

    python benchmarks/networks.py --peers-python .venv-bench/bin/python

A step is forward pass, loss, gradients and Adam, on random data of a fixed shape; Lamella's is one `tf.function`. Both sides run in
processes of their own, in turn, and the best of the rounds counts. torch runs its convolutions channels-last, which is the faster.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import lamella as tf  # noqa: E402
from lamella.settings import settings  # noqa: E402

NAMES = ("cnn", "resnet20", "lstm", "gpt")


def networks() -> dict:
    """Name -> function that returns (model, inputs, labels, loss)."""
    layers, rng = tf.keras.layers, np.random.default_rng(0)
    crossentropy = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def cnn():
        model = tf.keras.Sequential([
            layers.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10)])
        return model, rng.random((128, 28, 28, 1), dtype=np.float32), rng.integers(0, 10, 128).astype(np.int32), crossentropy

    def normalized(x, filters, size, stride=1):
        x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    def resnet20():
        inputs = layers.Input((32, 32, 3))
        x = layers.ReLU()(normalized(inputs, 16, 3))
        for filters in (16, 32, 64):
            for block in range(3):
                stride = 2 if filters > 16 and block == 0 else 1
                y = layers.ReLU()(normalized(x, filters, 3, stride))
                short = x if x.shape[-1] == filters else normalized(x, filters, 1, stride)
                x = layers.ReLU()(layers.Add()([normalized(y, filters, 3), short]))
        model = tf.keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
        return model, rng.random((64, 32, 32, 3), dtype=np.float32), rng.integers(0, 10, 64).astype(np.int32), crossentropy

    def lstm():
        model = tf.keras.Sequential([layers.Input((80,), dtype="int32"), layers.Embedding(20000, 128), layers.LSTM(128),
                                     layers.Dense(1, activation="sigmoid")])
        labels = rng.integers(0, 2, (32, 1)).astype(np.float32)
        return model, rng.integers(0, 20000, (32, 80)).astype(np.int32), labels, tf.keras.losses.BinaryCrossentropy()

    def gpt(vocabulary=1000, width=128, tokens=128, heads=4):
        ids, places = layers.Input((tokens,), dtype="int32"), layers.Input((tokens,), dtype="int32")
        x = layers.Add()([layers.Embedding(vocabulary, width)(ids), layers.Embedding(tokens, width)(places)])
        for _ in range(2):
            h = layers.LayerNormalization()(x)
            x = layers.Add()([x, layers.MultiHeadAttention(heads, width // heads)(h, h, use_causal_mask=True)])
            h = layers.Dense(4 * width, activation="gelu")(layers.LayerNormalization()(x))
            x = layers.Add()([x, layers.Dense(width)(h)])
        model = tf.keras.Model([ids, places], layers.Dense(vocabulary)(layers.LayerNormalization()(x)))
        words = rng.integers(0, vocabulary, (16, tokens)).astype(np.int32)
        return model, [words, np.tile(np.arange(tokens, dtype=np.int32), (16, 1))], words, crossentropy

    return {"cnn": cnn, "resnet20": resnet20, "lstm": lstm, "gpt": gpt}


def measure(name: str, seconds: float) -> dict[str, float]:
    """Best time of a step of Lamella in ms, and the time to the end of the first one in s (no disk cache)."""
    settings.cache_dir = ""
    model, x, y, loss = networks()[name]()
    optimizer = tf.keras.optimizers.Adam()

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        optimizer.apply_gradients(zip(tape.gradient(value, model.trainable_variables), model.trainable_variables, strict=True))
        return value

    began = time.perf_counter()
    step(x, y)
    first, best, end = time.perf_counter() - began, float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        step(x, y)
        best = min(best, time.perf_counter() - began)
    return {"ms": best * 1e3, "first_s": first}


def main() -> None:
    """Run both sides in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", default=str(HERE.parent / ".venv-bench" / "bin" / "python"))
    parser.add_argument("--networks", default=",".join(NAMES))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--one", help="measure this network of Lamella alone and print JSON")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one, args.seconds)))
        return
    for name in args.networks.split(","):
        ours, theirs, first = float("inf"), float("inf"), float("inf")
        for _ in range(args.rounds):
            out = subprocess.run([sys.executable, __file__, "--one", name, "--seconds", str(args.seconds)],
                                 capture_output=True, text=True, check=True).stdout
            result = json.loads(out.splitlines()[-1])
            ours, first = min(ours, result["ms"]), min(first, result["first_s"])
            out = subprocess.run([args.peers_python, str(HERE / "peers" / "torch_networks.py"), name, str(args.seconds)],
                                 capture_output=True, text=True, check=True).stdout
            theirs = min(theirs, float(out.split()[-1]))
        print(f"{name:9} Lamella {ours:7.2f} ms, torch eager {theirs:7.2f} ms, ratio {ours / theirs:.2f}; first step {first:.2f} s")


if __name__ == "__main__":
    main()
