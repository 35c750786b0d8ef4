"""Arithmetic as LLVM IR.

`Emitter` implements the `ScalarOps` protocol, so the scalar definitions of the primitives become instructions by being called.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from lamella.ir.types import UNSIGNED, is_float, numpy_dtype
from lamella.native.llvm_text import NARROW, REGISTER, Text, Val, itemsize, register_type, suffix


def _float_literal(value: float, dtype: str) -> str:
    if dtype == "float32":
        value = struct.unpack("f", struct.pack("f", value))[0] if math.isfinite(value) else value
    bits = struct.unpack("<Q", struct.pack("<d", value))[0]
    return f"0x{bits:016X}"


class Emitter(Text):
    """A function's text, with the operations of `ScalarOps`."""

    def dtype(self, x: Val) -> str:
        return x.dtype

    def const(self, value: Any, dtype: str) -> Val:
        if dtype == "bool":
            return Val(dtype, 0, "true" if value else "false")
        if dtype in NARROW:
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
        if x.dtype in NARROW:
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
        return self.call(x.dtype, x.lanes, f"llvm.fma.{suffix(x.dtype, x.lanes)}", x, y, z)

    def neg(self, x: Val) -> Val:
        if x.dtype == "bfloat16":
            return self.op(x.dtype, x.lanes, f"xor {x.type} {x.ref}, {self._int_const(-32768, x)}")
        if is_float(x.dtype):
            return self.op(x.dtype, x.lanes, f"fneg {x.type} {x.ref}")
        return self.op(x.dtype, x.lanes, f"sub {x.type} zeroinitializer, {x.ref}" if x.lanes else f"sub {x.type} 0, {x.ref}")

    def _int_const(self, value: int, like: Val) -> str:
        return f"splat ({REGISTER[like.dtype]} {value})" if like.lanes else str(value)

    def _unary(self, name: str, x: Val) -> Val:
        if x.dtype in NARROW:
            return self.cast(self._unary(name, self.cast(x, "float32")), x.dtype)
        return self.call(x.dtype, x.lanes, f"llvm.{name}.{suffix(x.dtype, x.lanes)}", x)

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
        if x.dtype in NARROW:
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
                wide = self.cast(x, "float32") if source in NARROW else x
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

    def lane_numbers(self, dtype: str, lanes: int) -> Val:
        if is_float(dtype):
            items = [self.const(i, dtype).ref for i in range(lanes)]
        else:
            items = [str(i) for i in range(lanes)]
        return Val(dtype, lanes, "<" + ", ".join(f"{REGISTER[dtype]} {i}" for i in items) + ">")

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
