"""Measure the floating point peak of this machine: independent chains of vector fused multiply-adds, nothing else.

The number that every FLOP limit in the tables is divided by. Written as LLVM IR, so that it uses the widest float32
vectors of the host whatever they are.
"""

from __future__ import annotations

import concurrent.futures
import ctypes
import os
import time

import llvmlite.binding as llvm

CHAINS = 12


def _source(width: int, cpu: str, features: str) -> str:
    vector = f"<{width} x float>"
    lines = ["define float @peak(i64 %count, ptr %start) #0 {", "entry:"]
    for c in range(CHAINS):
        lines.append(f"  %p{c} = getelementptr {vector}, ptr %start, i64 {c}")
        lines.append(f"  %s{c} = load {vector}, ptr %p{c}, align 4")
    lines += [
        f"  %pf = getelementptr {vector}, ptr %start, i64 {CHAINS}",
        f"  %f = load {vector}, ptr %pf, align 4",
    ]
    lines += ["  br label %loop", "loop:", "  %i = phi i64 [0, %entry], [%next, %loop]"]
    lines += [f"  %a{c} = phi {vector} [%s{c}, %entry], [%b{c}, %loop]" for c in range(CHAINS)]
    lines += [
        f"  %b{c} = call {vector} @llvm.fma.v{width}f32({vector} %a{c}, {vector} %f, {vector} %f)"
        for c in range(CHAINS)
    ]
    lines += [
        "  %next = add i64 %i, 1",
        "  %more = icmp ult i64 %next, %count",
        "  br i1 %more, label %loop, label %done",
        "done:",
    ]
    total = "%b0"
    for c in range(1, CHAINS):
        lines.append(f"  %t{c} = fadd {vector} {total}, %b{c}")
        total = f"%t{c}"
    lines += [f"  %r = extractelement {vector} {total}, i32 0", "  ret float %r", "}"]
    lines.append(f"declare {vector} @llvm.fma.v{width}f32({vector}, {vector}, {vector})")
    wide = ' "prefer-vector-width"="512" "min-legal-vector-width"="512"' if width == 16 else ""
    lines.append(f'attributes #0 = {{ nounwind "target-cpu"="{cpu}" "target-features"="{features}"{wide} }}')
    return "\n".join(lines)


class Peak:
    """A compiled FMA loop; ``gflops(threads)`` runs it."""

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        flags = llvm.get_host_cpu_features()
        cpu = llvm.get_host_cpu_name()
        self.width = 16 if flags.get("avx512f") else 8 if flags.get("avx2") else 4
        target = llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=flags.flatten(), opt=2)
        module = llvm.parse_assembly(_source(self.width, cpu, flags.flatten()))
        self._engine = llvm.create_mcjit_compiler(module, target)
        self._engine.finalize_object()
        kind = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64, ctypes.c_void_p)
        self._run = kind(self._engine.get_function_address("peak"))
        self._start = (ctypes.c_float * (self.width * (CHAINS + 1)))(*[0.5] * (self.width * (CHAINS + 1)))

    def gflops(self, threads: int, seconds: float = 0.2, tries: int = 5) -> float:
        """Return the best rate of a few tries, all threads together, in GFLOP/s."""
        best = 0.0
        count = 1_000_000
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            for _ in range(tries):
                start = time.perf_counter()
                list(pool.map(self._run, [count] * threads, [self._start] * threads))
                took = time.perf_counter() - start
                best = max(best, threads * count * CHAINS * self.width * 2 / took / 1e9)
                count = max(count, int(count * seconds / took))
        return best


def measure() -> dict[str, float]:
    """Return the peak of one core and of all cores that this process may use."""
    peak = Peak()
    cores = len(os.sched_getaffinity(0))
    return {"width": peak.width, "cores": cores, "one_core": peak.gflops(1), "all_cores": peak.gflops(cores)}


if __name__ == "__main__":
    print(measure())
