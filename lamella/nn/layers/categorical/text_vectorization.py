"""`TextVectorization`: texts to numbers of their words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from lamella.errors import ShapeError, did_you_mean
from lamella.nn.layers.categorical.adaptable import AdaptableLayer
from lamella.nn.layers.categorical.host_layer import HostLayer, as_bytes
from lamella.nn.layers.categorical.index_lookup import checked_vocabulary_config
from lamella.nn.layers.categorical.string_lookup import StringLookup
from lamella.nn.layers.categorical.text import SPLITTERS, STANDARDIZERS, ngrams
from lamella.nn.layers.layer import LAYERS

_ARGUMENTS = ("max_tokens", "output_mode", "pad_to_max_tokens", "vocabulary", "idf_weights", "sparse", "encoding")


@LAYERS.register()
class TextVectorization(HostLayer, AdaptableLayer):
    """Standardize each text, split it into tokens, join these to n-grams, and look their numbers up.

    The vocabulary is `["", "[UNK]", *tokens]` with `output_mode="int"`, else `["[UNK]", *tokens]`. The layer works
    outside of compiled models: on arrays and lists of strings, and in `dataset.map(layer)`.

    Args:
        max_tokens: largest size of the vocabulary, special tokens included; None for no limit.
        standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation", None, or a function of a numpy array
            of strings that returns one of the same shape. The named ones change ASCII characters only, as in Keras.
        split: "whitespace" (ASCII), "character", None, or a function of a numpy array of texts (n,) that returns a
            sequence of n sequences of tokens.
        ngrams: None, or the widths as a tuple; an int n stands for (1, ..., n).
        output_mode: "int" (int64, rows filled up with 0), or over the tokens of each text "multi_hot", "count",
            "tf_idf"; "one_hot" for each token, with rows of zeros to fill up.
        output_sequence_length: with "int": cut or fill each row to this length; None for that of the longest.
        pad_to_max_tokens: make the encodings `max_tokens` long whatever the size of the vocabulary.
        vocabulary: list or array of tokens, or the path of a text file with one per line; None for `adapt`.
        idf_weights: with `output_mode="tf_idf"` and a vocabulary: its weights.
        sparse, ragged: False; tensors are dense and rectangular.
        encoding: how strings and bytes correspond.

    Raises:
        ValueError: an unknown name, or arguments that do not fit together.
        RuntimeError: a call before there is a vocabulary.
        TypeError: in a functional model or a compiled function.

    Source:
        As Keras, which gives int64 for the encodings; here they are of `floatx`.

    Example:
        >>> layer = TextVectorization()
        >>> layer.adapt(["foo bar", "bar baz"])
        >>> layer.get_vocabulary()
        ['', '[UNK]', 'bar', 'foo', 'baz']
        >>> layer(["Foo, foo!", "some bar"]).numpy().tolist()
        [[3, 3], [1, 2]]
    """

    def __init__(self, max_tokens: int | None = None, standardize: Any = "lower_and_strip_punctuation",
                 split: Any = "whitespace", ngrams: Any = None, output_mode: str = "int",
                 output_sequence_length: int | None = None, pad_to_max_tokens: bool = False, vocabulary: Any = None,
                 idf_weights: Any = None, sparse: bool = False, ragged: bool = False, encoding: str = "utf-8",
                 name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)  # of its dtype nothing depends, as in Keras
        if ragged:
            raise ValueError(f"Layer {self.name!r} received ragged=True; its rows are filled up with 0 to one length: "
                             "leave ragged out, and set output_sequence_length for a fixed one.")
        self._check_name("standardize", standardize, STANDARDIZERS)
        self._check_name("split", split, SPLITTERS)
        self.standardize, self.split, self.ngrams = standardize, split, ngrams
        self._widths = self._checked_widths(ngrams)
        self._lookup = StringLookup(
            max_tokens=max_tokens, mask_token="", vocabulary=vocabulary, idf_weights=idf_weights,
            output_mode=output_mode, pad_to_max_tokens=pad_to_max_tokens, sparse=sparse, encoding=encoding,
            name=self.name)
        if output_sequence_length is not None and self._lookup.output_mode != "int":
            raise ValueError(f"Layer {self.name!r} takes output_sequence_length only with output_mode='int', received "
                             f"{output_mode!r}.")
        self.output_sequence_length = output_sequence_length
        self.built = True

    def _check_name(self, argument: str, given: Any, known: Collection[str]) -> None:
        if given is not None and not callable(given) and given not in known:
            hint = did_you_mean(str(given), known)
            raise ValueError(f"Unknown {argument} {given!r} of layer {self.name!r}. {hint}")

    def _checked_widths(self, given: Any) -> tuple[int, ...]:
        widths = () if given is None else tuple(range(1, given + 1)) if isinstance(given, int) else tuple(given)
        if not all(isinstance(width, int) and width > 0 for width in widths) or (given is not None and not widths):
            raise ValueError(f"ngrams of layer {self.name!r} must be None, an int > 0 or a tuple of them, received "
                             f"{given!r}.")
        return widths

    # -- the vocabulary -----------------------------------------------------------------------------------------------

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Replace the vocabulary; see `StringLookup.set_vocabulary`."""
        self._lookup.set_vocabulary(vocabulary, idf_weights)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The tokens in the order of their numbers."""
        return self._lookup.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """The number of tokens, special ones included."""
        return self._lookup.vocabulary_size()

    def adapt(self, data: Any, batch_size: int | None = None,  # type: ignore[override]  # as in Keras
              steps: int | None = None) -> None:
        """Learn the vocabulary: the most frequent tokens, of equally frequent ones the last in sort order first.

        Args:
            data: texts as a list or an array, or an iterable of batches of them.
            batch_size: accepted and ignored, as in Keras.
            steps: how many batches to read from an iterable; None for all.

        Raises:
            ValueError: the layer was given its vocabulary.
        """
        super().adapt(data, steps)

    def reset_state(self) -> None:
        self._lookup.reset_state()

    def update_state(self, data: Any) -> None:
        """Count the tokens of a batch of texts."""
        self._check_adaptable()
        rows, _ = self._tokens(self._convert(data))
        self._lookup.count(rows)

    def finalize_state(self) -> None:
        self._lookup.finalize_state()

    def _batches(self, data: Any, steps: int | None) -> Any:
        return self._lookup._batches(data, steps)

    def _check_adaptable(self) -> None:
        self._lookup._check_adaptable()

    # -- calls --------------------------------------------------------------------------------------------------------

    def call(self, inputs: np.ndarray) -> Any:
        rows, shape = self._tokens(inputs)
        longest = max(map(len, rows), default=0)
        length = longest if self.output_sequence_length is None else self.output_sequence_length
        numbers = np.full((len(rows), length), 0 if self._lookup.output_mode == "int" else -1)
        lengths = [min(len(row), length) for row in rows]
        kept = [token for row, size in zip(rows, lengths, strict=True) for token in row[:size]]
        numbers[np.arange(length) < np.array(lengths, int)[:, None]] = self._lookup.numbers_of(kept)
        keeps_shape = self.split is None and not self._widths and self.output_sequence_length is None
        return self._lookup._encoded(numbers.reshape(inputs.shape if keeps_shape else (*shape, length)))

    def _tokens(self, texts: np.ndarray) -> tuple[list[list[bytes]], tuple[int, ...]]:
        """Rows of tokens, and the shape in which the rows stand."""
        encoding = self._lookup.encoding
        if callable(self.standardize):
            strings = [text.decode(encoding) for text in as_bytes(texts, encoding, self.name)]
            texts = np.asarray(self.standardize(np.array(strings, np.str_).reshape(texts.shape)))
        flat, shape = as_bytes(texts, encoding, self.name), texts.shape
        if isinstance(self.standardize, str):
            flat = list(map(STANDARDIZERS[self.standardize], flat))
        if self.split is None:
            size = shape[-1] if shape else 1
            rows, shape = [flat[i:i + size] for i in range(0, len(flat), size or 1)], shape[:-1]
        else:
            if len(shape) > 1 and shape[-1] != 1:
                raise ShapeError(f"Layer {self.name!r} splits texts: it expects inputs with one axis or a last axis of "
                                 f"size 1, received shape {shape}.")
            rows, shape = self._split_texts(flat), shape[:-1] if len(shape) > 1 else shape
        return [ngrams(row, self._widths) for row in rows] if self._widths else rows, shape

    def _split_texts(self, texts: list[bytes]) -> list[list[bytes]]:
        if not callable(self.split):
            return list(map(SPLITTERS[self.split], texts))
        encoding = self._lookup.encoding
        rows = self.split(np.array([text.decode(encoding) for text in texts], np.str_))
        if len(rows) != len(texts):
            raise ShapeError(f"The split function of layer {self.name!r} must return one sequence of tokens per text, "
                             f"{len(texts)} in all; it returned {len(rows)}.")
        return [[str(token).encode(encoding) for token in row] for row in rows]

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        shape = tuple(input_shape)
        if self.split is not None:
            shape = (*(shape[:-1] if len(shape) > 1 else shape), None)
        elif self._widths:
            shape = (*shape[:-1], None)
        if self._lookup.output_mode == "int" and self.output_sequence_length is not None:
            return (*shape[:-1], self.output_sequence_length)
        return self._lookup.compute_output_shape(shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the vocabulary as it is now; functions stand for themselves."""
        lookup = self._lookup.get_config()
        return {
            **super().get_config(), **{key: lookup[key] for key in _ARGUMENTS}, "standardize": self.standardize,
            "split": self.split, "ngrams": list(self.ngrams) if isinstance(self.ngrams, tuple) else self.ngrams,
            "output_sequence_length": self.output_sequence_length, "ragged": False,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A new layer from `get_config`, or from Keras' config.

        Raises:
            ValueError: the vocabulary is a path: a config never makes the library read files.
        """
        return cls(**checked_vocabulary_config(config))
