"""Checks of values on the host: a compiled program cannot raise, so what it must not see is looked for in its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.frontend.state import state
from lamella.frontend.tensor import TensorLike
from lamella.ir import Eqn, Var

Check = Callable[[np.ndarray], None]

# They change the form of a value, not what it says.
_FORMS = ("cast", "reshape", "stop_gradient")


def check_values(x: TensorLike, check: Check) -> None:
    """Have `check` look at the values of a tensor: now if they are known, otherwise before each run of the program.

    In a program only values that come straight from its inputs (perhaps cast or reshaped) can be looked at; then
    `check` gets the input itself, in its own dtype and shape. Others stay unchecked.

    Args:
        x: the tensor.
        check: raises for values that must not be.

    Example:
        >>> from lamella.frontend import convert_to_tensor
        >>> def positive(values):
        ...     if values.min() <= 0:
        ...         raise ValueError("not positive")
        >>> check_values(convert_to_tensor([1, 0]), positive)
        Traceback (most recent call last):
        ValueError: not positive
    """
    if x._array is not None:
        check(x._array)
    elif state.trace is not None:
        state.trace.checks.append((state.trace.atom(x), check))


def on_inputs(checks: Sequence[tuple[Any, Check]], eqns: Sequence[Eqn], inputs: Sequence[Var]) -> list[tuple[int, Check]]:
    """The checks whose value is an input in some form, with the input's position."""
    sources = {eqn.outputs[0]: eqn.inputs[0] for eqn in eqns if eqn.primitive.name in _FORMS}
    position = {var: i for i, var in enumerate(inputs)}
    found = []
    for atom, check in checks:
        while atom in sources:
            atom = sources[atom]
        if atom in position:
            found.append((position[atom], check))
    return found
