"""The program around the kernels: one function that every thread of the team runs.

Each thread takes its share of every kernel's units; between phases the threads meet at a barrier. Loops run in here too, so an epoch
is one call: thread 0 counts steps and passes the stop flag on, and all threads leave at the same step boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lamella.ir import Literal, Var
from lamella.native.contraction import contract_kernel
from lamella.native.fuse import Cluster
from lamella.native.kernel import Kernel
from lamella.native.llvm_text import Emitter, Val, index
from lamella.native.loops import cumsum_kernel, loop_kernel, reduce_kernel, scatter_add_kernel
from lamella.native.memory import Buffer, Plan
from lamella.native.target import FLUSH_TEXT, Machine, function_attributes
from lamella.native.team import BARRIER_TEXT

EMITTERS: dict[str, Callable[[Plan, Cluster, Machine], Kernel]] = {
    "loop": loop_kernel, "reduce": reduce_kernel, "contract": contract_kernel, "scatter_add": scatter_add_kernel,
    "cumsum": cumsum_kernel}

# Words of a call's context, 8 bytes each. The barrier has a cache line of its own.
ARENA, SCRATCH_WORD, PROGRESS, STOP, PROFILE = 0, 1, 2, 3, 5  # STOP: two words, used alternately
BARRIER = 8
TABLE = 16


class Program:
    """Emits a plan's kernels and the function that runs them."""

    def __init__(self, plan: Plan, host: Machine, profile: bool = False) -> None:
        """`profile` adds code that counts the cycles of thread 0 in each kernel, and last the cycles in barriers."""
        self.plan, self.host, self.profile = plan, host, profile
        self.kernels: dict[Cluster, Kernel] = {}
        self.names: dict[Cluster, str] = {}
        self.functions: dict[str, str] = {}  # body -> name: equal kernels are compiled once
        self.declarations: set[str] = set()
        self.barriers = 0
        self._kernels(plan)
        self.scratch = -(-max([k.scratch + 16384 for k in self.kernels.values()], default=0) // 64) * 64
        self.f = Emitter()
        self._counters: dict[Buffer, Val] = {}
        self._emit()

    def _kernels(self, plan: Plan) -> None:
        for cluster in (c for phase in plan.phases for c in phase):
            if cluster.kind == "control":
                self._kernels(plan.bodies[cluster])
                continue
            kernel = EMITTERS[cluster.kind](plan, cluster, self.host)
            self.kernels[cluster] = kernel
            self.names[cluster] = self.functions.setdefault(kernel.body, f"{cluster.kind}_{len(self.functions)}")
            self.declarations |= kernel.declarations

    @property
    def serial(self) -> bool:
        """Whether one thread does it all."""
        return all(k.serial for k in self.kernels.values())

    def text(self) -> str:
        """The module."""
        kernels = [f"define internal void @{name}{body}" for body, name in self.functions.items()]
        main = f"define internal void @program(ptr %ctx, i64 %tid, i64 %nt) #0 {{\nentry:\n{self.f.text()}\n}}\n"
        declarations = sorted(self.declarations | self.f.declarations)
        return "\n".join([*declarations, BARRIER_TEXT, FLUSH_TEXT, *kernels, main, function_attributes()]) + "\n"

    # The function.

    def _emit(self) -> None:
        f = self.f
        self._pointers = f.section()
        self._bases: dict[int, Val] = {}
        self._addresses: dict[Buffer, Val] = {}
        scratch = self._word(SCRATCH_WORD)
        mine = f.op("int64", 0, f"mul i64 %tid, {self.scratch}")
        self.scratch_pointer = f.op("ptr", 0, f"getelementptr i8, ptr {scratch.ref}, i64 {mine.ref}")
        self._phases(self.plan)
        f.line("ret void")

    def _word(self, word: int) -> Val:
        """A pointer from the context, loaded once at the entry."""
        if word not in self._bases:
            with self.f.into(self._pointers):
                slot = self.f.op("ptr", 0, f"getelementptr i64, ptr %ctx, i64 {word}")
                self._bases[word] = self.f.op("ptr", 0, f"load ptr, ptr {slot.ref}")
        return self._bases[word]

    def _address(self, buffer: Buffer) -> Val:
        if buffer.kind == "counter":
            return self._counters[buffer]
        if buffer.kind == "root":
            return self._word(TABLE + buffer.number)
        if buffer not in self._addresses:
            offset, block = 0, buffer
            while block is not None:  # a loop body's arena is a block of the outer one
                offset += block.number
                block = block.parent  # type: ignore[assignment]
            base = self._word(ARENA)
            with self.f.into(self._pointers):
                self._addresses[buffer] = self.f.op("ptr", 0, f"getelementptr i8, ptr {base.ref}, i64 {offset}")
        return self._addresses[buffer]

    def _barrier(self) -> None:
        self.barriers += 1
        with self._measured(len(self.kernels)):
            self.f.line(f"call void @barrier(ptr %ctx, i64 {BARRIER}, i64 %nt)")

    @contextmanager
    def _measured(self, slot: int) -> Iterator[None]:
        """Add the cycles that thread 0 spends inside to a slot of the profile."""
        if not self.profile:
            yield
            return
        f = self.f
        before = f.call("int64", 0, "llvm.readcyclecounter")
        yield
        after = f.call("int64", 0, "llvm.readcyclecounter")

        def add() -> None:
            pointer = f.op("ptr", 0, f"getelementptr i64, ptr {self._word(PROFILE).ref}, i64 {slot}")
            spent = f.op("int64", 0, f"sub i64 {after.ref}, {before.ref}")
            f.line(f"store i64 {f.iadd(f.op('int64', 0, f'load i64, ptr {pointer.ref}'), spent).ref}, ptr {pointer.ref}")

        f.when(f.op("bool", 0, "icmp eq i64 %tid, 0"), add)

    def _phases(self, plan: Plan) -> None:
        for number, phase in enumerate(plan.phases):
            if number:
                self._barrier()
            for position, cluster in enumerate(phase):
                if cluster.kind == "control":
                    self._loop(plan, cluster)
                else:
                    self._call(plan, cluster, position)

    def _call(self, plan: Plan, cluster: Cluster, position: int) -> None:
        f, kernel, name = self.f, self.kernels[cluster], self.names[cluster]
        arguments = [("i64 " if b.kind == "counter" else "ptr ") + self._address(b).ref for b in kernel.params]

        def call(lo: str, hi: str) -> None:
            f.line(f"call void @{name}({', '.join([*arguments, f'i64 {lo}', f'i64 {hi}', f'ptr {self.scratch_pointer.ref}'])})")

        with self._measured(list(self.kernels).index(cluster)):
            self._share(kernel, position, call)

    def _share(self, kernel: Kernel, position: int, call: Callable[[str, str], None]) -> None:
        """Call a kernel for this thread's units."""
        f = self.f
        if kernel.serial:  # small kernels of one phase go to different threads
            turn = f.op("int64", 0, f"urem i64 {position}, %nt")
            mine = f.op("bool", 0, f"icmp eq i64 {turn.ref}, %tid")
            f.when(mine, lambda: call("0", str(kernel.units)))
            return
        low = f.op("int64", 0, f"mul i64 %tid, {kernel.units}")
        high = f.op("int64", 0, f"add i64 {low.ref}, {kernel.units}")
        lo = f.op("int64", 0, f"udiv i64 {low.ref}, %nt")
        hi = f.op("int64", 0, f"udiv i64 {high.ref}, %nt")
        call(lo.ref, hi.ref)

    def _loop(self, plan: Plan, cluster: Cluster) -> None:
        eqn, f = cluster.anchor, self.f
        assert eqn is not None
        body = plan.bodies[cluster]
        lo, hi = (self._scalar(plan, a) for a in eqn.inputs[:2])
        counter = body.buffers[body.graph.inputs[0]]
        outermost = plan is self.plan
        head, inside, done = f.fresh("epoch"), f.fresh("step"), f.fresh("end")
        before = f.label
        f.line(f"br label %{head}")
        f.block(head)
        i = Val("int64", 0, "%" + f.fresh("i"))
        phi = f.section()
        more = f.op("bool", 0, f"icmp slt i64 {i.ref}, {hi.ref}")
        f.line(f"br i1 {more.ref}, label %{inside}, label %{done}")
        f.block(inside)
        self._counters[counter] = i
        self._phases(body)
        after = f.op("int64", 0, f"add i64 {i.ref}, 1")
        if outermost:
            self._report(after)
        self._barrier()
        going = self._going(after) if outermost else Val("bool", 0, "true")
        latch = f.label
        f.line(f"br i1 {going.ref}, label %{head}, label %{done}")
        with f.into(phi):
            f.line(f"{i.ref} = phi i64 [{lo.ref}, %{before}], [{after.ref}, %{latch}]")
        f.block(done)

    def _scalar(self, plan: Plan, atom: object) -> Val:
        if isinstance(atom, Literal):
            return index(int(atom.value))
        assert isinstance(atom, Var)
        buffer = plan.buffer(atom)
        if buffer.kind == "counter":
            return self._counters[buffer]
        return self.f.op("int64", 0, f"load i64, ptr {self._address(buffer).ref}")

    def _slot(self, step: Val) -> Val:
        """The stop word of a step: two are used in turn, so that no thread overwrites what another has yet to read."""
        odd = self.f.op("int64", 0, f"and i64 {step.ref}, 1")
        word = self.f.op("int64", 0, f"add i64 {odd.ref}, {STOP}")
        return self.f.op("ptr", 0, f"getelementptr i64, ptr %ctx, i64 {word.ref}")

    def _report(self, step: Val) -> None:
        """Thread 0 publishes the number of finished steps and passes the stop flag on."""
        f = self.f

        def publish() -> None:
            progress = self._word(PROGRESS)
            f.line(f"store atomic i64 {step.ref}, ptr {progress.ref} monotonic, align 8")
            flag = f.op("ptr", 0, f"getelementptr i64, ptr {progress.ref}, i64 1")
            stop = f.op("int64", 0, f"load atomic i64, ptr {flag.ref} monotonic, align 8")
            f.line(f"store i64 {stop.ref}, ptr {self._slot(step).ref}")

        f.when(f.op("bool", 0, "icmp eq i64 %tid, 0"), publish)

    def _going(self, step: Val) -> Val:
        stop = self.f.op("int64", 0, f"load i64, ptr {self._slot(step).ref}")
        return self.f.op("bool", 0, f"icmp eq i64 {stop.ref}, 0")
