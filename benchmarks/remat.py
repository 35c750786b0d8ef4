"""What `RematScope` saves and costs: memory of a training step's temporaries and its time, with and without.

    python benchmarks/remat.py

Networks of 24 layers in blocks of 4, each block made in a `RematScope("full")`; goal: half the memory at 1.4 times the time.
Both models train on the same batch in turn, the best time counts, and their weights must stay the same bit for bit.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import pathlib
import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import lamella as tf

layers = tf.keras.layers


class Encoder(layers.Layer):
    """A pre-norm transformer layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = layers.LayerNormalization(), layers.LayerNormalization()
        self.attention = layers.MultiHeadAttention(heads, width // heads)
        self.up, self.down = layers.Dense(4 * width, activation="gelu"), layers.Dense(width)

    def call(self, x):
        h = self.norm1(x)
        x = x + self.attention(h, h)
        return x + self.down(self.up(self.norm2(x)))


# name -> (shape of a batch, one layer)
NETWORKS = {
    "24 × Dense(512, gelu)": ((1024, 512), lambda: [layers.Dense(512, activation="gelu")]),
    "24 × Conv2D(32, 3) + batch norm + ReLU": (
        (16, 32, 32, 32), lambda: [layers.Conv2D(32, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()]),
    "24 × transformer layer, 128 wide, 64 tokens": ((8, 64, 128), lambda: [Encoder(128, 4)]),
}  # fmt: skip


def network(name: str, scope: contextlib.AbstractContextManager):
    """Six blocks of four layers, and a batch."""
    shape, layer = NETWORKS[name]
    tf.keras.utils.set_random_seed(0)
    model = tf.keras.Sequential([layers.Input(shape[1:])])
    for _ in range(6):
        inside = [one for _ in range(4) for one in layer()]
        with scope:
            model.add(tf.keras.Sequential(inside))
    model.compile("adam", "mse")
    x = np.random.default_rng(0).standard_normal(shape, dtype="float32")
    return model, x


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    args = parser.parse_args()
    table = Table()
    for head in ("network", "memory", "with remat", "ratio", "time", "with remat", "ratio"):
        table.add_column(head, justify="left" if head == "network" else "right")
    for name in NETWORKS:
        models = [network(name, scope) for scope in (contextlib.nullcontext(), tf.keras.RematScope("full"))]
        best = [math.inf, math.inf]
        for model, x in models:
            model.train_on_batch(x, x)
        end = time.perf_counter() + args.seconds
        while time.perf_counter() < end:
            for i, (model, x) in enumerate(models):
                start = time.perf_counter()
                model.train_on_batch(x, x)
                best[i] = min(best[i], time.perf_counter() - start)
        weights = [model.get_weights() for model, _ in models]
        assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))
        memory = [model._programs.of_kind("train")[0].executable.memory()["arena"] for model, _ in models]
        table.add_row(name, *(f"{m / 2**20:.1f} MiB" for m in memory), f"{memory[1] / memory[0]:.2f}",
                      *(f"{t * 1e3:.1f} ms" for t in best), f"{best[1] / best[0]:.2f}")
    Console(width=None if sys.stdout.isatty() else 140).print(table)


if __name__ == "__main__":
    main()
