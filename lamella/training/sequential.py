"""`Sequential`: a stack of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.frontend import name_scope
from lamella.nn.custom_objects import CustomObjectScope
from lamella.nn.layers import InputLayer, Layer
from lamella.nn.layers.categorical.host_layer import HostLayer
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.nn.layers.layer import LAYERS
from lamella.training.functional import FunctionalGraph
from lamella.training.model import Model
from lamella.training.serialization import sequential_config


@LAYERS.register()
class Sequential(Model):
    """Layers that are applied one after the other.

    It is built at once if the input shape is known: from an `Input`, or an `input_shape` argument of the first layer;
    otherwise when it first sees data.

    Args:
        layers: list of layers.
        trainable: whether the optimizer updates the weights.
        name: by default `sequential` and a counter.

    Raises:
        TypeError: an item is no layer.
        ValueError: two layers share a name.

    Source: keras.Sequential.

    Example:
        >>> from lamella.nn.layers import Dense
        >>> model = Sequential([Dense(8, activation="relu", input_shape=(4,)), Dense(1)])
        >>> model.output_shape, model.count_params()
        ((None, 1), 49)
    """

    _keras_name = ("keras", "Sequential")
    _untracked = Model._untracked | {"_input_layer", "_graph_layers"}

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(name=name)
        self._stack: list[Layer] = []
        self._input_layer: InputLayer | None = None
        self._tensors: list[KerasTensor] = []
        for layer in layers or ():
            self.add(layer)
        if not trainable:
            self.trainable = False

    @property
    def layers(self) -> list[Any]:
        """The layers, without the input."""
        return list(self._stack)

    def add(self, layer: Any) -> None:
        """Put a layer (or an `Input`) on top of the stack.

        Raises:
            TypeError: no layer, or one of strings.
            ValueError: the name is taken, or an input that does not come first.
        """
        if isinstance(layer, KerasTensor) and layer.history is not None:
            layer = layer.history.layer
        if isinstance(layer, InputLayer):
            if self._stack or self._input_layer is not None:
                raise ValueError(f"Sequential {self.name!r}: an input must come first and only once.")
            self._start(layer)
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"Sequential {self.name!r} takes layers, received {layer!r} ({type(layer).__name__}).")
        if isinstance(layer, HostLayer):
            layer.refuse_to_be_compiled()
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(f"Sequential {self.name!r} has a layer named {layer.name!r} already; names must differ.")
        if not self._stack and not self._tensors:
            self._start_from(layer)
        self._push(layer)
        self._forget_programs()

    def pop(self) -> Any:
        """Take the topmost layer away and return it.

        Raises:
            ValueError: there is none.
        """
        if not self._stack:
            raise ValueError(f"Sequential {self.name!r} has no layers.")
        layer = self._stack.pop()
        if self._tensors:
            self._tensors.pop()
            self._connect()
        self._forget_programs()
        return layer

    def build(self, input_shape: Any = None) -> None:
        """Make the weights for inputs of this shape (with the batch size first).

        Raises:
            ValueError: no shape is given and none is known.
        """
        if self._tensors:
            return
        if input_shape is None:
            raise ValueError(f"Sequential {self.name!r} needs an input_shape to be built.")
        self._start(InputLayer(tuple(input_shape)[1:]))
        layers, self._stack = self._stack, []
        for layer in layers:
            self._push(layer)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The output of the last layer."""
        return super().call(inputs) if self._graph is not None else inputs

    def get_config(self) -> dict[str, Any]:
        """Name and layers in Keras' form."""
        return sequential_config(self, self._input_layer)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A new model, with new weights, from `get_config`; see `Model.from_config`.

        Example:
            >>> from lamella.nn.layers import Dense
            >>> Sequential.from_config(Sequential([Dense(8, input_shape=(4,)), Dense(1)]).get_config()).count_params()
            49
        """
        with CustomObjectScope(custom_objects):
            layers = [LAYERS.deserialize(layer) for layer in config["layers"]]
            return cls(layers, trainable=config.get("trainable", True), name=config.get("name"))

    def _start_from(self, layer: Any) -> None:
        """Begin at the input shape that the first layer knows, if it does."""
        shape = getattr(layer, "_input_shape_arg", None)
        if shape is not None:
            self._start(InputLayer(shape))
        elif isinstance(layer, Model) and layer.has_graph:
            first = layer.inputs[0]
            self._start(InputLayer(first.shape[1:], dtype=first.dtype))

    def _start(self, input_layer: InputLayer) -> None:
        self._input_layer = input_layer
        self._tensors = [input_layer.output]
        self._connect()

    def _push(self, layer: Layer) -> None:
        if self._tensors:
            with name_scope(self.name):
                self._tensors.append(layer(self._tensors[-1]))
        self._stack.append(layer)
        if self._tensors:
            self._connect()

    def _connect(self) -> None:
        self._graph = FunctionalGraph(self._tensors[0], self._tensors[-1])
        self.built = True
