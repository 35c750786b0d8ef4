"""Gives memory back to the system that nobody needs for now: Linux counts it as used until somebody says so."""

from __future__ import annotations

import ctypes
import mmap
import sys

import numpy as np

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_TRIM = getattr(_LIBC, "malloc_trim", None)  # glibc's
_DONT_NEED = 4  # MADV_DONTNEED of Linux


def trim() -> None:
    """Free memory that the allocator keeps for later. It keeps all that it once gave to a compiler, in pieces, for the rest of the
    process: large arrays don't fit into the gaps."""
    if _TRIM is not None:
        _TRIM(0)


def forget(array: np.ndarray) -> None:
    """Let the whole pages of an array go; they read as zeros afterwards."""
    if _LIBC is None:
        return
    page = mmap.PAGESIZE
    start, end = -(-array.ctypes.data // page) * page, (array.ctypes.data + array.nbytes) // page * page
    if start < end:
        _LIBC.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONT_NEED)
