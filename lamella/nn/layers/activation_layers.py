"""Activations as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn import activations
from lamella.nn.layers.checks import check_broadcast, finite_float
from lamella.nn.layers.layer import LAYERS, Layer


class _Elementwise(Layer):
    """Same shape out as in; masks pass."""

    supports_masking = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@LAYERS.register()
class Activation(_Elementwise):
    """An activation function as a layer.

    Args:
        activation: name or function.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> Activation("relu")(ops.convert_to_tensor([-1.0, 2.0])).numpy().tolist()
        [0.0, 2.0]
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Tensor) -> Tensor:
        return self.activation(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


@LAYERS.register()
class ReLU(_Elementwise):
    """See `activations.relu`.

    Args:
        max_value: cap of the positive part, None for none.
        negative_slope: slope below the threshold.
        threshold: where the positive part starts.

    Raises:
        ValueError: a negative argument.

    Example:
        >>> ReLU(max_value=1.5)(ops.convert_to_tensor([-1.0, 2.0])).numpy().tolist()
        [0.0, 1.5]
    """

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else finite_float("max_value", max_value, self.name, 0.0)
        self.negative_slope = finite_float("negative_slope", negative_slope or 0.0, self.name, 0.0)
        self.threshold = finite_float("threshold", threshold or 0.0, self.name, 0.0)

    def call(self, inputs: Tensor) -> Tensor:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "max_value": self.max_value, "negative_slope": self.negative_slope,
                "threshold": self.threshold}


@LAYERS.register()
class LeakyReLU(_Elementwise):
    """x if x > 0 else negative_slope · x.

    Args:
        negative_slope: 0.3 by default, as in Keras' layer (its function has 0.2).

    Raises:
        ValueError: a negative slope.

    Example:
        >>> LeakyReLU(0.5)(ops.convert_to_tensor([-1.0, 2.0])).numpy().tolist()
        [-0.5, 2.0]
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = finite_float("negative_slope", negative_slope, self.name, 0.0)

    def call(self, inputs: Tensor) -> Tensor:
        return activations.leaky_relu(inputs, self.negative_slope)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "negative_slope": self.negative_slope}


@LAYERS.register()
class ELU(_Elementwise):
    """x if x > 0 else alpha · (eˣ − 1).

    Args:
        alpha: minus the limit at −∞.

    Example:
        >>> ELU()(ops.convert_to_tensor([2.0])).numpy().tolist()
        [2.0]
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = finite_float("alpha", alpha, self.name)

    def call(self, inputs: Tensor) -> Tensor:
        return activations.elu(inputs, self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


@LAYERS.register()
class Softmax(_Elementwise):
    """e^x / Σ e^x along one or several axes; masked places get 0 (a fully masked row is all 0).

    Args:
        axis: an axis or a list of them, normalised jointly.

    Example:
        >>> Softmax()(ops.convert_to_tensor([[0.0, 0.0]])).numpy().tolist()
        [[0.5, 0.5]]
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)

    def call(self, inputs: Tensor, mask: Any = None) -> Tensor:
        if mask is not None:
            check_broadcast("mask", mask.shape, inputs.shape, self.name)
            low = -3e4 if inputs.dtype == "float16" else -1e9
            inputs = inputs + (1.0 - ops.cast(mask, inputs.dtype)) * low
        axis = self.axis if isinstance(self.axis, int) else tuple(self.axis)
        shifted = ops.exp(inputs - ops.stop_gradient(ops.max(inputs, axis=axis, keepdims=True)))
        outputs = shifted / ops.sum(shifted, axis=axis, keepdims=True)
        return outputs if mask is None else outputs * ops.cast(mask, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}
