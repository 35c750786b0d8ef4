"""`StringLookup`: strings to numbers and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.nn.layers.categorical.host_layer import HostLayer, as_bytes
from lamella.nn.layers.categorical.index_lookup import IndexLookup
from lamella.nn.layers.layer import LAYERS


@LAYERS.register()
class StringLookup(HostLayer, IndexLookup):
    """The number of each string in a vocabulary: `[mask_token, oov_token × num_oov_indices, *tokens]`.

    It works outside of compiled models: on arrays and lists of strings, and in `dataset.map(layer)`.

    Args:
        max_tokens: largest size of the vocabulary, special tokens included; None for no limit.
        num_oov_indices: places for unknown strings. With more than one, hash(string) mod places chooses; with none an
            unknown string is an error.
        mask_token: the string that stands for missing data. With `output_mode="int"` its number is 0, in the other
            modes it leaves no trace.
        oov_token: the name of the places for unknown strings.
        vocabulary: list or array of strings, or the path of a text file with one per line; None for `adapt`.
        idf_weights: with `output_mode="tf_idf"` and a vocabulary: its weights.
        invert: map numbers to strings instead; the result is a numpy array of strings.
        output_mode: "int" (int64, the shape of the inputs), "one_hot" (each string), or over the last axis "multi_hot",
            "count" or "tf_idf" (count · log(1 + documents / (1 + documents with the token))).
        pad_to_max_tokens: make the encodings `max_tokens` long whatever the size of the vocabulary.
        sparse: False; tensors are dense.
        encoding: how strings and bytes correspond.
        salt: an int or two: choose among several places by SipHash-2-4 with this key in place of FarmHash.
        oov_method: accepted for Keras' configs; strings are always hashed.

    Raises:
        ValueError: arguments that do not fit together, or an unknown string where there is no place for one.
        RuntimeError: a call before there is a vocabulary.
        TypeError: in a functional model or a compiled function.

    Source:
        As Keras, which gives int64 for the encodings; here they are of `floatx`.

    Example:
        >>> layer = StringLookup(vocabulary=["a", "b"])
        >>> layer([["a", "b"], ["z", "a"]]).numpy().tolist()
        [[1, 2], [0, 1]]
        >>> StringLookup(vocabulary=["a", "b"], invert=True)([[1, 2, 0]]).tolist()
        [['a', 'b', '[UNK]']]
    """

    def __init__(self, max_tokens: int | None = None, num_oov_indices: int = 1, mask_token: str | None = None,
                 oov_token: str | None = "[UNK]", vocabulary: Any = None, idf_weights: Any = None,
                 invert: bool = False, output_mode: str = "int", pad_to_max_tokens: bool = False,
                 sparse: bool = False, encoding: str = "utf-8", name: str | None = None, salt: Any = None,
                 oov_method: str = "floormod", **kwargs: Any) -> None:
        self.encoding = encoding
        self._numbers: dict[bytes, int] = {}
        super().__init__(
            max_tokens=max_tokens, num_oov_indices=num_oov_indices, mask_token=mask_token, oov_token=oov_token,
            vocabulary=vocabulary, idf_weights=idf_weights, invert=invert, output_mode=output_mode,
            pad_to_max_tokens=pad_to_max_tokens, sparse=sparse, oov_method=oov_method, salt=salt, name=name, **kwargs)

    def call(self, inputs: np.ndarray) -> Any:
        if self.invert:
            names = np.array([*self._require_vocabulary().names, self.oov_token])
            numbers = inputs.astype(np.int64)
            known = (numbers >= 0) & (numbers < len(names))
            return names[np.where(known, numbers, -1)]
        tokens = as_bytes(inputs, self.encoding, self.name)
        return self._encoded(self.numbers_of(tokens).reshape(inputs.shape))

    def numbers_of(self, tokens: list[bytes]) -> np.ndarray:
        """The number of each token, int64; -1 for the mask token in other modes than "int"."""
        vocabulary = self._require_vocabulary()
        unknown = vocabulary.oov_start if self.num_oov_indices == 1 else -2
        find = self._numbers.get
        numbers = np.array([find(token, unknown) for token in tokens], np.int64)
        places = np.flatnonzero(numbers == -2)
        if len(places):
            if not self.num_oov_indices:
                raise ValueError(f"Layer {self.name!r} has num_oov_indices=0 and no number for {len(places)} of "
                                 f"{len(tokens)} strings, the first is {tokens[places[0]].decode(self.encoding)!r}.")
            numbers[places] = self._hashed_places([tokens[i] for i in places])
        return numbers

    def _countable(self, data: Any) -> list[bytes]:
        return as_bytes(self._convert_leaf(data), self.encoding, self.name)

    def finalize_state(self) -> None:
        self._counts.rename(lambda token: token.decode(self.encoding))
        super().finalize_state()

    def _keys(self, tokens: Any) -> list[str]:
        return [token.decode(self.encoding) for token in self._countable(tokens)]

    def _parse(self, line: str) -> str:
        return line

    def _vocabulary_changed(self) -> None:
        start = self._vocabulary.token_start
        self._numbers = {token.encode(self.encoding): start + i for i, token in enumerate(self._vocabulary.tokens or ())}
        if self.mask_token is not None:
            self._numbers[self.mask_token.encode(self.encoding)] = 0 if self.output_mode == "int" else -1

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "encoding": self.encoding}
