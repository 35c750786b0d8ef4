"""Users' own classes and functions, made known by name: for a whole program, or inside of a scope.

Configs reach nothing but what is registered here or in the library's own registries; they never import anything.
"""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_BY_NAME: dict[str, Any] = {}
_NAMES: dict[Any, str] = {}
_SCOPE: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar("custom_objects")


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """A decorator that makes a class or function known, so that configs with it can be read without `custom_objects`.

    Args:
        package: whose it is; its full name is "package>name".
        name: by default that of the class or function.

    Raises:
        ValueError: a class without `get_config`.

    Source: keras.saving.register_keras_serializable.

    Example:
        >>> from lamella.nn import layers
        >>> @register_keras_serializable("docs")
        ... class Twice(layers.Layer):
        ...     def call(self, x):
        ...         return 2 * x
        >>> config = layers.serialize(Twice(name="t"))
        >>> config["registered_name"], layers.deserialize(config)
        ('docs>Twice', <Twice name=t, built=False>)
    """
    def add(thing: T) -> T:
        own = name if name is not None else thing.__name__  # type: ignore[attr-defined]
        if inspect.isclass(thing) and not hasattr(thing, "get_config"):
            raise ValueError(f"register_keras_serializable: {own} has no get_config(), so it has no config to be read from.")
        _BY_NAME[f"{package}>{own}"] = thing
        _NAMES[thing] = f"{package}>{own}"
        return thing
    return add


def get_registered_name(obj: Any) -> str:
    """The full name of a registered class or function, else its Python name.

    Source: keras.saving.get_registered_name.

    Example:
        >>> get_registered_name(dict)
        'dict'
    """
    return _NAMES.get(obj) or obj.__name__


def get_registered_object(name: str, custom_objects: Mapping[str, Any] | None = None,
                          module_objects: Mapping[str, Any] | None = None) -> Any:
    """The class or function of this name: of the scopes around, registered, or in one of the dicts; None if there is none.

    Source: keras.saving.get_registered_object.

    Example:
        >>> get_registered_object("thing", {"thing": dict})
        <class 'dict'>
    """
    return {**(module_objects or {}), **(custom_objects or {}), **known_custom_objects()}.get(name)


def get_custom_objects() -> dict[str, Any]:
    """The registered objects by full name; changing the dict changes what is registered.

    Source: keras.saving.get_custom_objects.
    """
    return _BY_NAME


def known_custom_objects() -> dict[str, Any]:
    """What is registered, and what the scopes around hold."""
    return {**_BY_NAME, **_SCOPE.get({})}


class CustomObjectScope:
    """`with CustomObjectScope({"name": object}):` configs may name these objects inside.

    Args:
        custom_objects: name to class or function.

    Source: keras.saving.CustomObjectScope. Scopes inside of others add to them.

    Example:
        >>> from lamella.nn import layers
        >>> def cubed(x):
        ...     return x ** 3
        >>> with CustomObjectScope({"cubed": cubed}):
        ...     layer = layers.Activation("cubed")
        >>> layer([2.0]).numpy().tolist()
        [8.0]
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None) -> None:
        self.custom_objects = dict(custom_objects or {})
        self._tokens: list[contextvars.Token[Mapping[str, Any]]] = []

    def __enter__(self) -> CustomObjectScope:
        self._tokens.append(_SCOPE.set({**_SCOPE.get({}), **self.custom_objects}))
        return self

    def __exit__(self, *error: Any) -> None:
        _SCOPE.reset(self._tokens.pop())


custom_object_scope = CustomObjectScope
