"""What a layer owns: weights, sub-layers, metrics, penalties. `Layer` adds the calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor, Variable
from lamella.frontend.random import SeedGenerator
from lamella.nn import constraints, initializers, regularizers
from lamella.nn.dtype_policy import is_float
from lamella.nn.layers.tracking import held, unique
from lamella.nn.metrics.metric import Metric


class LayerState:
    """The state half of `Layer`."""

    # Attributes that may hold layers, metrics or variables which are not part of this one.
    _untracked: frozenset[str] = frozenset({"inbound_nodes", "_losses"})
    name: str
    variable_dtype: Any
    _trainable: bool
    _losses: list[Any]
    _weights: list[Variable]

    def _own(self, kind: type) -> list[Any]:
        return held(self, kind, self._untracked)

    @property
    def _layers(self) -> list[Any]:
        return self._own(LayerState)

    def _flatten_layers(self) -> list[Any]:
        """This layer and all below it, depth first."""
        return unique([self, *(deep for layer in self._layers for deep in layer._flatten_layers())])

    # -- weights ------------------------------------------------------------------------------------------------------

    def add_weight(self, shape: Sequence[int] | None = None, initializer: Any = None, dtype: str | None = None,
                   trainable: bool = True, autocast: bool = True, regularizer: Any = None, constraint: Any = None,
                   name: str | None = None) -> Variable:
        """Make a variable that belongs to this layer.

        Args:
            shape: its sizes, () by default.
            initializer: name, object or function of (shape, dtype); by default Glorot uniform for floats, else zeros.
            dtype: by default the variable dtype of the layer.
            trainable: whether the optimizer updates it.
            autocast: whether `call` reads it in the computation dtype of the layer.
            regularizer: penalty on it that is added to the loss.
            constraint: projection applied after each update.
            name: last part of its path.

        Raises:
            ValueError: a size is unknown (None) or negative.
        """
        shape = tuple(shape or ())
        if any(size is None or size < 0 for size in shape):
            raise ShapeError(f"Layer {self.name!r} cannot make the weight {name or 'variable'!r} of shape {shape}: "
                             "each size must be known. Give the model an input shape without None beside the batch.")
        dtype = dtype or self.variable_dtype
        make = initializers.get(initializer or ("glorot_uniform" if is_float(dtype) else "zeros"))
        variable = self._make_variable(make, shape, dtype, trainable, name or "variable")
        if tuple(variable.shape) != shape:
            raise ShapeError(f"The initializer of {variable.path} gave shape {tuple(variable.shape)}, not {shape}.")
        variable.autocast = autocast
        variable.regularizer = regularizers.get(regularizer)  # type: ignore[attr-defined]
        variable.constraint = constraints.get(constraint)  # type: ignore[attr-defined]
        self._weights.append(variable)
        return variable

    def _make_variable(self, make: Any, shape: tuple[int, ...], dtype: str, trainable: bool, name: str) -> Variable:
        return Variable(make, trainable=trainable, dtype=dtype, name=name, shape=shape)

    def _own_weights(self) -> list[Variable]:
        variables = self._own(Variable)
        return [v for v in variables if v.trainable] + [v for v in variables if not v.trainable]

    @property
    def weights(self) -> list[Variable]:
        """All weights: own trainable, own others, then those of the sub-layers."""
        return unique([*self._own_weights(), *(w for layer in self._layers for w in layer.weights)])

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that the optimizer updates; none if the layer is frozen."""
        return self._select(True, self.weights)

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """All weights but the trainable ones."""
        return self._select(False, self.weights)

    @property
    def variables(self) -> list[Variable]:
        """`weights` and the states of the seed generators (dropout), as in Keras without the metrics' states."""
        seeds = [generator.state for generator in self._own(SeedGenerator)]
        return unique([*self._own_weights(), *seeds, *(v for layer in self._layers for v in layer.variables)])

    @property
    def trainable_variables(self) -> list[Variable]:
        """Same as `trainable_weights`."""
        return self._select(True, self.variables)

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """`variables` but the trainable ones."""
        return self._select(False, self.variables)

    def _select(self, trainable: bool, variables: list[Variable]) -> list[Variable]:
        frozen = {id(w) for layer in self._flatten_layers() if not layer._trainable for w in layer.weights}
        return [v for v in variables if (v.trainable and id(v) not in frozen) == trainable]

    @property
    def trainable(self) -> bool:
        """Whether the optimizer updates this layer; setting it sets all layers and variables below."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._flatten_layers():
            layer._trainable = bool(value)

    def count_params(self) -> int:
        """The number of scalars in all weights.

        Raises:
            ValueError: the layer has no weights yet.
        """
        if not getattr(self, "built", True):
            raise ValueError(f"Layer {self.name!r} has no weights yet: call it or build it first.")
        return sum(math.prod(w.shape) for w in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights, in the order of `weights`."""
        return [np.array(w.numpy()) for w in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Assign all weights; nothing is assigned unless all fit.

        Args:
            weights: arrays in the order and with the shapes of `weights`.

        Raises:
            ShapeError: another number of arrays, or a shape differs; names the weight.
        """
        targets = self.weights
        if len(weights) != len(targets):
            raise ShapeError(f"Layer {self.name!r} has {len(targets)} weights, received {len(weights)} arrays.")
        arrays = [np.asarray(value) for value in weights]
        for target, array in zip(targets, arrays, strict=True):
            if tuple(target.shape) != array.shape:
                raise ShapeError(f"Weight {target.path} has shape {tuple(target.shape)}, received {array.shape}.")
        for target, array in zip(targets, arrays, strict=True):
            target.assign(ops.cast(array, target.dtype))

    # -- metrics and penalties ----------------------------------------------------------------------------------------

    @property
    def metrics(self) -> list[Metric]:
        """The metrics held by this layer and those below."""
        return unique([*self._own(Metric), *(m for layer in self._layers for m in layer.metrics)])

    @property
    def metrics_variables(self) -> list[Variable]:
        """The states of `metrics`."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def add_loss(self, loss: Any) -> None:
        """Add a scalar (or a list of them) to `losses` until the next outermost call.

        Raises:
            ShapeError: not a scalar.
        """
        for value in loss if isinstance(loss, (list, tuple)) else [loss]:
            value = ops.convert_to_tensor(value)
            if tuple(value.shape) != ():
                raise ShapeError(f"add_loss of layer {self.name!r} needs scalars, received shape {tuple(value.shape)}.")
            self._losses.append(value)

    @property
    def losses(self) -> list[Tensor]:
        """The values of `add_loss` and activity penalties since the last outermost call, then the weight penalties."""
        added = [value for layer in self._flatten_layers() for value in layer._losses]
        penalties = [(getattr(w, "regularizer", None), w) for w in self.trainable_weights]
        return added + [penalty(w) for penalty, w in penalties if penalty is not None]

    def _clear_losses(self) -> None:
        for layer in self._flatten_layers():
            layer._losses.clear()
