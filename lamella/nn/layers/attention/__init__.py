"""Attention and what belongs to it."""

from lamella.nn.layers.attention.additive_attention import AdditiveAttention
from lamella.nn.layers.attention.dot_attention import Attention
from lamella.nn.layers.attention.einsum_dense import EinsumDense
from lamella.nn.layers.attention.group_query_attention import GroupQueryAttention
from lamella.nn.layers.attention.multi_head_attention import MultiHeadAttention
from lamella.nn.layers.attention.reversible_embedding import ReversibleEmbedding

__all__ = [
    "AdditiveAttention", "Attention", "EinsumDense", "GroupQueryAttention", "MultiHeadAttention", "ReversibleEmbedding",
]
