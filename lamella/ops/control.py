"""Loops: `scan`, `fori_loop`, `while_loop`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella import tree
from lamella.errors import LamellaError, ShapeError
from lamella.frontend import Tensor, bind, convert_to_tensor, is_tracing
from lamella.frontend.looping import loop, scan_loop
from lamella.ops.logic import where


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any = None, length: int | None = None,
    reverse: bool = False, unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Steps that hand a state on: `carry, ys[t] = f(carry, xs[t])` for t = 0 ... length - 1.

    `f` is traced once, and the steps run as one loop: in a compiled program natively, otherwise in the interpreter.

    Args:
        f: function of the state and a row; tensors and variables from around may be used.
        init: tree of tensors, the state before the first step.
        xs: tree of tensors (length, ...), or None.
        length: number of steps, needed without `xs`.
        reverse: whether t runs from the end to 0.
        unroll: accepted for compatibility; loops are never unrolled.

    Returns:
        The last state, and the tree of the `ys`, each (length, ...).

    Raises:
        ShapeError: lengths differ, or the state changes its type.

    Source:
        keras.ops.scan.

    Example:
        >>> total, sums = scan(lambda total, x: (total + x, total + x), 0.0, [1.0, 2.0, 3.0])
        >>> total.item(), sums.numpy().tolist()
        (6.0, [1.0, 3.0, 6.0])
    """
    del unroll
    xs = None if xs is None else _rows_of(xs)
    carry = tree.map_structure(convert_to_tensor, init)
    steps = _length(xs, length)
    structure: list[Any] = []

    def step(index: Tensor, *leaves: Tensor) -> tuple[list[Any], list[Any]]:
        after, y = f(tree.unflatten(carry, leaves), tree.map_structure(lambda x: _row(x, index), xs))
        if len(tree.flatten(after)) != len(leaves):
            raise ShapeError(f"scan: the state has {len(leaves)} tensors, f returned {len(tree.flatten(after))}.")
        structure.append(y)
        return tree.flatten(after), [leaf for leaf in tree.flatten(y) if leaf is not None]

    last, rows = scan_loop(steps, step, tree.flatten(carry), bool(reverse), getattr(f, "__name__", "scan").strip("<>"))
    remaining = iter(rows)
    ys = tree.map_structure(lambda leaf: None if leaf is None else next(remaining), structure[0])
    return tree.unflatten(carry, last), ys


def _rows_of(xs: Any) -> Any:
    """Tensors, or a list of plain numbers as one tensor."""
    if isinstance(xs, (list, tuple)) and all(isinstance(leaf, (int, float)) for leaf in tree.flatten(xs)):
        return convert_to_tensor(xs)
    return tree.map_structure(lambda x: None if x is None else convert_to_tensor(x), xs)


def _length(xs: Any, length: int | None) -> int:
    leaves = [x for x in tree.flatten(xs) if x is not None]
    if any(not x.ndim for x in leaves):
        raise ShapeError("scan needs xs with a first axis to walk along, received a scalar.")
    lengths = {x.shape[0] for x in leaves} | ({int(length)} if length is not None else set())
    if len(lengths) != 1:
        raise ShapeError(f"scan needs one length: from xs, or as an argument; received {sorted(lengths) or 'none'}.")
    return lengths.pop()


def _row(x: Any, index: Tensor) -> Any:
    if x is None:
        return None
    if not x.shape[0]:
        return bind("broadcast", convert_to_tensor(0, x.dtype), shape=x.shape[1:])
    return bind("reshape", bind("dynamic_slice", x, index, size=1), shape=x.shape[1:])


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Tensor, Any], Any], init_val: Any) -> Any:
    """`for i in range(lower, upper): val = body_fun(i, val)`.

    Args:
        lower, upper: numbers, or integer scalars known at run time (then without gradient in a compiled program).
        body_fun: function of the index (int32) and the value; traced once.
        init_val: tree of tensors.

    Raises:
        ShapeError: the value changes its type, or a bound is no integer scalar.

    Source:
        keras.ops.fori_loop.

    Example:
        >>> fori_loop(0, 4, lambda i, x: x + i, 0).item()
        6
    """
    value = tree.map_structure(convert_to_tensor, init_val)

    def step(index: Tensor, *leaves: Tensor) -> list[Any]:
        return tree.flatten(body_fun(bind("cast", index, dtype="int32"), tree.unflatten(value, leaves)))

    name = getattr(body_fun, "__name__", "fori_loop").strip("<>")
    return tree.unflatten(value, loop(lower, upper, step, tree.flatten(value), name))


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """`while cond(*vars): vars = body(*vars)`.

    Eagerly the conditions are looked at one by one. In a trace the loop needs `maximum_iterations`: that many steps
    run, and those after the condition has failed leave the variables as they are; so its gradient exists too.

    Args:
        cond: function of the variables that gives a bool scalar.
        body: function of the variables that gives the new ones.
        loop_vars: list or tuple of trees of tensors, or a single one.
        maximum_iterations: most steps.

    Raises:
        LamellaError: in a trace, without `maximum_iterations`.

    Source:
        keras.ops.while_loop.

    Example:
        >>> while_loop(lambda x: x < 100, lambda x: x * 2, 3).item()
        192
    """
    several = isinstance(loop_vars, (list, tuple))
    values = tree.map_structure(convert_to_tensor, tuple(loop_vars) if several else (loop_vars,))
    if not is_tracing():
        values = _eager_while(cond, body, values, maximum_iterations)
    elif maximum_iterations is None:
        raise LamellaError("while_loop in a compiled function needs maximum_iterations, as its programs have no loops "
                           "of open length.")
    else:
        values = fori_loop(0, maximum_iterations, lambda _, old: _if(cond(*old), _call(body, old), old), values)
    return type(loop_vars)(values) if several else values[0]


def _call(body: Callable[..., Any], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """One step, in the structure of `values`."""
    result = body(*values)
    result = tuple(result) if isinstance(result, (list, tuple)) and len(result) == len(values) else (result,)
    return tree.unflatten(values, tree.flatten(result))


def _if(condition: Any, new: Any, old: Any) -> Any:
    return tree.map_structure(lambda a, b: where(condition, a, b), new, old)


def _eager_while(cond: Callable[..., Any], body: Callable[..., Any], values: Any, most: int | None) -> Any:
    steps = 0
    while (most is None or steps < most) and bool(convert_to_tensor(cond(*values))):
        values = tree.map_structure(convert_to_tensor, _call(body, values))
        steps += 1
    return values
