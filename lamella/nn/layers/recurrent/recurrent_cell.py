"""`RecurrentCell`: what the cells of SimpleRNN, LSTM and GRU share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor, random
from lamella.nn import activations, constraints, initializers, regularizers
from lamella.nn.layers.checks import finite_float, positive_int
from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.layer import Layer

Constants = dict[str, Any]


class RecurrentCell(Layer):
    """One step of a recurrent layer, in two halves.

    `prepare` does what no step needs the state for, for all steps at once: x · kernel + bias, and the dropout masks.
    `step` does the rest. Subclasses define `step` and `gates`.

    Args:
        units: size of the state.
        activation: of the candidate.
        use_bias: whether to add a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: first values.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: projections after each update.
        dropout: rate for the inputs; one mask for all steps and gates.
        recurrent_dropout: rate for the state; one mask per gate, the same at all steps.
        seed: of the dropout.

    Raises:
        ValueError: `units` is no int > 0, or a rate lies outside of [0, 1].
    """

    gates = 1
    output_is_state = True  # the output equals the first state

    def __init__(self, units: int, activation: Any = "tanh", use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
                 seed: int | None = None, **kwargs: Any) -> None:
        kwargs.pop("implementation", None)  # there is one
        super().__init__(**kwargs)
        self.units = positive_int("units", units, self.name)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = finite_float("dropout", dropout, self.name, 0.0, 1.0)
        self.recurrent_dropout = finite_float("recurrent_dropout", recurrent_dropout, self.name, 0.0, 1.0)
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed) if self.dropout or self.recurrent_dropout else None
        self._mask_keys: list[Tensor] = []
        self.kernel: Any = None
        self.recurrent_kernel: Any = None
        self.bias: Any = None

    @property
    def state_size(self) -> Any:
        return self.units

    @property
    def output_size(self) -> int:
        return self.units

    def build(self, input_shape: Sequence[int | None]) -> None:
        if input_shape[-1] is None:
            raise ShapeError(f"Layer {self.name!r} needs a last axis of known size, received shape {input_shape}.")
        width = self.gates * self.units
        self.kernel = self.add_weight((input_shape[-1], width), self.kernel_initializer, name="kernel",
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.recurrent_kernel = self.add_weight((self.units, width), self.recurrent_initializer,
                                                name="recurrent_kernel", regularizer=self.recurrent_regularizer,
                                                constraint=self.recurrent_constraint)
        if self.use_bias:
            self.bias = self.add_weight(self._bias_shape(), self._first_bias(), name="bias",
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)
        self.input_spec = InputSpec(ndim=2, axes={-1: input_shape[-1]})

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def _first_bias(self) -> Any:
        return self.bias_initializer

    def prepare(self, inputs: Tensor, training: bool) -> tuple[Tensor, Constants]:
        """The rows that `step` takes, and what stays the same at all steps.

        Args:
            inputs: (batch, features), or (steps, batch, features).
            training: whether to drop.
        """
        if training and self.dropout:
            inputs = inputs * self._mask(inputs.shape[-2:], self.dropout, 0)
        rows = ops.matmul(inputs, self._cast(self.kernel))
        input_bias, recurrent_bias = self._biases()
        rows = rows if input_bias is None else rows + input_bias
        constants: Constants = {"kernel": self._cast(self.recurrent_kernel), "bias": recurrent_bias, "masks": None}
        if training and self.recurrent_dropout:
            shape = (inputs.shape[-2], self.units)
            constants["masks"] = [self._mask(shape, self.recurrent_dropout, 1 + gate) for gate in range(self.gates)]
        constants["kernels"] = self._kernels(constants)
        return rows, constants

    def _biases(self) -> tuple[Any, Any]:
        """The biases of the inputs and of the state."""
        return (self._cast(self.bias) if self.use_bias else None), None

    def _kernels(self, constants: Constants) -> Any:
        """The recurrent kernels of the single gates, where masks differ; cut here, outside of the loop over steps."""
        return ops.split(constants["kernel"], self.gates, axis=1) if constants["masks"] else None

    def _recurrent(self, h: Tensor, constants: Constants) -> Tensor:
        """h · recurrent kernel (+ bias), the gates side by side."""
        if constants["masks"]:
            pairs = zip(constants["masks"], constants["kernels"], strict=True)
            out = ops.concatenate([ops.matmul(h * mask, kernel) for mask, kernel in pairs], axis=-1)
        else:
            out = ops.matmul(h, constants["kernel"])
        return out if constants["bias"] is None else out + constants["bias"]

    def step(self, row: Tensor, states: Sequence[Tensor], constants: Constants) -> tuple[Tensor, list[Tensor]]:
        """The output and the new states of one step."""
        raise NotImplementedError

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> tuple[Tensor, list[Tensor]]:
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        row, constants = self.prepare(inputs, training)
        return self.step(row, states, constants)

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        """Zeros, one tensor (batch, size) per state."""
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    @contextlib.contextmanager
    def same_masks(self) -> Iterator[None]:
        """All calls inside drop the same places."""
        if self.seed_generator is not None:
            self._mask_keys = [self.seed_generator.next() for _ in range(1 + self.gates)]
        try:
            yield
        finally:
            self._mask_keys = []

    def _mask(self, shape: tuple[int, ...], rate: float, index: int) -> Tensor:
        """Mask number `index` of a step."""
        seed = self._mask_keys[index] if self._mask_keys else self.seed_generator
        return random.dropout(ops.ones(shape, dtype=self.compute_dtype), rate, seed=seed)

    def _cast(self, weight: Any) -> Tensor:
        return ops.cast(weight, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "units": self.units, "activation": activations.serialize(self.activation),
                  "use_bias": self.use_bias, "dropout": self.dropout, "recurrent_dropout": self.recurrent_dropout,
                  "seed": self.seed}
        for part in ("kernel", "recurrent", "bias"):
            config[f"{part}_initializer"] = initializers.serialize(getattr(self, f"{part}_initializer"))
            config[f"{part}_regularizer"] = regularizers.serialize(getattr(self, f"{part}_regularizer"))
            config[f"{part}_constraint"] = constraints.serialize(getattr(self, f"{part}_constraint"))
        return config
