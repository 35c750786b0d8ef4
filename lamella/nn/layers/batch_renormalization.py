"""Batch renormalization: BatchNormalization's corrections towards statistics that move faster than those for inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella import ops
from lamella.frontend import Tensor


class Renormalization:
    """The statistics μᵣ, σᵣ and the corrections r = σ / σᵣ and d = (μ − μᵣ) / σᵣ of a batch, without gradients.

    They follow the batch: μᵣ ← μᵣ · m + μ · (1 − m), likewise σᵣ with σ = √(σ² + ε).

    Args:
        layer: the BatchNormalization that the weights belong to.
        clipping: bounds `rmin`, `rmax` of r and `dmax` of |d|; missing ones do not bind.
        momentum: m.

    Raises:
        ValueError: an unknown bound, or bounds that leave nothing.

    Source:
        Ioffe 2017, arXiv:1702.03275; ε inside of the root as in Keras.
    """

    def __init__(self, layer: Any, clipping: Mapping[str, float] | None, momentum: float) -> None:
        self.layer, self.momentum = layer, momentum
        self.clipping = dict(clipping or {})
        unknown = set(self.clipping) - {"rmin", "rmax", "dmax"}
        if unknown:
            raise ValueError(f"renorm_clipping of layer {layer.name!r} holds {sorted(unknown)}; known are rmin, rmax, "
                             "dmax.")
        low, high, shift = (self.clipping.get(key) for key in ("rmin", "rmax", "dmax"))
        if (low is not None and high is not None and low > high) or (shift is not None and shift < 0):
            raise ValueError(f"renorm_clipping of layer {layer.name!r} needs rmin <= rmax and dmax >= 0, received "
                             f"{self.clipping}.")

    def build(self, shape: tuple[int, ...], mean_initializer: Any, variance_initializer: Any) -> None:
        """Make the weights; deviations begin at the root of the variance's first value."""
        def deviation(shape: Any, dtype: Any) -> Tensor:
            return ops.sqrt(variance_initializer(shape, dtype=dtype))

        for name, initializer in (("moving_stddev", deviation), ("renorm_mean", mean_initializer),
                                  ("renorm_stddev", deviation)):
            setattr(self.layer, name, self.layer.add_weight(shape, initializer, name=name, trainable=False,
                                                             autocast=False))

    def correct(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """r and d for the statistics of a batch, which the weights then follow."""
        layer = self.layer
        deviation = ops.sqrt(ops.stop_gradient(variance) + layer.epsilon)
        mean = ops.stop_gradient(mean)
        slow_mean, slow = (ops.reshape(ops.cast(w.value(), mean.dtype), mean.shape)
                           for w in (layer.renorm_mean, layer.renorm_stddev))
        slow = ops.maximum(slow, layer.epsilon**0.5)
        r, d = deviation / slow, (mean - slow_mean) / slow
        bounds = self.clipping
        r = ops.maximum(r, bounds["rmin"]) if bounds.get("rmin") is not None else r
        r = ops.minimum(r, bounds["rmax"]) if bounds.get("rmax") is not None else r
        d = ops.clip(d, -bounds["dmax"], bounds["dmax"]) if bounds.get("dmax") is not None else d
        follow(layer.renorm_mean, mean, self.momentum)
        follow(layer.renorm_stddev, deviation, self.momentum)
        follow(layer.moving_mean, mean, layer.momentum)
        follow(layer.moving_stddev, deviation, layer.momentum)
        layer.moving_variance.assign(ops.relu(ops.square(layer.moving_stddev.value()) - layer.epsilon))
        return r, d


def follow(moving: Any, batch: Tensor, momentum: float) -> None:
    """moving ← moving · momentum + batch · (1 − momentum)."""
    batch = ops.cast(ops.reshape(ops.stop_gradient(batch), moving.shape), moving.dtype)
    moving.assign(moving * momentum + batch * (1.0 - momentum))
