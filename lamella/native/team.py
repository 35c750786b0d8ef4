"""The team of threads that runs programs, and how its members wait.

Workers are Python threads that enter native code once and stay there. They wait for a job, and at barriers, by spinning for
a while and then sleeping in the kernel (futex).
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import sys
import threading
import weakref
from collections.abc import Callable

import numpy as np

from lamella.native import resident
from lamella.native.target import Library, function_attributes, to_object

_MACHINE = platform.machine().lower()
_X86 = _MACHINE in ("x86_64", "amd64", "i686")
_FUTEX = {"x86_64": 202, "amd64": 202, "aarch64": 98, "arm64": 98}.get(_MACHINE)
_HAS_FUTEX = sys.platform == "linux" and _FUTEX is not None

# A waiter spins for longer than it takes to wake a sleeper (on a virtual machine with an idle core, tens of microseconds): shorter
# spins let two threads put each other to sleep at every barrier. There is no `pause` in the loop: hypervisors trap it.
SPIN_CYCLES = 250_000 if _X86 else 2_500  # of CLOCK: about 100 microseconds
CLOCK = f"call i64 @llvm.read{'cycle' if _X86 else 'steady'}counter()"
if _HAS_FUTEX:
    _DECLARE = "declare i64 @syscall(i64, ...)"
    _WAIT = f"call i64 (i64, ...) @syscall(i64 {_FUTEX}, ptr %word, i32 128, i32 %seen, ptr null, ptr null, i32 0)"
    _WAKE = f"call i64 (i64, ...) @syscall(i64 {_FUTEX}, ptr %word, i32 129, i32 2147483647, ptr null, ptr null, i32 0)"
else:  # give the core away instead of sleeping
    _DECLARE = "declare i32 @sched_yield()"
    _WAIT = "call i32 @sched_yield()"
    _WAKE = "add i32 0, 0"

# wait(word, seen): return once *word != seen. The number of sleepers stands 8 bytes after the word, so that waking costs nothing
# when nobody sleeps; 24 bytes after it, how often somebody has fallen asleep.
WAIT_TEXT = f"""{_DECLARE}
declare i64 @llvm.readcyclecounter()
declare i64 @llvm.readsteadycounter()
define internal void @wait(ptr %word, i32 %seen) nounwind {{
entry:
  %first = load atomic i32, ptr %word acquire, align 4
  %at_once = icmp ne i32 %first, %seen
  br i1 %at_once, label %done, label %start
start:
  %began = {CLOCK}
  br label %spin
spin:
  %now = load atomic i32, ptr %word acquire, align 4
  %changed = icmp ne i32 %now, %seen
  br i1 %changed, label %done, label %again
again:
  %clock = {CLOCK}
  %spent = sub i64 %clock, %began
  %more = icmp ult i64 %spent, {SPIN_CYCLES}
  br i1 %more, label %spin, label %sleep
sleep:
  %sleepers = getelementptr i8, ptr %word, i64 8
  %naps = getelementptr i8, ptr %word, i64 24
  %up = atomicrmw add ptr %sleepers, i32 1 seq_cst
  %count = atomicrmw add ptr %naps, i32 1 seq_cst
  %r = {_WAIT}
  %down = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  %then = load atomic i32, ptr %word acquire, align 4
  %moved = icmp ne i32 %then, %seen
  br i1 %moved, label %done, label %sleep
done:
  ret void
}}
define internal void @wake(ptr %word) nounwind {{
  %sleepers = getelementptr i8, ptr %word, i64 8
  %n = load atomic i32, ptr %sleepers seq_cst, align 4
  %any = icmp ne i32 %n, 0
  br i1 %any, label %call, label %done
call:
  %r = {_WAKE}
  br label %done
done:
  ret void
}}
"""

# Barrier at ctx[word]: generation (i32 at 0), sleepers (8), arrived (16), naps (24).
BARRIER_TEXT = WAIT_TEXT + """
define internal void @barrier(ptr %ctx, i64 %word, i64 %nt) nounwind {
entry:
  %alone = icmp eq i64 %nt, 1
  br i1 %alone, label %done, label %meet
meet:
  %generation = getelementptr i64, ptr %ctx, i64 %word
  %arrived = getelementptr i8, ptr %generation, i64 16
  %seen = load atomic i32, ptr %generation acquire, align 4
  %before = atomicrmw add ptr %arrived, i32 1 acq_rel
  %n = trunc i64 %nt to i32
  %last = sub i32 %n, 1
  %open = icmp eq i32 %before, %last
  br i1 %open, label %release, label %sleep
release:
  store atomic i32 0, ptr %arrived monotonic, align 4
  %next = add i32 %seen, 1
  store atomic i32 %next, ptr %generation seq_cst, align 4
  call void @wake(ptr %generation)
  ret void
sleep:
  call void @wait(ptr %generation, i32 %seen)
  ret void
done:
  ret void
}
"""

# The team's block: job number (i32 at 0), sleepers (8), pending workers (i32 at 64), sleepers (72), function (128), context (136),
# quit (144). A worker takes the next job when the number changes.
_TEAM_TEXT = WAIT_TEXT + """
define void @work(ptr %team, i64 %tid, i64 %nt) nounwind {
entry:
  %pending = getelementptr i8, ptr %team, i64 64
  br label %next
next:
  %seen = phi i32 [0, %entry], [%number, %finish]
  call void @wait(ptr %team, i32 %seen)
  %number = load atomic i32, ptr %team acquire, align 4
  %quitp = getelementptr i8, ptr %team, i64 144
  %quit = load atomic i64, ptr %quitp acquire, align 8
  %leave = icmp ne i64 %quit, 0
  br i1 %leave, label %out, label %job
job:
  %fp = getelementptr i8, ptr %team, i64 128
  %f = load ptr, ptr %fp
  %cp = getelementptr i8, ptr %team, i64 136
  %c = load ptr, ptr %cp
  call void %f(ptr %c, i64 %tid, i64 %nt)
  br label %finish
finish:
  %before = atomicrmw sub ptr %pending, i32 1 seq_cst
  %last = icmp eq i32 %before, 1
  br i1 %last, label %tell, label %next_
tell:
  call void @wake(ptr %pending)
  br label %next_
next_:
  br label %next
out:
  ret void
}
define void @launch(ptr %team, ptr %f, ptr %c, i64 %nt) nounwind {
entry:
  %pending = getelementptr i8, ptr %team, i64 64
  %fp = getelementptr i8, ptr %team, i64 128
  store ptr %f, ptr %fp
  %cp = getelementptr i8, ptr %team, i64 136
  store ptr %c, ptr %cp
  %n = trunc i64 %nt to i32
  %workers = sub i32 %n, 1
  store atomic i32 %workers, ptr %pending seq_cst, align 4
  %number = atomicrmw add ptr %team, i32 1 seq_cst
  call void @wake(ptr %team)
  call void %f(ptr %c, i64 0, i64 %nt)
  br label %join
join:
  %left = load atomic i32, ptr %pending acquire, align 4
  %all = icmp eq i32 %left, 0
  br i1 %all, label %done, label %sleep
sleep:
  call void @wait(ptr %pending, i32 %left)
  br label %join
done:
  ret void
}
""".replace("[%number, %finish]", "[%number, %next_]")


def _current_cpu() -> Callable[[], int] | None:
    """libc's sched_getcpu, where there is one and threads can be placed."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    return getattr(ctypes.CDLL(None), "sched_getcpu", None)


_CURRENT_CPU = _current_cpu()


def aligned(nbytes: int, alignment: int = 64) -> np.ndarray:
    """Zeroed bytes whose address is a multiple of `alignment`."""
    raw = np.zeros(nbytes + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start:start + nbytes]


class Team:
    """`size` threads, the caller included."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._library = Library(to_object(_TEAM_TEXT + function_attributes()))
        self._block = aligned(192)
        self._address = self._block.ctypes.data
        self._sleepers = self._block[8:12].view(np.int32)
        self._launch = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(
            self._library.address("launch"))
        work = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(self._library.address("work"))
        self.lock = threading.Lock()
        self._arena: weakref.ref[np.ndarray] | None = None
        self._threads = [threading.Thread(target=work, args=(self._address, tid, size), daemon=True, name=f"lamella-{tid}")
                         for tid in range(1, size)]
        for thread in self._threads:
            thread.start()

    def arena(self, nbytes: int) -> np.ndarray:
        """Memory for the temporaries of the program that runs. Programs take turns with it, and it lives as long as one of those
        that used it: training, evaluation and prediction of a model need it once. Hold `lock`."""
        arena = self._arena() if self._arena is not None else None
        if arena is None or arena.nbytes < nbytes:
            arena = aligned(nbytes)
            self._arena = weakref.ref(arena)
        return arena

    def forget_arena(self) -> None:
        """Give the memory for temporaries back until the next program runs, unless one is running."""
        arena = self._arena() if self._arena is not None else None
        if arena is not None and self.lock.acquire(blocking=False):
            try:
                resident.forget(arena)
            finally:
                self.lock.release()

    def run(self, function: int, context: int) -> None:
        """Run a program on all threads; the caller is thread 0. Hold `lock`."""
        if self._sleepers[0]:
            self._make_room()
        self._launch(self._address, function, context, self.size)

    def _make_room(self) -> None:
        """Keep workers that are about to be woken off the caller's core: the kernel likes to put them there, and then the two take
        turns for tens of milliseconds although another core is idle."""
        if _CURRENT_CPU is None:
            return
        others = os.sched_getaffinity(0) - {_CURRENT_CPU()}
        if others:
            for thread in self._threads:
                os.sched_setaffinity(thread.native_id or 0, others)

    def close(self) -> None:
        """Send the workers home."""
        self._block[144:152].view(np.int64)[0] = 1
        with self.lock:
            nothing = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(lambda *_: None)
            self._block[64:68].view(np.int32)[0] = 0
            self._launch(self._address, ctypes.cast(nothing, ctypes.c_void_p).value, None, 1)
        for thread in self._threads:
            thread.join(1.0)


_teams: dict[int, Team] = {}
_teams_lock = threading.Lock()


def team(size: int) -> Team:
    """The team of that size; made on first use, kept until the process ends."""
    with _teams_lock:
        if size not in _teams:
            _teams[size] = Team(size)
        return _teams[size]


def forget_arenas() -> None:
    """Give back the memory for temporaries of all teams that are idle."""
    with _teams_lock:
        teams = list(_teams.values())
    for each in teams:
        each.forget_arena()


@atexit.register
def _close_teams() -> None:
    for each in _teams.values():
        each.close()
