"""`Lambda`: a function as a layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lamella import tree
from lamella.nn.layers.arguments import tensors_of_shapes
from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class Lambda(Layer):
    """function(inputs, **arguments), with `training` and `mask` if the function takes them.

    For quick experiments: its config holds the name of the function only, never code, so a model with it cannot be
    loaded again from its config. Write a subclass of `Layer` to keep a model.

    Args:
        function: of the inputs; variables that it uses are not trained.
        output_shape: the shape of one sample, or a function of the input shape; by default the function is traced.
        mask: the mask of the output: None, a tensor, or a function of (inputs, mask).
        arguments: keyword arguments for the function.
        **kwargs: arguments of `Layer`.

    Raises:
        TypeError: `function` is none.
        ValueError: from a config.

    Source:
        As Keras, whose files may hold the function's bytecode.

    Example:
        >>> from lamella import ops
        >>> Lambda(lambda x: x**2)(ops.convert_to_tensor([3.0])).numpy().tolist()
        [9.0]
    """

    def __init__(self, function: Callable[..., Any], output_shape: Any = None, mask: Any = None,
                 arguments: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Layer {self.name!r} needs a function, received {function!r}.")
        self.function, self.arguments = function, dict(arguments or {})
        self.mask, self.supports_masking = mask, mask is not None
        self._output_shape = output_shape
        names = inspect.signature(function).parameters
        self._takes_mask, self._takes_training = "mask" in names, "training" in names
        self.built = True

    def call(self, inputs: Any, mask: Any = None, training: bool = False) -> Any:
        extra = ({"mask": mask} if self._takes_mask else {}) | ({"training": training} if self._takes_training else {})
        return self.function(inputs, **self.arguments, **extra)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        return (tree.flatten(input_shape)[0], *self._output_shape)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if self._output_shape is None:
            return self._traced_spec(*args, **kwargs)
        shape = self.compute_output_shape(tree.map_structure(lambda x: x.shape, args[0]))
        return tensors_of_shapes(shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments; the function by its name."""
        shape = None if callable(self._output_shape) else self._output_shape
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return {**super().get_config(), "function": {"class_name": "function", "config": name}, "output_shape": shape,
                "arguments": self.arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        raise ValueError(f"Layer {config.get('name')!r} is a Lambda around a Python function; configs hold no code, so it "
                         "cannot be made again from one. Write a subclass of Layer in its place.")
