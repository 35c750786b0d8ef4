"""Numeric preprocessing: Rescaling and Normalization."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class Rescaling(Layer):
    """x · scale + offset, in the layer's dtype whatever that of the inputs (uint8 images become floats).

    Args:
        scale, offset: numbers, or arrays that broadcast to the inputs.

    Example:
        >>> Rescaling(1 / 255)(np.array([[0, 255]], np.uint8)).numpy().tolist()
        [[0.0, 1.0]]
    """

    supports_masking = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        scale, offset = (ops.convert_to_tensor(value, self.compute_dtype) for value in (self.scale, self.offset))
        return ops.cast(inputs, self.compute_dtype) * scale + offset

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": _plain(self.scale), "offset": _plain(self.offset)}


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


@LAYERS.register()
class Normalization(Layer):
    """(x − mean) / √variance, with statistics that are given or come from `adapt`.

    A feature without any variance is only shifted: it becomes 0. (Keras divides by 1e-7 there.)

    Args:
        axis: the axes that keep statistics of their own; None for one mean and variance of everything.
        mean, variance: both or none; broadcast to the kept axes.
        invert: compute x · √variance + mean instead.

    Raises:
        ValueError: only one of mean and variance, a negative variance, or use before `adapt`.

    Example:
        >>> layer = Normalization()
        >>> layer.adapt(np.array([[0.0, 5.0], [2.0, 5.0]]))
        >>> layer(np.array([[0.0, 5.0], [2.0, 6.0]])).numpy().tolist()
        [[-1.0, 0.0], [1.0, 1.0]]
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] | None = -1, mean: Any = None, variance: Any = None,
                 invert: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if (mean is None) != (variance is None):
            raise ValueError(f"Layer {self.name!r} needs both mean and variance, or none of them.")
        if variance is not None and np.any(np.asarray(variance) < 0):
            raise ValueError(f"Layer {self.name!r} needs a variance >= 0, received {variance!r}.")
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.input_mean, self.input_variance, self.invert = mean, variance, bool(invert)
        self.mean: Any = None
        self.variance: Any = None
        self.count: Any = None
        self._keep: tuple[int, ...] = ()
        self._rank = 0

    def build(self, input_shape: Sequence[int | None]) -> None:
        self._rank = len(input_shape)
        if any(not -self._rank <= axis < self._rank for axis in self.axis):
            raise ShapeError(f"Layer {self.name!r} has axis {self.axis}, "
                             f"received inputs of shape {tuple(input_shape)}.")
        self._keep = tuple(sorted(axis % self._rank for axis in self.axis))
        shape = tuple(size for axis in self._keep if (size := input_shape[axis]) is not None)
        if len(shape) < len(self._keep):
            raise ShapeError(f"Layer {self.name!r} needs a known size on axis {self.axis}, "
                             f"received inputs of shape {tuple(input_shape)}.")
        if self.input_mean is not None:  # constants, no weights: they are part of the config
            self.mean = _of_shape(self.input_mean, shape, self.variable_dtype)
            self.variance = _of_shape(self.input_variance, shape, self.variable_dtype)
        else:
            self.mean = self.add_weight(shape, "zeros", name="mean", trainable=False)
            self.variance = self.add_weight(shape, "ones", name="variance", trainable=False)
            self.count = self.add_weight((), "zeros", name="count", dtype="int32", trainable=False)
        sizes = {axis: input_shape[axis] for axis in self._keep}
        self.input_spec = InputSpec(ndim=self._rank, axes=sizes)

    def adapt(self, data: Any) -> None:
        """Take mean and (population) variance from data, replacing what was there.

        Args:
            data: an array, or an iterable of batches; of a tuple the first item counts. Sums are taken in float64.

        Raises:
            ValueError: mean and variance were given to the constructor, or there are no data.
        """
        if self.input_mean is not None:
            raise ValueError(f"Layer {self.name!r} has fixed mean and variance; it cannot adapt.")
        total: tuple[int, Any, Any] = (0, 0.0, 0.0)
        for batch in [data] if hasattr(data, "__array__") else data:
            array = np.asarray(batch[0] if isinstance(batch, tuple) else batch, np.float64)
            if not self.built:
                self.build((None, *array.shape[1:]))
            total = _merge(total, self._moments(array))
        if not total[0]:
            raise ValueError(f"Layer {self.name!r} cannot adapt to no data.")
        shape = self.mean.shape
        self.mean.assign(_of_shape(total[1], shape, self.variable_dtype))
        self.variance.assign(_of_shape(total[2] / total[0], shape, self.variable_dtype))
        self.count.assign(np.int32(min(total[0], 2**31 - 1)))

    def _moments(self, array: np.ndarray) -> tuple[int, Any, Any]:
        """Count, mean and sum of squared deviations over the axes that are not kept."""
        axes = tuple(axis for axis in range(array.ndim) if axis not in self._keep)
        count = math.prod(array.shape[axis] for axis in axes)
        if not count:
            return 0, 0.0, 0.0
        mean = array.mean(axis=axes, keepdims=True)
        return count, mean.reshape(self.mean.shape), np.square(array - mean).sum(axis=axes)

    def call(self, inputs: Tensor) -> Tensor:
        shape = [1] * self._rank
        for axis, size in zip(self._keep, self.mean.shape, strict=True):
            shape[axis] = size
        mean = ops.reshape(ops.cast(self.mean, self.compute_dtype), shape)
        deviation = ops.sqrt(ops.reshape(ops.cast(self.variance, self.compute_dtype), shape))
        deviation = ops.where(deviation > 0, deviation, ops.ones_like(deviation))
        x = ops.cast(inputs, self.compute_dtype)
        return x * deviation + mean if self.invert else (x - mean) / deviation

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        axis = list(self.axis) if len(self.axis) > 1 else self.axis[0] if self.axis else None
        return {**super().get_config(), "axis": axis, "invert": self.invert, "mean": _plain(self.input_mean),
                "variance": _plain(self.input_variance)}


def _of_shape(value: Any, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Statistics for the kept axes, which may come with axes of size 1 around them."""
    array = np.asarray(value)
    return np.broadcast_to(array if array.ndim <= len(shape) else np.squeeze(array), shape).astype(dtype)


def _merge(a: tuple[int, Any, Any], b: tuple[int, Any, Any]) -> tuple[int, Any, Any]:
    """Moments of two sets together: the exact pairwise formula of Chan et al. 1979."""
    if not a[0] or not b[0]:
        return b if not a[0] else a
    count, delta = a[0] + b[0], b[1] - a[1]
    return count, a[1] + delta * (b[0] / count), a[2] + b[2] + np.square(delta) * (a[0] * b[0] / count)
