"""Measure Lamella and its peers on one workload, in one run, alternating.

    make bench                                     # builds both environments and runs everything
    python benchmarks/run.py --rounds 5            # with this python for Lamella, .venv-bench for the peers
    python benchmarks/run.py --peers jax_scan,torch --batches 32

Each peer lives in a process of its own that stays alive (``worker.py``). A round asks every peer for the same thing,
one after the other, so that a slow minute of the machine hits all of them; the best of the rounds is reported. Nothing
here is a test: a number depends on the machine, and a busy one gives wrong ones (the load average is printed and kept).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from rich.console import Console
from rich.table import Table

import fma_peak
import workload

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent

# Lamella's names are loaded on first use: count what a program needs, not the empty shell.
IMPORT = """
import lamella as tf
tf.keras.Sequential, tf.keras.layers.Dense, tf.keras.optimizers.Adam, tf.keras.losses, tf.keras.metrics
tf.keras.callbacks, tf.GradientTape, tf.function
"""

# name -> (module:class under peers/, extra environment, statement for the import time)
PEERS = {
    "lamella": ("lamella_peer:LamellaPeer", {}, IMPORT),
    "jax_scan": ("jax_hand:JaxScan", {}, "import jax, jax.numpy"),
    "jax_step": ("jax_hand:JaxStep", {}, None),
    "torch": ("torch_eager:TorchEager", {}, "import torch"),
    "keras_jax": ("keras_peer:KerasPeer", {"KERAS_BACKEND": "jax"}, "import keras"),
    "keras_torch": ("keras_peer:KerasPeer", {"KERAS_BACKEND": "torch"}, "import keras"),
    "keras_tf": ("keras_peer:KerasPeer", {"KERAS_BACKEND": "tensorflow"}, "import keras"),
}
TITLES = {
    "lamella": "Lamella",
    "jax_scan": "JAX, epoch in lax.scan",
    "jax_step": "JAX, jitted step",
    "torch": "torch eager",
    "keras_jax": "Keras on JAX",
    "keras_torch": "Keras on torch",
    "keras_tf": "Keras on TensorFlow",
}
EPOCHS = {32: 1, 256: 2, 2048: 5}

# The goals of the first milestone: (quantity, peer or None for an absolute number, factor).
GOALS = [
    ("fit 32", "jax_scan", 0.65),
    ("fit 32", "keras_jax", 0.27),
    ("fit 32", "keras_tf", 0.07),
    *[(f"fit {b}", p, 1.0) for b in (256, 2048) for p in PEERS if p != "lamella"],
    ("evaluate", "best keras", 0.25),
    ("predict 1", "torch", 0.6),
    ("predict 1", "keras_jax", 0.05),
    ("call 1", None, 1e-3),
    ("step 32", "jax_step", 0.5),
    ("import", None, 0.3),
    ("first step, cold", None, 0.5),
    ("first step, cached", None, 0.1),
]


def environment(extra: dict[str, str]) -> dict[str, str]:
    """Return the environment of a measured process: quiet libraries, no OpenBLAS override, Lamella importable."""
    env = dict(os.environ)
    env.pop("OPENBLAS_CORETYPE", None)
    env |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(ROOT)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # imports are timed with their bytecode, as on a user's second run
    return env | extra


class Worker:
    """The other end of ``worker.py``."""

    def __init__(self, name: str, python: str, data: str, log, extra: dict[str, str] | None = None):
        self.name = name
        target, env, _ = PEERS[name]
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py"), target, data],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(env | (extra or {})),
        )  # fmt: skip
        self._answer()

    def _answer(self) -> dict | None:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: the process ended with {self.process.wait()}; see the log")
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(f"{self.name}: {reply['error']}")
        return reply.get("ok", {}) if "no" not in reply else None

    def ask(self, do: str, **arguments) -> dict | None:
        """Send a command and wait for its answer; None where the peer does not offer it."""
        time.sleep(0.05)  # the threads of the peer before may still spin
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait(timeout=60)


@contextlib.contextmanager
def busy_core():
    """Keep the last core busy with a process of its own."""
    core = max(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code])
    time.sleep(0.3)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def cpu_name() -> str:
    """Return the model name, the number of cores and the widest vector extension."""
    text = pathlib.Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    model = re.search(r"model name\s*:\s*(.*)", text)
    flags = re.search(r"^flags\s*:\s*(.*)", text, re.M)
    words = flags.group(1).split() if flags else []
    family, number = (re.search(rf"^{key}\s*:\s*(\d+)", text, re.M) for key in ("cpu family", "model"))
    extension = "AVX-512" if "avx512f" in words else "AVX2" if "avx2" in words else "no AVX2"
    where = f" (family {family.group(1)} model {number.group(1)})" if family and number else ""
    name = model.group(1) if model else platform.processor() or platform.machine()
    return f"{name}{where}, {len(os.sched_getaffinity(0))} cores, {extension}"


def read_data(kind: str) -> tuple[str, dict]:
    """Return the name of the data and its arrays: Fashion-MNIST where it is found, else random rows."""
    if kind != "random":
        try:
            from lamella.datasets import fashion_mnist  # noqa: PLC0415 - peers can be measured without Lamella

            (x, c), (x_test, c_test) = fashion_mnist.load_data(download=False)
        except (ImportError, FileNotFoundError):
            if kind == "fashion_mnist":
                raise
        else:
            flat = lambda a: a.reshape(len(a), -1).astype("float32") / 255  # noqa: E731
            train, test = workload.prepared("train", flat(x), c), workload.prepared("test", flat(x_test), c_test)
            return "Fashion-MNIST", train | test
    return "random rows", workload.random_data()


def timed_import(python: str, statement: str, extra: dict[str, str]) -> float:
    """Return the seconds that a fresh process needs for ``statement``, the interpreter's own start not counted."""
    code = f"import time; t = time.perf_counter()\n{statement}\nprint(time.perf_counter() - t)"
    out = subprocess.run([python, "-c", code], env=environment(extra), capture_output=True, text=True, check=True)
    return float(out.stdout.split()[-1])


class Results(dict):
    """quantity -> peer -> list of seconds (or bytes), one for each round."""

    def add(self, quantity: str, peer: str, value: float) -> None:
        """Keep one measurement."""
        self.setdefault(quantity, {}).setdefault(peer, []).append(value)

    def best(self, quantity: str, peer: str | None) -> float | None:
        """Return the best measurement, None where there is none."""
        if peer == "best keras":
            found = [self.best(quantity, p) for p in PEERS if p.startswith("keras")]
            found = [f for f in found if f is not None]
            return min(found) if found else None
        values = self.get(quantity, {}).get(peer)
        return min(values) if values else None


def measure(args, names: list[str], data: str, log, console: Console) -> tuple[Results, dict]:
    """Run all the rounds."""
    results = Results()
    python = {name: sys.executable if name == "lamella" else args.peers_python for name in names}
    measure_starts(results, args.rounds, python, data, log)
    workers, versions = start_workers(args.batches, python, data, log, console)
    losses: dict[str, float] = {}
    for turn in range(args.rounds):
        console.print(f"round {turn + 1} of {args.rounds} (load average {os.getloadavg()[0]:.2f})", style="dim")
        losses = measure_round(results, args.batches, workers)
    if args.busy:
        with busy_core():
            for _ in range(2):
                for name, worker in workers.items():
                    took = worker.ask("fit", batch=32, epochs=1, rows=9_600)
                    results.add("fit 32, one core busy", name, took["seconds"] / took["steps"])
    for name, worker in workers.items():
        results.add("peak memory", name, worker.ask("memory")["peak_bytes"])
        worker.close()
    return results, {"versions": versions, "last_loss": losses}


def measure_starts(results: Results, rounds: int, python: dict[str, str], data: str, log) -> None:
    """What only a new process shows: the import, and the first step with an empty and with a filled disk cache."""
    for _ in range(rounds):
        for name in python:
            statement = PEERS[name][2]
            if statement:
                results.add("import", name, timed_import(python[name], statement, PEERS[name][1]))
    for _ in range(min(rounds, 3)):
        for name in python:
            if name == "jax_step":
                continue
            with tempfile.TemporaryDirectory() as cache:
                labels = ("first step, cold", "first step, cached") if name == "lamella" else ("first step, cold",)
                for label in labels:
                    worker = Worker(name, python[name], data, log, {"LAMELLA_CACHE_DIR": cache})
                    results.add(label, name, worker.ask("first_step")["seconds"])
                    worker.close()


def start_workers(batches: list[int], python: dict[str, str], data: str, log, console: Console) -> tuple[dict[str, Worker], dict]:
    """A warm process of each peer, and its versions."""
    workers: dict[str, Worker] = {}
    versions = {}
    for name in python:
        console.print(f"starting {TITLES[name]}", style="dim")
        workers[name] = Worker(name, python[name], data, log)
        versions[name] = workers[name].ask("version")
        workers[name].ask("build")
        for batch in batches:
            workers[name].ask("fit", batch=batch, epochs=1)
        workers[name].ask("evaluate")
    return workers, versions


def measure_round(results: Results, batches: list[int], workers: dict[str, Worker]) -> dict[str, float]:
    """Everything once, the peers taking turns; the last loss of each."""
    losses: dict[str, float] = {}
    for batch in batches:
        for name, worker in workers.items():
            took = worker.ask("fit", batch=batch, epochs=EPOCHS.get(batch, 1))
            results.add(f"fit {batch}", name, took["seconds"] / took["steps"])
            losses[name] = took["loss"]
    for name, worker in workers.items():
        for label, request in {
            "evaluate": {"do": "evaluate"},
            "predict 1": {"do": "predict", "calls": 20 if name == "keras_tf" else 200},
            "call 1": {"do": "call", "calls": 200},
            "step 32": {"do": "step", "batch": 32, "calls": 500},
        }.items():
            took = worker.ask(**request)
            if took:
                results.add(label, name, took["seconds"])
    return losses


def show(value: float | None, quantity: str) -> str:
    """Return a measurement in a readable unit."""
    if value is None:
        return "–"
    if quantity == "peak memory":
        return f"{value / 2**20:.0f} MiB"
    if value < 1e-3:
        return f"{value * 1e6:.0f} µs" if quantity.startswith(("predict", "call")) else f"{value * 1e3:.3f} ms"
    return f"{value * 1e3:.2f} ms" if value < 1 else f"{value:.2f} s"


def print_tables(results: Results, names: list[str], peak: dict, console: Console) -> list[dict]:
    """Print the measurements, with the ratio to ours beside each, and the goals; return the goals."""
    table = Table(title="best of the rounds (in brackets: how many times ours)")
    table.add_column("")
    for name in names:
        table.add_column(TITLES[name], justify="right")
    if peak:
        table.add_column("FLOP limit", justify="right")
    for quantity in results:
        ours = results.best(quantity, "lamella")
        cells = []
        for name in names:
            value = results.best(quantity, name)
            ratio = f"  ({value / ours:.2f}×)" if value and ours and name != "lamella" else ""
            cells.append(show(value, quantity) + ratio)
        if peak:
            fit = re.fullmatch(r"fit (\d+)", quantity)
            limit = int(fit.group(1)) * workload.FLOPS_PER_ROW / peak["all_cores"] / 1e9 if fit else None
            cells.append(show(limit, quantity))
        table.add_row(quantity, *cells)
    console.print(table)

    goals = []
    for quantity, peer, factor in GOALS:
        ours, theirs = results.best(quantity, "lamella"), results.best(quantity, peer) if peer else 1.0
        if ours is None or theirs is None:
            continue
        ratio = ours / theirs
        goals.append({"quantity": quantity, "peer": peer, "goal": factor, "is": ratio, "met": ratio <= factor})
    if goals:
        table = Table(title="goals")
        for head in ("quantity", "against", "goal", "measured", ""):
            table.add_column(head)
        for goal in goals:
            unit = "×" if goal["peer"] else " s"
            table.add_row(
                goal["quantity"],
                TITLES.get(goal["peer"] or "", goal["peer"] or "absolute"),
                f"≤ {goal['goal']:g}{unit}",
                f"{goal['is']:.4g}{unit}",
                "[green]met[/]" if goal["met"] else "[red]missed[/]",
            )
        console.print(table)
    return goals


def summary(row: dict[str, list[float]]) -> dict:
    """Return best, median and all measurements of each peer."""
    return {p: {"best": min(v), "median": statistics.median(v), "all": v} for p, v in row.items()}


def command_line() -> argparse.Namespace:
    """What to measure, with which Python, and where the results go."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS), help="which to measure, separated by commas")
    parser.add_argument("--peers-python", default=str(ROOT / ".venv-bench" / "bin" / "python"))
    parser.add_argument("--batches", default="32,256,2048")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", choices=("auto", "fashion_mnist", "random"), default="auto")
    parser.add_argument("--no-busy", dest="busy", action="store_false", help="leave out the run beside a busy process")
    parser.add_argument("--results", default=str(HERE / "results"), help="folder of the JSON file")
    args = parser.parse_args()
    args.batches, args.peers = [int(b) for b in args.batches.split(",")], args.peers.split(",")
    unknown = [n for n in args.peers if n not in PEERS]
    if unknown:
        parser.error(f"unknown peers {unknown}; there are {list(PEERS)}")
    return args


def measure_on_data(args: argparse.Namespace, console: Console) -> tuple[str, dict, dict]:
    """The name of the data, the measurements and what was measured beside; the log is shown if a peer fails."""
    folder = tempfile.mkdtemp(prefix="lamella-bench-")
    try:
        name, data = read_data(args.data)
        workload.write(folder, data)
        del data
        console.print(f"data: {name}")
        with open(pathlib.Path(folder) / "log.txt", "w+") as log:
            try:
                return name, *measure(args, args.peers, folder, log, console)
            except RuntimeError:
                log.seek(0)
                console.print(log.read()[-3000:], style="dim", markup=False)
                raise
    finally:
        shutil.rmtree(folder)


def write(record: dict, folder: pathlib.Path, console: Console) -> None:
    """The file of the day and the CPU."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", record["cpu"]).strip("-").lower()
    path = folder / f"{record['date']}-{slug}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")


def main() -> None:
    """Measure, print, write."""
    args = command_line()
    sys.path.insert(0, str(ROOT))
    console = Console(width=None if sys.stdout.isatty() else 200)
    cpu, load = cpu_name(), os.getloadavg()[0]
    console.print(f"{cpu}; Python {platform.python_version()}; load average {load:.2f}")
    if load > 0.5:
        console.print("the machine is busy: these numbers will be too high", style="bold red")
    peak = fma_peak.measure()
    console.print(
        f"FMA peak, {peak['width']} floats wide: {peak['one_core']:.1f} GFLOP/s on one core, "
        f"{peak['all_cores']:.1f} on {peak['cores']}"
    )
    data_name, results, extra = measure_on_data(args, console)
    peak |= {key: max(peak[key], value) for key, value in fma_peak.measure().items()}  # again, now that it is over
    goals = print_tables(results, args.peers, peak, console)
    record = {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu,
        "python": platform.python_version(),
        "data": data_name,
        "load_average": [load, os.getloadavg()[0]],
        "fma_peak_gflops": peak,
        **extra,
        "goals": goals,
        "measurements": {quantity: summary(row) for quantity, row in results.items()},
    }
    write(record, pathlib.Path(args.results), console)


if __name__ == "__main__":
    main()
