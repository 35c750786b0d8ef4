"""Batch and layer normalization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.ir.types import wide
from lamella.nn import constraints, initializers, regularizers
from lamella.nn.layers.batch_renormalization import Renormalization, follow
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.layer import LAYERS, Layer
from lamella.settings import settings


class AffineNormalization(Layer):
    """Shared: scale γ and offset β over some axes, computed in float32 or wider."""

    supports_masking = True

    def __init__(self, axis: int | Sequence[int], epsilon: float, center: bool, scale: bool,
                 beta_initializer: Any, gamma_initializer: Any, beta_regularizer: Any, gamma_regularizer: Any,
                 beta_constraint: Any, gamma_constraint: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.epsilon = finite_float("epsilon", epsilon, self.name, 0.0)
        self.center, self.scale = bool(center), bool(scale)
        self.beta_initializer, self.gamma_initializer = map(initializers.get, (beta_initializer, gamma_initializer))
        self.beta_regularizer, self.gamma_regularizer = map(regularizers.get, (beta_regularizer, gamma_regularizer))
        self.beta_constraint, self.gamma_constraint = map(constraints.get, (beta_constraint, gamma_constraint))
        self.gamma: Any = None
        self.beta: Any = None

    def _axes(self, rank: int) -> tuple[int, ...]:
        axes = (self.axis,) if isinstance(self.axis, int) else tuple(self.axis)
        if any(not -rank <= axis < rank for axis in axes):
            raise ShapeError(f"Layer {self.name!r} has axis {self.axis}, received inputs of {rank} axes.")
        return tuple(sorted(axis % rank for axis in axes))

    def _make_affine(self, shape: tuple[int, ...]) -> None:
        if self.scale:
            self.gamma = self.add_weight(shape, self.gamma_initializer, name="gamma", autocast=False,
                                         regularizer=self.gamma_regularizer, constraint=self.gamma_constraint)
        if self.center:
            self.beta = self.add_weight(shape, self.beta_initializer, name="beta", autocast=False,
                                        regularizer=self.beta_regularizer, constraint=self.beta_constraint)

    def _sizes(self, input_shape: Sequence[int | None]) -> dict[int, int]:
        sizes = {axis: input_shape[axis] for axis in self._axes(len(input_shape))}
        if any(size is None for size in sizes.values()):
            raise ShapeError(f"Layer {self.name!r} needs a known size on axis {self.axis}, "
                             f"received inputs of shape {tuple(input_shape)}.")
        return sizes  # type: ignore[return-value]

    def _affine(self, normal: Tensor, factor: Tensor | None, shape: Sequence[int], dtype: str) -> Tensor:
        """normal · factor · γ + β; no factor is 1."""
        if self.scale:
            gamma = ops.reshape(ops.cast(self.gamma, dtype), shape)
            factor = gamma if factor is None else factor * gamma
        outputs = normal if factor is None else normal * factor
        if self.center:
            outputs = outputs + ops.reshape(ops.cast(self.beta, dtype), shape)
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon, "center": self.center,
                  "scale": self.scale}
        for name in ("beta", "gamma"):
            config[f"{name}_initializer"] = initializers.serialize(getattr(self, f"{name}_initializer"))
            config[f"{name}_regularizer"] = regularizers.serialize(getattr(self, f"{name}_regularizer"))
            config[f"{name}_constraint"] = constraints.serialize(getattr(self, f"{name}_constraint"))
        return config


def _masked_moments(x: Tensor, axes: tuple[int, ...], kept: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over `axes` of the places that are kept."""
    count = ops.sum(ops.cast(kept, x.dtype), axis=axes, keepdims=True) + settings.epsilon
    mean = ops.sum(ops.where(kept, x, 0), axis=axes, keepdims=True) / count
    return mean, ops.sum(ops.where(kept, ops.square(x - mean), 0), axis=axes, keepdims=True) / count


def _moments(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean and variance over `axes`: those of each sample first, μ_i and σ_i², then μ = mean(μ_i), σ² = mean(σ_i² + (μ_i - μ)²).

    Both passes over a sample find it in the cache, where a pass over the whole batch would not find it again.
    """
    if axes[0] != 0 or len(axes) == 1:
        mean = ops.mean(x, axis=axes, keepdims=True)
        return mean, ops.mean(ops.square(x - mean), axis=axes, keepdims=True)
    own_mean = ops.mean(x, axis=axes[1:], keepdims=True)
    own_variance = ops.mean(ops.square(x - own_mean), axis=axes[1:], keepdims=True)
    mean = ops.mean(own_mean, axis=0, keepdims=True)
    return mean, ops.mean(own_variance + ops.square(own_mean - mean), axis=0, keepdims=True)


def _normalize(axes: tuple[int, ...], epsilon: float, mean: Tensor, variance: Tensor) -> Callable[[Tensor], Tensor]:
    """x → n = (x − μ) / √(σ² + ε), where μ and σ² are the moments of x over `axes`.

    As these depend on x, the gradient g that arrives at n leaves as (g − mean(g) − n · mean(g · n)) / √(σ² + ε).
    """
    factor = ops.rsqrt(variance + epsilon)

    @ops.custom_gradient
    def normalize(x: Tensor) -> tuple[Tensor, Any]:
        normal = (x - mean) * factor

        def gradient(g: Tensor) -> Tensor:
            g_mean = ops.mean(g, axis=axes, keepdims=True)
            gn_mean = ops.mean(g * normal, axis=axes, keepdims=True)
            return (g - g_mean - normal * gn_mean) * factor

        return normal, gradient

    return normalize


@LAYERS.register()
class BatchNormalization(AffineNormalization):
    """(x − μ) · γ / √(σ² + ε) + β, per channel.

    While training μ and σ² (÷ N) are those of the batch, and the moving ones follow:
    moving ← moving · m + batch · (1 − m). Otherwise, and always with `trainable=False`, the moving ones are used.
    With a mask only the places that it keeps count: μ = Σ x / (count + 1e-7), likewise σ².
    With `renorm` the normalized values of the batch are corrected to x̂ · r + d before γ and β; see `Renormalization`.

    Args:
        axis: the channel axis.
        momentum: m.
        epsilon: ε.
        center, scale: whether there are β and γ.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: first values.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: of the weights.
        renorm: whether to use batch renormalization.
        renorm_clipping: its bounds, `{"rmin": ..., "rmax": ..., "dmax": ...}`.
        renorm_momentum: that of its statistics.
        synchronized: accepted for compatibility; the statistics are always those of the whole batch.

    Raises:
        ShapeError: an axis out of range or of unknown size, or a mask that is not the inputs without their channels.
        ValueError: bounds of `renorm_clipping` that leave nothing.

    Source:
        Ioffe and Szegedy 2015, arXiv:1502.03167; Ioffe 2017, arXiv:1702.03275; momentum and biased variance as in Keras.

    Example:
        >>> layer = BatchNormalization(epsilon=0.0)
        >>> layer(ops.convert_to_tensor([[0.0], [2.0]]), training=True).numpy().tolist()
        [[-1.0], [1.0]]
    """

    def __init__(self, axis: int = -1, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True,
                 scale: bool = True, beta_initializer: Any = "zeros", gamma_initializer: Any = "ones",
                 moving_mean_initializer: Any = "zeros", moving_variance_initializer: Any = "ones",
                 beta_regularizer: Any = None, gamma_regularizer: Any = None, beta_constraint: Any = None,
                 gamma_constraint: Any = None, renorm: bool = False, renorm_clipping: Any = None,
                 renorm_momentum: float = 0.99, synchronized: bool = False, **kwargs: Any) -> None:
        super().__init__(axis, epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer,
                         gamma_regularizer, beta_constraint, gamma_constraint, **kwargs)
        self.renorm_clipping = renorm_clipping
        self.renorm_momentum = finite_float("renorm_momentum", renorm_momentum, self.name, 0.0, 1.0)
        self.renorm = Renormalization(self, renorm_clipping, self.renorm_momentum) if renorm else None
        self.synchronized = bool(synchronized)
        self.momentum = finite_float("momentum", momentum, self.name, 0.0, 1.0)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.moving_mean: Any = None
        self.moving_variance: Any = None

    def build(self, input_shape: Sequence[int | None]) -> None:
        sizes = self._sizes(input_shape)
        shape = tuple(sizes.values())
        self._make_affine(shape)
        self.moving_mean = self.add_weight(shape, self.moving_mean_initializer, name="moving_mean", trainable=False,
                                           autocast=False)
        self.moving_variance = self.add_weight(shape, self.moving_variance_initializer, name="moving_variance",
                                               trainable=False, autocast=False)
        if self.renorm is not None:
            self.renorm.build(shape, self.moving_mean_initializer, self.moving_variance_initializer)
        self.input_spec = InputSpec(ndim=len(input_shape), axes=sizes)

    def call(self, inputs: Tensor, training: bool = False, mask: Any = None) -> Tensor:
        dtype = wide(self.compute_dtype)
        x = ops.cast(inputs, dtype)
        keep = self._axes(len(x.shape))
        shape = [x.shape[axis] if axis in keep else 1 for axis in range(len(x.shape))]
        kept = None if mask is None else self._kept(mask, x)
        if training and self.trainable:
            axes = tuple(axis for axis in range(len(x.shape)) if axis not in keep)
            mean, variance = _moments(x, axes) if kept is None else _masked_moments(x, axes, kept)
            if kept is None:
                normal = _normalize(axes, self.epsilon, mean, variance)(x)
            else:
                normal = (x - mean) * ops.rsqrt(variance + self.epsilon)
            if self.renorm is not None:
                r, d = self.renorm.correct(mean, variance)
                normal = normal * r + d
            else:
                follow(self.moving_mean, mean, self.momentum)
                follow(self.moving_variance, variance, self.momentum)
            return self._affine(normal, None, shape, dtype)
        centred = x - ops.reshape(ops.cast(self.moving_mean, dtype), shape)
        variance = ops.reshape(ops.cast(self.moving_variance, dtype), shape)
        return self._affine(centred, ops.rsqrt(variance + self.epsilon), shape, dtype)

    def _kept(self, mask: Any, x: Tensor) -> Tensor:
        """The mask of the elements; it lies along the axes before the last, as in Keras."""
        if tuple(mask.shape) != tuple(x.shape[:-1]):
            raise ShapeError(f"Layer {self.name!r} expects a mask of shape {tuple(x.shape[:-1])}, received "
                             f"{tuple(mask.shape)}.")
        return ops.broadcast_to(ops.expand_dims(ops.cast(mask, "bool"), -1), x.shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(), "momentum": self.momentum, "synchronized": self.synchronized,
            "renorm": self.renorm is not None,
            "renorm_clipping": self.renorm_clipping, "renorm_momentum": self.renorm_momentum,
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
        }


@LAYERS.register()
class LayerNormalization(AffineNormalization):
    """(x − μ) · γ / √(σ² + ε) + β, with μ and σ² (÷ N) of each sample over `axis`.

    Args:
        axis: one axis or several, normalised jointly; γ and β have their sizes.
        epsilon: ε.
        center, scale: whether there are β and γ.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint:
            of the weights.

    Raises:
        ShapeError: an axis out of range or of unknown size.

    Source:
        Ba et al. 2016, arXiv:1607.06450.

    Example:
        >>> LayerNormalization(epsilon=0.0)(ops.convert_to_tensor([[0.0, 2.0]])).numpy().tolist()
        [[-1.0, 1.0]]
    """

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-3, center: bool = True, scale: bool = True,
                 beta_initializer: Any = "zeros", gamma_initializer: Any = "ones", beta_regularizer: Any = None,
                 gamma_regularizer: Any = None, beta_constraint: Any = None, gamma_constraint: Any = None,
                 **kwargs: Any) -> None:
        super().__init__(axis, epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer,
                         gamma_regularizer, beta_constraint, gamma_constraint, **kwargs)

    def build(self, input_shape: Sequence[int | None]) -> None:
        sizes = self._sizes(input_shape)
        self._make_affine(tuple(sizes.values()))
        self.input_spec = InputSpec(ndim=len(input_shape), axes=sizes)

    def call(self, inputs: Tensor) -> Tensor:
        dtype = wide(self.compute_dtype)
        x = ops.cast(inputs, dtype)
        axes = self._axes(len(x.shape))
        shape = [x.shape[axis] if axis in axes else 1 for axis in range(len(x.shape))]
        centred = x - ops.mean(x, axis=axes, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
        return self._affine(centred * ops.rsqrt(variance + self.epsilon), None, shape, dtype)
