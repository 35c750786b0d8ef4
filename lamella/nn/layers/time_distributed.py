"""`TimeDistributed`: one layer for all steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.layers.checks import check_mask
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.normalization import BatchNormalization
from lamella.nn.layers.wrapper import Wrapper


@LAYERS.register()
class TimeDistributed(Wrapper):
    """The layer inside applied to each step: (batch, steps, ...) to (batch, steps, ...).

    All steps go through the layer in one call, as a larger batch. Only with a `BatchNormalization` inside while
    training do they go one by one, for each step has its own statistics.

    Args:
        layer: takes one input, (batch, ...).
        **kwargs: arguments of `Layer`.

    Raises:
        ShapeError: inputs of less than 3 axes, or a mask that is not (batch, steps).

    Example:
        >>> from lamella.nn.layers.dense import Dense
        >>> TimeDistributed(Dense(4))(ops.ones((2, 5, 3))).shape
        (2, 5, 4)
    """

    supports_masking = True

    def _step_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        if len(input_shape) < 3 or input_shape[1] is None:
            raise ShapeError(f"Layer {self.name!r} expects inputs (batch, steps, ...) with a known number of steps, "
                             f"received shape {tuple(input_shape)}.")
        return (input_shape[0], *input_shape[2:])

    def build(self, input_shape: Any) -> None:
        self._build_inner(self._step_shape(input_shape))

    def call(self, inputs: Tensor, training: bool = False, mask: Any = None) -> Tensor:
        batch, steps = inputs.shape[:2]
        check_mask(mask, (batch, steps), self.name)
        masked = mask is not None and "mask" in self.layer._call_parameters
        if training and any(isinstance(layer, BatchNormalization) for layer in self.layer._flatten_layers()):
            results = [self.layer(inputs[:, step], training=training, **({"mask": mask[:, step]} if masked else {}))
                       for step in range(steps)]
            return ops.stack(results, 1)
        keywords = {"mask": ops.reshape(mask, (batch * steps,))} if masked else {}
        out = self.layer(ops.reshape(inputs, (batch * steps, *inputs.shape[2:])), training=training, **keywords)
        return ops.reshape(out, (batch, steps, *out.shape[1:]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        inner = self.layer.compute_output_shape(self._step_shape(input_shape))
        return (inner[0], input_shape[1], *inner[1:])
