"""Constructors that pass most of their arguments on, with all of these in their signature, in the order of Keras."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

KERNELS = "kernel_initializer recurrent_initializer bias_initializer"
PENALTIES = "kernel_regularizer recurrent_regularizer bias_regularizer"
CONSTRAINTS = "kernel_constraint recurrent_constraint bias_constraint"
RATES = "dropout recurrent_dropout"
SEQUENCES = "return_sequences return_state go_backwards stateful"


def spelled_out(order: str, *sources: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator of an `__init__(self, ..., **kwargs)`: it takes the arguments of `order` by place too, and shows them.

    Args:
        order: names, the constructor's own ones among them.
        sources: classes whose constructors, or those of their bases, tell the defaults of the others.

    Example:
        >>> class Base:
        ...     def __init__(self, rate=0.5): self.rate = rate
        >>> class Special(Base):
        ...     @spelled_out("units rate", Base)
        ...     def __init__(self, units, **kwargs): super().__init__(**kwargs)
        >>> str(inspect.signature(Special)), Special(3, 0.1).rate
        ('(units, rate=0.5, **kwargs)', 0.1)
    """

    def spell(init: Callable[..., None]) -> Callable[..., None]:
        known: dict[str, inspect.Parameter] = {}
        inits = [init, *(base.__init__ for cls in sources for base in cls.__mro__[:-1])]  # type: ignore[misc]
        for one in inits:
            known = {**inspect.signature(one).parameters, **known}
        places = ["self", *order.split()]
        shown = [known[name].replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in places]
        signature = inspect.Signature([*shown, inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)])

        @functools.wraps(init)
        def spelled(self: Any, *args: Any, **kwargs: Any) -> None:
            bound = signature.bind_partial(self, *args, **kwargs).arguments  # raises where an argument comes twice
            init(**(bound | bound.pop("kwargs", {})))

        spelled.__signature__ = signature  # type: ignore[attr-defined]
        return spelled

    return spell
