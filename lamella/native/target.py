"""The machine that the kernels are made for: vector width, registers, caches, and LLVM's code generator for it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from lamella.errors import CompileError


@dataclass(frozen=True)
class Machine:
    """What schedules depend on.

    Attributes:
        cpu: LLVM's name of the CPU.
        features: LLVM's feature string.
        vector_bytes: width of a vector register.
        registers: number of vector registers.
        l1, l2: data cache sizes in bytes, per core.
        cores: of the machine, whatever the team's size.
    """

    cpu: str
    features: str
    vector_bytes: int
    registers: int
    l1: int
    l2: int
    cores: int

    def lanes(self, itemsize: int = 4) -> int:
        return self.vector_bytes // itemsize


def _cache_size(level: int, default: int) -> int:
    """Data cache size from sysfs; a usual size where the system doesn't tell."""
    base = "/sys/devices/system/cpu/cpu0/cache"
    try:
        for entry in sorted(os.listdir(base)):
            path = os.path.join(base, entry)
            if not entry.startswith("index"):
                continue
            kind, depth, size = (Path(path, f).read_text().strip() for f in ("type", "level", "size"))
            if kind != "Instruction" and int(depth) == level:
                return int(size.rstrip("KM")) * (1024 if size.endswith("K") else 1024 * 1024)
    except (OSError, ValueError):
        pass
    return default


@cache
def machine() -> Machine:
    """The host."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512vl") and features.get("avx512bw"):
        width, registers = 64, 32
    elif features.get("avx2") and features.get("fma"):
        width, registers = 32, 16
    elif features.get("neon"):
        width, registers = 16, 32
    else:
        width, registers = 16, 16
    return Machine(llvm.get_host_cpu_name(), features.flatten(), width, registers,
                   _cache_size(1, 32 * 1024), _cache_size(2, 512 * 1024), os.cpu_count() or 1)


@cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _target_machine() -> llvm.TargetMachine:
    """A fresh one each time: an execution engine takes its own over."""
    _initialize()
    host = machine()
    # Kernels are emitted as they should run; level 1 of the code generator schedules and allocates registers well enough.
    return llvm.Target.from_default_triple().create_target_machine(cpu=host.cpu, features=host.features, opt=1, jit=True)


def function_attributes() -> str:
    host = machine()
    width = host.vector_bytes * 8
    return (f'attributes #0 = {{ nounwind "target-cpu"="{host.cpu}" "target-features"="{host.features}" '
            f'"prefer-vector-width"="{width}" "min-legal-vector-width"="{width}" }}')


# run() flushes subnormal results to zero while a program runs, and puts the thread's mode back: moments of weights that get no
# gradient decay into the subnormal range within a thousand steps, where each operation costs a hundred cycles (XLA does the same).
_RUN = """define void @run(ptr %ctx, i64 %tid, i64 %nt) nounwind {{
  {before}
  call void @program(ptr %ctx, i64 %tid, i64 %nt)
  {after}
  ret void
}}
define void @run_alone(ptr %ctx) nounwind {{
  call void @run(ptr %ctx, i64 0, i64 1)
  ret void
}}
"""
_X86_MODE = _RUN.format(before="""%old = alloca i32
  %new = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %old)
  %mode = load i32, ptr %old
  %flush = or i32 %mode, 32768
  store i32 %flush, ptr %new
  call void @llvm.x86.sse.ldmxcsr(ptr %new)""", after="call void @llvm.x86.sse.ldmxcsr(ptr %old)")
_ARM_MODE = _RUN.format(before="""%old = call i64 @llvm.aarch64.get.fpcr()
  %flush = or i64 %old, 16777216
  call void @llvm.aarch64.set.fpcr(i64 %flush)""", after="call void @llvm.aarch64.set.fpcr(i64 %old)")
FLUSH_TEXT = {
    "x86_64": "declare void @llvm.x86.sse.stmxcsr(ptr)\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)\n" + _X86_MODE,
    "aarch64": "declare i64 @llvm.aarch64.get.fpcr()\ndeclare void @llvm.aarch64.set.fpcr(i64)\n" + _ARM_MODE,
}.get({"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower()),
      _RUN.format(before="", after=""))


def to_object(text: str) -> bytes:
    """Machine code of a module.

    Raises:
        CompileError: LLVM refuses the text: a bug of the emitter.
    """
    try:
        module = llvm.parse_assembly(text, llvm.create_context())
        module.verify()
    except RuntimeError as error:
        raise CompileError(f"LLVM refuses the generated code: {error}") from error
    lib = llvm.ffi.lib
    with llvm.ffi.OutputString() as message:
        buffer = _code_generator()(_target_machine(), module, 1, message)
        if not buffer:
            raise CompileError(f"LLVM can't generate code: {message}")
    try:
        return ctypes.string_at(lib.LLVMPY_GetBufferStart(buffer), lib.LLVMPY_GetBufferSize(buffer))
    finally:
        lib.LLVMPY_DisposeMemoryBuffer(buffer)


@cache
def _code_generator() -> Any:
    """LLVM's function without the lock that llvmlite holds around every call: modules of different contexts share nothing."""
    locked = llvm.ffi.lib.LLVMPY_TargetMachineEmitToMemory
    function = ctypes.CDLL(llvm.ffi.lib._name, handle=llvm.ffi.lib._handle).LLVMPY_TargetMachineEmitToMemory
    function.argtypes, function.restype = locked.argtypes, locked.restype
    return function


PIECE = 1 << 16  # characters of text; a piece costs LLVM 2 ms besides its functions


class Assembler:
    """Object code of a program, piece by piece, by other threads while more of it is written.

    Where a piece ends depends on the text alone, so the code does not depend on the number of threads.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(max(threads, 1), "lamella-assembler")
        self._pieces: list[Future[bytes]] = []
        self._functions: list[str] = []
        self._declarations: set[str] = set()

    def __enter__(self) -> Assembler:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def add(self, function: str, declarations: set[str]) -> None:
        """A function, and declarations of what it calls."""
        self._functions.append(function)
        self._declarations |= declarations
        if sum(map(len, self._functions)) >= PIECE:
            self._send()

    def _send(self) -> None:
        text = "\n".join([*sorted(self._declarations), *self._functions, function_attributes()]) + "\n"
        self._pieces.append(self._pool.submit(to_object, text))
        self._functions, self._declarations = [], set()

    def finish(self, rest: str, whole: Callable[[], str]) -> list[bytes]:
        """The code of all functions and of the module `rest`; of the module `whole` instead if there is little of it."""
        if not self._pieces:
            return [to_object(whole())]
        if self._functions:
            self._send()
        last = to_object(rest)
        return [*(piece.result() for piece in self._pieces), last]


def to_assembly(text: str) -> str:
    return _target_machine().emit_assembly(llvm.parse_assembly(text))


class Library:
    """Loaded machine code; keep it alive while its functions may run."""

    def __init__(self, *objects: bytes) -> None:
        empty = llvm.parse_assembly("")
        self._engine = llvm.create_mcjit_compiler(empty, _target_machine())
        for code in objects:
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        return self._engine.get_function_address(name)


@cache
def identity() -> str:
    """Everything about this machine and LLVM that compiled code depends on."""
    host = machine()
    parts = [host.cpu, host.features, str(host), str(llvm.llvm_version_info)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
