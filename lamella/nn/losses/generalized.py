"""The generalized crossentropy, between crossentropy (q → 0) and mean absolute error (q → 1)."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella import ops
from lamella.frontend import Tensor
from lamella.frontend.state import is_tracing
from lamella.nn.losses.crossentropy import check_class_numbers, class_numbers
from lamella.nn.losses.loss import LOSSES, LossFunctionWrapper


def _check_q(q: Any) -> float:
    if isinstance(q, bool) or not isinstance(q, (int, float)) or not 0 < q < 1:
        raise ValueError(f"q must be a number in (0, 1), received {q!r}.")
    return float(q)


@LOSSES.register()
def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float = 0.5) -> Tensor:
    """(1 − p^q) / q, p the predicted probability of the true class.

    At p = 0 the slope is infinite; the gradient there is 0 by convention (Keras: not finite).

    Args:
        y_true: class numbers, (...) or (..., 1).
        y_pred: probabilities, (..., classes).
        q: in (0, 1); larger values are less sensitive to wrong labels.

    Returns:
        Per-sample values, the shape without the class axis.

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: q is out of range, or a class number is (in eager use; `fit` looks at all targets beforehand).

    Source:
        Zhang and Sabuncu 2018, arXiv:1805.07836.

    Example:
        >>> categorical_generalized_cross_entropy([1], [[0.75, 0.25]]).numpy().tolist()
        [1.0]
    """
    q = _check_q(q)
    y_pred = ops.convert_to_tensor(y_pred)
    shape = tuple(y_pred.shape)
    classes = class_numbers(y_true, shape, len(shape) - 1)
    if not is_tracing():
        check_class_numbers(np.asarray(classes), shape)
    p = ops.sum(y_pred * ops.one_hot(classes, shape[-1], dtype=y_pred.dtype), axis=-1)
    positive = p > 0
    power = ops.where(positive, ops.power(ops.where(positive, p, ops.ones_like(p)), q), ops.zeros_like(p))
    return (1.0 - power) / q


categorical_generalized_cross_entropy.integer_targets = True  # type: ignore[attr-defined]
categorical_generalized_cross_entropy.check_targets = check_class_numbers  # type: ignore[attr-defined]


@LOSSES.register()
class CategoricalGeneralizedCrossEntropy(LossFunctionWrapper):
    """`categorical_generalized_cross_entropy`, reduced.

    Args:
        q: of the function.
        reduction, name, dtype: of `Loss`.

    Raises:
        ValueError: q is not in (0, 1).

    Example:
        >>> float(CategoricalGeneralizedCrossEntropy()([1], [[0.75, 0.25]]))
        1.0
    """

    def __init__(self, q: float = 0.5, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "categorical_generalized_cross_entropy", dtype: Any = None) -> None:
        super().__init__(categorical_generalized_cross_entropy, reduction, name, dtype, q=_check_q(q))
