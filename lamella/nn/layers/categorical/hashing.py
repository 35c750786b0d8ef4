"""`Hashing`: strings and integers to bins, without a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.frontend import Tensor
from lamella.nn.layers.categorical.encoding import checked_output_mode, encode, encoded_shape, refuse_sparse
from lamella.nn.layers.categorical.hashes import farmhash64, siphash64
from lamella.nn.layers.categorical.host_layer import HostLayer, as_bytes
from lamella.nn.layers.categorical.index_lookup import checked_salt
from lamella.nn.layers.checks import positive_int
from lamella.nn.layers.layer import LAYERS
from lamella.settings import settings


@LAYERS.register()
class Hashing(HostLayer):
    """hash(value) mod num_bins, of strings (UTF-8) and of integers as decimal numbers.

    It works outside of compiled models: on arrays and lists, and in `dataset.map(layer)`.

    Args:
        num_bins: number of bins.
        mask_value: the value that alone goes to bin 0; the others share the bins from 1.
        salt: None for FarmHash Fingerprint64; an int or two: SipHash-2-4 with this key.
        output_mode: "int" (the shape of the inputs), "one_hot" (each value), or over the last axis "multi_hot" or
            "count".
        sparse: False; tensors are dense.
        dtype: of the result; by default int64 for "int", else `floatx`.

    Raises:
        ValueError: `num_bins` is not positive, an unknown mode, or a salt that is neither an int nor two.
        TypeError: in a functional model or a compiled function.

    Source:
        Pike and Alakuijala, FarmHash, 2014; Aumasson and Bernstein, "SipHash", 2012; bins as in Keras.

    Example:
        >>> Hashing(3)([["A"], ["B"], ["C"]]).numpy().tolist()
        [[1], [0], [1]]
    """

    def __init__(self, num_bins: int, mask_value: Any = None, salt: Any = None, output_mode: str = "int",
                 sparse: bool = False, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(dtype=dtype or ("int64" if output_mode == "int" else settings.floatx), **kwargs)
        self.num_bins = positive_int("num_bins", num_bins, self.name)
        self.output_mode = checked_output_mode(output_mode, ("int", "one_hot", "multi_hot", "count"), self.name)
        refuse_sparse(sparse, self.name)
        if self.output_mode == "int" and self.compute_dtype not in ("int32", "int64"):
            raise ValueError(f"dtype of layer {self.name!r} with output_mode='int' must be int32 or int64, received "
                             f"{self.compute_dtype}.")
        self.mask_value = mask_value
        self.salt = None if salt is None else checked_salt(salt, self.name)
        self.built = True

    def call(self, inputs: np.ndarray) -> Tensor:
        masked = self.mask_value is not None and self.num_bins > 1
        strings = decimals(inputs) if inputs.dtype.kind in "fiub" else as_bytes(inputs, "utf-8", self.name)
        hashes = farmhash64(strings) if self.salt is None else siphash64(strings, self.salt)
        bins = (hashes % np.uint64(self.num_bins - masked)).astype(np.int64).reshape(inputs.shape)
        if masked:
            bins = np.where(inputs == self.mask_value, 0, bins + 1)
        return encode(bins, self.output_mode, self.num_bins, self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return encoded_shape(input_shape, self.output_mode, self.num_bins)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_bins": self.num_bins, "salt": self.salt, "mask_value": self.mask_value,
                "output_mode": self.output_mode, "sparse": False}


def decimals(numbers: np.ndarray) -> list[bytes]:
    """Numbers as decimal integers, bools as words; floats are truncated.

    Example:
        >>> decimals(np.array([1.9, -3.0])), decimals(np.array([True]))
        ([b'1', b'-3'], [b'true'])
    """
    if numbers.dtype.kind == "b":
        return [b"true" if flag else b"false" for flag in numbers.ravel().tolist()]
    integers = numbers.astype(np.int64) if numbers.dtype.kind == "f" else numbers
    return [b"%d" % number for number in integers.ravel().tolist()]
