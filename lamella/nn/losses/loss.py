"""`Loss`: from targets and predictions to one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamella import ops
from lamella.frontend import Tensor, name_scope
from lamella.nn import dtype_policy as policies
from lamella.nn.losses.reduction import align_ranks, check_reduction, reduce_weighted
from lamella.nn.masks import get_mask
from lamella.nn.naming import auto_name
from lamella.nn.registry import Registry, checked_config
from lamella.settings import settings

LOSSES = Registry("keras.losses", "loss")


class Loss:
    """Base of all losses. Subclasses define `call(y_true, y_pred)`, which returns per-sample values.

    Args:
        name: by default the class in snake case.
        reduction: "sum_over_batch_size" (= "mean"), "mean_with_sample_weight", "sum" or None; see `reduce_weighted`.
        dtype: of the computation, the default float if None.

    Raises:
        ValueError: an unknown reduction.

    Example:
        >>> class Distance(Loss):
        ...     def call(self, y_true, y_pred):
        ...         return ops.mean(ops.abs(y_true - y_pred), axis=-1)
        >>> float(Distance()(np.array([[1.0], [2.0]]), np.array([[3.0], [2.0]])))
        1.0
    """

    # Class numbers stay integers: as float32 they would be exact only up to 2^24.
    integer_targets = False

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size",
                 dtype: Any = None) -> None:
        self.name = name or auto_name(type(self).__name__)
        self.reduction = check_reduction(reduction)
        self.dtype = policies.get(dtype or settings.floatx).compute_dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """The reduced loss; a mask on `y_pred` takes places out of it.

        Args:
            y_true: targets.
            y_pred: predictions, (batch, ...).
            sample_weight: weights whose axes are the first axes of the values of `call`.

        Raises:
            ShapeError: the shapes do not fit.
        """
        mask = get_mask(y_pred)
        with name_scope(self.name):
            predictions = ops.cast(ops.convert_to_tensor(y_pred), self.dtype)
            targets = ops.convert_to_tensor(y_true)
            if not (self.integer_targets and "int" in targets.dtype):
                targets = ops.cast(targets, self.dtype)
            values = self.call(targets, predictions)
            kept = get_mask(values)
            if mask is not None and kept is not None:
                kept = ops.logical_and(mask, kept)
            return reduce_weighted(values, sample_weight, mask if kept is None else kept, self.reduction, self.dtype)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define call().")

    def check_targets(self, y_true: np.ndarray, prediction_shape: tuple[int | None, ...]) -> None:
        """Look at all targets on the host, once, before training; raise ValueError for one that cannot be right."""

    @property
    def known(self) -> bool:
        """Whether this is a loss of the library. One of the user may know what NaN means, or count rows in its own way."""
        return type(self) in LOSSES.objects.values()

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        return checked_config(cls, config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, reduction={self.reduction}>"


class LossFunctionWrapper(Loss):
    """A function `fn(y_true, y_pred, **kwargs)` of per-sample values as a loss.

    Args:
        fn: the function.
        reduction, name, dtype: as in `Loss`; the name of the function by default.
        **kwargs: passed on to the function.

    Example:
        >>> loss = LossFunctionWrapper(lambda t, p: ops.abs(t - p), name="distance")
        >>> float(loss(np.array([1.0, 2.0]), np.array([3.0, 2.0])))
        1.0
    """

    def __init__(self, fn: Callable[..., Any], reduction: str | None = "sum_over_batch_size", name: str | None = None,
                 dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name or getattr(fn, "__name__", None), reduction, dtype)
        self.fn = fn
        self.fn_kwargs = kwargs
        self.integer_targets = getattr(fn, "integer_targets", False)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if not self.integer_targets:
            y_true, y_pred = align_ranks(y_true, y_pred)
        return self.fn(y_true, y_pred, **self.fn_kwargs)

    def check_targets(self, y_true: np.ndarray, prediction_shape: tuple[int | None, ...]) -> None:
        check = getattr(self.fn, "check_targets", None)
        if check is not None:
            check(y_true, prediction_shape, **self.fn_kwargs)

    @property
    def known(self) -> bool:
        return super().known or self.fn in LOSSES.objects.values()

    def get_config(self) -> dict[str, Any]:
        own = {"fn": LOSSES.serialize(self.fn)} if type(self) is LossFunctionWrapper else {}
        return {**own, **super().get_config(), **self.fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        config = dict(config)
        if "fn" in config:
            config["fn"] = LOSSES.get(config["fn"])
        return checked_config(cls, config)


def as_loss(identifier: Any) -> Loss | None:
    """What `compile(loss=...)` accepts, as a loss object: a name, a config, a loss, or a function of per-sample values.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> as_loss("mse").name
        'mean_squared_error'
    """
    loss = LOSSES.get(identifier)
    return loss if loss is None or isinstance(loss, Loss) else LossFunctionWrapper(loss)
