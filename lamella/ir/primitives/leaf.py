"""Leaves: values made from nothing but parameters and a counter."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.errors import DTypeError
from lamella.ir.core import Primitive, Sample
from lamella.ir.registry import register
from lamella.ir.types import TensorType, numpy_dtype


def _iota_numpy(shape: tuple[int, ...], axis: int, dtype: str) -> np.ndarray:
    line = np.arange(shape[axis]).astype(numpy_dtype(dtype))
    return np.broadcast_to(line.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape)


register(Primitive(
    "iota", "leaf", lambda shape, axis, dtype: TensorType(tuple(shape), dtype), _iota_numpy, lambda b, *_, **__: [],
    samples=(Sample((), {"shape": (5, 19), "axis": 1, "dtype": "float32"}, differentiable=False),
             Sample((), {"shape": (5, 19), "axis": 0, "dtype": "int32"}, differentiable=False))))

# Threefry-2x32 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), 20 rounds.
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
ROUNDS = 20


def threefry(s: Any, k0: Any, k1: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """Two uint32 words from a key and a counter, over the `ScalarOps` protocol."""

    def word(value: int) -> Any:
        return s.const(value, "uint32")

    keys = (k0, k1, s.bit_xor(s.bit_xor(k0, k1), word(PARITY)))
    x0, x1 = s.add(x0, keys[0]), s.add(x1, keys[1])
    for i in range(ROUNDS):
        r = ROTATIONS[i % 8]
        x0 = s.add(x0, x1)
        x1 = s.bit_or(s.shift_left(x1, word(r)), s.shift_right(x1, word(32 - r)))
        x1 = s.bit_xor(x1, x0)
        if i % 4 == 3:
            n = i // 4 + 1
            x0, x1 = s.add(x0, keys[n % 3]), s.add(s.add(x1, keys[(n + 1) % 3]), word(n))
    return x0, x1


class _Words:
    """The few uint32 operations that threefry needs, over numpy."""

    const = staticmethod(lambda value, dtype: np.uint32(value))
    add = staticmethod(np.add)
    bit_xor = staticmethod(np.bitwise_xor)
    bit_or = staticmethod(np.bitwise_or)
    shift_left = staticmethod(np.left_shift)
    shift_right = staticmethod(np.right_shift)


def _random_bits_type(key: TensorType, shape: tuple[int, ...]) -> TensorType:
    if key != TensorType((2,), "uint32"):
        raise DTypeError(f"the key must be uint32[2], received {key}.")
    return TensorType(tuple(shape), "uint32")


def _random_bits_numpy(key: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Element i (flat) is the first word of threefry(key, counter = (i mod 2^32, i div 2^32))."""
    flat = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64)
    low, high = (flat & np.uint64(0xFFFFFFFF)).astype(np.uint32), (flat >> np.uint64(32)).astype(np.uint32)
    with np.errstate(over="ignore"):
        word, _ = threefry(_Words, key[0], key[1], low, high)
    return np.asarray(word, np.uint32).reshape(shape)


register(Primitive(
    "random_bits", "leaf", _random_bits_type, _random_bits_numpy, lambda b, *_, **__: [None],
    samples=(Sample((((2,), "uint32", 0, 2**31),), {"shape": (3, 21)}, differentiable=False),
             Sample((((2,), "uint32", 0, 2**31),), {"shape": ()}, differentiable=False))))
