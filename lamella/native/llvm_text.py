"""Writes LLVM IR as text: typed values, straight-line operations, loops, memory.

`Emitter` implements the `ScalarOps` protocol, so the scalar definitions of the primitives become instructions by being
called. A value is `Val(dtype, lanes, ref)`: lanes 0 is a scalar; bool is i1 in registers and a byte in memory; bfloat16 is
its bits as i16, widened by hand, because LLVM would call run-time library functions for it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from lamella.ir.types import SIGNED, UNSIGNED, is_float, numpy_dtype

_REGISTER = {"bool": "i1", "float16": "half", "bfloat16": "i16", "float32": "float", "float64": "double", "ptr": "ptr"}
_REGISTER |= {name: f"i{numpy_dtype(name).itemsize * 8}" for name in SIGNED + UNSIGNED}
_NARROW = ("float16", "bfloat16")


class Val(NamedTuple):
    """An SSA value or constant."""

    dtype: str
    lanes: int
    ref: str

    @property
    def type(self) -> str:
        return register_type(self.dtype, self.lanes)


def register_type(dtype: str, lanes: int) -> str:
    return f"<{lanes} x {_REGISTER[dtype]}>" if lanes else _REGISTER[dtype]


def itemsize(dtype: str) -> int:
    return numpy_dtype(dtype).itemsize


def index(value: int) -> Val:
    """A constant of the type of loop counters."""
    return Val("int64", 0, str(value))


def _float_literal(value: float, dtype: str) -> str:
    if dtype == "float32":
        value = struct.unpack("f", struct.pack("f", value))[0] if math.isfinite(value) else value
    bits = struct.unpack("<Q", struct.pack("<d", value))[0]
    return f"0x{bits:016X}"


Lines = list[Any]  # strings, and nested lists that are filled later (sections)


class Emitter:
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
            name = f"llvm.masked.load.{_suffix(memory, lanes)}.p0"
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
        name = f"llvm.masked.store.{_suffix(value.dtype, value.lanes)}.p0"
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
            return Val(x.dtype, lanes, f"splat ({_REGISTER[x.dtype]} {x.ref})")
        type_ = register_type(x.dtype, lanes)
        one = self.op(x.dtype, lanes, f"insertelement {type_} poison, {_REGISTER[x.dtype]} {x.ref}, i64 0")
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

    def lane_numbers(self, dtype: str, lanes: int) -> Val:
        if is_float(dtype):
            items = [self.const(i, dtype).ref for i in range(lanes)]
        else:
            items = [str(i) for i in range(lanes)]
        return Val(dtype, lanes, "<" + ", ".join(f"{_REGISTER[dtype]} {i}" for i in items) + ">")

    # Estimates with a Newton step, for 16 x float32 on machines with AVX-512. Zero and infinity, on which the step fails, keep the
    # estimate, which is exact there.

    def _estimate(self, name: str, x: Val) -> Val:
        self.declarations.add(f"declare {x.type} @llvm.x86.avx512.{name}.ps.512({x.type}, {x.type}, i16)")
        arguments = f"{x.type} {x.ref}, {x.type} zeroinitializer, i16 -1"
        return self.op(x.dtype, x.lanes, f"call {x.type} @llvm.x86.avx512.{name}.ps.512({arguments})")

    def _extreme(self, x: Val) -> Val:
        return self.logical_or(self.eq(x, self.const(0, x.dtype)), self.eq(x, self.const(math.inf, x.dtype)))

    def square_root_estimate(self, x: Val) -> Val:
        """sqrt(x), at most 1 ULP off."""
        r = self._estimate("rsqrt14", x)
        s = self.mul(x, r)
        rest = self.fma(self.neg(s), s, x)
        better = self.fma(rest, self.mul(r, self.const(0.5, x.dtype)), s)
        return self.select(self._extreme(x), x, better)

    def reciprocal_estimate(self, x: Val) -> Val:
        """1 / x, at most 1 ULP off."""
        r = self._estimate("rcp14", x)
        rest = self.fma(self.neg(x), r, self.const(1, x.dtype))
        return self.select(self._extreme(x), r, self.fma(rest, r, r))

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

    # ScalarOps.

    def dtype(self, x: Val) -> str:
        return x.dtype

    def const(self, value: Any, dtype: str) -> Val:
        if dtype == "bool":
            return Val(dtype, 0, "true" if value else "false")
        if dtype in _NARROW:
            with np.errstate(all="ignore"):
                bits = int(np.asarray(value, numpy_dtype(dtype)).view(np.uint16))
            return Val(dtype, 0, f"0xH{bits:04X}" if dtype == "float16" else str(bits))
        if is_float(dtype):
            return Val(dtype, 0, _float_literal(float(value), dtype))
        return Val(dtype, 0, str(int(value)))

    def _same(self, *xs: Val) -> tuple[Val, ...]:
        lanes = max(x.lanes for x in xs)
        return tuple(self.splat(x, lanes) if lanes else x for x in xs)

    def _arith(self, name: str, x: Val, y: Val) -> Val:
        x, y = self._same(x, y)
        if x.dtype in _NARROW:
            return self.cast(self._arith(name, self.cast(x, "float32"), self.cast(y, "float32")), x.dtype)
        return self.op(x.dtype, x.lanes, f"{'f' if is_float(x.dtype) else ''}{name} {x.type} {x.ref}, {y.ref}")

    def add(self, x: Val, y: Val) -> Val:
        return self._arith("add", x, y)

    def sub(self, x: Val, y: Val) -> Val:
        return self._arith("sub", x, y)

    def mul(self, x: Val, y: Val) -> Val:
        return self._arith("mul", x, y)

    def div(self, x: Val, y: Val) -> Val:
        return self._arith("div", x, y)

    def fma(self, x: Val, y: Val, z: Val) -> Val:
        x, y, z = self._same(x, y, z)
        return self.call(x.dtype, x.lanes, f"llvm.fma.{_suffix(x.dtype, x.lanes)}", x, y, z)

    def neg(self, x: Val) -> Val:
        if x.dtype == "bfloat16":
            return self.op(x.dtype, x.lanes, f"xor {x.type} {x.ref}, {self._int_const(-32768, x)}")
        if is_float(x.dtype):
            return self.op(x.dtype, x.lanes, f"fneg {x.type} {x.ref}")
        return self.op(x.dtype, x.lanes, f"sub {x.type} zeroinitializer, {x.ref}" if x.lanes else f"sub {x.type} 0, {x.ref}")

    def _int_const(self, value: int, like: Val) -> str:
        return f"splat ({_REGISTER[like.dtype]} {value})" if like.lanes else str(value)

    def _unary(self, name: str, x: Val) -> Val:
        if x.dtype in _NARROW:
            return self.cast(self._unary(name, self.cast(x, "float32")), x.dtype)
        return self.call(x.dtype, x.lanes, f"llvm.{name}.{_suffix(x.dtype, x.lanes)}", x)

    def abs(self, x: Val) -> Val:
        if is_float(x.dtype):
            return self._unary("fabs", x)
        if x.dtype in UNSIGNED:
            return x
        return self.select(self.lt(x, self.const(0, x.dtype)), self.neg(x), x)

    def sqrt(self, x: Val) -> Val:
        return self._unary("sqrt", x)

    def floor(self, x: Val) -> Val:
        return self._unary("floor", x)

    def round(self, x: Val) -> Val:
        return self._unary("roundeven", x)

    def truncated_remainder(self, x: Val, y: Val) -> Val:
        x, y = self._same(x, y)
        return self.op(x.dtype, x.lanes, f"{'urem' if x.dtype in UNSIGNED else 'srem'} {x.type} {x.ref}, {y.ref}")

    def _compare(self, name: str, x: Val, y: Val) -> Val:
        x, y = self._same(x, y)
        if x.dtype in _NARROW:
            return self._compare(name, self.cast(x, "float32"), self.cast(y, "float32"))
        if is_float(x.dtype):
            return self.op("bool", x.lanes, f"fcmp o{name} {x.type} {x.ref}, {y.ref}")
        unsigned = x.dtype in UNSIGNED or x.dtype == "bool"
        predicate = name if name == "eq" else ("u" if unsigned else "s") + name
        return self.op("bool", x.lanes, f"icmp {predicate} {x.type} {x.ref}, {y.ref}")

    def eq(self, x: Val, y: Val) -> Val:
        return self._compare("eq", x, y)

    def lt(self, x: Val, y: Val) -> Val:
        return self._compare("lt", x, y)

    def le(self, x: Val, y: Val) -> Val:
        return self._compare("le", x, y)

    def select(self, c: Val, x: Val, y: Val) -> Val:
        c, x, y = self._same(c, x, y)
        return self.op(x.dtype, x.lanes, f"select {c.type} {c.ref}, {x.type} {x.ref}, {y.type} {y.ref}")

    def _bits(self, name: str, x: Val, y: Val) -> Val:
        x, y = self._same(x, y)
        return self.op(x.dtype, x.lanes, f"{name} {x.type} {x.ref}, {y.ref}")

    def logical_and(self, x: Val, y: Val) -> Val:
        return self._bits("and", x, y)

    def logical_or(self, x: Val, y: Val) -> Val:
        return self._bits("or", x, y)

    def logical_not(self, x: Val) -> Val:
        return self.op("bool", x.lanes, f"xor {x.type} {x.ref}, {'splat (i1 true)' if x.lanes else 'true'}")

    def bit_and(self, x: Val, y: Val) -> Val:
        return self._bits("and", x, y)

    def bit_or(self, x: Val, y: Val) -> Val:
        return self._bits("or", x, y)

    def bit_xor(self, x: Val, y: Val) -> Val:
        return self._bits("xor", x, y)

    def shift_left(self, x: Val, y: Val) -> Val:
        return self._shift("shl", x, y)

    def shift_right(self, x: Val, y: Val) -> Val:
        return self._shift("lshr" if x.dtype in UNSIGNED else "ashr", x, y)

    def _shift(self, name: str, x: Val, y: Val) -> Val:
        """Shifts by the width or more give 0 (or the sign), as numpy's do; LLVM leaves them undefined."""
        bits = itemsize(x.dtype) * 8
        if y.ref.isdigit() and int(y.ref) < bits:
            return self._bits(name, x, y)
        x, y = self._same(x, y)
        limit = self.splat(self.const(bits, y.dtype), y.lanes) if y.lanes else self.const(bits, y.dtype)
        inside = self.op("bool", y.lanes, f"icmp ult {y.type} {y.ref}, {limit.ref}")
        if name == "ashr":
            return self._bits(name, x, self.select(inside, y, self.const(bits - 1, y.dtype)))
        zero = self.const(0, x.dtype)
        return self.select(inside, self._bits(name, x, self.select(inside, y, self.const(0, y.dtype))), zero)

    def bitcast(self, x: Val, dtype: str) -> Val:
        if register_type(dtype, x.lanes) == x.type:
            return Val(dtype, x.lanes, x.ref)
        return self.op(dtype, x.lanes, f"bitcast {x.type} {x.ref} to {register_type(dtype, x.lanes)}")

    def cast(self, x: Val, dtype: str) -> Val:
        """numpy's astype."""
        source = x.dtype
        if source == dtype:
            return x
        if "float16" in (source, dtype) and "float32" not in (source, dtype):
            # The CPU converts between float16 and float32 only; for anything else LLVM would call a run-time library.
            return self.cast(self.cast(x, "float32"), dtype)
        if dtype == "bool":
            if is_float(source):
                wide = self.cast(x, "float32") if source in _NARROW else x
                return self.op("bool", x.lanes, f"fcmp une {wide.type} {wide.ref}, {self._zero(wide)}")
            return self.op("bool", x.lanes, f"icmp ne {x.type} {x.ref}, {self._zero(x)}")
        if "bfloat16" in (source, dtype):
            return self._cast_bfloat16(x, dtype)
        if is_float(source) and not is_float(dtype):
            return self._float_to_int(x, dtype)
        return self.op(dtype, x.lanes, f"{_conversion(source, dtype)} {x.type} {x.ref} to {register_type(dtype, x.lanes)}")

    def _zero(self, x: Val) -> str:
        return "zeroinitializer" if x.lanes else ("0.0" if is_float(x.dtype) else "0")

    def _float_to_int(self, x: Val, dtype: str) -> Val:
        """Through a wide signed integer, as C and numpy do for small and unsigned types."""
        wide = "int64" if itemsize(dtype) == 8 or dtype == "uint32" else "int32"
        if dtype == "uint64":
            return self.op(dtype, x.lanes, f"fptoui {x.type} {x.ref} to {register_type(dtype, x.lanes)}")
        value = self.op(wide, x.lanes, f"fptosi {x.type} {x.ref} to {register_type(wide, x.lanes)}")
        if itemsize(wide) == itemsize(dtype):
            return Val(dtype, x.lanes, value.ref)
        return self.op(dtype, x.lanes, f"trunc {value.type} {value.ref} to {register_type(dtype, x.lanes)}")

    def _cast_bfloat16(self, x: Val, dtype: str) -> Val:
        if x.dtype == "bfloat16":  # the upper half of a float32
            wide = self.op("uint32", x.lanes, f"zext {x.type} {x.ref} to {register_type('uint32', x.lanes)}")
            return self.cast(self.bitcast(self.shift_left(wide, self.const(16, "uint32")), "float32"), dtype)
        x = self.cast(x, "float32")
        bits = self.bitcast(x, "uint32")
        even = self.bit_and(self.shift_right(bits, self.const(16, "uint32")), self.const(1, "uint32"))
        rounded = self.shift_right(self.add(self.add(bits, even), self.const(0x7FFF, "uint32")), self.const(16, "uint32"))
        value = self.select(self.eq(x, x), rounded, self.const(0x7FC0, "uint32"))  # NaN stays NaN
        return self.op("bfloat16", x.lanes, f"trunc {value.type} {value.ref} to {register_type('bfloat16', x.lanes)}")


def _conversion(source: str, dtype: str) -> str:
    """The LLVM instruction between two dtypes that are not float -> int, bool or bfloat16."""
    if is_float(source):
        return "fpext" if itemsize(dtype) > itemsize(source) else "fptrunc"
    unsigned = source in UNSIGNED or source == "bool"
    if is_float(dtype):
        return "uitofp" if unsigned else "sitofp"
    if source != "bool" and itemsize(dtype) < itemsize(source):
        return "trunc"
    if source != "bool" and itemsize(dtype) == itemsize(source):
        return "bitcast"
    return "zext" if unsigned else "sext"


def _suffix(dtype: str, lanes: int) -> str:
    base = {"half": "f16", "float": "f32", "double": "f64"}.get(_REGISTER[dtype], _REGISTER[dtype])
    return f"v{lanes}{base}" if lanes else base
