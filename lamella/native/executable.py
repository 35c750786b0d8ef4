"""Compiled programs and their calls."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamella.errors import DTypeError, ShapeError
from lamella.ir import Graph, format_graph, numpy_dtype
from lamella.native.elastic import ARENA, HOST, PROGRESS, SCRATCH_WORD, TABLE
from lamella.native.host import HostCalls
from lamella.native.target import Library
from lamella.native.team import Team, aligned, team
from lamella.settings import settings

_RUN_ALONE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@dataclass
class Compiled:
    """What the compiler produces, and the disk cache keeps.

    Attributes:
        objects: object files.
        arena: bytes of temporaries.
        scratch: bytes that each thread needs besides.
        serial: whether one thread does all the work.
        barriers: barriers in the program's text.
        kernels: name, schedule, units, flops and whether serial, per kernel.
        host_calls: equations that Python computes, each as text.
    """

    objects: list[bytes]
    arena: int
    scratch: int
    serial: bool
    barriers: int
    kernels: list[Any]
    host_calls: list[str]


class NativeExecutable:
    """A loaded program."""

    def __init__(self, graph: Graph, donate: dict[int, int], compiled: Compiled, emit: Callable[[str], str]) -> None:
        """`emit` makes the text of a stage again, for who wants to read it."""
        self.graph, self.donate, self.compiled, self._emit = graph, donate, compiled, emit
        self._library = Library(*compiled.objects)
        self.address = self._library.address("run")
        self.run_alone = _RUN_ALONE(self._library.address("run_alone"))
        self.host = HostCalls(compiled.host_calls) if compiled.host_calls else None
        self.lock = threading.Lock()  # the arena serves one call at a time
        self.arena: np.ndarray | None = None  # memory of the temporaries, as last used
        self._own: np.ndarray | None = None
        self._scratch: np.ndarray | None = None

    def own_arena(self) -> int:
        """Address of memory for the temporaries that no other program uses."""
        if self._own is None:
            self._own = aligned(self.compiled.arena)
        self.arena = self._own
        return self._own.ctypes.data

    def team_arena(self, crew: Team) -> int:
        """Address of the memory for temporaries that all programs of the team share."""
        self.arena = crew.arena(self.compiled.arena)
        return self.arena.ctypes.data

    def scratch(self, threads: int) -> np.ndarray:
        if self._scratch is None or self._scratch.nbytes < threads * self.compiled.scratch:
            self._scratch = aligned(threads * self.compiled.scratch)
        return self._scratch

    def __call__(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """Fresh outputs; inputs are left alone, donated ones too."""
        given = set(self.donate.values())
        call = self.bind([np.array(a) if i in given else np.asarray(a) for i, a in enumerate(arrays)])
        call.run()
        return call.outputs

    def bind(self, arrays: Sequence[np.ndarray]) -> BoundCall:
        return BoundCall(self, arrays)

    def text(self, stage: str = "graph") -> str:
        """`graph`, `schedule`, `llvm` or `asm`."""
        if stage == "graph":
            return format_graph(self.graph)
        if stage == "schedule":
            lines = [f"{name:14} {words}" for name, words, *_ in self.compiled.kernels]
            return "\n".join([*lines, *(f"{'host':14} {name}" for name in (self.host.names if self.host else ()))])
        return self._emit(stage)

    def cost(self) -> dict[str, int]:
        """Floating-point operations of the contractions, kernels and barriers."""
        return {"flops": sum(k[3] for k in self.compiled.kernels), "kernels": len(self.compiled.kernels),
                "barriers": self.compiled.barriers}

    def memory(self) -> dict[str, int]:
        """Bytes of temporaries, of scratch per thread, of inputs and of outputs."""
        return {"arena": self.compiled.arena, "scratch": self.compiled.scratch,
                "inputs": sum(v.type.nbytes for v in self.graph.inputs),
                "outputs": sum(a.type.nbytes for i, a in enumerate(self.graph.outputs) if i not in self.donate)}


def _checked(array: np.ndarray, var: Any, position: int) -> np.ndarray:
    dtype = numpy_dtype(var.dtype)
    if array.dtype != dtype:
        raise DTypeError(f"Input {position} ({var.name}) must be {var.dtype}, received {array.dtype}.")
    if array.shape != var.shape:
        raise ShapeError(f"Input {position} ({var.name}) must have shape {var.shape}, received {array.shape}.")
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


class BoundCall:
    """A program with its buffers: running it again costs a microsecond."""

    def __init__(self, exe: NativeExecutable, arrays: Sequence[np.ndarray]) -> None:
        graph = exe.graph
        if len(arrays) != len(graph.inputs):
            raise ShapeError(f"{graph.name} takes {len(graph.inputs)} arrays, received {len(arrays)}.")
        self._exe = exe
        self.arrays = [_checked(a, v, i) for i, (a, v) in enumerate(zip(arrays, graph.inputs, strict=True))]
        self.outputs = [self.arrays[exe.donate[i]] if i in exe.donate else np.empty(a.type.shape, numpy_dtype(a.type.dtype))
                        for i, a in enumerate(graph.outputs)]
        self.progress = np.zeros(2, np.int64)
        fresh = [out for i, out in enumerate(self.outputs) if i not in exe.donate]
        self._context = aligned((TABLE + len(self.arrays) + len(fresh)) * 8).view(np.int64)
        self._context[PROGRESS] = self.progress.ctypes.data
        self._context[HOST] = exe.host.address if exe.host else 0
        for word, array in enumerate([*self.arrays, *fresh], TABLE):
            self._context[word] = array.ctypes.data
        self._pointer = self._context.ctypes.data
        self._context[SCRATCH_WORD] = exe.scratch(1).ctypes.data
        self._serial = exe.compiled.serial
        if self._serial:
            self._context[ARENA] = exe.own_arena()

    def run(self) -> None:
        """Run on the team, or on this thread alone if the program is small or the team is busy; the results are the same.

        Raises:
            LamellaError: an equation that Python computes has failed.
        """
        with self._exe.lock:
            self._run()
            if self._exe.host is not None:
                self._exe.host.check()

    def _run(self) -> None:
        exe, threads = self._exe, settings.threads
        if self._serial:
            exe.run_alone(self._pointer)
            return
        crew = team(threads)
        if not crew.lock.acquire(blocking=False):
            self._context[ARENA] = exe.own_arena()
            self._context[SCRATCH_WORD] = exe.scratch(1).ctypes.data
            exe.run_alone(self._pointer)
            return
        try:
            self._context[ARENA] = exe.team_arena(crew)
            self._context[SCRATCH_WORD] = exe.scratch(threads).ctypes.data
            crew.run(exe.address, self._pointer)
        finally:
            crew.lock.release()

    def start(self) -> RunningCall:
        return RunningCall(self)


class RunningCall:
    """A call on another thread, so that this one can show progress and take Ctrl-C.

    `begin()` starts it. An interrupt may arrive while it starts, so `cancel()` tells for sure whether it will never run.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._done = threading.Event()
        self._error: BaseException | None = None
        self._turn = threading.Lock()  # taken once: by the thread that runs the call, or by who cancels it

    def begin(self) -> None:
        threading.Thread(target=self._run, name="lamella-call", daemon=True).start()

    def cancel(self) -> bool:
        """Whether the call had not begun, and now never will."""
        return self._turn.acquire(blocking=False)

    def _run(self) -> None:
        if not self._turn.acquire(blocking=False):
            return
        try:
            self._call.run()
        except BaseException as error:  # handed to the waiting thread
            self._error = error
        finally:
            self._done.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether the call has finished after at most `seconds`; raises its error."""
        finished = self._done.wait(seconds)
        if finished and self._error is not None:
            raise self._error
        return finished
