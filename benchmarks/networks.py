"""Four networks, Lamella and every peer: training steps, evaluation, one image, the first step, memory.

    python benchmarks/networks.py --peers-python .venv-bench/bin/python
    python benchmarks/networks.py --networks cnn --peers lamella,torch --what train,memory

Each peer is a process of its own per network. `train` and `evaluate` run 8 batches a call, in the way that is usual for the peer
(an epoch of `fit`, a Python loop, `lax.scan`), without metrics and shuffling; times are per batch, the best of alternating rounds.
`first` starts fresh processes, with an empty disk cache and with a filled one. `memory` is the most that a process had resident
after two epochs of 8 steps, beside what it had after the import. docs/LOG.md keeps the results.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
import tempfile

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import lamella as tf
from lamella.settings import settings

from keras_networks import NETWORKS
from network_peers import PEERS, Worker, first_steps, rounds

ROOT = pathlib.Path(__file__).parent.parent
WHAT = ("train", "evaluate", "one", "first", "memory", "arena")


def milliseconds(seconds: float | None, ours: float | None) -> str:
    """A time, and how many times ours it is."""
    if seconds is None:
        return "–"
    return f"{seconds * 1e3:.3g} ms" + (f" ({seconds / ours:.2f})" if ours and seconds != ours else "")


def timed(network: str, names: list[str], args: argparse.Namespace, log, table: Table) -> None:
    """Rows for what alternates between living processes."""
    workers = {}
    for name in names:
        worker = Worker(name, network, args.peers_python, log)
        if worker.ask("first") is None:
            worker.close()
            continue
        worker.ask("train", seconds=0)
        workers[name] = worker
    for do, title in (("train", "step"), ("evaluate", "evaluate"), ("one", "predict one image")):
        if do in args.what:
            best = rounds(workers, do, args.rounds, args.seconds)
            if best:
                table.add_row(f"{network}, {title}", *(milliseconds(best.get(n), best.get("lamella")) for n in names))
    for worker in workers.values():
        worker.close()


def memory_row(network: str, names: list[str], args: argparse.Namespace, log, table: Table) -> None:
    """Import and peak of fresh processes that train."""
    cells = []
    for name in names:
        worker = Worker(name, network, args.peers_python, log)
        offered = worker.ask("first") is not None
        for _ in range(2 * offered):
            worker.ask("train", seconds=0)
        imported, peak = worker.ask("memory")
        worker.close()
        cells.append(f"{imported / 2**20:.0f} → {peak / 2**20:.0f} MiB" if offered else "–")
    table.add_row(f"{network}, memory: import → peak", *cells)


def used_arena(network: str) -> tuple[int, int]:
    """Bytes of temporaries that the plan of a training step predicts, and that the step writes to."""
    settings.cache_dir = ""
    model, x, y, loss = NETWORKS[network](tf.keras)
    model.compile("adam", loss)
    model.train_on_batch(x, y)
    (program,) = model._programs.of_kind("train")
    predicted = program.executable.memory()["arena"]
    arena = program.executable.arena[:predicted]
    touched = np.zeros(len(arena), bool)
    for pattern in (0xA5, 0x5A):  # what happens to be written over with the same byte shows with the other pattern
        arena[:] = pattern
        model.train_on_batch(x, y)
        touched |= arena != pattern
    used = -(-(int(np.flatnonzero(touched)[-1]) + 1) // 64) * 64  # blocks are aligned
    assert used == predicted, (network, used, predicted)
    return predicted, used


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", default=str(ROOT / ".venv-bench" / "bin" / "python"))
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--what", default=",".join(WHAT))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long one peer runs in one round")
    args = parser.parse_args()
    names, args.what = args.peers.split(","), args.what.split(",")
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table(title="times are per batch (in brackets: how many times ours)")
    table.add_column("")
    for name in names:
        table.add_column(PEERS[name][0], justify="right")
    with tempfile.TemporaryFile("w+") as log:
        try:
            for network in args.networks.split(","):
                if {"train", "evaluate", "one"} & set(args.what):
                    timed(network, names, args, log, table)
                if "first" in args.what:
                    times = [first_steps(name, network, args.peers_python, log) for name in names]
                    cells = [f"{pair[0]:.2f}, {pair[1]:.2f} s" if pair else "–" for pair in times]
                    table.add_row(f"{network}, first step: cold, cached", *cells)
                if "memory" in args.what:
                    memory_row(network, names, args, log, table)
        except RuntimeError:
            log.seek(0)
            console.print(log.read()[-3000:], style="dim", markup=False)
            raise
    console.print(f"load average {os.getloadavg()[0]:.2f}")
    if table.row_count:
        console.print(table)
    if "arena" in args.what:
        for network in args.networks.split(","):
            predicted, used = used_arena(network)
            console.print(f"{network}: the plan predicts {predicted:,} bytes of temporaries, a step uses {used:,}")


if __name__ == "__main__":
    main()
