"""`Input`: the start of a functional model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.errors import DTypeError
from lamella.frontend import standardize_dtype
from lamella.nn.layers.keras_tensor import KerasTensor, record
from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class InputLayer(Layer):
    """Holds the place of a model's input; passes it on unchanged.

    Args:
        shape: of one sample, None where unknown.
        batch_size: fixed number of samples, or None.
        dtype: of the input.
        batch_shape: `(batch_size, *shape)` in one.
        name: of the layer, and of the input in dicts.

    Raises:
        ValueError: neither or both of `shape` and `batch_shape`, or a bad size.
        DTypeError: no such dtype, or strings.

    Example:
        >>> InputLayer((784,)).output
        <KerasTensor shape=(None, 784), dtype=float32>
    """

    def __init__(self, shape: Sequence[int | None] | int | None = None, batch_size: int | None = None,
                 dtype: Any = None, batch_shape: Sequence[int | None] | None = None, name: str | None = None,
                 **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        if (shape is None) == (batch_shape is None):
            raise ValueError(f"Input {self.name!r} needs either shape or batch_shape, received {shape} and "
                             f"{batch_shape}.")
        if batch_shape is None:
            sizes = (shape,) if isinstance(shape, int) else tuple(shape or ())
            batch_shape = (batch_size, *sizes)
        if any(size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0)
               for size in batch_shape):
            raise ValueError(f"Input {self.name!r} needs sizes >= 0 or None, received {tuple(batch_shape)}.")
        if str(dtype) in ("string", "str"):
            raise DTypeError(f"Input {self.name!r} cannot be of dtype {dtype}: models compute with numbers. Apply "
                             "TextVectorization or StringLookup to the strings before the model.")
        self.batch_shape = tuple(batch_shape)
        self._dtype = standardize_dtype(dtype)
        self.built = True
        record(self, (), {}, KerasTensor(self.batch_shape, self._dtype, name=self.name))

    def call(self, inputs: Any = None) -> Any:
        return inputs

    @property
    def dtype(self) -> str:
        return self._dtype

    def get_config(self) -> dict[str, Any]:
        return {"batch_shape": self.batch_shape, "dtype": self._dtype, "name": self.name}


def Input(shape: Sequence[int | None] | int | None = None, batch_size: int | None = None, dtype: Any = None,
          batch_shape: Sequence[int | None] | None = None, name: str | None = None) -> KerasTensor:
    """A symbolic tensor to start a functional model from.

    Args:
        shape: of one sample, None where unknown.
        batch_size: fixed number of samples, or None.
        dtype: of the input, float32 by default.
        batch_shape: `(batch_size, *shape)` in one.
        name: of the input.

    Raises:
        ValueError: neither or both of `shape` and `batch_shape`, or a bad size.

    Example:
        >>> Input((28, 28), dtype="uint8")
        <KerasTensor shape=(None, 28, 28), dtype=uint8>
    """
    return InputLayer(shape, batch_size, dtype, batch_shape, name).output
