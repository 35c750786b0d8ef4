"""Layers that only move values: Flatten, Reshape, Permute, RepeatVector, Identity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.layers.checks import positive_int
from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.layer import LAYERS, Layer
from lamella.settings import settings

Shape = tuple[int | None, ...]


def _product(sizes: Sequence[int | None]) -> int | None:
    return None if any(size is None for size in sizes) else math.prod(sizes)  # type: ignore[arg-type]


@LAYERS.register()
class Flatten(Layer):
    """All axes but the batch in one, the last axis fastest: (n, a, b) to (n, a · b), (n,) to (n, 1).

    Args:
        data_format: "channels_last", or "channels_first", whose inputs have the channels moved to the end first.

    Example:
        >>> Flatten()(ops.ones((2, 3, 4))).shape
        (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if data_format not in (None, "channels_last", "channels_first"):
            raise ValueError(f"data_format of layer {self.name!r} must be 'channels_last' or 'channels_first', "
                             f"received {data_format!r}.")
        self.data_format = data_format or settings.image_data_format
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Tensor) -> Tensor:
        if self.data_format == "channels_first" and len(inputs.shape) > 2:
            inputs = ops.transpose(inputs, (0, *range(2, len(inputs.shape)), 1))
        return ops.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        return input_shape[0], _product(input_shape[1:])

    def compute_output_spec(self, inputs: Any) -> Any:
        return same_dtype_spec(self, inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


@LAYERS.register()
class Reshape(Layer):
    """The same values under another shape; the batch axis stays.

    Args:
        target_shape: of one sample; one size may be -1 and follows from the rest.

    Raises:
        ValueError: more than one -1, or a size below -1.
        ShapeError: the sizes do not fit the inputs.

    Example:
        >>> Reshape((2, -1))(ops.ones((5, 6))).shape
        (5, 2, 3)
    """

    def __init__(self, target_shape: Sequence[int] | int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)
        if any(size < -1 for size in self.target_shape) or self.target_shape.count(-1) > 1:
            raise ValueError(f"target_shape of layer {self.name!r} may hold one -1 and sizes >= 0, "
                             f"received {self.target_shape}.")

    def call(self, inputs: Tensor) -> Tensor:
        return ops.reshape(inputs, self.compute_output_shape(inputs.shape))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        total = _product(input_shape[1:])
        known = math.prod(size for size in self.target_shape if size != -1)
        free = -1 in self.target_shape
        if total is None:
            return (input_shape[0], *(None if size == -1 else size for size in self.target_shape))
        if (free and (known == 0 or total % known)) or (not free and total != known):
            raise ShapeError(f"Layer {self.name!r} cannot reshape samples of shape {tuple(input_shape[1:])} "
                             f"({total} values) to {self.target_shape}.")
        return (input_shape[0], *(total // known if size == -1 else size for size in self.target_shape))

    def compute_output_spec(self, inputs: Any) -> Any:
        return same_dtype_spec(self, inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": self.target_shape}


@LAYERS.register()
class Permute(Layer):
    """The axes of each sample in another order.

    Args:
        dims: the new order, counted from 1; the batch axis is not in it.

    Raises:
        ValueError: not a permutation of 1..k.

    Example:
        >>> Permute((2, 1))(ops.ones((5, 3, 4))).shape
        (5, 4, 3)
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"dims of layer {self.name!r} must be a permutation of 1..{len(self.dims)}, "
                             f"received {self.dims}.")
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.transpose(inputs, (0, *self.dims))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        return (input_shape[0], *(input_shape[axis] for axis in self.dims))

    def compute_output_spec(self, inputs: Any) -> Any:
        return same_dtype_spec(self, inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dims": self.dims}


@LAYERS.register()
class RepeatVector(Layer):
    """(batch, features) to (batch, n, features).

    Args:
        n: number of copies.

    Raises:
        ValueError: `n` is no int > 0.

    Example:
        >>> RepeatVector(3)(ops.ones((5, 2))).shape
        (5, 3, 2)
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive_int("n", n, self.name)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Tensor) -> Tensor:
        batch, features = inputs.shape
        return ops.broadcast_to(ops.expand_dims(inputs, 1), (batch, self.n, features))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        return input_shape[0], self.n, input_shape[1]

    def compute_output_spec(self, inputs: Any) -> Any:
        return same_dtype_spec(self, inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n": self.n}


@LAYERS.register()
class Identity(Layer):
    """The inputs unchanged.

    Example:
        >>> Identity()(ops.ones((2,))).numpy().tolist()
        [1.0, 1.0]
    """

    supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def compute_output_spec(self, inputs: Any) -> Any:
        return same_dtype_spec(self, inputs)


def same_dtype_spec(layer: Layer, inputs: Any) -> Any:
    """The symbolic output of a layer that keeps the dtype of its input."""
    if not hasattr(inputs, "shape"):
        return type(inputs)(same_dtype_spec(layer, item) for item in inputs)
    return type(inputs)(layer.compute_output_shape(inputs.shape), inputs.dtype)
