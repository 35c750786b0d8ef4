"""Writes LLVM IR as text: typed values, memory, vectors, loops.

A value is `Val(dtype, lanes, ref)`: lanes 0 is a scalar; bool is i1 in registers and a byte in memory; bfloat16 is its bits as
i16, widened by hand, because LLVM would call run-time library functions for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from lamella.ir.types import SIGNED, UNSIGNED, numpy_dtype

REGISTER = {"bool": "i1", "float16": "half", "bfloat16": "i16", "float32": "float", "float64": "double", "ptr": "ptr"}
REGISTER |= {name: f"i{numpy_dtype(name).itemsize * 8}" for name in SIGNED + UNSIGNED}
NARROW = ("float16", "bfloat16")


class Val(NamedTuple):
    """An SSA value or constant."""

    dtype: str
    lanes: int
    ref: str

    @property
    def type(self) -> str:
        return register_type(self.dtype, self.lanes)


def register_type(dtype: str, lanes: int) -> str:
    return f"<{lanes} x {REGISTER[dtype]}>" if lanes else REGISTER[dtype]


def itemsize(dtype: str) -> int:
    return numpy_dtype(dtype).itemsize


def suffix(dtype: str, lanes: int) -> str:
    base = {"half": "f16", "float": "f32", "double": "f64"}.get(REGISTER[dtype], REGISTER[dtype])
    return f"v{lanes}{base}" if lanes else base


def index(value: int) -> Val:
    """A constant of the type of loop counters."""
    return Val("int64", 0, str(value))


Lines = list[Any]  # strings, and nested lists that are filled later (sections)


class Text:
    """One function under construction."""

    def __init__(self) -> None:
        self.lines: Lines = []
        self.declarations: set[str] = set()
        self.label = "entry"
        self._current = self.lines
        self._count = 0

    # Text.

    def fresh(self, hint: str = "t") -> str:
        self._count += 1
        return f"{hint}{self._count}"

    def line(self, text: str) -> None:
        self._current.append("  " + text)

    def block(self, label: str) -> None:
        self._current.append(f"{label}:")
        self.label = label

    def section(self) -> Lines:
        """A place at the current position that straight-line code can be written into later."""
        section: Lines = []
        self._current.append(section)
        return section

    @contextmanager
    def into(self, section: Lines) -> Iterator[None]:
        outer, self._current = self._current, section
        yield
        self._current = outer

    def text(self) -> str:
        flat: list[str] = []

        def walk(lines: Lines) -> None:
            for line in lines:
                if isinstance(line, str):
                    flat.append(line)
                else:
                    walk(line)

        walk(self.lines)
        return "\n".join(flat)

    def op(self, dtype: str, lanes: int, text: str) -> Val:
        name = "%" + self.fresh()
        self.line(f"{name} = {text}")
        return Val(dtype, lanes, name)

    def call(self, dtype: str, lanes: int, name: str, *args: Val) -> Val:
        """Call an LLVM intrinsic."""
        result = register_type(dtype, lanes)
        self.declarations.add(f"declare {result} @{name}({', '.join(a.type for a in args)})")
        return self.op(dtype, lanes, f"call {result} @{name}({', '.join(f'{a.type} {a.ref}' for a in args)})")

    # Integers for addresses.

    def iadd(self, x: Val, y: Val) -> Val:
        if x.ref == "0" or y.ref == "0":
            return y if x.ref == "0" else x
        if x.ref.lstrip("-").isdigit() and y.ref.lstrip("-").isdigit():
            return index(int(x.ref) + int(y.ref))
        return self.op("int64", 0, f"add i64 {x.ref}, {y.ref}")

    def imul(self, x: Val, factor: int) -> Val:
        if factor == 0 or x.ref == "0":
            return index(0)
        if x.ref.lstrip("-").isdigit():
            return index(int(x.ref) * factor)
        return x if factor == 1 else self.op("int64", 0, f"mul i64 {x.ref}, {factor}")

    def divmod(self, x: Val, n: int) -> tuple[Val, Val]:
        """Quotient and remainder of a non-negative counter by a constant."""
        if n == 1:
            return x, index(0)
        if not x.ref.startswith("%"):
            return index(int(x.ref) // n), index(int(x.ref) % n)
        q = self.op("int64", 0, f"udiv i64 {x.ref}, {n}")
        return q, self.op("int64", 0, f"urem i64 {x.ref}, {n}")

    def imin(self, x: Val, y: Val) -> Val:
        return self.call("int64", 0, "llvm.smin.i64", x, y)

    def imax(self, x: Val, y: Val) -> Val:
        return self.call("int64", 0, "llvm.smax.i64", x, y)

    # Memory.

    def address(self, base: Val, offset: Val, dtype: str) -> Val:
        """`base + offset` elements."""
        if offset.ref == "0":
            return base
        return self.op("ptr", 0, f"getelementptr i8, ptr {base.ref}, i64 {self.imul(offset, itemsize(dtype)).ref}")

    def load(self, pointer: Val, dtype: str, lanes: int = 0, mask: Val | None = None) -> Val:
        memory = "uint8" if dtype == "bool" else dtype
        type_ = register_type(memory, lanes)
        if mask is None:
            value = self.op(memory, lanes, f"load {type_}, ptr {pointer.ref}, align {itemsize(memory)}")
        else:
            name = f"llvm.masked.load.{suffix(memory, lanes)}.p0"
            self.declarations.add(f"declare {type_} @{name}(ptr, {mask.type}, {type_})")
            arguments = f"ptr align {itemsize(memory)} {pointer.ref}, {mask.type} {mask.ref}, {type_} zeroinitializer"
            value = self.op(memory, lanes, f"call {type_} @{name}({arguments})")
        return self.cast(value, "bool") if dtype == "bool" else value

    def store(self, value: Val, pointer: Val, mask: Val | None = None) -> None:
        if value.dtype == "bool":
            value = self.cast(value, "uint8")
        if mask is None:
            self.line(f"store {value.type} {value.ref}, ptr {pointer.ref}, align {itemsize(value.dtype)}")
            return
        name = f"llvm.masked.store.{suffix(value.dtype, value.lanes)}.p0"
        self.declarations.add(f"declare void @{name}({value.type}, ptr, {mask.type})")
        self.line(f"call void @{name}({value.type} {value.ref}, ptr align {itemsize(value.dtype)} {pointer.ref}, "
                  f"{mask.type} {mask.ref})")

    def prefetch(self, pointer: Val, write: bool) -> None:
        """Fetch a cache line that will be read, or written."""
        self.declarations.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.line(f"call void @llvm.prefetch.p0(ptr {pointer.ref}, i32 {int(write)}, i32 3, i32 1)")

    # Vectors.

    def splat(self, x: Val, lanes: int) -> Val:
        if x.lanes == lanes:
            return x
        if not x.ref.startswith("%"):
            return Val(x.dtype, lanes, f"splat ({REGISTER[x.dtype]} {x.ref})")
        type_ = register_type(x.dtype, lanes)
        one = self.op(x.dtype, lanes, f"insertelement {type_} poison, {REGISTER[x.dtype]} {x.ref}, i64 0")
        return self.op(x.dtype, lanes, f"shufflevector {type_} {one.ref}, {type_} poison, <{lanes} x i32> zeroinitializer")

    def extract(self, x: Val, lane: int) -> Val:
        return self.op(x.dtype, 0, f"extractelement {x.type} {x.ref}, i64 {lane}")

    def insert(self, x: Val, value: Val, lane: int) -> Val:
        return self.op(x.dtype, x.lanes, f"insertelement {x.type} {x.ref}, {value.type} {value.ref}, i64 {lane}")

    def halves(self, x: Val) -> tuple[Val, Val]:
        n = x.lanes // 2

        def half(start: int) -> Val:
            mask = ", ".join(f"i32 {start + i}" for i in range(n))
            return self.op(x.dtype, n, f"shufflevector {x.type} {x.ref}, {x.type} poison, <{n} x i32> <{mask}>")

        return half(0), half(n)

    def horizontal(self, x: Val, combine: Callable[[Val, Val], Val]) -> Val:
        """Combine all lanes in a fixed tree."""
        while x.lanes > 1:
            low, high = self.halves(x)
            x = combine(low, high)
        return self.extract(x, 0)

    def transpose(self, rows: list[Val]) -> list[Val]:
        """Columns of as many rows as there are lanes. Zipping row i with row i + n/2 rotates the bits of (row, lane) by one; after
        log2(n) rounds row and lane have changed places."""
        n = len(rows)
        low = ", ".join(f"i32 {i // 2 + n * (i % 2)}" for i in range(n))
        high = ", ".join(f"i32 {n // 2 + i // 2 + n * (i % 2)}" for i in range(n))
        for _ in range(n.bit_length() - 1):
            pairs = list(zip(rows[: n // 2], rows[n // 2:], strict=True))
            rows = [self.op(x.dtype, n, f"shufflevector {x.type} {x.ref}, {y.type} {y.ref}, <{n} x i32> <{mask}>")
                    for x, y in pairs for mask in (low, high)]
        return rows

    def lane_mask(self, count: int, lanes: int) -> Val:
        return Val("bool", lanes, "<" + ", ".join(f"i1 {'true' if i < count else 'false'}" for i in range(lanes)) + ">")

    # Control.

    def loop(self, lo: Val, hi: Val, step: int, body: Callable[..., Sequence[Val]], carried: Sequence[Val] = ()) -> list[Val]:
        """`for i in range(lo, hi, step): carried = body(i, *carried)`; the carried values after it."""
        static = not lo.ref.startswith("%") and not hi.ref.startswith("%")
        if static and int(lo.ref) >= int(hi.ref):
            return list(carried)
        before = self.label
        head, exit_ = self.fresh("loop"), self.fresh("done")
        if static:
            self.line(f"br label %{head}")
        else:
            guard = self.op("bool", 0, f"icmp slt i64 {lo.ref}, {hi.ref}")
            self.line(f"br i1 {guard.ref}, label %{head}, label %{exit_}")
        self.block(head)
        counter = Val("int64", 0, "%" + self.fresh("i"))
        inside = [Val(v.dtype, v.lanes, "%" + self.fresh("c")) for v in carried]
        phis = self.section()
        results = list(body(counter, *inside))
        latch = self.label
        after = self.op("int64", 0, f"add i64 {counter.ref}, {step}")
        more = self.op("bool", 0, f"icmp slt i64 {after.ref}, {hi.ref}")
        self.line(f"br i1 {more.ref}, label %{head}, label %{exit_}")
        with self.into(phis):
            self.line(f"{counter.ref} = phi i64 [{lo.ref}, %{before}], [{after.ref}, %{latch}]")
            for v, start, end in zip(inside, carried, results, strict=True):
                self.line(f"{v.ref} = phi {v.type} [{start.ref}, %{before}], [{end.ref}, %{latch}]")
        self.block(exit_)
        if static:
            return results
        return [self.op(v.dtype, v.lanes, f"phi {v.type} [{start.ref}, %{before}], [{end.ref}, %{latch}]")
                for v, start, end in zip(inside, carried, results, strict=True)]

    def when(self, condition: Val, body: Callable[[], None]) -> None:
        """`if condition: body()`."""
        yes, end = self.fresh("then"), self.fresh("end")
        self.line(f"br i1 {condition.ref}, label %{yes}, label %{end}")
        self.block(yes)
        body()
        self.line(f"br label %{end}")
        self.block(end)
