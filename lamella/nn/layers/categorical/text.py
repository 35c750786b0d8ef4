"""Texts to tokens: standardizing, splitting, n-grams. Bytes throughout: ASCII rules, as in TensorFlow's string functions."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence

_PUNCTUATION = string.punctuation.encode()

STANDARDIZERS: dict[str, Callable[[bytes], bytes]] = {
    "lower": bytes.lower,
    "strip_punctuation": lambda text: text.translate(None, _PUNCTUATION),
    "lower_and_strip_punctuation": lambda text: text.lower().translate(None, _PUNCTUATION),
}


def characters(text: bytes) -> list[bytes]:
    """The Unicode characters of UTF-8 bytes; a byte that is none becomes U+FFFD.

    Example:
        >>> characters("né".encode())
        [b'n', b'\\xc3\\xa9']
    """
    return [character.encode() for character in text.decode("utf-8", "replace")]


SPLITTERS: dict[str, Callable[[bytes], list[bytes]]] = {"whitespace": bytes.split, "character": characters}


def ngrams(tokens: Sequence[bytes], widths: Sequence[int]) -> list[bytes]:
    """All runs of `width` tokens joined by spaces, width after width.

    Example:
        >>> ngrams([b"a", b"b", b"c"], (1, 2))
        [b'a', b'b', b'c', b'a b', b'b c']
    """
    return [b" ".join(tokens[i:i + width]) for width in widths for i in range(len(tokens) - width + 1)]
