"""The small print of a layer call: which argument is what, and what shape it has."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from lamella import tree
from lamella.frontend import autocast_scope, name_scope
from lamella.frontend.state import state as frontend_state
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.nn.masks import get_mask


def scoped_build(build: Callable[..., None]) -> Callable[..., None]:
    """`build` inside of the layer's name scope; the outermost of a chain of super() calls marks the layer built."""
    @functools.wraps(build)
    def scoped(self: Any, *args: Any, **kwargs: Any) -> None:
        if self._building:
            build(self, *args, **kwargs)
            return
        self._building, before = True, len(self._weights)
        self._build_shapes = (*args, *kwargs.values())
        try:
            with name_scope(self.name), autocast_scope(None):
                self._path = frontend_state.scope
                build(self, *args, **kwargs)
        except BaseException:
            del self._weights[before:]  # a failed build must not leave half of the weights behind
            raise
        finally:
            self._building = False
        self.built = True
    return scoped


def call_parameters(call: Callable[..., Any]) -> tuple[tuple[str, ...], bool]:
    """Names of the parameters of a `call` method without self, and whether it trains unless told otherwise."""
    parameters = inspect.signature(call).parameters
    training = parameters.get("training")
    return tuple(parameters)[1:], training is not None and training.default is True


def first_input(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The first argument of a call."""
    return args[0] if args else next(iter(kwargs.values()), None)


def shapes_of(structure: Any) -> Any:
    """The tree of shapes of a tree of tensors."""
    return tree.map_structure(lambda x: tuple(getattr(x, "shape", ())), structure)


def masks_of(structure: Any) -> Any:
    """The tree of masks of a tree of tensors."""
    return tree.map_structure(get_mask, structure)


def masks_by_argument(parameters: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The masks of arguments for parameters such as `query_mask`, beside `query`, that are not given."""
    given = dict(zip(parameters, args, strict=False)) | kwargs
    return {f"{name}_mask": masks_of(value) for name, value in given.items()
            if f"{name}_mask" in parameters[len(args):] and given.get(f"{name}_mask") is None}


def all_none(structure: Any) -> bool:
    """Whether a tree holds nothing but None."""
    return all(leaf is None for leaf in tree.flatten(structure))


def _is_shape(value: Any) -> bool:
    sizes = (int, np.integer, type(None))
    return isinstance(value, (list, tuple)) and all(isinstance(size, sizes) for size in value)


def tensors_of_shapes(shapes: Any, dtype: str) -> Any:
    """A tree of symbolic tensors for a tree of shapes."""
    if _is_shape(shapes):
        return KerasTensor(tuple(shapes), dtype)
    if isinstance(shapes, dict):
        return {key: tensors_of_shapes(value, dtype) for key, value in shapes.items()}
    return type(shapes)(tensors_of_shapes(value, dtype) for value in shapes)


def array_of_numbers(structure: Any) -> Any:
    """A nested list of Python numbers as an array; anything else as it is.

    Raises:
        ValueError: the lists are ragged.
    """
    if not isinstance(structure, (list, tuple)) or not structure:
        return structure
    return np.asarray(structure) if all(isinstance(x, (int, float)) for x in tree.flatten(structure)) else structure


def input_shape_argument(kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
    """The shape of one sample from the classic keywords, which are taken out of `kwargs`."""
    dim, shape, batch_shape = (kwargs.pop(key, None) for key in ("input_dim", "input_shape", "batch_input_shape"))
    if batch_shape is not None:
        shape = tuple(batch_shape)[1:]
    if dim is not None:
        shape = (dim,)
    if shape is None:
        return None
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(size is not None and (not isinstance(size, (int, np.integer)) or size < 0) for size in shape):
        raise ValueError(f"An input shape holds sizes >= 0 or None, received {shape}.")
    return shape
