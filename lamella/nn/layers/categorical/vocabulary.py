"""`Vocabulary`: which token has which number."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class Vocabulary:
    """Tokens and their numbers: first the mask token (0), then the places for unknown tokens, then the known ones.

    Args:
        mask_token: or None if there is no place for it.
        oov_token: the name of the places for unknown ("out of vocabulary") tokens.
        num_oov_indices: the number of these places.
        max_tokens: the largest size, all places counted; None for no limit.
        layer_name: for the messages.

    Attributes:
        tokens: the known tokens, or None before there are any.
        idf: the weight of each number, or None.
    """

    def __init__(self, mask_token: Any, oov_token: Any, num_oov_indices: int, max_tokens: int | None,
                 layer_name: str) -> None:
        self.oov_start = 0 if mask_token is None else 1
        self.token_start = self.oov_start + num_oov_indices
        self.special_tokens = [mask_token] * self.oov_start + [oov_token] * num_oov_indices
        self.max_tokens = max_tokens
        self.tokens: list[Any] | None = None
        self.idf: np.ndarray | None = None
        self._layer_name = layer_name

    def __len__(self) -> int:
        return self.token_start + len(self.tokens or ())

    @property
    def names(self) -> list[Any]:
        """All tokens in the order of their numbers."""
        return self.special_tokens + (self.tokens or [])

    def set(self, tokens: Sequence[Any], idf_weights: Any, reserved: Sequence[Any]) -> None:
        """Replace the tokens.

        Args:
            tokens: distinct; they may begin with exactly the special tokens.
            idf_weights: one per entry of `tokens`, or None. Special tokens that are not among these get the mean.
            reserved: tokens that must not occur behind the special ones.

        Raises:
            ValueError: no tokens, repeated or reserved ones, too many, or another number of weights.
        """
        tokens, start = list(tokens), self.token_start
        name = f"The vocabulary of layer {self._layer_name!r}"
        if not tokens:
            raise ValueError(f"{name} must hold at least one token.")
        known = tokens[start:] if start and tokens[:start] == self.special_tokens else tokens
        repeated = [token for token, count in collections.Counter(known).items() if count > 1]
        if repeated:
            raise ValueError(f"{name} holds tokens more than once: {repeated}.")
        for token in reserved:
            if token in known:
                raise ValueError(f"{name} holds the reserved token {token!r}; leave the special tokens out, or begin "
                                 f"with exactly {self.special_tokens}.")
        if self.max_tokens is not None and start + len(known) > self.max_tokens:
            raise ValueError(f"{name} needs {start + len(known)} places ({start} of them for {self.special_tokens}), "
                             f"max_tokens is {self.max_tokens}.")
        idf = None if idf_weights is None else self._weights(idf_weights, tokens, len(tokens) - len(known), name)
        self.tokens, self.idf = known, idf

    def _weights(self, idf_weights: Any, tokens: list[Any], special_given: int, name: str) -> np.ndarray:
        weights = np.asarray(idf_weights, np.float32)
        if weights.shape != (len(tokens),):
            raise ValueError(f"{name} has {len(tokens)} tokens; idf_weights must have that many entries, received "
                             f"shape {weights.shape}.")
        missing = self.token_start - special_given
        return np.concatenate([np.full(missing, weights.mean(), np.float32), weights])

    def learn(self, counts: TokenCounts, ignored: Sequence[Any], with_idf: bool) -> None:
        """Take the most frequent tokens but the ignored; of equally frequent ones the last in sort order first."""
        found = {token: n for token, n in counts.tokens.items() if token not in ignored}
        ranked = sorted(found, key=lambda token: (found[token], token), reverse=True)
        self.tokens = ranked if self.max_tokens is None else ranked[:self.max_tokens - self.token_start]
        if with_idf:
            documents = np.array([counts.documents[token] for token in self.tokens], np.float64)
            weights = np.log1p(counts.num_documents / (1 + documents)).astype(np.float32)
            average = weights.mean() if len(weights) else np.float32(0)
            self.idf = np.concatenate([np.full(self.token_start, average, np.float32), weights])


class TokenCounts:
    """How often each token occurred, and in how many documents."""

    def __init__(self) -> None:
        self.tokens: collections.Counter[Any] = collections.Counter()
        self.documents: collections.Counter[Any] = collections.Counter()
        self.num_documents = 0

    def add(self, documents: Sequence[Sequence[Any]]) -> None:
        """Count the tokens of documents."""
        for document in documents:
            self.tokens.update(document)
            self.documents.update(set(document))
        self.num_documents += len(documents)

    def rename(self, name: Callable[[Any], Any]) -> None:
        """Replace each token by `name(token)`, one to one."""
        for counter in (self.tokens, self.documents):
            renamed = {name(token): count for token, count in counter.items()}
            counter.clear()
            counter.update(renamed)


def read_vocabulary(path: str, layer_name: str) -> list[str]:
    """The lines of a UTF-8 text file.

    Raises:
        FileNotFoundError: there is no such file; names the layer.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return [line.removesuffix("\r") for line in file.read().removesuffix("\n").split("\n")]
    except FileNotFoundError:
        raise FileNotFoundError(f"Layer {layer_name!r} found no vocabulary file {path!r}.") from None
