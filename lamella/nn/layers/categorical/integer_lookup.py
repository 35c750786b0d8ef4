"""`IntegerLookup`: any integers to numbers from 0, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import DTypeError
from lamella.frontend import Tensor
from lamella.frontend.state import is_tracing
from lamella.nn.layers.categorical.index_lookup import IndexLookup
from lamella.nn.layers.layer import LAYERS


@LAYERS.register()
class IntegerLookup(IndexLookup):
    """The number of each integer in a vocabulary: `[mask_token, oov_token × num_oov_indices, *tokens]`.

    It is a layer like any other: in functional models and compiled functions too, once there is a vocabulary.

    Args:
        max_tokens: largest size of the vocabulary, special tokens included; None for no limit.
        num_oov_indices: places for unknown integers. With more than one, `oov_method` chooses; with none an unknown
            integer is an error, so the layer then works outside of compiled models only.
        mask_token: the integer that stands for missing data. With `output_mode="int"` its number is 0, in the other
            modes it leaves no trace.
        oov_token: with `invert`: what the places for unknown integers become.
        vocabulary: list or array of integers, or the path of a text file with one per line; None for `adapt`.
        vocabulary_dtype: "int64".
        idf_weights: with `output_mode="tf_idf"` and a vocabulary: its weights.
        invert: map numbers to the integers instead.
        output_mode: "int" (int64, the shape of the inputs), "one_hot" (each integer), or over the last axis
            "multi_hot", "count" or "tf_idf" (count · log(1 + documents / (1 + documents with the token))).
        sparse: False; tensors are dense.
        pad_to_max_tokens: make the encodings `max_tokens` long whatever the size of the vocabulary.
        oov_method: "floormod" (integer mod places), or "farmhash": hash of the decimal number mod places, outside of
            compiled models only.
        salt: with "farmhash": an int or two, the key of SipHash-2-4 in place of FarmHash.

    Raises:
        ValueError: arguments that do not fit together, or an unknown integer where there is no place for one.
        RuntimeError: a call before there is a vocabulary.

    Source:
        As Keras, which gives int64 for the encodings; here they are of `floatx`.

    Example:
        >>> layer = IntegerLookup(vocabulary=[12, 36, 1138])
        >>> layer([[12, 1138], [7, 36]]).numpy().tolist()
        [[1, 3], [0, 2]]
    """

    def __init__(self, max_tokens: int | None = None, num_oov_indices: int = 1, mask_token: int | None = None,
                 oov_token: int | None = -1, vocabulary: Any = None, vocabulary_dtype: str = "int64",
                 idf_weights: Any = None, invert: bool = False, output_mode: str = "int", sparse: bool = False,
                 pad_to_max_tokens: bool = False, oov_method: str = "floormod", salt: Any = None,
                 name: str | None = None, **kwargs: Any) -> None:
        self._sorted = self._places = np.zeros(0, np.int64)
        super().__init__(
            max_tokens=max_tokens, num_oov_indices=num_oov_indices, mask_token=mask_token, oov_token=oov_token,
            vocabulary=vocabulary, idf_weights=idf_weights, invert=invert, output_mode=output_mode,
            pad_to_max_tokens=pad_to_max_tokens, sparse=sparse, oov_method=oov_method, salt=salt, name=name, **kwargs)
        if vocabulary_dtype != "int64":
            raise ValueError(f"vocabulary_dtype of layer {self.name!r} must be 'int64', received {vocabulary_dtype!r}.")
        if salt is not None and oov_method != "farmhash":
            raise ValueError(f"Layer {self.name!r} takes salt only with oov_method='farmhash', received "
                             f"{oov_method!r}.")

    def call(self, inputs: Tensor) -> Tensor:
        vocabulary = self._require_vocabulary()
        self._note_compilation()
        x = ops.cast(inputs, "int64")
        if self.invert:
            names = np.array([*vocabulary.names, self.oov_token], np.int64)
            known = ops.logical_and(x >= 0, x < len(names))
            return ops.take(names, ops.where(known, x, len(names) - 1), axis=0)
        numbers = self._find(x)
        numbers = ops.where(numbers < 0, self._places_of_unknown(x, numbers), numbers)
        if self.mask_token is not None:
            numbers = ops.where(x == self.mask_token, 0 if self.output_mode == "int" else -1, numbers)
        return self._encoded(numbers)

    def _find(self, x: Tensor) -> Tensor:
        """The number of each integer, -1 if it has none: a binary search in the sorted vocabulary."""
        keys, at = ops.convert_to_tensor(self._sorted), ops.zeros_like(x)
        step = len(self._sorted) // 2
        while step:
            further = at + step
            at = ops.where(ops.take(keys, further, axis=0) <= x, further, at)
            step //= 2
        return ops.where(ops.take(keys, at, axis=0) == x, ops.take(self._places, at, axis=0), -1)

    def _places_of_unknown(self, x: Tensor, numbers: Tensor) -> Any:
        start, places = self._vocabulary.oov_start, self.num_oov_indices
        if places == 1:
            return start
        if places > 1 and self.oov_method == "floormod":
            return ops.mod(x, places) + start
        if is_tracing():
            reason = "num_oov_indices=0" if places == 0 else "oov_method='farmhash'"
            raise ValueError(f"Layer {self.name!r} with {reason} works outside of compiled models only: apply it to the "
                             "data before, or choose another value.")
        integers = x.numpy()
        if places:
            return self._hashed_places([b"%d" % i for i in integers.ravel().tolist()]).reshape(integers.shape)
        wrong = numbers < 0 if self.mask_token is None else ops.logical_and(numbers < 0, x != self.mask_token)
        unknown = integers[wrong.numpy()]
        if unknown.size:
            raise ValueError(f"Layer {self.name!r} has num_oov_indices=0 and no number for {unknown.size} of "
                             f"{integers.size} integers, the first is {unknown[0]}.")
        return numbers

    def _keys(self, tokens: Any) -> list[int]:
        array = np.asarray(tokens)
        if array.dtype.kind == "O":
            array = np.asarray(array.tolist())
        if array.dtype.kind not in "iuf":
            raise DTypeError(f"Layer {self.name!r} expects integers, received dtype {array.dtype}.")
        return array.astype(np.int64).ravel().tolist()

    def _parse(self, line: str) -> int:
        return int(line)

    def _vocabulary_changed(self) -> None:
        """Sort the vocabulary, filled up to a power of two with its last entry, for the search."""
        tokens = np.array(self._vocabulary.tokens or (), np.int64)
        order = np.argsort(tokens)
        filler = (1 << max(len(tokens) - 1, 0).bit_length()) - len(tokens)
        self._sorted, self._places = (
            np.pad(column, (0, filler), "edge") if len(tokens) else np.full(1, -1)
            for column in (tokens[order], order + self._vocabulary.token_start))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary_dtype": "int64"}
