"""`GRUCell`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn import activations
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.recurrent.recurrent_cell import Constants, RecurrentCell
from lamella.nn.layers.signatures import CONSTRAINTS, KERNELS, PENALTIES, RATES, spelled_out


@LAYERS.register()
class GRUCell(RecurrentCell):
    """One step of `GRU`; the kernels' columns are three blocks z, r, n.

        z = s(x_z + h_z),   r = s(x_r + h_r),   h' = z h + (1 - z) n
        n = a(x_n + r (h · U_n + b))        with reset_after
        n = a(x_n + (r h) · U_n)            without

    where x_* = x · kernel + bias, h_* = h · recurrent kernel, a = activation, s = recurrent activation.

    Args:
        units: size of the state.
        activation: a.
        recurrent_activation: s, of the gates.
        use_bias: whether to add a bias: (2, 3 units) with `reset_after` (inputs, state), else (3 units).
        reset_after: whether the reset gate r acts after the product with the recurrent kernel.
        **kwargs: arguments of `RecurrentCell`.

    Source:
        Cho et al. 2014, "Learning phrase representations"; `reset_after` as in cuDNN.

    Example:
        >>> output, states = GRUCell(3)(ops.ones((2, 4)), [ops.zeros((2, 3))])
        >>> output.shape, len(states)
        ((2, 3), 1)
    """

    gates = 3

    @spelled_out(f"units activation recurrent_activation use_bias {KERNELS} {PENALTIES} {CONSTRAINTS} {RATES} reset_after seed",
                 RecurrentCell)
    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "sigmoid",
                 use_bias: bool = True, reset_after: bool = True, **kwargs: Any) -> None:
        super().__init__(units, activation, use_bias, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = bool(reset_after)

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def _biases(self) -> tuple[Any, Any]:
        if not self.use_bias or not self.reset_after:
            return super()._biases()
        bias = self._cast(self.bias)
        return bias[0], bias[1]

    def _kernels(self, constants: Constants) -> Any:
        if self.reset_after:
            return super()._kernels(constants)
        if constants["masks"]:
            return ops.split(constants["kernel"], 3, axis=1)
        n = 2 * self.units
        return constants["kernel"][:, :n], constants["kernel"][:, n:]

    def step(self, row: Tensor, states: Sequence[Tensor], constants: Constants) -> tuple[Tensor, list[Tensor]]:
        (h,) = states
        gate = self.recurrent_activation
        if self.reset_after:
            x_z, x_r, x_n = ops.split(row, 3, axis=-1)
            h_z, h_r, h_n = ops.split(self._recurrent(h, constants), 3, axis=-1)
            z = gate(x_z + h_z)
            candidate = self.activation(x_n + gate(x_r + h_r) * h_n)
        else:
            z, candidate = self._reset_before(row, h, constants)
        h = z * h + (1.0 - z) * candidate
        return h, [h]

    def _reset_before(self, row: Tensor, h: Tensor, constants: Constants) -> tuple[Tensor, Tensor]:
        """The update gate and the candidate."""
        masks, kernels = constants["masks"], constants["kernels"]
        if masks:
            both = ops.concatenate([ops.matmul(h * m, u) for m, u in zip(masks[:2], kernels[:2], strict=True)], axis=-1)
        else:
            both = ops.matmul(h, kernels[0])
        gates = self.recurrent_activation(row[:, : 2 * self.units] + both)
        z, r = ops.split(gates, 2, axis=-1)
        held = r * (h * masks[2] if masks else h)
        return z, self.activation(row[:, 2 * self.units :] + ops.matmul(held, kernels[-1]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reset_after": self.reset_after,
                "recurrent_activation": activations.serialize(self.recurrent_activation)}
