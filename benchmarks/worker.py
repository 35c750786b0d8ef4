"""One peer in one process that stays alive and takes commands, so that measurements can alternate between peers.

Protocol: one JSON object a line. In: ``{"do": "fit", ...arguments}``. Out: ``{"ok": {...}}``, ``{"no": "reason"}``
where the peer does not offer that measurement, or ``{"error": "..."}``. What a library prints goes to standard error.

Run by ``run.py``: ``python worker.py <peer module>:<class> <data folder>``.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable

import numpy as np

import workload


class NotOffered(Exception):
    """The peer has no such thing to measure."""


class Peer:
    """What a peer can be asked to do; each method returns a dictionary of plain numbers or raises NotOffered."""

    def __init__(self, data: dict[str, np.ndarray]):
        self.data = data

    def version(self) -> dict:
        """Name the versions that ran."""
        raise NotImplementedError

    def build(self) -> None:
        """Build a fresh model with its optimizer."""
        raise NotImplementedError

    def epochs(self, rows: int, batch: int, count: int) -> float:
        """Train ``count`` shuffled epochs over the first ``rows`` rows, to their end; return the last mean loss."""
        raise NotImplementedError

    def fit(self, batch: int, epochs: int, rows: int | None = None) -> dict:
        """Time ``epochs`` epochs of training."""
        rows = rows or len(self.data["x_train"])
        start = time.perf_counter()
        loss = self.epochs(rows, batch, epochs)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "steps": epochs * workload.steps(rows, batch), "loss": float(loss)}

    def first_step(self, batch: int = 32) -> dict:
        """Time the first training step of a fresh model, compiling included."""
        self.build()
        return self.fit(batch, 1, rows=batch)

    def score(self) -> tuple[float, float]:
        """Return loss and accuracy on the test rows, in batches of 32."""
        raise NotImplementedError

    def evaluate(self) -> dict:
        """Time one evaluation of the test rows."""
        start = time.perf_counter()
        loss, accuracy = self.score()
        return {"seconds": time.perf_counter() - start, "loss": float(loss), "accuracy": float(accuracy)}

    def one_sample(self) -> Callable[[], object]:
        """Return a function that predicts one row the way users do (``predict`` where there is one)."""
        raise NotOffered

    def one_call(self) -> Callable[[], object]:
        """Return a function that calls the model on one row."""
        raise NotOffered

    def one_step(self, batch: int) -> Callable[[], object]:
        """Return a function that makes one compiled training step called from Python."""
        raise NotOffered

    def predict(self, calls: int) -> dict:
        """Time predictions of one row."""
        return _time_calls(self.one_sample(), calls)

    def call(self, calls: int) -> dict:
        """Time calls of the model on one row."""
        return _time_calls(self.one_call(), calls)

    def step(self, batch: int, calls: int) -> dict:
        """Time training steps called one by one."""
        return _time_calls(self.one_step(batch), calls)

    def memory(self) -> dict:
        """Return the peak resident memory of this process."""
        return {"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def _time_calls(function: Callable[[], object], calls: int) -> dict:
    for _ in range(3):
        function()
    times = np.empty(calls)
    for i in range(calls):
        start = time.perf_counter()
        function()
        times[i] = time.perf_counter() - start
    return {"seconds": float(np.median(times)), "fastest": float(times.min())}


def serve(peer: Peer, replies) -> None:
    """Answer commands from standard input until it closes."""
    commands = {
        "version": peer.version,
        "build": peer.build,
        "fit": peer.fit,
        "first_step": peer.first_step,
        "evaluate": peer.evaluate,
        "predict": peer.predict,
        "call": peer.call,
        "step": peer.step,
        "memory": peer.memory,
    }
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = {"ok": commands[request.pop("do")](**request)}
        except NotOffered:
            reply = {"no": "not offered"}
        except Exception:
            reply = {"error": traceback.format_exc()}
        print(json.dumps(reply), file=replies, flush=True)


def main() -> None:
    """Start the peer named on the command line."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, _, name = sys.argv[1].partition(":")
    start = time.perf_counter()
    kind = getattr(importlib.import_module(f"peers.{module}"), name)
    seconds = time.perf_counter() - start
    peer = kind(workload.load(sys.argv[2]))
    print(json.dumps({"ok": {"import_seconds": seconds}}), file=replies, flush=True)
    serve(peer, replies)


if __name__ == "__main__":
    # The peers' modules import `worker`: give them this very module.
    sys.modules["worker"] = sys.modules["__main__"]
    main()
