"""`evaluate` with 20 metrics against `evaluate` with one, on a million rows (goal: at most 1.3 times as long).

    python benchmarks/metrics.py
    python benchmarks/metrics.py --each          # also each metric alone, to see which one costs

A network for rows of 32 numbers, 32-64-64-1 with a sigmoid, batches of 1024. The models take turns; the best of the rounds counts.
"""

from __future__ import annotations

import argparse
import math
import os
import pathlib
import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import lamella as tf

GOAL = 1.3
ONE = ["BinaryAccuracy"]
TWENTY = [*ONE, "BinaryCrossentropy", "AUC", "Precision", "Recall", "TruePositives", "TrueNegatives", "FalsePositives",
          "FalseNegatives", "MeanSquaredError", "RootMeanSquaredError", "MeanAbsoluteError", "MeanSquaredLogarithmicError",
          "LogCoshError", "Hinge", "SquaredHinge", "Poisson", "KLDivergence", "R2Score", "BinaryIoU"]  # fmt: skip


def model(names: list[str]):
    """A compiled network with these metrics."""
    layers, metrics = tf.keras.layers, tf.keras.metrics
    tf.keras.utils.set_random_seed(0)
    network = tf.keras.Sequential([layers.Input((32,)), layers.Dense(64, activation="relu"), layers.Dense(64, activation="relu"),
                                   layers.Dense(1, activation="sigmoid")])
    network.compile("adam", "binary_crossentropy", metrics=[getattr(metrics, name)() for name in names])
    return network


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--each", action="store_true", help="measure each metric alone too")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((args.rows, 32), dtype="float32")
    y = (x[:, :1] + rng.standard_normal((args.rows, 1), dtype="float32") > 0).astype("float32")

    sets = {"no metric": [], "one": ONE, "twenty": TWENTY}
    if args.each:
        sets |= {name: [name] for name in TWENTY if name not in ONE}
    best = dict.fromkeys(sets, math.inf)
    networks = {label: model(names) for label, names in sets.items()}
    for turn in range(args.rounds + 1):
        for label, network in networks.items():
            start = time.perf_counter()
            network.evaluate(x, y, batch_size=args.batch, verbose=0)
            if turn:  # the first one compiles
                best[label] = min(best[label], time.perf_counter() - start)
    table = Table()
    for head in ("metrics", "time", "against one metric"):
        table.add_column(head, justify="left" if head == "metrics" else "right")
    for label, seconds in best.items():
        table.add_row(label, f"{seconds * 1e3:.1f} ms", f"{seconds / best['one']:.2f} ×")
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(f"evaluate of {args.rows:,} rows in batches of {args.batch}; load average {os.getloadavg()[0]:.2f}")
    console.print(table)
    ratio = best["twenty"] / best["one"]
    console.print(f"20 metrics: {ratio:.2f} × one (goal ≤ {GOAL}): {'met' if ratio <= GOAL else 'missed'}")


if __name__ == "__main__":
    main()
