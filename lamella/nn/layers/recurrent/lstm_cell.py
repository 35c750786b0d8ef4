"""`LSTMCell`."""

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
class LSTMCell(RecurrentCell):
    """One step of `LSTM`.

        i, f, g, o = x · kernel + h · recurrent kernel + bias      (four blocks of columns)
        c' = s(f) c + s(i) a(g),    h' = s(o) a(c')

    with a = activation and s = recurrent activation.

    Args:
        units: size of the two states.
        activation: a.
        recurrent_activation: s, of the gates.
        use_bias: whether to add a bias.
        unit_forget_bias: whether the bias of the forget gate f starts at 1.
        **kwargs: arguments of `RecurrentCell`.

    Source:
        Hochreiter and Schmidhuber 1997; Gers et al. 2000 (forget gate).

    Example:
        >>> output, states = LSTMCell(3)(ops.ones((2, 4)), [ops.zeros((2, 3)), ops.zeros((2, 3))])
        >>> output.shape, len(states)
        ((2, 3), 2)
    """

    gates = 4

    @spelled_out(f"units activation recurrent_activation use_bias {KERNELS} unit_forget_bias {PENALTIES} {CONSTRAINTS} {RATES} "
                 "seed", RecurrentCell)
    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "sigmoid",
                 use_bias: bool = True, unit_forget_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(units, activation, use_bias, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = bool(unit_forget_bias)

    @property
    def state_size(self) -> list[int]:
        return [self.units, self.units]

    def _first_bias(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer

        def first_bias(shape: tuple[int, ...], dtype: Any = None) -> Tensor:
            n = self.units
            parts = [self.bias_initializer((n,), dtype=dtype), ops.ones((n,), dtype=dtype),
                     self.bias_initializer((2 * n,), dtype=dtype)]
            return ops.concatenate(parts, axis=0)

        return first_bias

    def step(self, row: Tensor, states: Sequence[Tensor], constants: Constants) -> tuple[Tensor, list[Tensor]]:
        h, c = states
        i, f, g, o = ops.split(row + self._recurrent(h, constants), 4, axis=-1)
        gate = self.recurrent_activation
        c = gate(f) * c + gate(i) * self.activation(g)
        h = gate(o) * self.activation(c)
        return h, [h, c]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias,
                "recurrent_activation": activations.serialize(self.recurrent_activation)}
