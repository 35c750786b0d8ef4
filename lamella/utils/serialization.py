"""Any object as a config of plain values, and back: `serialize_keras_object`, `deserialize_keras_object`."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamella.frontend import Tensor, Variable, convert_to_tensor
from lamella.nn.activations.registry import ACTIVATIONS
from lamella.nn.constraints import CONSTRAINTS
from lamella.nn.custom_objects import CustomObjectScope, get_registered_name, get_registered_object, known_custom_objects
from lamella.nn.dtype_policy import POLICIES
from lamella.nn.initializers.base import INITIALIZERS
from lamella.nn.layers.layer import LAYERS
from lamella.nn.losses.loss import LOSSES
from lamella.nn.metrics.metric import METRICS
from lamella.nn.metrics.reduction import FUNCTIONS
from lamella.nn.optimizers.optimizer import OPTIMIZERS
from lamella.nn.optimizers.schedules.base import SCHEDULES
from lamella.nn.regularizers import REGULARIZERS

_REGISTRIES = (
    LAYERS, LOSSES, METRICS, FUNCTIONS, OPTIMIZERS, SCHEDULES, INITIALIZERS, REGULARIZERS, CONSTRAINTS, POLICIES, ACTIVATIONS,
)


def serialize_keras_object(obj: Any) -> Any:
    """Plain values (numbers, strings, None, lists, dicts) that stand for an object, in Keras' form.

    Args:
        obj: layers, losses and other objects with `get_config`, named functions, arrays, tensors, slices, bytes, plain values, and
            lists, tuples and dicts of them.

    Raises:
        TypeError: a lambda (it has no name to be found by), or an object without `get_config`.

    Source: keras.saving.serialize_keras_object.

    Example:
        >>> serialize_keras_object([slice(1, None), np.float32(0.5)])
        [{'class_name': '__slice__', 'config': {'start': 1, 'stop': None, 'step': None}}, 0.5]
    """
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, (list, tuple)):
        return type(obj)(map(serialize_keras_object, obj))
    if isinstance(obj, dict):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    special = _special(obj)
    if special is not None:
        return special
    if isinstance(obj, np.generic):
        return obj.item()
    if hasattr(obj, "get_config"):
        registry = next((r for r in _REGISTRIES if r.objects.get(type(obj).__name__) is type(obj)), LAYERS)
        config = registry.serialize(obj)
        return {**config, "config": serialize_keras_object(config["config"])}
    if isinstance(obj, types.FunctionType) and obj.__name__ != "<lambda>":
        name = get_registered_name(obj)
        registry_of = next((r.module for r in _REGISTRIES if r.objects.get(obj.__name__) is obj), obj.__module__)
        return {"module": registry_of, "class_name": "function", "config": name, "registered_name": name}
    raise TypeError(f"serialize_keras_object cannot describe {obj!r} ({type(obj).__name__}): it needs a get_config() method, or to "
                    "be a function with a name.")


def _special(obj: Any) -> dict[str, Any] | None:
    """Values that JSON has not."""
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        parts = {"start": obj.start, "stop": obj.stop, "step": obj.step}
        return {"class_name": "__slice__", "config": {key: serialize_keras_object(part) for key, part in parts.items()}}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    for kind, types_ in (("__tensor__", (Tensor, Variable)), ("__numpy__", np.ndarray)):
        if isinstance(obj, types_):
            array = np.asarray(obj)
            return {"class_name": kind, "config": {"value": array.tolist(), "dtype": array.dtype.name}}
    return None


_SPECIAL = {
    "__bytes__": lambda config: config["value"].encode("utf-8"),
    "__slice__": lambda config: slice(*(config[part] for part in ("start", "stop", "step"))),
    "__ellipsis__": lambda config: Ellipsis,
    "__tensor__": lambda config: convert_to_tensor(config["value"], config["dtype"]),
    "__numpy__": lambda config: np.array(config["value"], config["dtype"]),
}


def deserialize_keras_object(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """What `serialize_keras_object` described. Nothing is imported: only known classes and functions are found.

    Args:
        config: plain values.
        custom_objects: name to class or function, for those that are neither Lamella's nor registered.

    Raises:
        ValueError: a class or function that is not known; the message offers the closest names.

    Source: keras.saving.deserialize_keras_object. There is no `safe_mode`, for there is no unsafe one.

    Example:
        >>> from lamella.nn.layers import Dense
        >>> deserialize_keras_object(serialize_keras_object({"layer": Dense(3, name="d")}))
        {'layer': <Dense name=d, built=False>}
    """
    with CustomObjectScope(custom_objects):
        return _read(config)


def _read(config: Any) -> Any:
    if isinstance(config, str):
        return known_custom_objects().get(config, config)
    if isinstance(config, (list, tuple)):
        return type(config)(map(_read, config))
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config:
        return {key: _read(value) for key, value in config.items()}
    name, inner = config["class_name"], config["config"]
    if name in _SPECIAL:
        return _SPECIAL[name]({key: _read(value) if key != "value" else value for key, value in inner.items()})
    custom = get_registered_object(config.get("registered_name") or "")
    if custom is not None:
        return custom if name == "function" else custom.from_config(dict(inner))
    wanted = inner if name == "function" else name
    holders = [r for r in _REGISTRIES if wanted in r.objects]
    registry = next((r for r in holders if r.module == config.get("module")), holders[0] if holders else LAYERS)
    return registry.deserialize(config)
