"""The most that this machine can compute: vector fused multiply-adds on registers, nothing else.

What a profile and the benchmarks divide by.
"""

from __future__ import annotations

import math
import time
from functools import cache

from lamella.native.target import Library, function_attributes, machine, to_object
from lamella.native.team import aligned, team

CHAINS = 12  # independent multiply-adds in flight: more than two units times their latency of 4 cycles
FIRST_COUNT = 100_000
SECONDS = 0.02  # of one try; the first ones wake the cores up


def _text(lanes: int) -> str:
    """`peak(ctx, tid, nt)`: `ctx[0]` rounds of multiply-adds; the sum goes to the thread's line of `ctx`, so that it is needed."""
    vector = f"<{lanes} x float>"
    fma = f"call {vector} @llvm.fma.v{lanes}f32({vector} %a{{c}}, {vector} %x, {vector} %x)"
    chains = range(CHAINS)
    return "\n".join([
        f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})",
        "define void @peak(ptr %ctx, i64 %tid, i64 %nt) #0 {", "entry:",
        "  %count = load i64, ptr %ctx",
        "  %one = getelementptr i64, ptr %ctx, i64 8", f"  %x = load {vector}, ptr %one, align 64",
        "  br label %loop", "loop:",
        "  %i = phi i64 [0, %entry], [%next, %loop]",
        *(f"  %a{c} = phi {vector} [%x, %entry], [%b{c}, %loop]" for c in chains),
        *(f"  %b{c} = {fma.format(c=c)}" for c in chains),
        "  %next = add i64 %i, 1", "  %more = icmp ult i64 %next, %count", "  br i1 %more, label %loop, label %done", "done:",
        *(f"  %s{c} = fadd {vector} {f'%s{c - 1}' if c else '%x'}, %b{c}" for c in chains),
        "  %line = add i64 %tid, 2", "  %word = mul i64 %line, 8", "  %out = getelementptr i64, ptr %ctx, i64 %word",
        f"  store {vector} %s{CHAINS - 1}, ptr %out, align 64", "  ret void", "}", function_attributes()])  # fmt: skip


class Peak:
    """A compiled loop of multiply-adds; `gflops` runs it."""

    def __init__(self) -> None:
        self.lanes = machine().lanes()
        self._library = Library(to_object(_text(self.lanes)))
        self._best: dict[int, float] = {}

    def gflops(self, threads: int, tries: int = 5) -> float:
        """10^9 floating point operations a second, all threads together: the best of these and all earlier tries."""
        context = aligned((2 + threads) * 64)
        count, crew = context[:8].view("int64"), team(threads)
        count[0] = FIRST_COUNT
        with crew.lock:
            for _ in range(tries + 1):
                start = time.perf_counter()
                crew.run(self._library.address("peak"), context.ctypes.data)
                took = time.perf_counter() - start
                rate = threads * int(count[0]) * CHAINS * self.lanes * 2 / took / 1e9
                self._best[threads] = max(self._best.get(threads, 0.0), rate)
                count[0] = max(1, math.ceil(int(count[0]) * SECONDS / took))
        return self._best[threads]


@cache
def _peak() -> Peak:
    return Peak()


def fma_peak(threads: int) -> float:
    """The measured peak of `threads` cores in GFLOP/s."""
    return _peak().gflops(threads)
