"""`Metric`: state that batches are added to, and the number that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor, Variable, init_scope, name_scope
from lamella.ir.types import wide
from lamella.nn import dtype_policy as policies
from lamella.nn import initializers
from lamella.nn.naming import auto_name
from lamella.nn.registry import Registry, checked_config
from lamella.settings import settings

METRICS = Registry("keras.metrics", "metric")


class Metric:
    """Base of all metrics. Subclasses make state with `add_variable` and define `update_state` and `result`.

    Both are written with ops on variables, so that they work at once and inside of a compiled training step.

    Args:
        dtype: of the computation; `config.floatx()` by default.
        name: by default the class in snake case.

    Example:
        >>> class Count(Metric):
        ...     def __init__(self):
        ...         super().__init__(name="count")
        ...         self.seen = self.add_variable((), name="seen")
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.seen.assign_add(float(y_pred.shape[0]))
        ...     def result(self):
        ...         return self.seen
        >>> count = Count()
        >>> float(count(ops.zeros((3,)), ops.zeros((3,))))
        3.0
    """

    # "up" or "down" if larger or smaller is better, None if neither: callbacks in auto mode read it.
    _direction: str | None = None

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or auto_name(type(self).__name__)
        self.dtype = policies.get(dtype or settings.floatx).compute_dtype
        self._variables: list[Variable] = []

    def add_variable(self, shape: Sequence[int] = (), initializer: Any = "zeros", dtype: Any = None,
                     name: str | None = None) -> Variable:
        """A state variable that belongs to this metric, by default of its dtype but at least float32."""
        make, dtype = initializers.get(initializer), dtype or wide(self.dtype)
        with init_scope(), name_scope(self.name):
            variable = Variable(make(tuple(shape), dtype=dtype), trainable=False, name=name or "variable", autocast=False)
        self._variables.append(variable)
        return variable

    add_weight = add_variable

    @property
    def variables(self) -> list[Variable]:
        """The state: own variables, then those of metrics held as attributes."""
        nested = [m for m in vars(self).values() if isinstance(m, Metric)]
        return [*self._variables, *(v for metric in nested for v in metric.variables)]

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch."""
        raise NotImplementedError(f"{type(self).__name__} does not define update_state().")

    def result(self) -> Tensor | dict[str, Tensor]:
        """The present value: a scalar, a vector, or a dict of them."""
        raise NotImplementedError(f"{type(self).__name__} does not define result().")

    def check_targets(self, y_true: Any, prediction_shape: tuple[int | None, ...]) -> None:
        """Look at all targets on the host, once, before training; raise ValueError for one that cannot be right."""

    def reset_state(self) -> None:
        """Forget all batches: every state variable becomes 0."""
        for variable in self.variables:
            variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch and return the value over all batches so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        return checked_config(cls, config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
