"""Layers that prepare categories and texts: vocabularies, hashes, bins and their encodings."""

from lamella.nn.layers.categorical.category_encoding import CategoryEncoding
from lamella.nn.layers.categorical.discretization import Discretization
from lamella.nn.layers.categorical.hashed_crossing import HashedCrossing
from lamella.nn.layers.categorical.hashing import Hashing
from lamella.nn.layers.categorical.integer_lookup import IntegerLookup
from lamella.nn.layers.categorical.string_lookup import StringLookup
from lamella.nn.layers.categorical.text_vectorization import TextVectorization

__all__ = ["CategoryEncoding", "Discretization", "HashedCrossing", "Hashing", "IntegerLookup", "StringLookup",
           "TextVectorization"]
