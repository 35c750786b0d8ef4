"""Starts the workers of the network tables and asks them in turn."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

HERE = pathlib.Path(__file__).parent

# name -> (title, module:class under peers/, extra environment)
PEERS = {
    "lamella": ("Lamella", "keras_training:LamellaTraining", {}),
    "torch": ("torch eager", "torch_training:TorchEager", {}),
    "torch_compile": ("torch.compile", "torch_training:TorchCompile", {}),
    "jax_step": ("JAX, jitted step", "jax_training:JaxStep", {}),
    "jax_scan": ("JAX, lax.scan", "jax_training:JaxScan", {}),
    "keras_jax": ("Keras on JAX", "keras_training:KerasTraining", {"KERAS_BACKEND": "jax"}),
    "keras_tf": ("Keras on TensorFlow", "keras_training:KerasTraining", {"KERAS_BACKEND": "tensorflow"}),
    "keras_torch": ("Keras on torch", "keras_training:KerasTraining", {"KERAS_BACKEND": "torch"}),
}


class Worker:
    """A peer with one network in a process of its own."""

    def __init__(self, peer: str, network: str, peers_python: str, log: Any, cache: str = "") -> None:
        """`cache`: folder of compiled programs, for Lamella and torch.compile; by default a fresh one, which is removed."""
        self._folder = tempfile.TemporaryDirectory() if not cache else None
        cache = cache or self._folder.name
        _, target, extra = PEERS[peer]
        env = dict(os.environ) | {
            "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(HERE.parent),
            "LAMELLA_CACHE_DIR": cache, "TORCHINDUCTOR_CACHE_DIR": cache} | extra  # fmt: skip
        python = sys.executable if peer == "lamella" else peers_python
        self.peer = peer
        self.process = subprocess.Popen([python, str(HERE / "network_worker.py"), target, network], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=log, text=True, env=env)  # fmt: skip
        self._answer()

    def _answer(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.peer}: the process ended with {self.process.wait()}; see the log")
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(f"{self.peer}: {reply['error']}")
        return reply.get("ok")

    def ask(self, do: str, **arguments: Any) -> Any:
        """Send a command and wait for its answer; None where the peer does not offer it."""
        time.sleep(0.05)  # the threads of the peer before may still spin
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait(timeout=60)
        if self._folder is not None:
            self._folder.cleanup()


def first_steps(peer: str, network: str, peers_python: str, log: Any) -> list[float] | None:
    """Seconds of the first step in a fresh process, without and with what an earlier one has left on disk."""
    with tempfile.TemporaryDirectory() as cache:
        times = []
        for _ in range(2):
            worker = Worker(peer, network, peers_python, log, cache)
            times.append(worker.ask("first"))
            worker.close()
    return None if None in times else times


def rounds(workers: dict[str, Worker], do: str, count: int, seconds: float) -> dict[str, float]:
    """The best answer of each worker that offers it; they take turns."""
    best: dict[str, float] = {}
    for _ in range(count):
        for name, worker in workers.items():
            took = worker.ask(do, seconds=seconds)
            if took is not None:
                best[name] = min(best.get(name, took), took)
    return best
