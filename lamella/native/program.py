"""The program around the kernels: one function that every thread of the team runs.

Each thread takes its share of every kernel's units; between phases the threads meet at a barrier. Loops run in here too, so
an epoch is one call (elastic.py). A loop whose body is one chain is run block by block of the batch, without any meeting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from lamella.ir import Eqn, Literal, Var
from lamella.native import kernel as kernels
from lamella.native.blocked import contract_kernel
from lamella.native.chains import Chain
from lamella.native.clusters import Cluster
from lamella.native.elastic import ARENA, BARRIER, HOST, LOOP_TEXT, PROFILE, PROGRESS, SCRATCH_WORD, TABLE
from lamella.native.emitter import Emitter
from lamella.native.kernel import Kernel
from lamella.native.llvm_text import Val, index
from lamella.native.loops import cumsum_kernel, loop_kernel, reduce_kernel, scatter_add_kernel
from lamella.native.plan import Buffer, Plan
from lamella.native.sharing import Shared
from lamella.native.target import FLUSH_TEXT, Assembler, Machine, function_attributes
from lamella.native.team import BARRIER_TEXT

EMITTERS: dict[str, Callable[[Plan, Cluster, Machine], Kernel]] = {
    "loop": loop_kernel, "reduce": reduce_kernel, "contract": contract_kernel, "scatter_add": scatter_add_kernel,
    "cumsum": cumsum_kernel}

PART = 256  # kernels and chains per function: the code generator's time grows faster than a function
MANY = 16  # kernels per core of which a phase consists, at least, if threads take whole ones
ALONE_BELOW = 8  # a program without loops of less work than that many small kernels is run by one thread


class Program:
    """Emits a plan's kernels and the function that runs them."""

    def __init__(self, plan: Plan, host: Machine, assembler: Assembler | None = None, profile: bool = False) -> None:
        """Hand each kernel to `assembler` as soon as it is written.

        `profile` adds code that counts cycles and calls on thread 0, and gives small kernels to that thread.

        It writes pairs (cycles, calls) to the memory that word PROFILE of the context points to: one for each of `kernels`, then
        those of the barriers, of the steps of outermost loops, and of the whole program.
        """
        self.plan, self.host, self.assembler, self.profile = plan, host, assembler, profile
        self.kernels: dict[Cluster, Kernel] = {}
        self.names: dict[Cluster, str] = {}
        self.functions: dict[str, str] = {}  # body -> name: equal kernels are compiled once
        self._shared = Shared()
        self.declarations: set[str] = set()  # of what kernels call
        self.calls: set[str] = set()  # declarations of what the functions around them call
        self.barriers = 0
        self.host_calls: list[Eqn] = []
        self._kernels(plan)
        self.slots: dict[Cluster | str, int] = {c: i for i, c in enumerate([*self.kernels, "barriers", "steps", "program"])}
        self.kept: dict[Cluster, int] = {}  # where in a thread's scratch
        common = -(-max([k.scratch + 16384 for k in self.kernels.values()], default=0) // 64) * 64
        self.scratch = self._place_kept(plan, common)
        self.texts: list[str] = []
        main = _Function(self, plan, None)
        self.texts.append(main.text("program"))

    def _kernels(self, plan: Plan) -> None:
        for cluster in (c for phase in plan.phases for c in phase):
            if cluster.kind == "control":
                self._kernels(plan.bodies[cluster])
            if cluster.kind in ("control", "host"):
                continue
            kernel = self._shared.kernel(plan, cluster, self._emit)
            self.kernels[cluster] = kernel
            if kernel.body not in self.functions:
                self._add(kernel)
            self.names[cluster] = self.functions[kernel.body]

    def _add(self, kernel: Kernel) -> None:
        name = self.functions[kernel.body] = f"{kernel.cluster.kind}_{len(self.functions)}"
        self.declarations |= kernel.declarations
        if self.assembler is not None:
            self.assembler.add(f"define hidden void @{name}{kernel.body}", kernel.declarations)

    def _emit(self, plan: Plan, cluster: Cluster) -> Kernel:
        return EMITTERS[cluster.kind](plan, cluster, self.host)

    def _place_kept(self, plan: Plan, start: int) -> int:
        """Give kernels that keep something a place; chains and loops that follow one another use the same memory. The end of it."""
        here = start
        for cluster in (c for phase in plan.phases if not isinstance(phase, Chain) for c in phase if c in self.kernels):
            here = self._keep(cluster, here)
        ends = [here]
        for chain in (phase for phase in plan.phases if isinstance(phase, Chain)):
            end = here
            for cluster in chain:
                end = self._keep(cluster, end)
            ends.append(end)
        return max(ends + [self._place_kept(body, here) for body in plan.bodies.values()])

    def _keep(self, cluster: Cluster, start: int) -> int:
        self.kept[cluster] = start
        return start + self.kernels[cluster].kept

    @property
    def serial(self) -> bool:
        """Whether one thread does it all: calling the others costs some microseconds."""
        work = sum(k.work for k in self.kernels.values())
        return all(k.serial for k in self.kernels.values()) or (not self.plan.bodies and work < ALONE_BELOW * kernels.SERIAL_BELOW)

    def text(self) -> str:
        """All of it as one module."""
        return self._module([f"define hidden void @{name}{body}" for body, name in self.functions.items()], self.declarations)

    def main(self) -> str:
        """The module of what runs the kernels."""
        return self._module([f"declare hidden void @{name}{body.partition(' #0 {')[0]}" for body, name in self.functions.items()])

    def _module(self, kernels: Iterable[str], declarations: Iterable[str] = ()) -> str:
        own = {f"declare i64 @llvm.{m}.i64(i64, i64)" for m in ("smin", "smax")}
        return "\n".join([*sorted({*declarations, *self.calls, *own}), BARRIER_TEXT, LOOP_TEXT, FLUSH_TEXT, *kernels, *self.texts,
                          function_attributes()]) + "\n"


# Whether a barrier comes first; which thread's turn a kernel is, None if all share it; what runs.
Item = tuple[bool, int | None, Cluster | Chain]


class _Function:
    """A function of the program: the whole, one step of an outermost loop, or a part of these."""

    def __init__(self, program: Program, plan: Plan, step: Buffer | None, part: Sequence[Item] | None = None) -> None:
        self.program, self.f, self.step = program, Emitter(), step
        self._pointers = self.f.section()
        self._bases: dict[int, Val] = {}
        self._counters: dict[Buffer, Val] = {step: Val("int64", 0, "%i")} if step else {}
        self._begin: Val | None = None  # whether an inner loop is in its first iteration
        scratch = self._word(SCRATCH_WORD)
        mine = self.f.op("int64", 0, f"mul i64 %tid, {program.scratch}")
        self.scratch_pointer = self.f.op("ptr", 0, f"getelementptr i8, ptr {scratch.ref}, i64 {mine.ref}")
        if part is not None:
            self._emit(plan, part)
        else:
            with self._measured("steps" if step else "program"):
                self._parts(plan)
        self.f.line("ret void")
        program.calls |= self.f.declarations

    @property
    def _arguments(self) -> str:
        return "ptr %ctx, i64 %tid, i64 %nt" + (", i64 %i" if self.step else "")

    def text(self, name: str) -> str:
        return f"define internal void @{name}({self._arguments}) #0 {{\nentry:\n{self.f.text()}\n}}\n"

    def _word(self, word: int) -> Val:
        """A pointer from the context that much needs: loaded once, at the entry."""
        if word not in self._bases:
            with self.f.into(self._pointers):
                self._bases[word] = self._table(word)
        return self._bases[word]

    def _table(self, word: int) -> Val:
        """A pointer from the context, loaded here: kept from the entry on, thousands of them would wait on the stack for their
        kernel, and the code generator would take long to put them there."""
        slot = self.f.op("ptr", 0, f"getelementptr i64, ptr %ctx, i64 {word}")
        return self.f.op("ptr", 0, f"load ptr, ptr {slot.ref}")

    def _address(self, buffer: Buffer, block: Val | None = None) -> Val:
        if buffer.kind == "counter":
            return self._counters[buffer]
        if buffer.kind == "private":
            return self._private(buffer, block)
        if buffer.kind == "root":
            return self._table(TABLE + buffer.number)
        offset, outer = 0, buffer
        while outer is not None:  # a loop body's arena is a block of the outer one
            offset += outer.number
            outer = outer.parent  # type: ignore[assignment]
        return self.f.op("ptr", 0, f"getelementptr i8, ptr {self._word(ARENA).ref}, i64 {offset}")

    def _private(self, buffer: Buffer, block: Val | None) -> Val:
        """Where a private array would begin if this thread's memory held the block `block` of it."""
        f, memory = self.f, buffer.parent
        assert memory is not None and block is not None
        mine = f.imul(Val("int64", 0, "%tid"), memory.nbytes // self.program.host.cores)
        at = f.iadd(f.iadd(mine, index(buffer.number)), f.imul(block, -buffer.block))
        return f.address(self._address(memory), at, "uint8")

    def _barrier(self) -> None:
        self.program.barriers += 1
        with self._measured("barriers"):
            self.f.line(f"call void @barrier(ptr %ctx, i64 {BARRIER}, i64 %nt)")

    @contextmanager
    def _measured(self, what: Cluster | str, calls: Val | None = None) -> Iterator[None]:
        """Count a call (or `calls`), and the cycles that thread 0 spends inside, in a slot of the profile."""
        if not self.program.profile:
            yield
            return
        f = self.f
        before = f.op("int64", 0, "call i64 @llvm.readcyclecounter()")
        yield
        after = f.op("int64", 0, "call i64 @llvm.readcyclecounter()")

        def add(word: int, amount: Val) -> None:
            pointer = f.op("ptr", 0, f"getelementptr i64, ptr {self._word(PROFILE).ref}, i64 {word}")
            f.line(f"store i64 {f.iadd(f.op('int64', 0, f'load i64, ptr {pointer.ref}'), amount).ref}, ptr {pointer.ref}")

        def count() -> None:
            word = 2 * self.program.slots[what]
            add(word, f.op("int64", 0, f"sub i64 {after.ref}, {before.ref}"))
            add(word + 1, calls or index(1))

        f.when(f.op("bool", 0, "icmp eq i64 %tid, 0"), count)

    def _parts(self, plan: Plan) -> None:
        """All of a plan; a long one in functions of their own."""
        items = self._items(plan)
        if len(items) <= PART:
            self._emit(plan, items)
            return
        for start in range(0, len(items), PART):
            part = _Function(self.program, plan, self.step, items[start:start + PART])
            name = f"part_{len(self.program.texts)}"
            self.program.texts.append(part.text(name))
            self.f.line(f"call void @{name}({self._arguments})")

    def _items(self, plan: Plan) -> list[Item]:
        items: list[Item] = []
        follows_solo = True
        for number, phase in enumerate(plan.phases):
            solo = self._is_solo(phase)
            barrier = number > 0 and not (solo and follows_solo)
            follows_solo = solo
            if isinstance(phase, Chain):
                items.append((barrier, None, phase))
                continue
            for position, (cluster, turn) in enumerate(zip(phase, self._turns(phase, solo), strict=True)):
                items.append((barrier and not position, turn, cluster))
        return items

    def _turns(self, phase: list[Cluster], solo: bool) -> Iterator[int | None]:
        """Which thread's turn each kernel of a phase is: small ones are not worth sharing, and where a phase has many (the updates
        of a thousand parameters) each runs on one thread, through whole arrays."""
        known, profile = self.program.kernels, self.program.profile
        work = {c: known[c].work for c in phase if c in known}
        many = not profile and sum(work.values()) >= MANY * self.program.host.cores * max(work.values(), default=1)
        alone = {c for c in work if known[c].serial or many}
        share = max([kernels.SERIAL_BELOW, *(work[c] for c in alone)])
        done = 0
        for cluster in phase:
            if cluster in alone:
                yield 0 if solo or profile else done // share
                done += work[cluster]
            else:
                yield None

    def _is_solo(self, phase: list[Cluster]) -> bool:
        """Whether thread 0 runs a phase alone: what others could do meanwhile is not worth a meeting. No barrier stands between two
        such phases."""
        known = self.program.kernels
        if isinstance(phase, Chain) or not all(c in known and known[c].serial for c in phase):
            return False
        work = [known[c].work for c in phase]
        return sum(work) - max(work) < kernels.SERIAL_BELOW

    def _emit(self, plan: Plan, items: Sequence[Item]) -> None:
        for barrier, turn, what in items:
            if barrier:
                self._barrier()
            if isinstance(what, Chain):
                self._blocks(what, lambda block, first, chain=what: self._chain(chain, block, first, first))  # type: ignore[misc]
            elif what.kind == "control":
                self._loop(plan, what)
            elif what.kind == "host":
                self._host(plan, what)
            else:
                self._call(what, turn)

    def _call(self, cluster: Cluster, turn: int | None) -> None:
        kernel = self.program.kernels[cluster]
        with self._measured(cluster):
            self._share(kernel, turn, lambda lo, hi: self._run(cluster, lo, hi, self._begin))

    def _run(self, cluster: Cluster, lo: str, hi: str, fresh: Val | None, block: Val | None = None) -> None:
        """Call a kernel for a range of its units."""
        kernel, name = self.program.kernels[cluster], self.program.names[cluster]
        arguments = [("i64 " if b.kind == "counter" else "ptr ") + self._address(b, block).ref for b in kernel.params]
        arguments += [f"i64 {lo}", f"i64 {hi}", f"ptr {self.scratch_pointer.ref}"]
        if kernel.kept:
            assert fresh is not None
            place = self.f.address(self.scratch_pointer, index(self.program.kept[cluster]), "uint8")
            arguments += [f"ptr {place.ref}", f"i1 {fresh.ref}"]
        self.f.line(f"call void @{name}({', '.join(arguments)})")

    def _blocks(self, chain: Chain, body: Callable[[Val, Val], None]) -> None:
        """`body(number, whether it is the first)` for this thread's blocks. There is memory for as many threads as the machine has
        cores."""
        f = self.f
        team = f.imin(Val("int64", 0, "%nt"), index(self.program.host.cores))
        rank = f.imin(Val("int64", 0, "%tid"), team)
        share = f.op("int64", 0, f"mul i64 {rank.ref}, {chain.blocks}")
        following = f.imin(f.iadd(rank, index(1)), team)
        first = f.op("int64", 0, f"udiv i64 {share.ref}, {team.ref}")
        last = f.op("int64", 0, f"udiv i64 {f.imul(following, chain.blocks).ref}, {team.ref}")

        def block(number: Val) -> list[Val]:
            body(number, f.eq(number, first))
            return []

        f.loop(first, last, 1, block)

    def _chain(self, chain: Chain, block: Val, fresh: Val, counted: Val) -> None:
        """All kernels for one block. `fresh`: kernels have kept nothing yet; `counted`: this is to count as a call of them."""
        f = self.f
        for cluster in chain:
            kernel = self.program.kernels[cluster]
            each, rest = divmod(kernel.units, chain.blocks)
            if rest or not each:
                raise AssertionError(f"Cluster {cluster.number}: {kernel.schedule} in {chain.blocks} blocks.")
            lo = f.imul(block, each)
            with self._measured(cluster, f.op("int64", 0, f"zext i1 {counted.ref} to i64")):
                self._run(cluster, lo.ref, f.iadd(lo, index(each)).ref, fresh, block)

    def _share(self, kernel: Kernel, turn: int | None, call: Callable[[str, str], None]) -> None:
        """Call a kernel for this thread's units, or for all of them if it is this thread's turn."""
        f = self.f
        if turn is not None:
            rank = f.op("int64", 0, f"urem i64 {turn}, %nt")
            mine = f.op("bool", 0, f"icmp eq i64 {rank.ref}, %tid")
            f.when(mine, lambda: call("0", str(kernel.units)))
            return
        low = f.op("int64", 0, f"mul i64 %tid, {kernel.units}")
        high = f.op("int64", 0, f"add i64 {low.ref}, {kernel.units}")
        lo = f.op("int64", 0, f"udiv i64 {low.ref}, %nt")
        hi = f.op("int64", 0, f"udiv i64 {high.ref}, %nt")
        call(lo.ref, hi.ref)

    def _host(self, plan: Plan, cluster: Cluster) -> None:
        """Thread 0 calls Python; an error stops the program's loop at the end of the step."""
        f, eqn = self.f, cluster.anchor
        assert eqn is not None
        number = len(self.program.host_calls)
        self.program.host_calls.append(eqn)
        operands = [plan.fusion.stored(x) for x in eqn.inputs]
        addresses = [self._address(plan.buffer(v)).ref for v in (*operands, *eqn.outputs)]
        callback, progress = self._word(HOST).ref, self._word(PROGRESS).ref
        with f.into(self._pointers):
            table = f.op("ptr", 0, f"alloca ptr, i64 {len(addresses)}").ref

        def call() -> None:
            for position, address in enumerate(addresses):
                slot = f.op("ptr", 0, f"getelementptr ptr, ptr {table}, i64 {position}")
                f.line(f"store ptr {address}, ptr {slot.ref}")
            failed = f.op("int64", 0, f"call i64 {callback}(i64 {number}, ptr {table})")
            flag = f.op("ptr", 0, f"getelementptr i64, ptr {progress}, i64 1")
            f.when(f.op("bool", 0, f"icmp ne i64 {failed.ref}, 0"), lambda: f.line(f"store i64 1, ptr {flag.ref}"))

        f.when(f.op("bool", 0, "icmp eq i64 %tid, 0"), call)

    def _loop(self, plan: Plan, cluster: Cluster) -> None:
        eqn, f = cluster.anchor, self.f
        assert eqn is not None
        body = plan.bodies[cluster]
        lo, hi = (self._scalar(plan, a) for a in eqn.inputs[:2])
        counter = body.buffers[body.graph.inputs[0]]
        if body.by_block:
            self._loop_by_block(body, counter, lo, hi)
            return
        if plan is self.program.plan:
            name = f"step_{len(self.program.texts)}"
            self.program.texts.append(_Function(self.program, body, counter).text(name))
            f.line(f"call void @loop(ptr %ctx, i64 %tid, i64 %nt, i64 {lo.ref}, i64 {hi.ref}, ptr @{name})")
            return

        def iteration(i: Val) -> list[Val]:
            outer, self._begin = self._begin, f.eq(i, lo)
            self._counters[counter] = i
            self._emit(body, self._items(body))
            self._begin = outer
            self._barrier()
            return []

        f.loop(lo, hi, 1, iteration)

    def _loop_by_block(self, body: Plan, counter: Buffer, lo: Val, hi: Val) -> None:
        """All iterations for one block of the batch after the other."""
        f, (chain,) = self.f, body.phases
        assert isinstance(chain, Chain)

        def iterations(block: Val, first: Val) -> None:
            def iteration(i: Val) -> list[Val]:
                self._counters[counter] = i
                self._chain(chain, block, f.logical_and(first, f.eq(i, lo)), first)
                return []

            f.loop(lo, hi, 1, iteration)

        self._blocks(chain, iterations)

    def _scalar(self, plan: Plan, atom: object) -> Val:
        if isinstance(atom, Literal):
            return index(int(atom.value))
        assert isinstance(atom, Var)
        buffer = plan.buffer(atom)
        if buffer.kind == "counter":
            return self._counters[buffer]
        return self.f.op("int64", 0, f"load i64, ptr {self._address(buffer).ref}")
