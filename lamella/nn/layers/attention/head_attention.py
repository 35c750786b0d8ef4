"""`HeadAttention`: what multi-head and grouped-query attention share."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor, random
from lamella.nn import constraints, initializers, regularizers
from lamella.nn.layers.attention.einsum_dense import EinsumDense
from lamella.nn.layers.checks import check_broadcast, check_mask, finite_float, positive_int
from lamella.nn.layers.layer import Layer
from lamella.ops.attention import both, causal_mask, window_mask

# Its arguments behind those of the layers, in Keras' order.
SETTINGS = ("sliding_window flash_attention kernel_initializer bias_initializer kernel_regularizer bias_regularizer "
            "activity_regularizer kernel_constraint bias_constraint use_gate seed")


class HeadAttention(Layer):
    """Projections to heads, masks, and the projection back.

    Args:
        dropout: rate for the weights.
        use_bias: whether the projections have biases.
        sliding_window: w: query t sees only keys with |t - s| < w; None is all.
        use_gate: whether the heads' results are multiplied by sigmoid(a projection of the query).
        flash_attention: accepted and ignored.
        kernel_initializer, bias_initializer: of all projections.
        kernel_regularizer, bias_regularizer: penalties added to the loss.
        kernel_constraint, bias_constraint: projections after each update.
        seed: of the dropout.
    """

    def __init__(self, dropout: float = 0.0, use_bias: bool = True, sliding_window: int | None = None,
                 flash_attention: bool | None = None, kernel_initializer: Any = "glorot_uniform",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, bias_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, use_gate: bool = False,
                 seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dropout = finite_float("dropout", dropout, self.name, 0.0, 1.0)
        self.use_bias, self.use_gate, self.seed = bool(use_bias), bool(use_gate), seed
        self.flash_attention = flash_attention
        self.sliding_window = sliding_window
        if sliding_window is not None:
            positive_int("sliding_window", sliding_window, self.name)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.seed_generator = random.SeedGenerator(seed) if self.dropout else None
        self.supports_masking = True

    def _ensure_built(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self.built:
            return
        given = dict(zip(("query", "value", "key"), args, strict=False)) | kwargs
        if given.get("value") is None:
            raise ShapeError(f"Layer {self.name!r} needs a query and a value.")
        key = given["value"] if given.get("key") is None else given["key"]
        self.build(*(tuple(x.shape) for x in (given["query"], given["value"], key)))
        self.built = True

    def _projection(self, equation: str, output_shape: Any, bias_axes: str, name: str) -> EinsumDense:
        # Copies of the initializer, so that each projection draws its own values.
        fresh = {key: type(value).from_config(value.get_config()) if hasattr(value, "get_config") else value
                 for key, value in (("kernel", self.kernel_initializer), ("bias", self.bias_initializer))}
        dense = EinsumDense(equation, output_shape, bias_axes=bias_axes if self.use_bias else None, name=name,
                            kernel_initializer=fresh["kernel"], bias_initializer=fresh["bias"],
                            kernel_regularizer=self.kernel_regularizer, bias_regularizer=self.bias_regularizer,
                            kernel_constraint=self.kernel_constraint, bias_constraint=self.bias_constraint,
                            dtype=self.dtype_policy)
        dense.supports_masking = True  # the masks of the inputs, which this layer has read itself
        return dense

    def _mask(self, query: Tensor, value: Tensor, key: Tensor, masks: tuple[Any, Any, Any], attention_mask: Any,
              causal: bool) -> Any:
        """Which keys each query sees: bool, broadcasts to (batch, T, S), or None for all."""
        tensors = (query, value, key)
        seen = None if attention_mask is None else ops.cast(attention_mask, "bool")
        if seen is not None and len(query.shape) == 3:
            check_broadcast("attention_mask", seen.shape[-2:], (query.shape[1], key.shape[1]), self.name)
        for m, x, axis, what in zip(masks, tensors, (2, 1, 1), ("query", "value", "key"), strict=True):
            if m is None or (what == "key" and key is value):
                continue
            check_mask(m, x.shape[:2], self.name, f"{what}_mask")
            seen = both(seen, ops.expand_dims(ops.cast(m, "bool"), axis))
        t, s = query.shape[1], key.shape[1]
        if causal:
            seen = both(seen, ops.expand_dims(causal_mask(t, s), 0))
        if self.sliding_window is not None:
            seen = both(seen, ops.expand_dims(window_mask(t, s, self.sliding_window), 0))
        return seen

    def _drop(self, training: bool) -> Any:
        """The dropout of the weights, None if there is none."""
        if not training or not self.dropout:
            return None
        return lambda weights: random.dropout(weights, self.dropout, seed=self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "dropout": self.dropout, "use_bias": self.use_bias, "seed": self.seed,
                  "sliding_window": self.sliding_window, "use_gate": self.use_gate}
        for part in ("kernel", "bias"):
            config[f"{part}_initializer"] = initializers.serialize(getattr(self, f"{part}_initializer"))
            config[f"{part}_regularizer"] = regularizers.serialize(getattr(self, f"{part}_regularizer"))
            config[f"{part}_constraint"] = constraints.serialize(getattr(self, f"{part}_constraint"))
        return config
