"""Training steps of further networks against torch eager: MobileNet-like, U-Net, GRU, bidirectional LSTM, a series, many norms.

    python benchmarks/others.py --peers-python .venv-bench/bin/python

As in networks.py: 8 batches a call, per batch, the best of alternating rounds.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
import tempfile

from rich.console import Console
from rich.table import Table

from keras_others import OTHERS
from network_peers import PEERS, Worker, rounds

HERE = pathlib.Path(__file__).parent


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", default=str(HERE.parent / ".venv-bench" / "bin" / "python"))
    parser.add_argument("--networks", default=",".join(OTHERS))
    parser.add_argument("--peers", default="lamella,torch", help="of lamella, torch, torch_compile and keras_...")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    names = args.peers.split(",")
    table = Table(title="one training step (in brackets: how many times ours)")
    for head in ("network", *(PEERS[name][0] for name in names)):
        table.add_column(head, justify="left" if head == "network" else "right")
    with tempfile.TemporaryFile("w+") as log:
        for network in args.networks.split(","):
            workers = {name: Worker(name, network, args.peers_python, log) for name in names}
            for worker in workers.values():
                worker.ask("first")
            best = rounds(workers, "train", args.rounds, args.seconds)
            table.add_row(network, *(f"{best[n] * 1e3:.2f} ms ({best[n] / best['lamella']:.2f})" for n in names))
            for worker in workers.values():
                worker.close()
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"load average {os.getloadavg()[0]:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
