"""Muon: momentum with orthogonal update matrices, Adam for everything else."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor, Variable
from lamella.nn.dtype_policy import number_dtype
from lamella.nn.optimizers.checks import flag, number
from lamella.nn.optimizers.optimizer import OPTIMIZERS, Optimizer
from lamella.nn.optimizers.scalars import adam_rate, step_number


def orthogonalize(x: Tensor, steps: int, a: float, b: float, c: float) -> Tensor:
    """Newton–Schulz: x ← a x + (b A + c A²) x, A = x xᵀ, from x / (‖x‖ + 1e-7): singular values go towards 1.

    Matrices that are taller than wide are transposed meanwhile, for the smaller A.

    Example:
        >>> x = orthogonalize(ops.convert_to_tensor([[2.0, 0.0], [0.0, 2.0]]), 5, 3.4445, -4.775, 2.0315)
        >>> bool(abs(float(x[0, 0]) - 1) < 0.35), round(float(x[0, 1]), 4)
        (True, 0.0)
    """
    tall = x.shape[0] > x.shape[1]
    x = ops.transpose(x) if tall else x
    x = x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-7)
    for _ in range(steps):
        product = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * product + c * ops.matmul(product, product), x)
    return ops.transpose(x) if tall else x


@OPTIMIZERS.register()
class Muon(Optimizer):
    """Matrices: m ← μ m + g; G = g + μ m (nesterov) or m; v ← v − lr · U · √max(rows, columns) · rms_rate,

    U = `orthogonalize`(G). All other variables, embeddings and excluded layers: `Adam`.

    Args:
        learning_rate: number, schedule or function.
        adam_beta_1, adam_beta_2, epsilon: β₁, β₂ and ε of Adam.
        adam_weight_decay: weight decay of the variables that Adam updates; None for none.
        weight_decay: of the others; None for none.
        exclude_layers: regular expressions; variables with a match in their path go to Adam.
        exclude_embeddings: whether those with "embedding" in their path do.
        muon_a, muon_b, muon_c, ns_steps: of the Newton–Schulz iteration.
        adam_lr_ratio: factor of the learning rate for Adam.
        momentum: μ in [0, 1].
        nesterov: see above.
        rms_rate: see above; None for a factor of 1 in place of √max(rows, columns) · rms_rate.
        **kwargs: arguments of `Optimizer`.

    Raises:
        ValueError: a bad hyperparameter.

    Source:
        Jordan et al. 2024, "Muon: an optimizer for hidden layers"; scale of Liu et al. 2025, arXiv:2502.16982.

    Example:
        >>> import numpy as np
        >>> v = Variable(np.zeros((2, 2), np.float32), name="v")
        >>> Muon(0.1).apply([np.eye(2, dtype=np.float32)], [v])
        >>> bool(v.numpy()[0, 0] < 0), v.numpy()[0, 1] == 0
        (True, np.True_)
    """

    slot_groups = (("momentum", "velocity"),)

    def __init__(self, learning_rate: Any = 0.001, adam_beta_1: float = 0.9, adam_beta_2: float = 0.999,
                 adam_weight_decay: float | None = 0.004, epsilon: float = 1e-7, weight_decay: float | None = 0.004, *,
                 exclude_layers: Sequence[str] | None = None, exclude_embeddings: bool = True, muon_a: float = 3.4445,
                 muon_b: float = -4.7750, muon_c: float = 2.0315, adam_lr_ratio: float = 1, momentum: float = 0.95,
                 ns_steps: int = 5, nesterov: bool = True, rms_rate: float | None = 0.2, **kwargs: Any) -> None:
        super().__init__(learning_rate, weight_decay, **kwargs)
        kind, low = self._kind, -math.inf
        self.adam_beta_1 = number("adam_beta_1", adam_beta_1, kind, 0.0, 1.0, open_high=True)
        self.adam_beta_2 = number("adam_beta_2", adam_beta_2, kind, 0.0, 1.0, open_high=True)
        self.adam_weight_decay = None if adam_weight_decay is None else number(
            "adam_weight_decay", adam_weight_decay, kind)
        self.epsilon = number("epsilon", epsilon, kind)
        self.muon_a, self.muon_b, self.muon_c = (
            number(n, v, kind, low) for n, v in (("muon_a", muon_a), ("muon_b", muon_b), ("muon_c", muon_c)))
        self.adam_lr_ratio = number("adam_lr_ratio", adam_lr_ratio, kind)
        self.momentum = number("momentum", momentum, kind, 0.0, 1.0)
        self.ns_steps = int(number("ns_steps", ns_steps, kind, 1))
        self.nesterov, self.rms_rate = flag("nesterov", nesterov, kind), rms_rate
        self.exclude_layers = list(exclude_layers or [])
        self.exclude_embeddings = flag("exclude_embeddings", exclude_embeddings, kind)

    def uses_adam(self, variable: Variable) -> bool:
        """Whether Adam updates this variable."""
        return (len(variable.shape) != 2 or (self.exclude_embeddings and "embedding" in variable.path.lower())
                or any(re.search(pattern, variable.path) for pattern in self.exclude_layers))

    def slot_names(self, variable: Variable) -> list[str]:
        return ["momentum", "velocity"] if self.uses_adam(variable) else ["momentum"]

    def decay_of(self, variable: Variable) -> float | None:
        return self.adam_weight_decay if self.uses_adam(variable) else self.weight_decay

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        if self.uses_adam(variable):
            self._adam_step(gradient, variable, ops.cast(learning_rate, number_dtype()) * self.adam_lr_ratio)
            return
        slot = self.slot(variable, "momentum")
        momentum = slot * self.momentum + gradient
        slot.assign(momentum)
        direction = gradient + momentum * self.momentum if self.nesterov else momentum
        update = orthogonalize(direction, self.ns_steps, self.muon_a, self.muon_b, self.muon_c)
        scale = 1.0 if self.rms_rate is None else math.sqrt(max(variable.shape)) * self.rms_rate
        variable.assign(variable - update * (ops.cast(learning_rate, variable.dtype) * scale))

    def _adam_step(self, gradient: Tensor, variable: Variable, rate: Tensor) -> None:
        first, second = self.slot(variable, "momentum"), self.slot(variable, "velocity")
        step = step_number(self.iterations, variable.dtype)
        alpha = adam_rate(rate, self.adam_beta_1, self.adam_beta_2, step)
        momentum = first + (gradient - first) * (1.0 - self.adam_beta_1)
        velocity = second + (ops.square(gradient) - second) * (1.0 - self.adam_beta_2)
        first.assign(momentum)
        second.assign(velocity)
        variable.assign(variable - momentum * ops.cast(alpha, variable.dtype) / (ops.sqrt(velocity) + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        names = ("adam_beta_1", "adam_beta_2", "epsilon", "exclude_layers", "muon_a", "muon_b", "muon_c",
                 "adam_lr_ratio", "momentum", "ns_steps", "nesterov", "exclude_embeddings", "adam_weight_decay",
                 "rms_rate")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
