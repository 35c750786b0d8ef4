"""`IndexLookup`: what StringLookup and IntegerLookup share: arguments, vocabulary, encodings, config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import did_you_mean
from lamella.frontend import Tensor
from lamella.nn.layers.categorical.adaptable import AdaptableLayer
from lamella.nn.layers.categorical.encoding import checked_output_mode, encode, encoded_shape, refuse_sparse
from lamella.nn.layers.categorical.hashes import farmhash64, siphash64
from lamella.nn.layers.categorical.vocabulary import TokenCounts, Vocabulary, read_vocabulary
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.settings import settings

_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")


class IndexLookup(AdaptableLayer):
    """Base of the layers that number tokens.

    Subclasses define `_keys` (anything array-like to a list of tokens), `_parse` (a line of a file to a token) and
    `call`.
    """

    def __init__(self, *, max_tokens: int | None, num_oov_indices: int, mask_token: Any, oov_token: Any,
                 vocabulary: Any, idf_weights: Any, invert: bool, output_mode: str, pad_to_max_tokens: bool,
                 sparse: bool, oov_method: str, salt: Any, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # of its dtype nothing depends, as in Keras
        self.output_mode = checked_output_mode(output_mode, _MODES, self.name)
        refuse_sparse(sparse, self.name)
        self.max_tokens, self.num_oov_indices = max_tokens, num_oov_indices
        self.mask_token, self.oov_token, self.invert = mask_token, oov_token, bool(invert)
        self.pad_to_max_tokens, self.oov_method = bool(pad_to_max_tokens), oov_method
        self.salt = None if salt is None else checked_salt(salt, self.name)
        self._check_arguments(idf_weights, vocabulary)
        in_vocabulary = mask_token if self.output_mode == "int" else None
        self._vocabulary = Vocabulary(in_vocabulary, oov_token, num_oov_indices, max_tokens, self.name)
        self._counts = TokenCounts()
        self._given = vocabulary is not None
        self.built = True
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    def _check_arguments(self, idf_weights: Any, vocabulary: Any) -> None:
        name, n = self.name, self.num_oov_indices
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
            raise ValueError(f"num_oov_indices of layer {name!r} must be an int >= 0, received {n!r}.")
        if self.max_tokens is not None and self.max_tokens <= 1:
            raise ValueError(f"max_tokens of layer {name!r} must be greater than 1, received {self.max_tokens!r}.")
        if self.pad_to_max_tokens and self.max_tokens is None:
            raise ValueError(f"Layer {name!r} needs max_tokens for pad_to_max_tokens=True.")
        if self.oov_method not in ("floormod", "farmhash"):
            hint = did_you_mean(str(self.oov_method), ("floormod", "farmhash"))
            raise ValueError(f"Unknown oov_method {self.oov_method!r} of layer {name!r}. {hint}")
        if self.invert and (self.output_mode != "int" or self.oov_token is None):
            raise ValueError(f"Layer {name!r} with invert=True needs output_mode='int' and an oov_token, received "
                             f"{self.output_mode!r} and {self.oov_token!r}.")
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(f"Layer {name!r} takes idf_weights only with output_mode='tf_idf', received "
                             f"{self.output_mode!r}.")

    # -- the vocabulary -----------------------------------------------------------------------------------------------

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Replace the vocabulary.

        Args:
            vocabulary: the tokens in the order of their numbers, or the path of a text file with one per line. They may
                begin with the mask token and the names of the unknown ones; if not, these come before them.
            idf_weights: with `output_mode="tf_idf"`: one weight per entry of the vocabulary. Without special tokens
                among these, unknown tokens get the mean.

        Raises:
            ValueError: repeated or reserved tokens, none or too many, or weights that do not fit.
            RuntimeError: the layer is part of a compiled model already.
        """
        self._check_changeable()
        if (idf_weights is not None) != (self.output_mode == "tf_idf"):
            raise ValueError(f"Layer {self.name!r} with output_mode={self.output_mode!r} needs "
                             f"{'no' if self.output_mode != 'tf_idf' else 'a vocabulary together with'} idf_weights.")
        if isinstance(vocabulary, str):
            tokens = [self._parse(line) for line in read_vocabulary(vocabulary, self.name)]
        else:
            tokens = self._keys(vocabulary)
        reserved = [self.mask_token, self.oov_token if self.invert else None]
        self._vocabulary.set(tokens, idf_weights, [token for token in reserved if token is not None])
        self._vocabulary_changed()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their numbers.

        Args:
            include_special_tokens: whether the mask token and the places for unknown tokens are among them.
        """
        names = self._vocabulary.names
        return names if include_special_tokens else names[self._vocabulary.token_start:]

    def vocabulary_size(self) -> int:
        """The number of tokens, special ones included."""
        return len(self._vocabulary)

    def reset_state(self) -> None:
        self._counts = TokenCounts()

    def update_state(self, data: Any) -> None:
        """Count the tokens of a batch; its first axis counts the documents, an array of one axis is one document."""
        self._check_adaptable()
        tokens, shape = self._countable(data), np.shape(data)
        rows = shape[0] if len(shape) > 1 else 1
        size = len(tokens) // rows if rows else 0
        self.count([tokens[i * size:(i + 1) * size] for i in range(rows)])

    def count(self, documents: Sequence[Sequence[Any]]) -> None:
        """Count the tokens of documents, as `update_state` does."""
        self._counts.add(documents)

    def finalize_state(self) -> None:
        """Make a vocabulary of what was counted."""
        self._vocabulary.learn(self._counts, (self.mask_token, self.oov_token), self.output_mode == "tf_idf")
        self.reset_state()
        self._vocabulary_changed()

    def _batches(self, data: Any, steps: int | None) -> Any:
        for batch in super()._batches(data, steps):
            one_axis = batch is data and len(np.shape(batch)) == 1  # a list of documents of one token each
            yield np.reshape(np.asarray(batch, object), (-1, 1)) if one_axis else batch

    def _check_adaptable(self) -> None:
        super()._check_adaptable()
        if self._given:
            raise ValueError(f"Layer {self.name!r} was given its vocabulary when it was made; it cannot adapt.")

    def _keys(self, tokens: Any) -> list[Any]:
        raise NotImplementedError

    def _countable(self, data: Any) -> list[Any]:
        """The tokens of a batch in the form in which they are counted."""
        return self._keys(data)

    def _parse(self, line: str) -> Any:
        raise NotImplementedError

    def _vocabulary_changed(self) -> None:
        """Make what calls read from the vocabulary."""

    def _require_vocabulary(self) -> Vocabulary:
        if self._vocabulary.tokens is None:
            raise RuntimeError(f"Layer {self.name!r} has no vocabulary yet: call adapt() or set_vocabulary(), or pass "
                               "vocabulary=.")
        return self._vocabulary

    # -- calls --------------------------------------------------------------------------------------------------------

    def _hashed_places(self, tokens: Sequence[bytes]) -> np.ndarray:
        """Which of several places for unknown tokens each of these takes."""
        hashes = farmhash64(tokens) if self.salt is None else siphash64(tokens, self.salt)
        return (hashes % np.uint64(self.num_oov_indices)).astype(np.int64) + self._vocabulary.oov_start

    def _encoded(self, numbers: Any) -> Tensor:
        """Numbers of tokens (-1 where there is nothing to count) in the output mode."""
        if self.output_mode == "int":
            return ops.cast(numbers, "int64")
        depth, mode = self._depth(), self.output_mode
        encoded = encode(numbers, "count" if mode == "tf_idf" else mode, depth, settings.floatx)
        return encoded * self._idf_weights() if mode == "tf_idf" else encoded

    def _depth(self) -> int:
        size = len(self._require_vocabulary())
        return self.max_tokens if self.pad_to_max_tokens and self.max_tokens is not None else size

    def _idf_weights(self) -> np.ndarray:
        weights = self._require_vocabulary().idf
        assert weights is not None
        return np.pad(weights, (0, self._depth() - len(weights)))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        if self.output_mode == "int":
            return tuple(input_shape)
        return encoded_shape(input_shape, self.output_mode, self._depth())

    def compute_output_spec(self, inputs: Any, **kwargs: Any) -> Any:
        dtype = "int64" if self.output_mode == "int" else settings.floatx
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype)

    # -- config -------------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the vocabulary as it is now, also if it was learned or read from a file."""
        vocabulary, weights = self._vocabulary, self._vocabulary.idf
        known = None if vocabulary.tokens is None else self.get_vocabulary(include_special_tokens=weights is not None)
        return {
            **super().get_config(), "max_tokens": self.max_tokens, "num_oov_indices": self.num_oov_indices,
            "mask_token": self.mask_token, "oov_token": self.oov_token, "vocabulary": known,
            "idf_weights": None if weights is None else weights.tolist(), "invert": self.invert,
            "output_mode": self.output_mode, "pad_to_max_tokens": self.pad_to_max_tokens, "sparse": False,
            "oov_method": self.oov_method, "salt": self.salt,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A new layer from `get_config`, or from Keras' config.

        Raises:
            ValueError: the vocabulary is a path: a config never makes the library read files.
        """
        return cls(**checked_vocabulary_config(config))


def checked_vocabulary_config(config: dict[str, Any]) -> dict[str, Any]:
    """The config without what only Keras reads; a path in the place of the vocabulary is refused."""
    if isinstance(config.get("vocabulary"), str):
        raise ValueError(f"The config of layer {config.get('name')!r} names the vocabulary file "
                         f"{config['vocabulary']!r}; it must hold the tokens themselves.")
    return {key: value for key, value in config.items() if key != "vocabulary_size"}


def checked_salt(salt: Any, layer_name: str) -> list[int]:
    """Two integers from one or two.

    Raises:
        ValueError: something else; names the layer.

    Example:
        >>> checked_salt(7, "hashing"), checked_salt((1, 2), "hashing")
        ([7, 7], [1, 2])
    """
    pair = list(salt) if isinstance(salt, (list, tuple)) else [salt, salt]
    if len(pair) != 2 or not all(isinstance(part, (int, np.integer)) for part in pair):
        raise ValueError(f"salt of layer {layer_name!r} must be an int or two of them, received {salt!r}.")
    return [int(part) for part in pair]
