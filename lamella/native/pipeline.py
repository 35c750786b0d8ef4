"""The compiler, from graph to callable: read this file first.

Each pass is one call in `compile`, in this order:

    simplify   lower to what kernels know, fold constants, share equal work of forward and backward pass   (simplify.py)
    plan       group equations into kernels (fuse.py), order them, decide what is computed in place, place
               barriers and temporaries: it must know the groups, and the emitters the memory     (memory.py, arena.py)
    emit       a schedule and LLVM IR for each kernel, then the program around them         (loops.py, contraction.py, program.py)
    assemble   LLVM's code generator, no IR passes: the text is what should run. Other threads begin with kernels
               while the next ones are emitted                                                              (target.py)

The result of all four is kept on disk, keyed by everything that it depends on (cache.py).
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lamella.ir import Graph, format_graph
from lamella.native import cache, resident
from lamella.native.executable import Compiled, NativeExecutable
from lamella.native.host import equation_text
from lamella.native.memory import donated, plan
from lamella.native.plan import Buffer
from lamella.native.profiling import ProfiledExecutable, costs
from lamella.native.program import Program
from lamella.native.simplify import simplify
from lamella.native.target import Assembler, machine, to_assembly
from lamella.native.team import forget_arenas
from lamella.settings import settings


def compile(graph: Graph, donate: Mapping[int, int], profile: bool = False) -> NativeExecutable:
    """Compile a graph for this machine, or find it in the cache; with `profile` it counts the time of each kernel."""
    log("graph", lambda: format_graph(graph, sources=True))
    text = format_graph(graph)
    if profile or "profile" in settings.log:
        with room_to_work(len(text)):
            compiled, program = build(graph, donate, profile=True)
        return ProfiledExecutable(graph, dict(donate), compiled, lambda stage: code_text(program, stage), costs(program))
    compiled = cache.load(text, donate)
    found = "not found" if compiled is None else "found"
    log("cache", lambda: f"{graph.name}: {found} as {cache.path(text, donate)}" if settings.cache_dir else "off")
    if compiled is None:
        with room_to_work(len(text)):
            compiled = build(graph, donate)[0]
        cache.save(text, donate, compiled)
    return NativeExecutable(graph, dict(donate), compiled, lambda stage: code_text(emit(graph, donate), stage))


def code_text(program: Program, stage: str) -> str:
    """LLVM IR or assembly.

    Raises:
        ValueError: another stage.
    """
    if stage not in ("llvm", "asm"):
        raise ValueError(f"Unknown stage {stage!r}; expected graph, schedule, llvm or asm.")
    text = program.text()
    return text if stage == "llvm" else to_assembly(text)


def build(graph: Graph, donate: Mapping[int, int], profile: bool = False) -> tuple[Compiled, Program]:
    """All passes, without cache; kernels are assembled by other threads while the next ones are emitted."""
    start = time.perf_counter()
    with Assembler(settings.threads) as assembler:
        program = emit(graph, donate, assembler, profile)
        emitted = time.perf_counter()
        log("llvm", program.text)
        log("asm", lambda: to_assembly(program.text()))
        objects = assembler.finish(program.main(), program.text)
    took, left = emitted - start, time.perf_counter() - emitted
    log("time", lambda: f"{graph.name}: emit {took * 1e3:.1f} ms, then assemble {left * 1e3:.1f} ms, "
                        f"{len(program.functions)} kernels, {sum(map(len, objects))} bytes")
    return Compiled(objects, program.plan.arena, program.scratch, program.serial, program.barriers, kernel_table(program),
                    [equation_text(eqn) for eqn in program.host_calls]), program


def emit(graph: Graph, donate: Mapping[int, int], assembler: Assembler | None = None, profile: bool = False) -> Program:
    """Graph to LLVM IR."""
    simple = simplify(graph)
    log("fuse", lambda: format_graph(simple))
    inputs = [Buffer("root", v.type.nbytes, i) for i, v in enumerate(simple.inputs)]
    planned = plan(simple, inputs, donated(simple.outputs, inputs, donate, len(inputs)))
    program = Program(planned, machine(), assembler, profile)
    log("schedule", lambda: describe(program))
    log("memory", lambda: f"{graph.name}: arena {planned.arena} bytes, scratch {program.scratch} bytes per thread")
    return program


LARGE = 10_000  # characters of a graph's text: a program of tens of kernels, for which LLVM takes more than some megabytes


@contextmanager
def room_to_work(characters: int) -> Iterator[None]:
    """The compiler needs tens of megabytes to make a large program: the temporaries of idle teams give way meanwhile, and it leaves
    nothing behind. Small programs are not worth the time that it takes to get the memory again.

    Python's search for cycles pauses: nearly all objects of a compiler live until it is done, and a fifth of its time went into
    looking at them again. They are the youngest generation then.
    """
    if characters >= LARGE:
        forget_arenas()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
            gc.collect(0)
        if characters >= LARGE:
            resident.trim()


def kernel_table(program: Program) -> list[tuple[str, str, int, int, bool]]:
    """Name, schedule, units, flops and whether serial, of every kernel in order."""
    return [(program.names[c], k.schedule, k.units, k.flops, k.serial) for c, k in program.kernels.items()]


def describe(program: Program) -> str:
    lines = []
    for cluster, kernel in program.kernels.items():
        sources = {e.source.scope for e in cluster.members if e.source and e.source.scope}
        operations = " ".join(e.primitive.name for e in cluster.members) or "copy"
        lines.append(f"{program.names[cluster]:14} {'serial ' if kernel.serial else ''}{kernel.schedule}\n"
                     f"{'':14} {operations}  {' '.join(sorted(sources))}")
    lines += [f"{'host':14} {eqn.primitive.name}" for eqn in program.host_calls]
    return "\n".join(lines)


def log(stage: str, text) -> None:  # type: ignore[no-untyped-def]
    """Print a stage if `LAMELLA_LOG` asks for it."""
    if stage in settings.log:
        print(f"--- {stage}\n{text()}", file=sys.stderr)
