"""Means, variances and covariances of two variables over many batches, without loss of digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella import ops
from lamella.frontend import Tensor, Variable

NAMES = ("count", "mean_true", "mean_pred", "spread_true", "spread_pred", "spread_both")


class Moments:
    """Σw, the means of t and p, Σw(t − t̄)², Σw(p − p̄)² and Σw(t − t̄)(p − p̄) per column, in float64.

    Batches are centred first and merged by their difference of means: Σt² − (Σt)²/n would lose all digits where the
    mean is large against the spread.

    Args:
        add_variable: that of the metric which owns the state.
        columns: number of columns.

    Source:
        Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
    """

    def __init__(self, add_variable: Callable[..., Variable], columns: int) -> None:
        self.variables = [add_variable((columns,), dtype="float64", name=name) for name in NAMES]

    def update(self, y_true: Tensor, y_pred: Tensor, weights: Tensor | None) -> None:
        """Add a batch, (samples, columns)."""
        t, p = ops.cast(y_true, "float64"), ops.cast(y_pred, "float64")
        w: Any = 1.0 if weights is None else ops.cast(weights, "float64")
        count = ops.full(t.shape[1:], t.shape[0], "float64") if weights is None else ops.sum(w, axis=0)
        mean_t, mean_p = (ops.divide_no_nan(ops.sum(w * x, axis=0), count) for x in (t, p))
        dt, dp = t - mean_t, p - mean_p
        batch = [ops.sum(w * a * b, axis=0) for a, b in ((dt, dt), (dp, dp), (dt, dp))]
        old_count, old_t, old_p = (v.value() for v in self.variables[:3])
        total = old_count + count
        step_t, step_p, share = mean_t - old_t, mean_p - old_p, ops.divide_no_nan(count, total)
        for variable, step in zip(self.variables[1:3], (step_t, step_p), strict=True):
            variable.assign(variable + step * share)
        pairs = ((step_t, step_t), (step_p, step_p), (step_t, step_p))
        for variable, spread, (a, b) in zip(self.variables[3:], batch, pairs, strict=True):
            variable.assign(variable + spread + a * b * old_count * share)
        self.variables[0].assign(total)
