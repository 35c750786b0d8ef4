"""`Discretization`: numbers to bins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.categorical import quantiles
from lamella.nn.layers.categorical.adaptable import AdaptableLayer
from lamella.nn.layers.categorical.encoding import checked_output_mode, encode, encoded_shape, refuse_sparse
from lamella.nn.layers.checks import finite_float, positive_int
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.nn.layers.layer import LAYERS


@LAYERS.register()
class Discretization(AdaptableLayer):
    """The number of boundaries that are not larger than x: bins (-∞, b₀), [b₀, b₁), ..., [bₙ, ∞). NaN is in the last.

    Args:
        bin_boundaries: ascending; or None, and then
        num_bins: how many bins `adapt` makes, of about equally many values each.
        epsilon: how exact the quantiles are: the smaller, the more values are kept (about 1 / epsilon).
        output_mode: "int" (int32, the shape of the inputs), "one_hot" (each value), or over the last axis "multi_hot"
            or "count".
        sparse: False; tensors are dense.

    Raises:
        ValueError: both or none of `bin_boundaries` and `num_bins`, boundaries that do not ascend, an unknown mode.
        RuntimeError: a call before there are boundaries.

    Source:
        As Keras; with three axes and more it encodes along the last one, as Keras' documentation says.

    Example:
        >>> Discretization([0.0, 1.0, 2.0])([[-1.5, 1.0, 3.4, 0.5]]).numpy().tolist()
        [[0, 2, 3, 1]]
    """

    def __init__(self, bin_boundaries: Sequence[float] | None = None, num_bins: int | None = None,
                 epsilon: float = 0.01, output_mode: str = "int", sparse: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError(f"Layer {self.name!r} needs either bin_boundaries or num_bins, received {bin_boundaries} "
                             f"and {num_bins}.")
        self.output_mode = checked_output_mode(output_mode, ("int", "one_hot", "multi_hot", "count"), self.name)
        refuse_sparse(sparse, self.name)
        self.num_bins = None if num_bins is None else positive_int("num_bins", num_bins, self.name)
        self.epsilon = finite_float("epsilon", epsilon, self.name, 1e-6, 1.0)
        self.bin_boundaries = None if bin_boundaries is None else self._checked(bin_boundaries)
        self.summary = quantiles.EMPTY
        self.built = True

    def _checked(self, given: Any) -> list[float]:
        values = np.asarray(given, np.float64)
        if values.ndim != 1 or not np.all(np.diff(values) >= 0):
            raise ValueError(f"bin_boundaries of layer {self.name!r} must ascend, received {given!r}.")
        return values.tolist()

    def reset_state(self) -> None:
        self.summary = quantiles.EMPTY

    def update_state(self, data: Any) -> None:
        """Take the values of a batch into account."""
        self._check_adaptable()
        batch = quantiles.summary_of(np.asarray(data).astype(np.float32), self.epsilon)
        self.summary = quantiles.merged(batch, self.summary, self.epsilon)

    def finalize_state(self) -> None:
        """Make boundaries of what was seen."""
        self._check_adaptable()
        assert self.num_bins is not None
        if not self.summary.size:
            raise ValueError(f"Layer {self.name!r} cannot adapt to no data.")
        self.bin_boundaries = quantiles.boundaries(self.summary, self.num_bins)

    def _batches(self, data: Any, steps: int | None) -> Iterator[Any]:
        of_numbers = isinstance(data, (list, tuple)) and not hasattr(next(iter(data), None), "__array__")
        return super()._batches(data if of_numbers or hasattr(data, "__array__") else iter(data), steps)

    def _check_adaptable(self) -> None:
        super()._check_adaptable()
        if self.num_bins is None:
            raise ValueError(f"Layer {self.name!r} was given its bin_boundaries; it cannot adapt. Pass num_bins instead.")

    def call(self, inputs: Tensor) -> Tensor:
        bounds = ops.convert_to_tensor(np.array(self._require_boundaries(), np.float32))
        self._note_compilation()
        below = ops.less(ops.expand_dims(inputs, -1), bounds)
        bins = ops.sum(ops.cast(ops.logical_not(below), "int32"), axis=-1)
        return encode(bins, self.output_mode, self._depth(), self._output_dtype)

    def _require_boundaries(self) -> list[float]:
        if self.bin_boundaries is None:
            raise RuntimeError(f"Layer {self.name!r} has no boundaries yet: call adapt(), or pass bin_boundaries.")
        return self.bin_boundaries

    def _depth(self) -> int:
        return len(self._require_boundaries()) + 1

    @property
    def _output_dtype(self) -> str:
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return encoded_shape(input_shape, self.output_mode, self._depth() if self.output_mode != "int" else None)

    def compute_output_spec(self, inputs: Any, **kwargs: Any) -> Any:
        return KerasTensor(self.compute_output_shape(inputs.shape), self._output_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the boundaries as they are now; no `trainable`, which Keras' layer does not take."""
        config = super().get_config()
        del config["trainable"]
        return {**config, "bin_boundaries": self.bin_boundaries, "num_bins": self.num_bins, "epsilon": self.epsilon,
                "output_mode": self.output_mode, "sparse": False}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A new layer; learned boundaries stand beside `num_bins` in the config."""
        learned = config.get("bin_boundaries") if config.get("num_bins") is not None else None
        layer = cls(**{**config, "bin_boundaries": None if learned else config.get("bin_boundaries")})
        layer.bin_boundaries = learned or layer.bin_boundaries
        return layer
