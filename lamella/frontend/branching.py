"""`cond`: a choice whose condition may only be known at run time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella import tree
from lamella.errors import ShapeError
from lamella.frontend.binding import bind, convert_to_tensor, promote
from lamella.frontend.state import state


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """The results of `true_fn()` if `pred` holds, else those of `false_fn()`.

    A known predicate runs one branch. In a trace both are computed and the result, as well as what they assigned to
    variables, is chosen by element; so neither may rely on not being run.

    Raises:
        ShapeError: the predicate isn't a scalar, or the branches return different structures.

    Example:
        >>> cond(True, lambda: convert_to_tensor(1), lambda: convert_to_tensor(2)).item()
        1
    """
    pred = convert_to_tensor(pred)
    if pred.shape != ():
        raise ShapeError(f"cond needs a scalar predicate, received shape {pred.shape}; see ops.where.")
    if pred._array is not None:
        return true_fn() if pred.item() else false_fn()
    if pred.dtype != "bool":
        pred = pred != 0
    trace = state.trace
    before = dict(trace.assigned)
    chosen, after_true = true_fn(), trace.assigned
    trace.assigned = dict(before)
    other, after_false = false_fn(), trace.assigned
    for variable in {**after_true, **after_false}:
        trace.assigned = before
        old = trace.read(variable)
        sides = after_true.get(variable, old), after_false.get(variable, old)
        before = {**before, variable: bind("select", pred, *sides)}
    trace.assigned = before
    return _choose(pred, chosen, other)


def _choose(pred: Any, x: Any, y: Any) -> Any:
    left, right = tree.flatten(x), tree.flatten(y)
    if len(left) != len(right):
        raise ShapeError(f"cond: the branches return {len(left)} and {len(right)} values.")
    return tree.unflatten(
        x,
        [
            None if a is None and b is None else bind("select", pred, *promote(a, b))
            for a, b in zip(left, right, strict=True)
        ],
    )
