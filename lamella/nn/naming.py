"""Names of layers, losses and metrics: Keras' snake case plus a counter per name."""

from __future__ import annotations

import collections
import re

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


def reset_names() -> None:
    """Start all counters afresh, as `clear_session` does."""
    _counters.clear()
