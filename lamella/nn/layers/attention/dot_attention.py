"""`Attention`: scores by products (Luong)."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor, random
from lamella.nn.layers.checks import check_mask, finite_float
from lamella.nn.layers.layer import LAYERS, Layer
from lamella.ops.attention import both, causal_mask, masked_softmax

_MODES = ("dot", "concat")


@LAYERS.register()
class Attention(Layer):
    """softmax(score(query, key)) value.

        score = scale (query · keyᵀ)                         "dot"
        score = w Σ tanh(scale (query + key))                "concat", summed over the last axis

    Inputs are a list [query (batch, T, size), value (batch, S, size), key (batch, S, size) = value]; masks a list
    [of the query, of the value]. A query that sees no key gives zeros, and so does a masked query.

    Args:
        use_scale: whether `scale` is a trainable number, 1 at first; else it is 1.
        score_mode: "dot" or "concat", whose w is a trainable number, 1 at first.
        dropout: rate for the weights.
        seed: of the dropout.
        **kwargs: arguments of `Layer`.

    Call arguments:
        return_attention_scores: whether (result, weights (batch, T, S)) is returned.
        use_causal_mask: whether query t sees only keys 0 ... t.

    Raises:
        ValueError: an unknown `score_mode`.
        ShapeError: not 2 or 3 inputs, or shapes or masks that don't fit.

    Source:
        Luong et al. 2015, "Effective approaches to attention-based neural machine translation".

    Example:
        >>> Attention()([ops.ones((2, 3, 4)), ops.ones((2, 5, 4))]).shape
        (2, 3, 4)
    """

    def __init__(self, use_scale: bool = False, score_mode: str = "dot", dropout: float = 0.0, seed: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if score_mode not in _MODES:
            raise ValueError(f"score_mode of layer {self.name!r} must be one of {_MODES}, received {score_mode!r}.")
        self.use_scale, self.score_mode = bool(use_scale), score_mode
        self.dropout = finite_float("dropout", dropout, self.name, 0.0, 1.0)
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed) if self.dropout else None
        self.supports_masking = True
        self.scale: Any = None
        self.concat_score_weight: Any = None

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def _check(self, shapes: Any) -> None:
        listed = isinstance(shapes, (list, tuple)) and all(isinstance(s, (list, tuple)) for s in shapes)
        if not listed or len(shapes) not in (2, 3) or any(len(s) != 3 for s in shapes):
            raise ShapeError(f"Layer {self.name!r} takes a list of query (batch, T, size), value and perhaps key "
                             f"(batch, S, size), received shapes {shapes}.")
        query, value, key = shapes[0], shapes[1], shapes[-1]
        pairs = [(query[0], value[0]), (query[2], key[2]), *zip(value[:2], key[:2], strict=True)]
        if any(None not in pair and len(set(pair)) > 1 for pair in pairs):
            raise ShapeError(f"Layer {self.name!r} expects a query (batch, T, size) and a value and key (batch, S, size) with "
                             f"the same batch, and the same size of query and key; received shapes {shapes}.")

    def call(self, inputs: Any, mask: Any = None, training: bool = False, return_attention_scores: bool = False,
             use_causal_mask: bool = False) -> Any:
        self._check([tuple(x.shape) for x in inputs] if isinstance(inputs, (list, tuple)) else None)
        query, value, key = inputs[0], inputs[1], inputs[-1] if len(inputs) == 3 else inputs[1]
        query_mask, value_mask = self._masks(mask, query, value)
        seen = None if value_mask is None else ops.expand_dims(value_mask, 1)
        if use_causal_mask:
            seen = both(seen, ops.expand_dims(causal_mask(query.shape[1], key.shape[1]), 0))
        weights = masked_softmax(self._scores(query, key), seen)
        used = weights
        if training and self.dropout:
            used = random.dropout(weights, self.dropout, seed=self.seed_generator)
        result = ops.matmul(used, value)
        if query_mask is not None:
            result = ops.where(ops.expand_dims(query_mask, 2), result, 0.0)
        return (result, weights) if return_attention_scores else result

    def _masks(self, mask: Any, query: Tensor, value: Tensor) -> tuple[Any, Any]:
        given = list(mask) if isinstance(mask, (list, tuple)) else [mask, None]
        pair = [None if m is None else ops.cast(m, "bool") for m in (given + [None])[:2]]
        for m, x, what in zip(pair, (query, value), ("query", "value"), strict=True):
            check_mask(m, x.shape[:2], self.name, f"mask of the {what}")
        return pair[0], pair[1]

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        """(batch, T, S)."""
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.transpose(key, (0, 2, 1)))
            return scores if self.scale is None else scores * ops.cast(self.scale, scores.dtype)
        summed = ops.expand_dims(query, 2) + ops.expand_dims(key, 1)
        if self.scale is not None:
            summed = summed * ops.cast(self.scale, summed.dtype)
        return ops.sum(ops.tanh(summed), axis=-1) * ops.cast(self.concat_score_weight, summed.dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "use_scale": self.use_scale, "score_mode": self.score_mode,
                "dropout": self.dropout, "seed": self.seed}
