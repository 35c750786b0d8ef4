"""Time against work: what happens to the time of a training step when batch, depth, length or width are doubled twice.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --networks gpt --axes batch,length

Work is counted in floating point operations of products. `time / work` is the growth of the time divided by the growth of the
work: 1 is a straight line through the origin, less means that larger is more efficient. `bend` says how far the middle point lies
from the straight line between the two ends: 0 is straight, above 0 the middle takes longer than the line says.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import lamella as tf
from lamella.native.peak import fma_peak
from lamella.settings import settings

from keras_networks import NETWORKS

AXES = ("batch", "depth", "length", "width")
FACTORS = (1, 2, 4)
STEPS = 4


def measure(network: str, axis: str, factor: int, seconds: float) -> tuple[float, int]:
    """Best seconds of a step inside of a fit, and its operations."""
    model, x, y, loss = NETWORKS[network](tf.keras, **{axis: factor})
    model.compile("adam", loss)
    tile = lambda data: np.concatenate([data] * STEPS)  # noqa: E731
    inputs, targets, batch = [tile(a) for a in x] if isinstance(x, list) else tile(x), tile(y), len(y)
    flops = model.profile(inputs, targets, batch_size=batch, steps=1).total.flops
    best, end, turns = float("inf"), time.perf_counter() + seconds, 0
    model.fit(inputs, targets, batch_size=batch, verbose=0, shuffle=False)
    while turns < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        model.fit(inputs, targets, batch_size=batch, verbose=0, shuffle=False)
        best = min(best, (time.perf_counter() - start) / STEPS)
        turns += 1
    return best, flops


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--axes", default=",".join(AXES))
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    settings.cache_dir = ""
    peak = fma_peak(settings.threads)
    table = Table(title=f"training steps at 1, 2 and 4 times an axis; FMA peak {peak:.0f} GFLOP/s")
    for head in ("network", "axis", "time", "work", "of peak", "time / work, 1 to 2", "2 to 4", "bend"):
        table.add_column(head, justify="left" if head in ("network", "axis") else "right")
    for network in args.networks.split(","):
        for axis in args.axes.split(","):
            (t1, w1), (t2, w2), (t4, w4) = (measure(network, axis, factor, args.seconds) for factor in FACTORS)
            line = t1 + (t4 - t1) * (w2 - w1) / (w4 - w1)
            table.add_row(
                network, axis, " ".join(f"{t * 1e3:.1f}" for t in (t1, t2, t4)) + " ms",
                " ".join(f"{w / w1:.2f}" for w in (w1, w2, w4)),
                " ".join(f"{w / t / 1e9 / peak:.0%}" for t, w in ((t1, w1), (t2, w2), (t4, w4))),
                f"{t2 / t1 / (w2 / w1):.2f}", f"{t4 / t2 / (w4 / w2):.2f}", f"{t2 / line - 1:+.0%}")  # fmt: skip
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(f"load average {os.getloadavg()[0]:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
