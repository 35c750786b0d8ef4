"""Our compiled matrix products against numpy's OpenBLAS, on one core and on all.

    python benchmarks/gemm.py
    python benchmarks/gemm.py --shapes 256x256x256,32x128x784 --rounds 20

Both write into a buffer that is there already and read the same arrays; calls alternate in rounds, the best counts.
Ours is ``executor.compile`` of a graph with one ``contract``, bound to its buffers, so its time holds the call's cost.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from lamella import executor, ir
from lamella.native.peak import fma_peak
from lamella.settings import settings

# (m, n, k, transposed operand or "") of C[m, n] = A[m, k] B[k, n]
SHAPES = [
    (8, 8, 8, ""),
    (32, 32, 32, ""),
    (96, 96, 96, ""),
    (32, 128, 784, ""),
    (784, 128, 32, "A"),
    (32, 784, 128, "B"),
    (32, 10, 128, ""),
    (128, 10, 32, "A"),
    (2048, 128, 784, ""),
    (784, 128, 2048, "A"),
    (256, 256, 256, ""),
    (512, 512, 512, ""),
    (512, 512, 512, "B"),
    (1024, 1024, 1024, ""),
    (4096, 64, 64, ""),
    (64, 4096, 576, ""),
    (1, 4096, 1024, ""),
    (2048, 2048, 2048, ""),
]


def graph(m: int, n: int, k: int, transposed: str) -> ir.Graph:
    """Return the graph of one product."""
    x = (k, m) if transposed == "A" else (m, k)
    y = (n, k) if transposed == "B" else (k, n)
    equation = f"{'km' if transposed == 'A' else 'mk'},{'nk' if transposed == 'B' else 'kn'}->mn"
    builder = ir.Builder()
    a = builder.input(ir.TensorType(x, "float32"), "a")
    b = builder.input(ir.TensorType(y, "float32"), "b")
    return builder.build([builder.contract(a, b, spec=ir.einsum_spec(equation, x, y))], "gemm")


def alternate(functions: list[Callable[[], object]], seconds: float, rounds: int) -> list[float]:
    """Return the best time of one call of each function; each round runs every function for a while, in turn."""
    best = [float("inf")] * len(functions)
    repeats = []
    for function in functions:
        function()
        start = time.perf_counter()
        function()
        repeats.append(max(1, int(seconds / max(time.perf_counter() - start, 1e-7))))
    for _ in range(rounds):
        for i, function in enumerate(functions):
            time.sleep(0.3)  # OpenBLAS' threads spin for some 0.1 s after a call: let them go to sleep
            function()
            start = time.perf_counter()
            for _ in range(repeats[i]):
                function()
            best[i] = min(best[i], (time.perf_counter() - start) / repeats[i])
    return best


def measure(shape: tuple[int, int, int, str], threads: int, seconds: float, rounds: int) -> dict:
    """Compile, compare the results, and time both."""
    m, n, k, transposed = shape
    rng = np.random.default_rng(0)
    a = rng.standard_normal((k, m) if transposed == "A" else (m, k), dtype="float32")
    b = rng.standard_normal((n, k) if transposed == "B" else (k, n), dtype="float32")
    left, right = a.T if transposed == "A" else a, b.T if transposed == "B" else b
    theirs = np.empty((m, n), "float32")

    settings.threads = threads
    start = time.perf_counter()
    executable = executor.compile(graph(*shape), target="native")
    compiling = time.perf_counter() - start
    call = executable.bind([a, b])
    call.run()
    with threadpool_limits(threads):
        np.matmul(left, right, out=theirs)
        error = float(np.abs(call.outputs[0] - theirs).max() / np.abs(theirs).max())
        if error > 1e-4:
            raise AssertionError(f"{shape}: the results differ by {error:.1e} of the largest entry")
        ours_seconds, their_seconds = alternate([call.run, lambda: np.matmul(left, right, out=theirs)], seconds, rounds)
    flops = 2 * m * n * k / 1e9
    return {
        "m": m, "n": n, "k": k, "transposed": transposed, "threads": threads, "compile_seconds": compiling,
        "gflops": flops / ours_seconds, "openblas_gflops": flops / their_seconds, "ratio": their_seconds / ours_seconds,
    }  # fmt: skip


def main() -> None:
    """Print the table; write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", help="such as 256x256x256,32x128x784 (m x n x k; A or B after it: transposed)")
    parser.add_argument("--threads", default="", help="such as 1,2; all cores where not given")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=0.02, help="how long one function runs in one round")
    parser.add_argument("--json", help="file to write the numbers to")
    args = parser.parse_args()
    if "OPENBLAS_CORETYPE" in os.environ:  # read when OpenBLAS is loaded: start again without it
        del os.environ["OPENBLAS_CORETYPE"]
        os.execv(sys.executable, [sys.executable, *sys.argv])

    shapes = SHAPES
    if args.shapes:
        shapes = []
        for text in args.shapes.split(","):
            transposed = text[-1] if text[-1] in "AB" else ""
            m, n, k = map(int, text.rstrip("AB").split("x"))
            shapes.append((m, n, k, transposed))
    cores = len(os.sched_getaffinity(0))
    threads = [int(t) for t in args.threads.split(",")] if args.threads else sorted({1, cores})

    console = Console(width=None if sys.stdout.isatty() else 140)
    limit = {t: fma_peak(t) for t in threads}
    peaks = ", ".join(f"FMA peak with {t}: {limit[t]:.1f} GFLOP/s" for t in threads)
    console.print(f"{peaks}; load average {os.getloadavg()[0]:.2f}")
    table = Table(title="matrix products, GFLOP/s (share of the FMA peak)")
    table.add_column("m × n × k")
    for t in threads:
        for head in (f"ours, {t}", f"OpenBLAS, {t}", "ours / OpenBLAS"):
            table.add_column(head, justify="right")
    table.add_column("compile", justify="right")
    rows = []
    for shape in shapes:
        cells = []
        for t in threads:
            row = measure(shape, t, args.seconds, args.rounds)
            rows.append(row)
            colour = "green" if row["ratio"] >= 1 else "yellow" if row["ratio"] >= 0.9 else "red"
            cells += [
                f"{row['gflops']:.1f} ({row['gflops'] / limit[t]:.0%})",
                f"{row['openblas_gflops']:.1f} ({row['openblas_gflops'] / limit[t]:.0%})",
                f"[{colour}]{row['ratio']:.2f}[/]",
            ]
        m, n, k, transposed = shape
        name = f"{m} × {n} × {k}" + (f", {transposed} transposed" if transposed else "")
        table.add_row(name, *cells, f"{row['compile_seconds'] * 1e3:.0f} ms")
    console.print(table)
    worst = min(rows, key=lambda r: r["ratio"])
    where = f"{worst['m']} × {worst['n']} × {worst['k']} with {worst['threads']} threads"
    console.print(f"worst: {worst['ratio']:.2f} at {where} (goal ≥ 0.9)")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"peak": limit, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
