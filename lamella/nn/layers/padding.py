"""`ZeroPadding1D`–`3D` and `Cropping1D`–`3D`."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.shaping import same_dtype_spec
from lamella.nn.layers.spatial import Sizes, SpatialLayer

Pairs = tuple[tuple[int, int], ...]


def _pairs(argument: str, value: Any, rank: int, layer_name: str) -> Pairs:
    """(before, after) per axis, from one int, one int per axis, or pairs; with one axis, from a pair."""
    values = [value] * rank if isinstance(value, int) else list(value) if isinstance(value, (list, tuple)) else []
    if rank == 1 and len(values) == 2:
        values = [tuple(values)]
    try:
        pairs = [tuple(map(operator.index, v if isinstance(v, (list, tuple)) else (v, v))) for v in values]
    except TypeError:
        pairs = []
    if len(pairs) != rank or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ValueError(f"{argument} of layer {layer_name!r} must be an int >= 0, or for each of {rank} axes an int "
                         f"or a pair (before, after), received {value!r}.")
    return tuple((before, behind) for before, behind in pairs)


class _ZeroPadding(SpatialLayer):
    """Zeros before and behind the spatial axes.

    Args:
        padding: number of zeros: one int, one int per axis (before and behind), or a pair (before, behind) per axis.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a negative number, or another number of axes.
    """

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._widths = _pairs("padding", padding, self.rank, self.name)
        self.padding: Any = self._widths[0] if self.rank == 1 else self._widths

    def call(self, inputs: Tensor) -> Tensor:
        widths = [(0, 0)] * (self.rank + 2)
        for axis, pair in zip(self._spatial_axes, self._widths, strict=True):
            widths[axis] = pair
        return ops.pad(inputs, widths)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Sizes:
        pairs = zip(self._spatial(input_shape), self._widths, strict=True)
        sizes = [None if n is None else n + sum(pair) for n, pair in pairs]
        return self._shape(input_shape[0], sizes, input_shape[self._channel_axis])

    def compute_output_spec(self, inputs: Any) -> Any:
        return same_dtype_spec(self, inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding}


class _Cropping(SpatialLayer):
    """The inputs without their borders.

    Args:
        cropping: number of elements to cut off: one int, one int per axis (before and behind), or a pair (before,
            behind) per axis.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a negative number, or another number of axes.
        ShapeError: nothing would remain.
    """

    def __init__(self, cropping: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._widths = _pairs("cropping", cropping, self.rank, self.name)
        self.cropping: Any = self._widths[0] if self.rank == 1 else self._widths

    def call(self, inputs: Tensor) -> Tensor:
        self.compute_output_shape(inputs.shape)
        key = [slice(None)] * (self.rank + 2)
        for axis, (before, behind) in zip(self._spatial_axes, self._widths, strict=True):
            key[axis] = slice(before, inputs.shape[axis] - behind)
        return inputs[tuple(key)]

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Sizes:
        spatial = self._spatial(input_shape)
        sizes = [None if n is None else n - sum(pair) for n, pair in zip(spatial, self._widths, strict=True)]
        if any(n is not None and n <= 0 for n in sizes):
            raise ShapeError(f"Layer {self.name!r} cuts {self.cropping} off, received inputs of spatial shape "
                             f"{spatial}: nothing would remain.")
        return self._shape(input_shape[0], sizes, input_shape[self._channel_axis])

    def compute_output_spec(self, inputs: Any) -> Any:
        return same_dtype_spec(self, inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cropping": self.cropping}


@LAYERS.register()
class ZeroPadding1D(_ZeroPadding):
    __doc__ = f"""Zeros at both ends of one axis.

    {_ZeroPadding.__doc__}

    Example:
        >>> ZeroPadding1D((0, 2))(ops.ones((1, 1, 1))).numpy().ravel().tolist()
        [1.0, 0.0, 0.0]
    """

    rank = 1


@LAYERS.register()
class ZeroPadding2D(_ZeroPadding):
    __doc__ = f"""Zeros around images.

    {_ZeroPadding.__doc__}

    Example:
        >>> ZeroPadding2D((1, 2))(ops.ones((2, 7, 7, 3))).shape
        (2, 9, 11, 3)
    """

    rank = 2


@LAYERS.register()
class ZeroPadding3D(_ZeroPadding):
    __doc__ = f"""Zeros around volumes.

    {_ZeroPadding.__doc__}

    Example:
        >>> ZeroPadding3D()(ops.ones((2, 3, 4, 5, 1))).shape
        (2, 5, 6, 7, 1)
    """

    rank = 3


@LAYERS.register()
class Cropping1D(_Cropping):
    __doc__ = f"""Both ends of one axis cut off; the channels stand last.

    {_Cropping.__doc__}

    Example:
        >>> Cropping1D((1, 0))(ops.ones((2, 7, 3))).shape
        (2, 6, 3)
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(cropping, **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["data_format"]
        return config


@LAYERS.register()
class Cropping2D(_Cropping):
    __doc__ = f"""The borders of images cut off.

    {_Cropping.__doc__}

    Example:
        >>> Cropping2D(((1, 0), 2))(ops.ones((2, 7, 7, 3))).shape
        (2, 6, 3, 3)
    """

    rank = 2

    def __init__(self, cropping: Any = 0, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


@LAYERS.register()
class Cropping3D(_Cropping):
    __doc__ = f"""The borders of volumes cut off.

    {_Cropping.__doc__}

    Example:
        >>> Cropping3D()(ops.ones((2, 7, 7, 7, 3))).shape
        (2, 5, 5, 5, 3)
    """

    rank = 3

    def __init__(self, cropping: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)
