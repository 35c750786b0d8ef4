"""Random numbers by rejection: a fixed number of rounds, in which each element keeps its first accepted candidate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamella.frontend.arithmetic import add, divide, maximum, minimum, multiply, subtract
from lamella.frontend.binding import bind, cast, convert_to_tensor
from lamella.frontend.draws import bits, float_dtype, normal, open_unit, shape_of, unit
from lamella.frontend.dtypes import standardize_dtype
from lamella.frontend.looping import loop
from lamella.frontend.tensor import Tensor


def _subkeys(count: int, seed: Any) -> Tensor:
    """Keys (count, 2) that follow from one."""
    return bits((count, 2), seed)


def _rejection(rounds: int, shape: tuple[int, ...], dtype: str, seed: Any, candidate: Callable[[Tensor, Tensor], Any]) -> Tensor:
    """The first accepted candidate of each element; `candidate(key, key)` gives values and whether to accept them."""
    keys = _subkeys(2 * rounds, seed)

    def attempt(i: Tensor, value: Tensor, done: Tensor) -> list[Tensor]:
        first = multiply(i, 2)
        pair = [bind("reshape", bind("dynamic_slice", keys, add(first, k), size=1), shape=(2,)) for k in (0, 1)]
        drawn, accepted = candidate(*pair)
        return [bind("select", done, value, drawn), bind("logical_or", done, accepted)]

    start = [bind("broadcast", convert_to_tensor(v), shape=shape) for v in (cast(0, dtype), False)]
    return loop(0, rounds, attempt, start, "rejection")[0]


_GAMMA_ROUNDS = 14  # a candidate is rejected with probability 0.05 at most


def _gamma_parts(shape: tuple[int, ...], alpha: Any, dtype: str, seed: Any) -> tuple[Tensor, Tensor]:
    """(g, s) with g e^s gamma distributed; s is 0 for alpha >= 1.

    Marsaglia and Tsang 2000, "A simple method for generating gamma variables": d v, v = (1 + c x)^3, x normal, d = alpha - 1/3 and
    c = 1 / sqrt(9 d), accepted where log u < x^2 / 2 + d - d v + d log v. Below 1: alpha + 1, times u^(1 / alpha).
    """
    alpha = bind("broadcast", cast(alpha, dtype), shape=shape)
    small = alpha < 1
    d = add(bind("select", small, add(alpha, 1.0), alpha), -1 / 3)
    c = divide(1 / 3, bind("sqrt", d))

    def candidate(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        x = normal(shape, dtype=dtype, seed=one)
        root = add(multiply(c, x), 1.0)
        v = multiply(multiply(root, root), root)
        inside = root > 0
        log_v = bind("log", bind("select", inside, v, cast(bind("broadcast", convert_to_tensor(1), shape=shape), dtype)))
        bound = add(multiply(multiply(x, x), 0.5), multiply(d, add(subtract(1.0, v), log_v)))
        return multiply(d, v), bind("logical_and", inside, bind("log", _between(shape, other, dtype)) < bound)

    keys = _subkeys(2, seed)
    drawn = _rejection(_GAMMA_ROUNDS, shape, dtype, keys[0], candidate)
    shrink = divide(bind("log", _between(shape, keys[1], dtype)), alpha)
    return drawn, bind("select", small, shrink, multiply(shrink, 0.0))


def _between(shape: tuple[int, ...], seed: Any, dtype: str) -> Tensor:
    """Uniform on (0, 1), never an end."""
    return multiply(add(open_unit(shape, seed, dtype), 1.0), 0.5)


def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Gamma distributed, density x^(alpha - 1) e^-x / Gamma(alpha). No gradient towards alpha.

    Args:
        shape: of the result.
        alpha: positive number, or a tensor that broadcasts to `shape`.
        dtype: float dtype; None is `lamella.config.floatx`.
        seed: see `uniform`.
    """
    name = float_dtype(dtype)
    drawn, shrink = _gamma_parts(shape_of(shape), alpha, _wide(name), seed)
    return cast(bind("stop_gradient", multiply(drawn, bind("exp", shrink))), name)


def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Beta distributed, density x^(alpha - 1) (1 - x)^(beta - 1) / B(alpha, beta): a / (a + b) of two gamma distributed numbers, by
    their logarithms. No gradient towards alpha and beta.

    Args:
        shape: of the result.
        alpha, beta: positive numbers, or tensors that broadcast to `shape`.
        dtype: float dtype; None is `lamella.config.floatx`.
        seed: see `uniform`.
    """
    name = float_dtype(dtype)
    keys = _subkeys(2, seed)
    logs = []
    for parameter, key in ((alpha, keys[0]), (beta, keys[1])):
        drawn, shrink = _gamma_parts(shape_of(shape), parameter, _wide(name), key)
        logs.append(add(bind("log", drawn), shrink))
    return cast(bind("stop_gradient", bind("logistic", subtract(*logs))), name)


def _wide(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


_BINOMIAL_ROUNDS, _BINOMIAL_STEPS = 30, 60
_BINOMIAL_SPLIT = 10.0  # expected successes below which the distribution function is inverted
# log k! - (k + 1/2) log(k + 1) + (k + 1) - log(2 pi) / 2 for k < 10.
_STIRLING = [math.lgamma(k + 1) - (k + 0.5) * math.log(k + 1) + (k + 1) - 0.5 * math.log(2 * math.pi) for k in range(10)]


def binomial(shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """How many of `counts` trials succeed, each with the given probability.

    Args:
        shape: of the result.
        counts, probabilities: numbers, or tensors that broadcast to `shape`.
        dtype: of the result; None is `lamella.config.floatx`.
        seed: see `uniform`.
    """
    size, work = shape_of(shape), "float64"
    n, p = (bind("broadcast", cast(v, work), shape=size) for v in (counts, probabilities))
    flipped = p > 0.5
    rare = bind("select", flipped, subtract(1.0, p), p)
    few = multiply(n, rare) < _BINOMIAL_SPLIT
    half, safe_n = (bind("broadcast", cast(v, work), shape=size) for v in (0.5, 100.0))
    keys = _subkeys(2, seed)
    small = _inversion(n, bind("select", few, rare, multiply(rare, 0.0)), keys[0])
    large = _transformed_rejection(bind("select", few, safe_n, n), bind("select", few, half, rare), keys[1])
    drawn = bind("select", few, small, large)
    return cast(bind("select", flipped, subtract(n, drawn), drawn), standardize_dtype(dtype))


def _inversion(n: Tensor, p: Tensor, seed: Any) -> Tensor:
    """The number of k for which u is not below the distribution function at k, the probabilities of k following from each other."""
    u = unit(n.shape, seed, "float64")
    odds = divide(p, subtract(1.0, p))

    def step(k: Tensor, count: Tensor, below: Tensor, mass: Tensor) -> list[Tensor]:
        k = cast(k, "float64")
        below = add(below, mass)
        mass = multiply(mass, multiply(divide(subtract(n, k), add(k, 1.0)), odds))
        return [add(count, cast(u >= below, "float64")), below, maximum(mass, 0.0)]

    none = multiply(n, 0.0)
    first = bind("exp", multiply(n, bind("log1p", bind("neg", p))))
    return minimum(loop(0, _BINOMIAL_STEPS, step, [none, none, first], "inversion")[0], n)


def _transformed_rejection(n: Tensor, p: Tensor, seed: Any) -> Tensor:
    """Hormann 1993, "The generation of binomial random variates": BTRS, for n p >= 10 and p <= 1/2."""
    q = subtract(1.0, p)
    spread = bind("sqrt", multiply(multiply(n, p), q))
    b = add(multiply(spread, 2.53), 1.15)
    a = add(add(multiply(b, 0.0248), multiply(p, 0.01)), -0.0873)
    centre, sure = add(multiply(n, p), 0.5), subtract(0.92, divide(4.2, b))
    alpha, ratio = multiply(add(divide(5.1, b), 2.83), spread), divide(p, q)
    mode = bind("floor", multiply(add(n, 1.0), p))

    def log_weight(k: Tensor) -> Tensor:
        """log of the probability of k, without what doesn't depend on k."""
        rest = subtract(n, k)
        powers = multiply(add(k, 0.5), bind("log", divide(multiply(ratio, add(rest, 1.0)), add(k, 1.0))))
        return subtract(subtract(powers, multiply(add(n, 1.0), bind("log", add(rest, 1.0)))), add(_stirling(k), _stirling(rest)))

    top = log_weight(mode)

    def candidate(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        u, v = multiply(open_unit(n.shape, one, "float64"), 0.5), _between(n.shape, other, "float64")
        us = subtract(0.5, bind("abs", u))
        k = bind("floor", add(multiply(add(divide(multiply(a, 2.0), us), b), u), centre))
        inside = bind("logical_and", k >= 0, k <= n)
        at = maximum(minimum(k, n), 0.0)
        height = bind("log", divide(multiply(v, alpha), add(divide(a, multiply(us, us)), b)))
        quick = bind("logical_and", us >= 0.07, v <= sure)
        return at, bind("logical_and", inside, bind("logical_or", quick, height <= subtract(log_weight(at), top)))

    return _rejection(_BINOMIAL_ROUNDS, n.shape, "float64", seed, candidate)


def _stirling(k: Tensor) -> Tensor:
    """log k! - (k + 1/2) log(k + 1) + (k + 1) - log(2 pi) / 2."""
    inverse = divide(1.0, add(k, 1.0))
    square = multiply(inverse, inverse)
    series = multiply(inverse, subtract(1 / 12, multiply(square, subtract(1 / 360, multiply(square, 1 / 1260)))))
    table = convert_to_tensor(np.asarray(_STIRLING))
    return bind("select", k < 10, bind("gather", table, cast(minimum(k, 9.0), "int32")), series)
