"""Closed registries: a name in a config reaches only the classes that are registered here, never an import.

One `Registry` per kind of object (layers, losses, ...). It resolves what users pass as arguments (a string, a config,
an instance, a function) and writes the configs in Keras' form.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lamella.errors import did_you_mean
from lamella.nn.custom_objects import CustomObjectScope, get_registered_name, get_registered_object, known_custom_objects
from lamella.nn.naming import to_snake_case

T = TypeVar("T")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


class Registry:
    """The known objects of one kind.

    Args:
        module: the Keras module that configs name, such as `"keras.losses"`.
        kind: the word that errors use, such as `"loss"`.

    Example:
        >>> fruits = Registry("keras.fruits", "fruit")
        >>> @fruits.register("pomme")
        ... class GreenApple: ...
        >>> type(fruits.get("green_apple")) is type(fruits.get("pomme")) is GreenApple
        True
        >>> fruits.get("green_aple")
        Traceback (most recent call last):
        ValueError: Unknown fruit 'green_aple'. Did you mean 'green_apple'? Known: green_apple, pomme.
    """

    def __init__(self, module: str, kind: str) -> None:
        self.module, self.kind = module, kind
        self.objects: dict[str, Any] = {}

    def register(self, *aliases: str) -> Callable[[T], T]:
        """A decorator that adds a class or function under its own name and `aliases`."""
        def add(thing: T) -> T:
            for name in (thing.__name__, *aliases):  # type: ignore[attr-defined]
                self.objects[name] = thing
            return thing
        return add

    def lookup(self, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The class or function of this name: exact, else ignoring case and underscores.

        Raises:
            ValueError: no such name; the message offers the closest ones.
        """
        objects = {**self.objects, **known_custom_objects(), **(custom_objects or {})}
        if name in objects:
            return objects[name]
        for known, thing in objects.items():
            if _plain(known) == _plain(name):
                return thing
        raise ValueError(f"Unknown {self.kind} {name!r}. {did_you_mean(name, _spellings(name, self.objects))}")

    def get(self, identifier: Any) -> Any:
        """An object from what a user may pass: None, a name, a config, a class, an instance or a function.

        Raises:
            ValueError: an unknown name.
            TypeError: something else than the above.
        """
        if identifier is None:
            return None
        if isinstance(identifier, str):
            identifier = self.lookup(identifier)
        elif isinstance(identifier, Mapping):
            return self.deserialize(identifier)
        if inspect.isclass(identifier):
            return identifier()
        if callable(identifier) or isinstance(identifier, self._classes()):
            return identifier
        article = "an" if self.kind[0] in "aeiou" else "a"
        raise TypeError(f"Expected {article} {self.kind} as a name, a config, an object or a function, "
                        f"received {identifier!r} ({type(identifier).__name__}).")

    def deserialize(self, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The object that `serialize` wrote; a bare name is accepted too.

        Raises:
            ValueError: the config names no registered class, or is not a config.
        """
        if config is None:
            return None
        if isinstance(config, str):
            thing = self.lookup(config, custom_objects)
            return thing() if inspect.isclass(thing) else thing
        if not isinstance(config, Mapping) or "class_name" not in config:
            raise ValueError(f"A {self.kind} config needs the key 'class_name', received {config!r}.")
        with CustomObjectScope(custom_objects):
            if config["class_name"] == "function":
                return self.lookup(config["config"])
            custom = get_registered_object(config.get("registered_name") or "")
            thing = custom if custom is not None else self.lookup(config["class_name"])
            return thing.from_config(dict(config.get("config", {})))

    def serialize(self, thing: Any) -> Any:
        """Keras' form of an object: a dict with `class_name` and `config`; the name for a registered function.

        A class that Keras knows elsewhere than in the registry's module, or by another name, says so in `_keras_name`.
        """
        if thing is None:
            return None
        if not hasattr(thing, "get_config"):
            return get_registered_name(thing)
        cls = type(thing)
        own = self.objects.get(cls.__name__) is cls
        module, name = vars(cls).get("_keras_name", (self.module if own else cls.__module__, cls.__name__))
        return {"module": module, "class_name": name, "config": thing.get_config(),
                "registered_name": None if own else get_registered_name(cls)}

    def _classes(self) -> tuple[type, ...]:
        return tuple(thing for thing in self.objects.values() if inspect.isclass(thing))


def _spellings(name: str, objects: Mapping[str, Any]) -> set[str]:
    """The names to offer, in the style (snake or camel case) that the user wrote."""
    return {to_snake_case(known) for known in objects} if name.islower() else set(objects)


def checked_config(cls: type, config: Mapping[str, Any]) -> Any:
    """`cls(**config)` with an error that names the class when the config has foreign keys."""
    try:
        return cls(**config)
    except TypeError as error:
        raise TypeError(f"The config {dict(config)!r} does not fit {cls.__name__}: {error}") from error
