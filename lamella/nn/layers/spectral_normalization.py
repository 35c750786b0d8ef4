"""`SpectralNormalization`: weights divided by their largest singular value."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn import initializers
from lamella.nn.layers.checks import positive_int
from lamella.nn.layers.layer import LAYERS, Layer
from lamella.nn.layers.wrapper import Wrapper


@LAYERS.register()
class SpectralNormalization(Wrapper):
    """The layer inside with its kernel (or embeddings) W divided by σ, the largest singular value of W as a matrix.

    σ = v · W · uᵀ, with v ← u · Wᵀ / |u · Wᵀ| and u ← v · W / |v · W|, `power_iterations` times from the stored u at
    each call while training; no gradient flows through u and v.

    W itself stays as it is: the division is part of each call, also in inference (Keras overwrites W while training and
    uses it undivided before the first step).

    Args:
        layer: has a weight `kernel` or `embeddings`.
        power_iterations: iterations per call while training.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: `power_iterations` is no int > 0.
        AttributeError: the layer has neither weight.

    Source:
        Miyato et al. 2018, arXiv:1802.05957.

    Example:
        >>> from lamella.nn.layers.dense import Dense
        >>> layer = SpectralNormalization(Dense(1, kernel_initializer="ones"))
        >>> round(float(layer(ops.ones((1, 4)))), 5)
        2.0
    """

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.power_iterations = positive_int("power_iterations", power_iterations, self.name)
        self.kernel: Any = None  # the layer's own; it comes first among the weights, as in Keras
        self.vector_u: Any = None

    def build(self, input_shape: Any) -> None:
        self._build_inner(input_shape)
        self.kernel = getattr(self.layer, self._weight_name())
        self.vector_u = self.add_weight((1, self.kernel.shape[-1]), initializers.TruncatedNormal(stddev=0.02),
                                        trainable=False, name="vector_u")

    def _weight_name(self) -> str:
        for name in ("kernel", "embeddings"):
            if getattr(self.layer, name, None) is not None:
                return name
        raise AttributeError(f"Layer {self.name!r} expects a layer with a weight `kernel` or `embeddings`, received "
                             f"{self.layer!r}.")

    def call(self, inputs: Any, training: bool = False) -> Any:
        name = self._weight_name()
        setattr(self.layer, name, self._normalized(self.kernel.value(), training))
        try:
            return self.layer(inputs)
        finally:
            setattr(self.layer, name, self.kernel)

    def _normalized(self, kernel: Tensor, training: bool) -> Tensor:
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        fixed, u = ops.stop_gradient(matrix), self.vector_u.value()
        v = u
        for _ in range(self.power_iterations):
            v = ops.normalize(ops.matmul(u, ops.transpose(fixed)), axis=None)
            u = ops.normalize(ops.matmul(v, fixed), axis=None)
        if training:
            self.vector_u.assign(u)
        sigma = ops.matmul(ops.matmul(v, matrix), ops.transpose(u))
        return kernel / ops.reshape(sigma, ())

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "power_iterations": self.power_iterations}
