"""Equations that Python computes in the middle of a native program: what numpy has from LAPACK and pocketfft, and long sorts.

Thread 0 calls back with the addresses of the operands and results while the others wait at the next barrier. ctypes takes the
interpreter's lock for the time of the call. Machine code finds the callback's address in the call's context, so it can be kept
on disk.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from lamella.errors import LamellaError
from lamella.ir import Eqn, Graph, TensorType, Var, format_graph, numpy_dtype, parse_graph

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.POINTER(ctypes.c_void_p))


def equation_text(eqn: Eqn) -> str:
    """An equation alone, as text; its operands are variables."""
    inputs = tuple(Var(x.type) for x in eqn.inputs)
    outputs = tuple(Var(v.type) for v in eqn.outputs)
    return format_graph(Graph(inputs, (Eqn(eqn.primitive, inputs, eqn.params, outputs),), outputs))


class HostCalls:
    """The callback of a program.

    Attributes:
        address: of the C function `(number of the equation, addresses of operands and results) -> 0, or 1 for an error`.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._eqns = [parse_graph(text).eqns[0] for text in texts]
        self._function = _CALLBACK(self._run)
        self.address = ctypes.cast(self._function, ctypes.c_void_p).value or 0
        self._error: tuple[str, BaseException] | None = None

    @property
    def names(self) -> list[str]:
        """The primitives, in order."""
        return [eqn.primitive.name for eqn in self._eqns]

    def _run(self, number: int, addresses: ctypes.Array) -> int:
        """No exception may leave: nothing in the native program could catch it."""
        eqn = self._eqns[number]
        try:
            arrays = [_array(addresses[i], v.type) for i, v in enumerate((*eqn.inputs, *eqn.outputs))]
            results = eqn.primitive.numpy(*arrays[: len(eqn.inputs)], **eqn.params)
            values = results if isinstance(results, tuple) else (results,)
            for target, value in zip(arrays[len(eqn.inputs) :], values, strict=True):
                np.copyto(target, value)
            return 0
        except BaseException as error:
            self._error = self._error or (eqn.primitive.name, error)
            return 1

    def check(self) -> None:
        """Raise what went wrong during the last call.

        Raises:
            LamellaError: from the exception of the equation.
            BaseException: itself, if it was an interrupt.
        """
        if self._error is None:
            return
        (name, error), self._error = self._error, None
        if not isinstance(error, Exception):
            raise error
        raise LamellaError(f"{name} failed inside of a compiled program: {error}. What the program computed from there on, "
                           "variables that it assigned among them, is meaningless.") from error


def _array(address: int, type: TensorType) -> np.ndarray:
    memory = (ctypes.c_char * type.nbytes).from_address(address)
    return np.ndarray(type.shape, numpy_dtype(type.dtype), memory)
