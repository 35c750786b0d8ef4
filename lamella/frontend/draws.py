"""Random numbers that follow from uniform ones by a formula; pure functions of a key (`seeds.py`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamella.errors import DTypeError
from lamella.frontend.arithmetic import add, divide, maximum, minimum, multiply, subtract
from lamella.frontend.binding import bind, cast, convert_to_tensor, promote
from lamella.frontend.dtypes import standardize_dtype
from lamella.frontend.seeds import draw_key
from lamella.frontend.special import erfinv
from lamella.frontend.tensor import Tensor
from lamella.ir.types import is_float, is_int

_WORD = 2.0**-32


def shape_of(shape: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in shape) if isinstance(shape, Sequence) else (int(shape),)


def bits(shape: Any, seed: Any = None) -> Tensor:
    """uint32 words, all equally likely."""
    return bind("random_bits", draw_key(seed), shape=shape_of(shape))


def _small_integers(words: Tensor, keep: int) -> Tensor:
    """The top `keep` bits (at most 31) as non-negative int32, which converts to float fast and exactly."""
    shifted = bind("shift_right", words, convert_to_tensor(32 - keep, "uint32"))
    return bind("bitcast", shifted, dtype="int32")


def unit(shape: tuple[int, ...], seed: Any, dtype: str) -> Tensor:
    """Uniform on [0, 1): multiples of 2^-24, of 2^-53 for float64."""
    if dtype != "float64":
        return cast(multiply(cast(_small_integers(bits(shape, seed), 24), "float32"), 2.0**-24), dtype)
    words = bits((2, *shape), seed)
    high, low = _small_integers(words[0], 27), _small_integers(words[1], 26)
    return add(multiply(cast(high, dtype), 2.0**-27), multiply(cast(low, dtype), 2.0**-53))


def open_unit(shape: tuple[int, ...], seed: Any, dtype: str) -> Tensor:
    """Uniform and symmetric on (-1, 1), never an end: (2 k + 1) / 2^23 - 1, exact in float32."""
    if dtype == "float64":
        return subtract(multiply(add(unit(shape, seed, dtype), 2.0**-54), 2.0), 1.0 - 2.0**-53)
    odd = add(multiply(_small_integers(bits(shape, seed), 23), 2), 1)
    return subtract(multiply(cast(odd, "float32"), 2.0**-23), 1.0)


def float_dtype(dtype: Any) -> str:
    name = standardize_dtype(dtype)
    if not is_float(name):
        raise DTypeError(f"This distribution needs a float dtype, received {name}.")
    return name


def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Tensor:
    """Uniform on [minval, maxval): minval + (maxval - minval) * u.

    Args:
        shape: of the result.
        minval, maxval: numbers, or tensors that broadcast to `shape`.
        dtype: float dtype, or an integer dtype for `randint`.
        seed: None (the global generator), an integer (the same numbers each time), or a SeedGenerator.

    Example:
        >>> bool((uniform((100,), 2.0, 3.0, seed=1).numpy() >= 2.0).all())
        True
    """
    if dtype is not None and is_int(standardize_dtype(dtype)):
        return randint(shape, minval, maxval, dtype, seed)
    name = float_dtype(dtype)
    u = unit(shape_of(shape), seed, name)
    return cast(add(multiply(u, subtract(maxval, minval)), minval), name)


def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Tensor:
    """Normally distributed: mean + stddev * sqrt(2) * erfinv(u), u uniform on (-1, 1).

    Args:
        shape: of the result.
        mean, stddev: numbers, or tensors that broadcast to `shape`.
        dtype: float dtype; None is `lamella.config.floatx`.
        seed: see `uniform`.
    """
    name = float_dtype(dtype)
    z = multiply(erfinv(open_unit(shape_of(shape), seed, name)), math.sqrt(2))
    return cast(add(multiply(cast(z, name), stddev), mean), name)


def truncated_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Tensor:
    """Normally distributed within two standard deviations: values beyond have probability 0.

    Formula: mean + stddev * sqrt(2) * erfinv(u), u uniform on (-erf(sqrt 2), erf(sqrt 2)).
    """
    name = float_dtype(dtype)
    limit = math.erf(math.sqrt(2))
    z = multiply(erfinv(multiply(open_unit(shape_of(shape), seed, name), limit)), math.sqrt(2))
    inside = maximum(minimum(z, 2.0), -2.0)
    return cast(add(multiply(cast(inside, name), stddev), mean), name)


def randint(shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Integers, uniform on [minval, maxval); the range may be up to 2^32 wide."""
    name = standardize_dtype(dtype)
    if not is_int(name):
        raise DTypeError(f"randint needs an integer dtype, received {name}.")
    low, high = (cast(v, "float64") for v in promote(cast(minval, "float64"), cast(maxval, "float64")))
    u = multiply(cast(bits(shape_of(shape), seed), "float64"), _WORD)
    return cast(add(bind("floor", multiply(u, subtract(high, low))), low), name)


def bernoulli(shape: Any, p: float, seed: Any = None) -> Tensor:
    """A bool mask that is True with probability `p`: random word < p * 2^32."""
    threshold = min(max(round(p * 2**32), 0), 2**32)
    words = bits(shape, seed)
    if threshold == 2**32:
        return bind("eq", words, words)
    return bind("lt", words, convert_to_tensor(threshold, "uint32"))


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Tensor:
    """Set elements to 0 with probability `rate` and scale the others by 1 / (1 - rate).

    Args:
        inputs: float tensor.
        rate: from 0 to 1.
        noise_shape: shape of the mask, broadcast to the inputs'; None is the inputs' shape.
        seed: see `uniform`.
    """
    x = convert_to_tensor(inputs)
    if rate <= 0:
        return x
    shape = x.shape if noise_shape is None else [x.shape[i] if n is None else n for i, n in enumerate(noise_shape)]
    keep = bernoulli(shape, 1.0 - rate, seed)
    scaled = multiply(x, 1.0 / (1.0 - rate)) if rate < 1 else x
    return bind("select", keep, scaled, convert_to_tensor(0, x.dtype))


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Class numbers drawn from `logits (batch, classes)`: argmax(logits + Gumbel noise); result `(batch,
    num_samples)`.
    """
    x = convert_to_tensor(logits)
    u = divide(add(open_unit((x.shape[0], num_samples, x.shape[1]), seed, "float32"), 1.0), 2.0)
    gumbel = bind("neg", bind("log", bind("neg", bind("log", u))))
    scores = add(bind("reshape", x, shape=(x.shape[0], 1, x.shape[1])), gumbel)
    return cast(bind("argmax", scores, axis=2), dtype)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Tensor:
    """The elements along `axis` in random order."""
    tensor = convert_to_tensor(x)
    axis %= tensor.ndim
    _, order = bind("sort", bits((tensor.shape[axis],), seed))
    return tensor[(slice(None),) * axis + (order,)]
