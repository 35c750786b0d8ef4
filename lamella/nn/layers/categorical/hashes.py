"""Two published hash functions of byte strings, as numpy arithmetic on all strings of one length at once.

FarmHash Fingerprint64 (Pike and Alakuijala, Google 2014; the scheme of CityHash) and SipHash-2-4 (Aumasson and
Bernstein 2012). All words are arrays of uint64, one entry per string; their sums and products wrap, as in the papers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Words = np.ndarray[Any, np.dtype[np.uint64]]


def _word(value: int) -> Words:
    return np.array([value & 0xFFFFFFFFFFFFFFFF], np.uint64)  # an array of one: numpy warns when scalars wrap


_K0, _K1, _K2 = _word(0xC3A5C85C97CB3127), _word(0xB492B66FBE98F273), _word(0x9AE16A3B2F90404F)
_SIP_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
_CAT = _word(0xC6A4A7935BD1E995)


def farmhash64(strings: Sequence[bytes]) -> Words:
    """FarmHash Fingerprint64 of each string.

    Example:
        >>> farmhash64([b"", b"lamella"]).tolist()
        [11160318154034397263, 3626444200842391968]
    """
    return _by_length(strings, _farmhash_of_length)


def siphash64(strings: Sequence[bytes], key: Sequence[int]) -> Words:
    """SipHash-2-4 of each string under a key of two 64-bit integers.

    Example:
        >>> siphash64([bytes(range(15))], (0x0706050403020100, 0x0F0E0D0C0B0A0908)).tolist()  # the paper's example
        [11613035633349379557]
    """
    return _by_length(strings, lambda data: _siphash_of_length(data, key))


def fingerprint_cat64(first: Words, second: Words) -> Words:
    """One fingerprint of two, which depends on their order: how TensorFlow crosses features."""
    mixed = (first ^ _CAT ^ (_shift_mix(second * _CAT) * _CAT)) * _CAT
    return _shift_mix(_shift_mix(mixed) * _CAT)


def _by_length(strings: Sequence[bytes], hash_rows: Callable[[np.ndarray], Words]) -> Words:
    """Apply a function of (n, length) bytes to the strings of each length."""
    lengths = np.fromiter(map(len, strings), np.int64, len(strings))
    out = np.empty(len(strings), np.uint64)
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        joined = b"".join([strings[i] for i in places.tolist()])
        out[places] = hash_rows(np.frombuffer(joined, np.uint8).reshape(len(places), length))
    return out


def _read(data: np.ndarray, at: int, size: int = 8) -> Words:
    """The little-endian number of `size` bytes at a position of each row."""
    part = np.ascontiguousarray(data[:, at:at + size])
    return part.view(f"<u{size}")[:, 0].astype(np.uint64)


def _rotate_right(x: Words, bits: int) -> Words:
    return (x >> np.uint64(bits)) | (x << np.uint64(64 - bits))


def _shift_mix(x: Words) -> Words:
    return x ^ (x >> np.uint64(47))


# -- FarmHash ----------------------------------------------------------------------------------------------------------


def _mix16(u: Words, v: Words, factor: Words) -> Words:
    a = _shift_mix((u ^ v) * factor)
    return _shift_mix((v ^ a) * factor) * factor


def _farmhash_of_length(data: np.ndarray) -> Words:
    n = data.shape[1]
    if n <= 16:
        return _farmhash_to_16(data, n)
    if n <= 32:
        return _farmhash_to_32(data, n)
    return _farmhash_to_64(data, n) if n <= 64 else _farmhash_long(data, n)


def _farmhash_to_16(data: np.ndarray, n: int) -> Words:
    if n == 0:
        return np.repeat(_K2, len(data))
    factor = _K2 + np.uint64(2 * n)
    if n >= 8:
        a, b = _read(data, 0) + _K2, _read(data, n - 8)
        return _mix16(_rotate_right(b, 37) * factor + a, (_rotate_right(a, 25) + b) * factor, factor)
    if n >= 4:
        return _mix16(np.uint64(n) + (_read(data, 0, 4) << np.uint64(3)), _read(data, n - 4, 4), factor)
    first, middle, last = (data[:, i].astype(np.uint64) for i in (0, n // 2, n - 1))
    y, z = first + (middle << np.uint64(8)), np.uint64(n) + (last << np.uint64(2))
    return _shift_mix((y * _K2) ^ (z * _K0)) * _K2


def _farmhash_to_32(data: np.ndarray, n: int) -> Words:
    factor = _K2 + np.uint64(2 * n)
    a, b = _read(data, 0) * _K1, _read(data, 8)
    c, d = _read(data, n - 8) * factor, _read(data, n - 16) * _K2
    return _mix16(_rotate_right(a + b, 43) + _rotate_right(c, 30) + d, a + _rotate_right(b + _K2, 18) + c, factor)


def _farmhash_to_64(data: np.ndarray, n: int) -> Words:
    factor = _K2 + np.uint64(2 * n)
    a, b = _read(data, 0) * _K2, _read(data, 8)
    c, d = _read(data, n - 8) * factor, _read(data, n - 16) * _K2
    y = _rotate_right(a + b, 43) + _rotate_right(c, 30) + d
    z = _mix16(y, a + _rotate_right(b + _K2, 18) + c, factor)
    e, f = _read(data, 16) * factor, _read(data, 24)
    g, h = (y + _read(data, n - 32)) * factor, (z + _read(data, n - 24)) * factor
    return _mix16(_rotate_right(e + f, 43) + _rotate_right(g, 30) + h, e + _rotate_right(f + a, 18) + g, factor)


def _mix32(data: np.ndarray, at: int, a: Words, b: Words) -> tuple[Words, Words]:
    """Fold the 32 bytes at `at` into two words."""
    w, x, y, z = (_read(data, at + 8 * i) for i in range(4))
    a = a + w
    b = _rotate_right(b + a + z, 21)
    total = a + x + y
    return total + z, b + _rotate_right(total, 44) + a


def _farmhash_long(data: np.ndarray, n: int) -> Words:
    seed, zero = _word(81), _word(0)
    x, y = seed * _K2 + _read(data, 0), seed * _K1 + np.uint64(113)
    z = _shift_mix(y * _K2 + np.uint64(113)) * _K2
    v, w = (zero, zero), (zero, zero)
    for at in range(0, (n - 1) // 64 * 64, 64):
        x, y, z, v, w = _block(data, at, (x, y, z, v, w), _K1, np.uint64(1))
    factor = _K1 + ((z & np.uint64(0xFF)) << np.uint64(1))
    w = (w[0] + np.uint64((n - 1) % 64), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    x, y, z, v, w = _block(data, n - 64, (x, y, z, v, w), factor, np.uint64(9))
    low = _mix16(v[0], w[0], factor) + _shift_mix(y) * _K0 + z
    return _mix16(low, _mix16(v[1], w[1], factor) + x, factor)


def _block(data: np.ndarray, at: int, state: tuple[Any, ...], factor: Words, weight: np.uint64) -> tuple[Any, ...]:
    """Fold the 64 bytes at `at` into the state; the last block has another factor and weight."""
    x, y, z, v, w = state
    x = _rotate_right(x + y + v[0] + _read(data, at + 8), 37) * factor
    y = _rotate_right(y + v[1] + _read(data, at + 48), 42) * factor
    x = x ^ (w[1] * weight)
    y = y + v[0] * weight + _read(data, at + 40)
    z = _rotate_right(z + w[0], 33) * factor
    v = _mix32(data, at, v[1] * factor, x + w[0])
    w = _mix32(data, at + 32, z + w[1], y + _read(data, at + 16))
    return z, y, x, v, w


# -- SipHash -----------------------------------------------------------------------------------------------------------


def _siphash_of_length(data: np.ndarray, key: Sequence[int]) -> Words:
    n = data.shape[1]
    padded = np.zeros((len(data), (n // 8 + 1) * 8), np.uint8)
    padded[:, :n] = data
    padded[:, -1] = n % 256
    state = [_word(start ^ key[i % 2]) for i, start in enumerate(_SIP_START)]
    for word in padded.view("<u8").T:
        state[3] = state[3] ^ word
        state = _sip_round(_sip_round(state))
        state[0] = state[0] ^ word
    state[2] = state[2] ^ np.uint64(0xFF)
    for _ in range(4):
        state = _sip_round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _sip_round(state: list[Words]) -> list[Words]:
    a, b, c, d = state
    a, c = a + b, c + d
    b, d = _rotate_right(b, 51) ^ a, _rotate_right(d, 48) ^ c
    a = _rotate_right(a, 32)
    c, a = c + b, a + d
    b, d = _rotate_right(b, 47) ^ c, _rotate_right(d, 43) ^ a
    return [a, b, _rotate_right(c, 32), d]
