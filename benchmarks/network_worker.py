"""One network of one peer in one process that stays alive and takes commands, so that measurements can alternate between peers.

Protocol as in worker.py. Run by network_peers.py: ``python network_worker.py <peer module>:<class> <network>``.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable

STEPS = 8  # of one call of `train`: an epoch of so many batches


class NotOffered(Exception):
    """The peer has no such thing to measure."""


class NetworkPeer:
    """What a peer offers: a network with its optimizer, and a batch of data that every step uses."""

    def __init__(self, network: str) -> None:
        self.network = network

    def build(self) -> None:
        """Make model, optimizer and data."""
        raise NotImplementedError

    def train(self, steps: int) -> None:
        """Train `steps` batches, to their end."""
        raise NotImplementedError

    def evaluate(self, steps: int) -> None:
        """Compute the loss on `steps` batches without training."""
        raise NotImplementedError

    def one(self) -> None:
        """Predict one image, as arrays of numpy."""
        raise NotOffered


def peak_bytes() -> int:
    """The most memory that this process has had resident, as the kernel counts it."""
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read()).group(1)) * 1024


def best(function: Callable[[], object], seconds: float) -> float:
    """The best time of a call in so many seconds, at least one call."""
    least, end = float("inf"), time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        function()
        least = min(least, time.perf_counter() - start)
        if time.perf_counter() >= end:
            return least


class Commands:
    """Answers to what the table asks."""

    def __init__(self, peer: NetworkPeer, imported: int) -> None:
        self.peer, self.imported = peer, imported

    def first(self) -> float:
        """Seconds of the first step of a fresh model; building it isn't counted."""
        self.peer.build()
        start = time.perf_counter()
        self.peer.train(1)
        return time.perf_counter() - start

    def train(self, seconds: float) -> float:
        return best(lambda: self.peer.train(STEPS), seconds) / STEPS

    def evaluate(self, seconds: float) -> float:
        return best(lambda: self.peer.evaluate(STEPS), seconds) / STEPS

    def one(self, seconds: float) -> float:
        self.peer.one()
        return best(self.peer.one, seconds)

    def memory(self) -> list[int]:
        """Bytes after the import, and the peak until now."""
        return [self.imported, peak_bytes()]


def main() -> None:
    """Serve one peer on standard input and output."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, _, name = sys.argv[1].partition(":")
    kind = getattr(importlib.import_module(f"peers.{module}"), name)
    commands = Commands(kind(sys.argv[2]), peak_bytes())
    print(json.dumps({"ok": "ready"}), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = {"ok": getattr(commands, request.pop("do"))(**request)}
        except NotOffered:
            reply = {"no": "not offered"}
        except Exception:
            reply = {"error": traceback.format_exc()}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    sys.modules["network_worker"] = sys.modules["__main__"]  # the peers' modules import it: give them this very module
    main()
