"""`Model`: a layer that can be compiled, trained, evaluated and asked for predictions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from lamella.nn.custom_objects import CustomObjectScope
from lamella.nn.layers import Layer
from lamella.nn.layers.layer import LAYERS
from lamella.nn.naming import auto_name
from lamella.training.functional import FunctionalGraph
from lamella.training.serialization import functional_config, functional_parts
from lamella.training.summary import summary_text
from lamella.training.trainer import Trainer


@LAYERS.register("Functional")
class Model(Trainer, Layer):
    """A model, in one of two ways.

    * Functional: `Model(inputs, outputs)` with what `Input()` and layers called on it return.
    * By subclassing: layers in `__init__`, the computation in `call(self, inputs, training=None)`.

    Args:
        inputs, outputs: trees of symbolic tensors (functional models only).
        name: by default `functional` or the class in snake case, and a counter.
        trainable: whether the optimizer updates the weights.

    Raises:
        TypeError: only one of inputs and outputs, or leaves that are no symbolic tensors.
        ValueError: the outputs depend on an input that is not given, or two layers have one name.

    Source: keras.Model.

    Example:
        >>> from lamella.nn.layers import Dense, Input
        >>> inputs = Input((4,))
        >>> model = Model(inputs, Dense(2)(inputs), name="small")
        >>> model([[1.0, 2.0, 3.0, 4.0]]).shape
        (1, 2)
    """

    _kind = "Model"
    _keras_name = ("keras.src.models.functional", "Functional")
    _untracked = Layer._untracked | {"_compiled", "_programs", "_predict_calls", "history", "optimizer"}

    def __init__(
        self, inputs: Any = None, outputs: Any = None, *, name: str | None = None, trainable: bool = True, **kwargs: Any
    ) -> None:
        if (inputs is None) != (outputs is None):
            raise TypeError("Model needs both inputs and outputs, or neither for a subclass that defines call().")
        graph = None if inputs is None else FunctionalGraph(inputs, outputs)
        if name is None and type(self) is Model and graph is not None:
            name = auto_name("functional")
        super().__init__(name=name, **kwargs)
        self._init_trainer()
        self._graph = graph
        if graph is not None:
            self._graph_layers = graph.layers
            self.built = True
        if not trainable:
            self.trainable = False

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The outputs for `inputs`; functional models run their graph, subclasses override this."""
        if self._graph is None:
            raise NotImplementedError(f"Model {self.name!r} ({type(self).__name__}) does not define call().")
        return self._graph.run(inputs)

    def build(self, input_shape: Any) -> None:
        """Nothing to make here: the layers of a subclass build themselves at the first call."""
        self.built = True

    @property
    def has_graph(self) -> bool:
        """Whether the layers and their connections are known (functional and built sequential models)."""
        return self._graph is not None

    @property
    def defines_call(self) -> bool:
        """Whether the model itself can be called; one with a `train_step` of its own need not."""
        return self._graph is not None or type(self).call is not Model.call

    @property
    def layers(self) -> list[Any]:
        """The layers directly below the model."""
        return self._layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """The layer of this name or at this position.

        Raises:
            ValueError: neither or both are given, or there is no such layer.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer needs a name or an index.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"There is no layer {index}: the model has {len(self.layers)}.")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"There is no layer {name!r}; the model has {', '.join(layer.name for layer in self.layers)}.")

    @property
    def inputs(self) -> list[Any]:
        """The symbolic inputs, in a flat list."""
        return self._known_graph().inputs

    @property
    def outputs(self) -> list[Any]:
        """The symbolic outputs, in a flat list."""
        return self._known_graph().outputs

    @property
    def input(self) -> Any:
        """The symbolic input, or the tree of them."""
        return self._known_graph().inputs_struct

    @property
    def output(self) -> Any:
        """The symbolic output, or the tree of them."""
        return self._known_graph().outputs_struct

    @property
    def input_shape(self) -> Any:
        """Shape of the input (a list of shapes for several); None for the batch size."""
        shapes = [tensor.shape for tensor in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """Shape of the output (a list of shapes for several); None for the batch size."""
        shapes = [tensor.shape for tensor in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs, as loss and metric dicts and logs use them."""
        return self._known_graph().output_names

    def _known_graph(self) -> FunctionalGraph:
        if self._graph is None:
            raise AttributeError(
                f"Model {self.name!r} has no symbolic inputs and outputs: it is not functional, or not built yet."
            )
        return self._graph

    def summary(self, line_length: int | None = None, positions: Sequence[float] | None = None,
                print_fn: Callable[[str], Any] | None = None, expand_nested: bool = False, show_trainable: bool = False,
                layer_range: Sequence[str] | None = None) -> None:
        """Print the layers with their output shapes and numbers of weights.

        Args:
            line_length: width in characters.
            positions: where each column ends, in characters or as parts of the line.
            print_fn: receives the text; by default it is printed.
            expand_nested: whether to list the layers of models inside of the model.
            show_trainable: whether to say which layers train.
            layer_range: names, or regular expressions of them, of the first and the last layer to list.

        Raises:
            ValueError: as many positions as columns are needed, and two layers that exist.
        """
        (print_fn or print)(summary_text(self, line_length, positions, expand_nested, show_trainable, layer_range))

    def get_config(self) -> dict[str, Any]:
        """Name, layers and connections of a functional model in Keras' form.

        Raises:
            NotImplementedError: a subclassed model that does not define it.
        """
        if self._graph is None:
            raise NotImplementedError(
                f"{type(self).__name__} is a subclassed model: define get_config() to describe it."
            )
        return functional_config(self, self._graph)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A new model, with new weights, from `get_config`.

        Args:
            config: of a functional model (also one from Keras), or the arguments of a subclass.
            custom_objects: name to class or function, for layers and parts that are not Lamella's own.

        Raises:
            ValueError: a class that is not known.

        Example:
            >>> from lamella.nn.layers import Dense, Input
            >>> inputs = Input((4,))
            >>> model = Model(inputs, Dense(2)(inputs))
            >>> Model.from_config(model.get_config()).output_shape
            (None, 2)
        """
        with CustomObjectScope(custom_objects):
            if not {"layers", "input_layers", "output_layers"} <= set(config):
                return super().from_config(config)
            inputs, outputs = functional_parts(config)
            return cls(inputs, outputs, name=config.get("name"), trainable=config.get("trainable", True))

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON in Keras-3 format.

        Args:
            **kwargs: passed to `json.dumps`.
        """
        config = LAYERS.serialize(self) | {"build_config": {"input_shape": self.input_shape if self.has_graph else None}}
        return json.dumps(config, **kwargs)
