"""What one fit costs beside its steps: validation, many fits in a row, and the first step.

    python benchmarks/details.py

Lamella alone, no peers. Goals: validation adds at most 1 ms of fixed cost to an epoch, and the time and memory of a
fit stay flat over 1,000 fits.
"""

from __future__ import annotations

import argparse
import gc
import os
import pathlib
import sys
import time

import numpy as np
from rich.console import Console

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import lamella as tf


def small_model(features: int, hidden: int):
    """Return a compiled network and its data."""
    rng = np.random.default_rng(0)
    x = rng.random((640, features), dtype="float32")
    y = tf.keras.utils.to_categorical(rng.integers(0, 10, 640), 10).astype("float32")
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Dense(hidden, activation="relu", input_shape=(features,)),
            tf.keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return model, x, y


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def epoch_time(model, x, y, epochs: int, **arguments) -> float:
    """Return the seconds of one epoch inside a fit of many."""
    model.fit(x, y, epochs=1, verbose=0, **arguments)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        model.fit(x, y, epochs=epochs, verbose=0, **arguments)
        best = min(best, (time.perf_counter() - start) / epochs)
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fits", type=int, default=1000)
    args = parser.parse_args()
    console = Console()

    model, x, y = small_model(784, 128)
    plain = epoch_time(model, x, y, 20)
    validated = epoch_time(model, x, y, 20, validation_data=(x[:1], y[:1]))
    console.print(
        f"epoch of {len(x)} rows: {plain * 1e3:.3f} ms; with one validation row {validated * 1e3:.3f} ms: "
        f"{(validated - plain) * 1e3:+.3f} ms (goal ≤ 1 ms)"
    )

    times, memory = [], []
    for _ in range(args.fits):
        model, x, y = small_model(16, 16)
        start = time.perf_counter()
        model.fit(x, y, verbose=0)
        times.append(time.perf_counter() - start)
        memory.append(resident())
        del model
    gc.collect()
    tenth = max(args.fits // 10, 1)
    console.print(
        f"{args.fits} new small models, one fit each: {np.median(times[tenth : 2 * tenth]) * 1e3:.2f} ms at the start, "
        f"{np.median(times[-tenth:]) * 1e3:.2f} ms at the end; {memory[tenth]:.1f} → {memory[-1]:.1f} MiB, "
        f"{(memory[-1] - memory[tenth]) * 1024 / max(args.fits - tenth, 1):.2f} KiB a fit"
    )

    times, memory = [], []
    model, x, y = small_model(16, 16)
    for _ in range(args.fits):
        start = time.perf_counter()
        model.fit(x, y, verbose=0)
        times.append(time.perf_counter() - start)
        memory.append(resident())
    console.print(
        f"{args.fits} fits of one small model: {np.median(times[tenth : 2 * tenth]) * 1e3:.2f} ms at the start, "
        f"{np.median(times[-tenth:]) * 1e3:.2f} ms at the end; {memory[tenth]:.1f} → {memory[-1]:.1f} MiB"
    )


if __name__ == "__main__":
    main()
