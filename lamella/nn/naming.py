"""Names of layers, losses and metrics: Keras' snake case plus a counter per name."""

from __future__ import annotations

import collections
import inspect
import re
from collections.abc import Iterable

from lamella.errors import did_you_mean

_counters: collections.Counter[str] = collections.Counter()


def to_snake_case(name: str) -> str:
    """`CamelCase` to `snake_case` with Keras' rules.

    Example:
        >>> to_snake_case("LeakyReLU"), to_snake_case("Dense")
        ('leaky_re_lu', 'dense')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix: str) -> str:
    """A name that no object of this process had before: `dense`, `dense_1`, ...

    Example:
        >>> first, second = auto_name("DoctestName"), auto_name("DoctestName")
        >>> first, second
        ('doctest_name', 'doctest_name_1')
    """
    name = to_snake_case(prefix)
    count = _counters[name]
    _counters[name] += 1
    return f"{name}_{count}" if count else name


def unknown_arguments(cls: type, given: Iterable[str]) -> str:
    """What to say about arguments that a constructor does not take.

    Example:
        >>> class Scale:
        ...     def __init__(self, factor): ...
        >>> unknown_arguments(Scale, ["faktor"])
        "Scale has no argument 'faktor'. Did you mean 'factor'? Known: factor."
    """
    signatures = [inspect.signature(base.__init__) for base in cls.__mro__[:-1] if "__init__" in vars(base)]  # type: ignore[misc]
    named = [p.name for s in signatures for p in s.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    wrong = list(given)
    return (f"{cls.__name__} has no argument {', '.join(map(repr, wrong))}. "
            f"{did_you_mean(wrong[0], set(named) - {'self'})}")


def reset_names() -> None:
    """Start all counters afresh, as `clear_session` does."""
    _counters.clear()
