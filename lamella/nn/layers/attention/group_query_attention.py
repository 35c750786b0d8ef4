"""`GroupQueryAttention`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.layers.attention.head_attention import SETTINGS, HeadAttention
from lamella.nn.layers.checks import positive_int
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.signatures import spelled_out
from lamella.nn.naming import auto_name
from lamella.ops.attention import attend


@LAYERS.register()
class GroupQueryAttention(HeadAttention):
    """Multi-head attention in which neighbouring query heads share a key and a value head.

    Args:
        head_dim: size of a head.
        num_query_heads: number of query heads, a multiple of
        num_key_value_heads: number of key and value heads.
        dropout: rate for the weights.
        use_bias: whether the projections have biases.
        **kwargs: arguments of `HeadAttention` (`sliding_window`, `use_gate` ...) and of `Layer`.

    Call arguments, masks and results as in `MultiHeadAttention`, on (batch, T, size).

    Raises:
        ValueError: a size is no int > 0, or the heads don't divide.
        ShapeError: shapes or masks that don't fit.

    Source:
        Ainslie et al. 2023, "GQA: training generalized multi-query transformer models".

    Example:
        >>> GroupQueryAttention(3, 4, 2)(ops.ones((2, 5, 8)), ops.ones((2, 7, 8))).shape
        (2, 5, 8)
    """

    @spelled_out(f"head_dim num_query_heads num_key_value_heads dropout use_bias {SETTINGS}", HeadAttention)
    def __init__(self, head_dim: int, num_query_heads: int, num_key_value_heads: int, dropout: float = 0.0,
                 use_bias: bool = True, **kwargs: Any) -> None:
        if kwargs.get("name") is None:
            kwargs["name"] = auto_name("GroupedQueryAttention")  # as in Keras
        super().__init__(dropout=dropout, use_bias=use_bias, **kwargs)
        self.head_dim = positive_int("head_dim", head_dim, self.name)
        self.num_query_heads = positive_int("num_query_heads", num_query_heads, self.name)
        self.num_key_value_heads = positive_int("num_key_value_heads", num_key_value_heads, self.name)
        if self.num_query_heads % self.num_key_value_heads:
            raise ValueError(f"num_query_heads ({num_query_heads}) of layer {self.name!r} must be a multiple of "
                             f"num_key_value_heads ({num_key_value_heads}).")

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:  # type: ignore[override]
        if any(len(shape) != 3 for shape in (query_shape, value_shape)):
            raise ShapeError(f"Layer {self.name!r} takes query, value and key with 3 axes, received shapes "
                             f"{tuple(query_shape)} and {tuple(value_shape)}.")
        key_shape = value_shape if key_shape is None else key_shape
        self.query_dense = self._heads(query_shape, self.num_query_heads, "query")
        self.key_dense = self._heads(key_shape, self.num_key_value_heads, "key")
        if self.use_gate:  # the order is that of Keras' weights
            self.gate_dense = self._heads(query_shape, self.num_query_heads, "gate")
        self.value_dense = self._heads(value_shape, self.num_key_value_heads, "value")
        size = query_shape[-1]
        self.output_dense = self._projection("btnh,nhd->btd", (None, size), "d", "attention_output")
        self.output_dense.build((*query_shape[:2], self.num_query_heads, self.head_dim))

    def _heads(self, shape: Sequence[int | None], heads: int, name: str) -> Any:
        dense = self._projection("btd,dnh->btnh", (None, heads, self.head_dim), "nh", name)
        dense.build(shape)
        return dense

    def call(self, query: Tensor, value: Tensor, key: Any = None, query_mask: Any = None, value_mask: Any = None,
             key_mask: Any = None, attention_mask: Any = None, return_attention_scores: bool = False,
             training: bool = False, use_causal_mask: bool = False) -> Any:
        key = value if key is None else key
        mask = self._mask(query, value, key, (query_mask, value_mask, key_mask), attention_mask, use_causal_mask)
        mask = ops.expand_dims(mask, 1) if mask is not None and mask.ndim < 4 else mask
        result, weights = attend(self.query_dense(query), self.key_dense(key), self.value_dense(value), mask,
                                 scale=1.0 / math.sqrt(self.head_dim), drop=self._drop(training))
        if self.use_gate:
            result = result * ops.sigmoid(self.gate_dense(query))
        result = self.output_dense(result)
        return (result, weights) if return_attention_scores else result

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "head_dim": self.head_dim, "num_query_heads": self.num_query_heads,
                "num_key_value_heads": self.num_key_value_heads}
