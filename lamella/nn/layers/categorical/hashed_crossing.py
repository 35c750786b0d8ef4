"""`HashedCrossing`: pairs (or more) of categories to bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.errors import DTypeError, ShapeError
from lamella.frontend import Tensor
from lamella.nn.layers.categorical.encoding import checked_output_mode, encode, encoded_shape, refuse_sparse
from lamella.nn.layers.categorical.hashes import Words, farmhash64, fingerprint_cat64
from lamella.nn.layers.categorical.host_layer import HostLayer, as_bytes
from lamella.nn.layers.checks import positive_int
from lamella.nn.layers.layer import LAYERS
from lamella.settings import settings

_START = 0xDECAFCAFFE  # the hash key that TensorFlow's cross_hashed begins with


@LAYERS.register()
class HashedCrossing(HostLayer):
    """hash(feature 1, feature 2, ...) mod num_bins: one category for each combination of categories.

    Strings count by their FarmHash fingerprint, integers by themselves. It works outside of compiled models: on arrays
    and lists, and in `dataset.map`.

    Args:
        num_bins: number of bins.
        output_mode: "int" (the shape of the features) or "one_hot".
        sparse: False; tensors are dense.
        dtype: of the result; by default int64 for "int", else `floatx`.

    Raises:
        ValueError: `num_bins` is not positive, an unknown mode, or fewer than two features.
        ShapeError: features of different shapes, or of another than (), (batch,) or (batch, 1).
        DTypeError: a feature of neither integers nor strings.
        TypeError: in a functional model or a compiled function.

    Source:
        As Keras, which uses TensorFlow's `cross_hashed`.

    Example:
        >>> HashedCrossing(5)((np.array(["A", "B", "A"]), np.array([101, 101, 102]))).numpy().tolist()
        [1, 4, 3]
    """

    def __init__(self, num_bins: int, output_mode: str = "int", sparse: bool = False, name: str | None = None,
                 dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name, dtype=dtype or ("int64" if output_mode == "int" else settings.floatx), **kwargs)
        self.num_bins = positive_int("num_bins", num_bins, self.name)
        self.output_mode = checked_output_mode(output_mode, ("int", "one_hot"), self.name)
        refuse_sparse(sparse, self.name)
        self.built = True

    def _convert(self, structure: Any) -> Any:
        if not isinstance(structure, (list, tuple, np.ndarray)) or len(structure) < 2:
            raise ValueError(f"Layer {self.name!r} crosses features: it expects a list of at least two, received "
                             f"{structure!r}.")
        return [self._convert_leaf(feature) for feature in structure]

    def call(self, inputs: list[np.ndarray]) -> Tensor:
        shapes = [feature.shape for feature in inputs]
        if len(set(shapes)) > 1 or len(shapes[0]) > 2 or shapes[0][1:] not in ((), (1,)):
            raise ShapeError(f"Layer {self.name!r} expects features of one shape (), (batch,) or (batch, 1), received "
                             f"{', '.join(map(str, shapes))}.")
        crossed = np.array([_START], np.uint64)
        for feature in inputs:
            crossed = fingerprint_cat64(crossed, self._words(feature))
        bins = (crossed % np.uint64(self.num_bins)).astype(np.int64).reshape(shapes[0])
        return encode(bins, self.output_mode, self.num_bins, self.compute_dtype)

    def _words(self, feature: np.ndarray) -> Words:
        if feature.dtype.kind == "O" and feature.size and isinstance(feature.flat[0], (int, np.integer)):
            feature = feature.astype(np.int64)
        if feature.dtype.kind in "iu":
            return feature.ravel().astype(np.int64).view(np.uint64)
        if feature.dtype.kind in "fb":
            raise DTypeError(f"Layer {self.name!r} expects integers or strings, received dtype {feature.dtype}.")
        return farmhash64(as_bytes(feature, "utf-8", self.name))

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[int | None, ...]:
        return encoded_shape(input_shape[0], self.output_mode, self.num_bins)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_bins": self.num_bins, "output_mode": self.output_mode, "sparse": False}
