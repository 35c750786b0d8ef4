"""`Layer`: builds itself at the first call, casts its inputs, passes `training` and masks on."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np

from lamella import ops, tree
from lamella.errors import DTypeError, ShapeError
from lamella.frontend import Tensor, Variable, current_remat_scope, name_scope
from lamella.nn import dtype_policy as policies
from lamella.nn import regularizers
from lamella.nn.dtype_policy import DTypePolicy, DTypePolicyMap, is_float
from lamella.nn.layers.arguments import (
    all_none,
    array_of_numbers,
    call_parameters,
    first_input,
    input_shape_argument,
    masks_by_argument,
    masks_of,
    scoped_build,
    shapes_of,
    tensors_of_shapes,
)
from lamella.nn.layers.call_context import call_context, current_training, is_outermost
from lamella.nn.layers.input_spec import InputSpec, check_input
from lamella.nn.layers.keras_tensor import KerasTensor, Node, is_symbolic, record
from lamella.nn.layers.naming_errors import name_layer, named_init
from lamella.nn.layers.output_spec import traced_output_spec
from lamella.nn.layers.rematerialization import rematerialized
from lamella.nn.layers.state import LayerState
from lamella.nn.masks import get_mask, set_mask
from lamella.nn.naming import auto_name, unknown_arguments
from lamella.nn.registry import Registry

__all__ = ["InputSpec", "KerasTensor", "LAYERS", "Layer", "Node"]

LAYERS = Registry("keras.layers", "layer")

# Arguments in Keras' configs for what Lamella has not; they may be off.
_ONLY_KERAS = {"quantization_config", "sparse", "ragged", "optional", "rms_scaling"}


class Layer(LayerState):
    """Base of all layers.

    Subclasses define `call(self, inputs)`, which may also take `training` and `mask`, and `build(self, input_shape)`,
    which makes weights with `add_weight`. Attributes that hold variables, layers or metrics, also inside of lists and
    dicts, are found by themselves.

    Args:
        activity_regularizer: penalty on the output, divided by the batch size.
        trainable: whether the optimizer updates the weights.
        dtype: a dtype policy: name of a dtype, `"mixed_bfloat16"` (float32 variables, bfloat16 computation),
            `"mixed_float16"`, a `DTypePolicy` or its config; None is the global policy.
        autocast: whether float inputs are cast to the computation dtype.
        name: must be unique in a model; by default the class in snake case and a counter.
        input_shape, input_dim, batch_input_shape: shape of one sample (of a batch), so that a `Sequential` can build at
            once.

    Raises:
        TypeError: an unknown argument, or `trainable` is no bool.

    Example:
        >>> class Double(Layer):
        ...     def build(self, input_shape):
        ...         self.factor = self.add_weight(shape=(), initializer="ones", name="factor")
        ...     def call(self, inputs):
        ...         return 2 * self.factor * inputs
        >>> layer = Double()
        >>> layer(np.ones((1, 2))).numpy().tolist()
        [[2.0, 2.0]]
        >>> layer.weights[0].path
        'double/factor'
    """

    _initialized = False
    _build_shapes: tuple[Any, ...] | None = None  # what `build` was called with
    _call_parameters: tuple[str, ...] = ()
    _trains_by_default = False
    _kind = "Layer"  # in messages
    supports_masking = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "call" in vars(cls):
            cls._call_parameters, cls._trains_by_default = call_parameters(vars(cls)["call"])
        if "__init__" in vars(cls) and cls.__module__.startswith("lamella."):  # users' errors stay as they are
            cls.__init__ = named_init(vars(cls)["__init__"])  # type: ignore[method-assign]
        if "build" in vars(cls):
            cls.build = scoped_build(vars(cls)["build"])  # type: ignore[method-assign]

    def __init__(self, *, activity_regularizer: Any = None, trainable: bool = True, dtype: Any = None,
                 autocast: bool = True, name: str | None = None, **kwargs: Any) -> None:
        self._initialized = True
        self.name = name if name is not None else auto_name(type(self).__name__)
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"The name of a {type(self).__name__} must be a non-empty string, received {name!r}.")
        if not isinstance(trainable, (bool, np.bool_)):
            raise TypeError(f"trainable of layer {self.name!r} must be True or False, received {trainable!r}.")
        self._trainable = bool(trainable)
        self._dtype_policy = policies.get(dtype)
        self.autocast = autocast
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.built = False
        self._remat_scope = current_remat_scope()
        self.input_spec: Any = None
        self.inbound_nodes: list[Node] = []
        self._weights: list[Variable] = []
        self._losses: list[Any] = []
        self._path: str | None = None
        self._building = False
        self._input_shape_arg = input_shape_argument(kwargs)
        if kwargs:
            raise TypeError(unknown_arguments(type(self), kwargs))

    # -- to override --------------------------------------------------------------------------------------------------

    @scoped_build
    def build(self, input_shape: Any) -> None:
        """Make the weights; called once with the shape of the first input (a tree of shapes for several)."""
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation, on tensors."""
        raise NotImplementedError(f"Layer {self.name!r} ({type(self).__name__}) does not define call().")

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the output, given that of the inputs: unchanged where `supports_masking` is set."""
        return previous_mask if self.supports_masking else None

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The output as symbolic tensors, without computing anything.

        Uses `compute_output_shape` where a layer defines it, otherwise traces `call` on shapes.
        """
        if type(self).compute_output_shape is Layer.compute_output_shape:
            return self._traced_spec(*args, **kwargs)
        shape = self.compute_output_shape(tree.map_structure(lambda x: x.shape, first_input(args, kwargs)))
        return tensors_of_shapes(shape, self.compute_dtype)

    def _traced_spec(self, *args: Any, **kwargs: Any) -> Any:
        return traced_output_spec(self._run, args, kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output, None where unknown, for the shape of the (first) input."""
        inputs = tensors_of_shapes(input_shape, self.compute_dtype)
        self._ensure_built((inputs,), {})
        return tree.map_structure(lambda x: x.shape, traced_output_spec(self._run, (inputs,), {}))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer; subclasses add theirs."""
        config = {"name": self.name, "trainable": self.trainable, "dtype": policies.serialize(self.dtype_policy)}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A new layer, without weights, from `get_config`, also that of Keras."""
        return cls(**{name: value for name, value in config.items() if value or name not in _ONLY_KERAS})

    # -- calling ------------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._initialized:
            raise RuntimeError(f"{type(self).__name__}.__init__ must call super().__init__() first.")
        args = tuple(self._convert(value if place else array_of_numbers(value)) for place, value in enumerate(args))
        kwargs = {key: self._convert(value) for key, value in kwargs.items()}
        if is_outermost():
            self._clear_losses()
        inputs = first_input(args, kwargs)
        if not self.built:
            check_input(self.input_spec, inputs, self.name)
            self._ensure_built(args, kwargs)
        check_input(self.input_spec, inputs, self.name)
        if is_symbolic((args, kwargs)):
            symbols, options = tree.map_structure(self._as_converted, (args, kwargs))
            return record(self, args, kwargs, self.compute_output_spec(*symbols, **options))
        outputs = self._run(*args, **kwargs)
        self._pass_mask_on(inputs, kwargs.get("mask"), outputs)
        return outputs

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        """`call` inside of the call context, with `training` and `mask` filled in."""
        parameters = self._call_parameters
        training = self._training_argument(parameters, args, kwargs)
        if "training" in parameters and parameters.index("training") >= len(args):
            kwargs["training"] = training
        if "mask" in parameters and parameters.index("mask") >= len(args) and kwargs.get("mask") is None:
            kwargs["mask"] = masks_of(first_input(args, kwargs))
        kwargs |= masks_by_argument(parameters, args, kwargs)
        with call_context(self, training), name_scope(self.name):
            try:
                outputs = rematerialized(self)(*args, **kwargs)
            except (ShapeError, DTypeError) as error:
                name_layer(error, self)
                raise
            self._penalize_activity(outputs)
        return outputs

    def _training_argument(self, parameters: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The argument, else the flag of the call around, else the default in the signature, else False."""
        given = kwargs.get("training") if "training" in parameters else kwargs.pop("training", None)
        if given is None and "training" in parameters and parameters.index("training") < len(args):
            given = args[parameters.index("training")]
        if given is None:
            given = current_training()
        return self._trains_by_default if given is None else given

    def _penalize_activity(self, outputs: Any) -> None:
        if self.activity_regularizer is None:
            return
        for output in tree.flatten(outputs):
            batch = max(1, output.shape[0]) if output.shape else 1
            self.add_loss(self.activity_regularizer(output) / batch)

    def _pass_mask_on(self, inputs: Any, mask: Any, outputs: Any) -> None:
        """Give the outputs their masks, from the argument `mask` or else that of the inputs."""
        mask = masks_of(inputs) if mask is None else mask
        if type(self).compute_mask is Layer.compute_mask and (all_none(mask) or not self.supports_masking):
            if not all_none(mask):
                warnings.warn(f"Layer {self.name!r} ({type(self).__name__}) does not pass masks on: the layers after it do not see "
                              "the mask of its input. If it should, set supports_masking = True or define compute_mask.",
                              stacklevel=3)
            return
        out_mask = self.compute_mask(inputs, mask)
        if out_mask is None:
            return
        leaves = tree.flatten(outputs)
        masks = [out_mask] if len(leaves) == 1 else tree.flatten(out_mask)
        for output, one in zip(leaves, masks, strict=False):
            if get_mask(output) is None:
                set_mask(output, one)

    # -- building -----------------------------------------------------------------------------------------------------

    def _ensure_built(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self.built:
            return
        parameters = list(inspect.signature(self.build).parameters)
        by_name = dict(zip(self._call_parameters, args, strict=False)) | kwargs
        shapes = {f"{name}_shape": shapes_of(value) for name, value in by_name.items()}
        if len(parameters) > 1 and all(name in shapes for name in parameters):
            self.build(**{name: shapes[name] for name in parameters})
        else:
            self.build(shapes_of(first_input(args, kwargs)))
        self.built = True

    def _make_variable(self, *args: Any) -> Variable:
        if self._building:
            return super()._make_variable(*args)
        with name_scope(self.name):
            return super()._make_variable(*args)

    # -- looking ------------------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """Where the layer was built, such as `"sequential/dense"`."""
        return self._path or self.name

    @property
    def dtype_policy(self) -> DTypePolicy:
        """What was given as `dtype`, or the global policy of that moment. Setting it does not change existing variables."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        policy = policies.get(value)
        if isinstance(self._dtype_policy, DTypePolicyMap) and self._path:
            self._dtype_policy.pop(self._path, None)
            self._dtype_policy[self._path] = policy
        else:
            self._dtype_policy = policy

    @property
    def _own_policy(self) -> DTypePolicy:
        policy = self._dtype_policy
        return policy[self._path] if isinstance(policy, DTypePolicyMap) and self._path else policy

    @property
    def variable_dtype(self) -> str:
        """The dtype of the variables."""
        return self._own_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation: float inputs are cast to it, outputs have it."""
        return self._own_policy.compute_dtype

    input_dtype = compute_dtype

    @property
    def dtype(self) -> str:
        """The same as `variable_dtype`."""
        return self.variable_dtype

    @property
    def input(self) -> Any:
        """The symbolic input of the first call in a functional model."""
        node = self._first_node()
        inputs = node.args[0] if node.args else node.kwargs
        return inputs

    @property
    def output(self) -> Any:
        """The symbolic output of the first call in a functional model."""
        return self._first_node().outputs

    def _first_node(self) -> Node:
        if not self.inbound_nodes:
            raise AttributeError(f"Layer {self.name!r} was never called on symbolic tensors, so it has no input and output: call "
                                 "it on an Input().")
        return self.inbound_nodes[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def _convert(self, structure: Any) -> Any:
        """Arrays to tensors, floats to the computation dtype."""
        return tree.map_structure(self._convert_leaf, structure)

    def _as_converted(self, x: Any) -> Any:
        """A symbolic tensor with the dtype that `_convert_leaf` gives the tensor that it stands for."""
        return KerasTensor(x.shape, self.compute_dtype) if isinstance(x, KerasTensor) and self._casts(x) else x

    def _casts(self, x: Any) -> bool:
        return self.autocast and is_float(x.dtype) and x.dtype != self.compute_dtype

    def _convert_leaf(self, x: Any) -> Any:
        if not isinstance(x, (Tensor, Variable)):
            if isinstance(x, (KerasTensor, np.generic)) or not hasattr(x, "__array__"):
                return x
            array = np.asarray(x)
            if array.dtype.kind not in "fiub" and str(array.dtype) != "bfloat16":
                raise TypeError(f"Layer {self.name!r} got an array of dtype {array.dtype}; it takes numbers.")
            x = ops.convert_to_tensor(array)
        if self._casts(x):
            converted = ops.cast(x, self.compute_dtype)
            set_mask(converted, get_mask(x))
            return converted
        return x


get, serialize, deserialize = LAYERS.get, LAYERS.serialize, LAYERS.deserialize
