"""What a compiled kernel is to the program that calls it, and what all kernels share."""

from __future__ import annotations

from dataclasses import dataclass

from lamella.native.clusters import Cluster
from lamella.native.emitter import Emitter
from lamella.native.evaluate import Evaluator
from lamella.native.llvm_text import Val
from lamella.native.plan import Buffer

LO, HI = Val("int64", 0, "%lo"), Val("int64", 0, "%hi")
SCRATCH = Val("ptr", 0, "%scratch")
# Memory of a thread for what a kernel computes once for all blocks of a chain, or iterations of a loop; whether this is the first.
KEPT, FRESH = Val("ptr", 0, "%kept"), Val("bool", 0, "%fresh")
# Below this many elementary operations a kernel is run by one thread: meeting costs more than the work.
SERIAL_BELOW = 16384


@dataclass
class Kernel:
    """One function `(buffers..., i64 lo, i64 hi, ptr scratch)` that computes units lo..hi of a cluster.

    The work is cut into `units` by the schedule alone; threads take ranges of them, so that results do not depend on their number.

    Attributes:
        body: the function's text without its name.
        params: buffers whose addresses (or counters) it takes, in order.
        units: number of independent pieces.
        work: rough number of elementary operations, for the decision to run on one thread.
        scratch: bytes of memory per thread that it needs.
        schedule: how it runs, in words.
        kept: bytes per thread that must stay between calls of a chain or a loop; the function takes `ptr kept, i1 fresh` too.
    """

    cluster: Cluster
    body: str
    params: list[Buffer]
    declarations: set[str]
    units: int
    work: int
    schedule: str
    scratch: int = 0
    flops: int = 0
    kept: int = 0

    @property
    def serial(self) -> bool:
        return self.units == 1 or self.work < SERIAL_BELOW


def finish(ev: Evaluator, units: int, work: int, schedule: str, scratch: int = 0, flops: int = 0,
           kept: int = 0) -> Kernel:
    """Wrap an evaluator's code as a kernel."""
    f: Emitter = ev.f
    f.line("ret void")
    arguments = [f"{'i64' if v.dtype == 'int64' else 'ptr'} {v.ref}" for v in ev.params.values()]
    arguments += ["i64 %lo", "i64 %hi", "ptr %scratch", *(["ptr %kept", "i1 %fresh"] if kept else [])]
    body = f"({', '.join(arguments)}) #0 {{\nentry:\n{f.text()}\n}}\n"
    return Kernel(ev.cluster, body, list(ev.params), f.declarations, units, work, schedule, scratch, flops, kept)
