"""The update of 10 million parameters, as a share of the memory bandwidth that a plain copy reaches.

    python benchmarks/optimizers.py
    python benchmarks/optimizers.py --optimizers adam,lion --layouts few

An update is one native call: gradients lie in memory, parameters and slots are updated in place. It must read the gradient, read
and write the parameter and each slot: 28 bytes a parameter for Adam. Beside it, numpy with one thread per core, in as much memory:
a copy from one array to another (goal: 0.8 of its bandwidth), and `x *= 1` in place, which is faster because a copy's target is
fetched before it is overwritten. All three alternate and the best of the rounds counts. Muon multiplies matrices besides: its
floating point operations are put beside the measured FMA peak.
"""

from __future__ import annotations

import argparse
import concurrent.futures
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
from lamella.frontend import Variable, trace
from lamella.native.peak import fma_peak
from lamella.settings import settings

LAYOUTS = {"few": [(1000, 1000)] * 10, "many": [(100, 100)] * 1000}
OPTIMIZERS = ("Adam", "AdamW", "RMSprop", "Lion", "Muon")
GOAL = 0.8


class Update:
    """A compiled update of all parameters, bound to its arrays."""

    def __init__(self, name: str, shapes: list[tuple[int, ...]]) -> None:
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(shape, dtype="float32") for shape in shapes]
        parameters = [Variable(a, name=f"parameter_{i}") for i, a in enumerate(arrays)]
        gradients = [Variable(0.01 * a, trainable=False, name=f"gradient_{i}") for i, a in enumerate(arrays)]
        optimizer = getattr(tf.keras.optimizers, name)()
        optimizer.build(parameters)

        def step() -> None:
            optimizer.apply(gradients, parameters)

        start = time.perf_counter()
        traced = trace(step, [], name)
        self.executable = traced.lower().executable
        self.compile_seconds = time.perf_counter() - start
        self.run = self.executable.bind([v._array for v in traced.variables]).run
        written = [traced.variables[i] for i in traced.assigned]
        large = [v for v in written if len(v.shape) > 1]  # not the counter of steps
        gradient_bytes, state_bytes = (sum(v._array.nbytes for v in group) for group in (gradients, large))
        self.footprint, self.nbytes = gradient_bytes + state_bytes, gradient_bytes + 2 * state_bytes
        self.flops = self.executable.cost()["flops"]
        self.run()
        assert not np.array_equal(parameters[0].numpy(), arrays[0]) and np.isfinite(parameters[0].numpy()).all()


class Bandwidth:
    """Bytes read and written by all cores together, in arrays of `footprint` bytes."""

    def __init__(self, footprint: int, threads: int) -> None:
        array = np.ones(footprint // 4, "float32")
        target, source = np.split(array[: len(array) // 2 * 2], 2)
        self.copied, self.changed = 2 * source.nbytes, 2 * array.nbytes
        self._halves = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
        self._parts = np.array_split(array, threads)
        self._pool = concurrent.futures.ThreadPoolExecutor(threads)

    def copy(self) -> None:
        list(self._pool.map(lambda pair: np.copyto(*pair), self._halves))

    def in_place(self) -> None:
        list(self._pool.map(lambda part: np.multiply(part, np.float32(1), out=part), self._parts))


def best_times(functions: list, seconds: float) -> list[float]:
    """The best time of each function; they alternate until the time is over, at least three times each."""
    best = [math.inf] * len(functions)
    end, turns = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or turns < 3:
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[i] = min(best[i], time.perf_counter() - start)
        turns += 1
    return best


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optimizers", default=",".join(OPTIMIZERS))
    parser.add_argument("--layouts", default=",".join(LAYOUTS))
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    settings.cache_dir = ""
    peak = fma_peak(settings.threads)
    table = Table(title=f"update of 10 million parameters, {settings.threads} threads (goal: {GOAL} of the copy)")
    for head in ("", "parameters", "time", "must move", "GB/s", "copy", "share", "in place", "share", "FMA peak", "compile"):
        table.add_column(head, justify="left" if head == "" else "right")
    for layout in args.layouts.split(","):
        for name in args.optimizers.split(","):
            shapes = LAYOUTS[layout]
            update = Update(name, shapes)
            memory = Bandwidth(update.footprint, settings.threads)
            took, copy, in_place = best_times([update.run, memory.copy, memory.in_place], args.seconds)
            rate, copied, changed = update.nbytes / took / 1e9, memory.copied / copy / 1e9, memory.changed / in_place / 1e9
            table.add_row(
                name, f"{len(shapes)} × {shapes[0]}", f"{took * 1e3:.2f} ms", f"{update.nbytes / 1e6:.0f} MB",
                f"{rate:.1f}", f"{copied:.1f}", f"[{'green' if rate >= GOAL * copied else 'red'}]{rate / copied:.2f}[/]",
                f"{changed:.1f}", f"{rate / changed:.2f}", f"{update.flops / took / 1e9 / peak:.0%}" if update.flops else "–",
                f"{update.compile_seconds:.2f} s")  # fmt: skip
            del update, memory
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(f"FMA peak {peak:.0f} GFLOP/s; load average {os.getloadavg()[0]:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
