"""Scaled dot-product attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes

from lamella.errors import ShapeError
from lamella.frontend import Tensor, cast, convert_to_tensor, promote
from lamella.ops.creation import arange
from lamella.ops.elementwise import tanh
from lamella.ops.linear import einsum
from lamella.ops.logic import logical_and, to_bool, where
from lamella.ops.nn import softmax
from lamella.ops.shaping import expand_dims, reshape


def dot_product_attention(
    query: Any, key: Any, value: Any, bias: Any = None, mask: Any = None, scale: float | None = None,
    is_causal: bool = False, flash_attention: bool | None = None, attn_logits_soft_cap: float | None = None,
) -> Tensor:
    """softmax(scale · query keyᵀ + bias) value, for each head; a row whose keys are all masked gives zeros.

    Args:
        query: (batch, T, heads, size).
        key, value: (batch, S, key heads, size); heads is a multiple of key heads, each of which serves neighbours.
        bias: broadcasts to (batch, heads, T, S); added to the logits.
        mask: bool, broadcasts to (batch, heads, T, S); False hides a key from a query.
        scale: of the logits; by default 1 / √size.
        is_causal: whether query t sees only keys 0 ... t.
        flash_attention: accepted and ignored.
        attn_logits_soft_cap: c: logits become c · tanh(logits / c).

    Raises:
        ShapeError: the shapes don't fit.

    Source:
        Vaswani et al. 2017, "Attention is all you need".

    Example:
        >>> x = convert_to_tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
        >>> dot_product_attention(x, x, x, is_causal=True).shape
        (1, 2, 1, 2)
    """
    del flash_attention
    query, key, value = (x._tensor() for x in promote(query, key, value))
    if is_causal:
        mask = both(mask, causal_mask(query.shape[1], key.shape[1]))
    out, _ = attend(query, key, value, mask, bias, scale, attn_logits_soft_cap)
    return out


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Any = None, bias: Any = None, scale: float | None = None,
    soft_cap: float | None = None, drop: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """The result of `dot_product_attention` and the weights (batch, heads, T, S) before `drop`, which acts on them."""
    batch, t, heads, size = _checked(query, key, value)
    s, groups = key.shape[1:3]
    scaled = query * (1.0 / math.sqrt(size) if scale is None else scale)
    if groups == heads:
        logits = einsum("btnh,bsnh->bnts", scaled, key)
    else:
        grouped = reshape(scaled, (batch, t, groups, heads // groups, size))
        logits = reshape(einsum("btgrh,bsgh->bgrts", grouped, key), (batch, heads, t, s))
    if soft_cap is not None:
        logits = tanh(logits / soft_cap) * soft_cap
    logits = logits if bias is None else logits + cast(bias, logits.dtype)
    weights = masked_softmax(logits, mask)
    used = weights if drop is None else drop(weights)
    if groups == heads:
        return einsum("bnts,bsnh->btnh", used, value), weights
    used = reshape(used, (batch, groups, heads // groups, t, s))
    return reshape(einsum("bgrts,bsgh->btgrh", used, value), (batch, t, heads, value.shape[-1])), weights


def _checked(query: Tensor, key: Tensor, value: Tensor) -> tuple[int, ...]:
    shapes = query.shape, key.shape, value.shape
    fits = all(len(shape) == 4 for shape in shapes) and key.shape[:3] == value.shape[:3]
    if not fits or query.shape[0] != key.shape[0] or query.shape[3] != key.shape[3] or query.shape[2] % key.shape[2]:
        raise ShapeError(f"Attention needs a query (batch, T, heads, size), key and value (batch, S, key heads, size), "
                         f"and heads a multiple of key heads; received {shapes[0]}, {shapes[1]} and {shapes[2]}.")
    return query.shape


def masked_softmax(logits: Tensor, mask: Any) -> Tensor:
    """Softmax over the last axis of what isn't masked; 0 elsewhere, also where a whole row is masked."""
    if mask is None:
        return softmax(logits)
    mask = to_bool(mask)
    low = -0.5 * float(ml_dtypes.finfo(logits.dtype).max)  # differences of two such numbers stay finite
    weights = softmax(where(mask, logits, low))
    return where(mask, weights, 0.0)


def causal_mask(queries: int, keys: int) -> Tensor:
    """bool (queries, keys): key s is not later than query t."""
    return expand_dims(arange(queries), 1) >= expand_dims(arange(keys), 0)


def window_mask(queries: int, keys: int, window: int) -> Tensor:
    """bool (queries, keys): |t - s| < window."""
    distance = expand_dims(arange(queries), 1) - expand_dims(arange(keys), 0)
    return logical_and(distance < window, distance > -window)


def both(first: Any, second: Any) -> Any:
    """The conjunction of two masks, either of which may be None."""
    if first is None or second is None:
        return first if second is None else convert_to_tensor(second)
    return logical_and(first, second)
