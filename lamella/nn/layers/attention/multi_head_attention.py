"""`MultiHeadAttention`."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.layers.attention.head_attention import SETTINGS, HeadAttention
from lamella.nn.layers.checks import positive_int
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.signatures import spelled_out
from lamella.ops.attention import attend


@LAYERS.register()
class MultiHeadAttention(HeadAttention):
    """Each head: softmax(q · kᵀ / √key_dim) v of projected query, key and value; their results are projected back.

    Args:
        num_heads: number of heads.
        key_dim: size of a head's query and key.
        value_dim: size of a head's value; by default `key_dim`.
        dropout: rate for the weights.
        use_bias: whether the projections have biases.
        output_shape: last axes of the result; by default the query's last axis.
        attention_axes: axes that attention is over; by default all but the first and the last.
        **kwargs: arguments of `HeadAttention` (`sliding_window`, `use_gate` ...) and of `Layer`.

    Call arguments:
        query, value, key: (batch, T, ...), (batch, S, ...), (batch, S, ...); `key` is by default `value`.
        query_mask, value_mask, key_mask: bool (batch, T) or (batch, S); by default those that come with the tensors.
        attention_mask: bool, broadcasts to (batch, T, S): which keys a query sees.
        return_attention_scores: whether (result, weights (batch, heads, T, S) before the dropout) is returned.
        use_causal_mask: whether query t sees only keys 0 ... t.

    A query that sees no key gives zero weights, so that only the bias of the output projection remains (Keras averages
    all values in one of its two paths).

    Raises:
        ValueError: a size is no int > 0.
        ShapeError: shapes or masks that don't fit.

    Source:
        Vaswani et al. 2017, "Attention is all you need".

    Example:
        >>> MultiHeadAttention(2, 3)(ops.ones((2, 5, 4)), ops.ones((2, 7, 4))).shape
        (2, 5, 4)
    """

    @spelled_out(f"num_heads key_dim value_dim dropout use_bias output_shape attention_axes {SETTINGS}", HeadAttention)
    def __init__(self, num_heads: int, key_dim: int, value_dim: int | None = None, dropout: float = 0.0,
                 use_bias: bool = True, output_shape: Any = None, attention_axes: Any = None, **kwargs: Any) -> None:
        super().__init__(dropout=dropout, use_bias=use_bias, **kwargs)
        self.num_heads = positive_int("num_heads", num_heads, self.name)
        self.key_dim = positive_int("key_dim", key_dim, self.name)
        self.value_dim = positive_int("value_dim", value_dim or key_dim, self.name)
        self.output_size = None if output_shape is None else (
            tuple(output_shape) if isinstance(output_shape, Sequence) else (output_shape,))
        self.attention_axes = attention_axes if attention_axes is None or isinstance(attention_axes, Sequence) \
            else (attention_axes,)

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:  # type: ignore[override]
        rank = len(query_shape)
        if rank < 3 or len(value_shape) != rank:
            raise ShapeError(f"Layer {self.name!r} takes query and value with one number of axes >= 3, received shapes "
                             f"{tuple(query_shape)} and {tuple(value_shape)}.")
        key_shape = value_shape if key_shape is None else key_shape
        self.query_dense = self._heads(query_shape, self.key_dim, "query")
        self.key_dense = self._heads(key_shape, self.key_dim, "key")
        if self.use_gate:  # the order is that of Keras' weights
            self.gate_dense = self._heads(query_shape, self.value_dim, "gate")
        self.value_dense = self._heads(value_shape, self.value_dim, "value")
        self.output_dense = self._back(query_shape)

    def _heads(self, shape: Sequence[int | None], size: int, name: str) -> Any:
        """Projection of the last axis to (heads, size)."""
        axes = string.ascii_lowercase[: len(shape)]
        equation = f"{axes},{axes[-1]}yz->{axes[:-1]}yz"
        dense = self._projection(equation, (*shape[1:-1], self.num_heads, size), "yz", name)
        dense.build(shape)
        return dense

    def _back(self, shape: Sequence[int | None]) -> Any:
        """Projection of (heads, value_dim) to the last axes of the result."""
        sizes = self.output_size or (shape[-1],)
        axes, out = string.ascii_lowercase[: len(shape) - 1], string.ascii_uppercase[: len(sizes)]
        equation = f"{axes}yz,yz{out}->{axes}{out}"
        dense = self._projection(equation, (*shape[1:-1], *sizes), out, "attention_output")
        dense.build((*shape[:-1], self.num_heads, self.value_dim))
        return dense

    def call(self, query: Tensor, value: Tensor, key: Any = None, query_mask: Any = None, value_mask: Any = None,
             key_mask: Any = None, attention_mask: Any = None, return_attention_scores: bool = False,
             training: bool = False, use_causal_mask: bool = False) -> Any:
        key = value if key is None else key
        mask = self._mask(query, value, key, (query_mask, value_mask, key_mask), attention_mask, use_causal_mask)
        layout = _Layout(query.shape, key.shape, self.attention_axes, self.num_heads)
        q, k, v = (layout.merge(x) for x in (self.query_dense(query), self.key_dense(key), self.value_dense(value)))
        result, weights = attend(q, k, v, layout.merge_mask(mask), scale=1.0 / math.sqrt(self.key_dim),
                                 drop=self._drop(training))
        result = layout.split(result)
        if self.use_gate:
            result = result * ops.sigmoid(self.gate_dense(query))
        result = self.output_dense(result)
        return (result, layout.split_weights(weights)) if return_attention_scores else result

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_heads": self.num_heads, "key_dim": self.key_dim,
                "value_dim": self.value_dim, "output_shape": self.output_size, "attention_axes": self.attention_axes}


class _Layout:
    """Brings (batch, axes..., heads, size) into (batch', T, heads, size): axes without attention join the batch."""

    def __init__(self, query: Sequence[int], key: Sequence[int], axes: Any, heads: int) -> None:
        rank = len(query)
        self.axes = tuple(a % rank for a in (range(1, rank - 1) if axes is None else axes))
        self.batch = tuple(a for a in range(rank - 1) if a not in self.axes)
        self.heads = heads
        self.order = (*self.batch, *self.axes)
        self.shared = tuple(query[a] for a in self.batch)
        self.queries, self.keys = (tuple(shape[a] for a in self.axes) for shape in (query, key))
        self.plain = self.order == (0, 1)

    def merge(self, x: Tensor) -> Tensor:
        if self.plain:
            return x
        moved = ops.transpose(x, (*self.order, x.ndim - 2, x.ndim - 1))
        rows = math.prod(x.shape[a] for a in self.axes)
        return ops.reshape(moved, (math.prod(self.shared), rows, *x.shape[-2:]))

    def split(self, x: Tensor) -> Tensor:
        if self.plain:
            return x
        opened = ops.reshape(x, (*self.shared, *self.queries, *x.shape[-2:]))
        back = sorted(range(len(self.order)), key=lambda i: self.order[i])
        return ops.transpose(opened, (*back, opened.ndim - 2, opened.ndim - 1))

    def merge_mask(self, mask: Any) -> Any:
        """A mask that broadcasts to the weights; it has no axis of heads."""
        if mask is None or self.plain:
            return None if mask is None else _with_heads(mask, 1)
        n = len(self.axes)
        full = (*self.shared, 1, *self.queries, *self.keys)
        mask = _with_heads(mask, n) if mask.ndim < len(full) else mask
        while mask.ndim < len(full):
            mask = ops.expand_dims(mask, mask.ndim - 2 * n - 1)
        mask = ops.broadcast_to(mask, full)
        return ops.reshape(mask, (math.prod(self.shared), 1, math.prod(self.queries), math.prod(self.keys)))

    def split_weights(self, weights: Tensor) -> Tensor:
        return weights if self.plain else ops.reshape(weights, (*self.shared, self.heads, *self.queries, *self.keys))


def _with_heads(mask: Tensor, axes: int) -> Tensor:
    """(..., T..., S...) with an axis for the heads before the T."""
    return ops.expand_dims(mask, mask.ndim - 2 * axes) if mask.ndim < 2 * axes + 2 else mask
