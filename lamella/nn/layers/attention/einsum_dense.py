"""`EinsumDense`: a fully connected layer over any axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn import activations, constraints, initializers, regularizers
from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class EinsumDense(Layer):
    """activation(einsum(equation, x, kernel) + bias).

    Args:
        equation: such as `"abc,cd->abd"`; `...` may stand for any axes of x and of the result.
        output_shape: sizes of the result without the batch axis; None takes over the input's size.
        activation: name or function; None is linear.
        bias_axes: letters of the result's axes that the bias has; None is no bias.
        kernel_initializer, bias_initializer: first values; the fans of the kernel are the sizes of its summed and of
            its other axes.
        kernel_regularizer, bias_regularizer: penalties added to the loss.
        kernel_constraint, bias_constraint: projections after each update.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: the equation isn't of the form `x,kernel->result`, or `bias_axes` are not in the result.
        ShapeError: a size isn't known.

    Source:
        keras.layers.EinsumDense.

    Example:
        >>> layer = EinsumDense("abc,cde->abde", (None, 4, 2), bias_axes="de")
        >>> layer(ops.ones((2, 3, 5))).shape, [w.shape for w in layer.weights]
        ((2, 3, 4, 2), [(5, 4, 2), (4, 2)])
    """

    def __init__(self, equation: str, output_shape: Any, activation: Any = None, bias_axes: str | None = None,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, kernel_constraint: Any = None,
                 bias_constraint: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.equation = equation
        self.parts = _split(equation)
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        missing = set(bias_axes or "") - set(self.parts[2])
        if missing:
            raise ValueError(f"bias_axes {bias_axes!r} of layer {self.name!r} must be axes of the result of "
                             f"{equation!r}.")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.kernel: Any = None
        self.bias: Any = None

    def build(self, input_shape: Sequence[int | None]) -> None:
        sizes = self._sizes(tuple(input_shape))
        inputs, kernel, output = self.parts
        unknown = [c for c in kernel if sizes.get(c) is None]
        if unknown:
            raise ShapeError(f"Layer {self.name!r} ({self.equation}) doesn't know the size of {unknown}: input shape "
                             f"{tuple(input_shape)}, output_shape {self.partial_output_shape}.")
        summed = [c for c in kernel if c in inputs and c not in output]
        self.kernel = self.add_weight([sizes[c] for c in kernel], _with_fans(self.kernel_initializer, kernel, summed),
                                      name="kernel", regularizer=self.kernel_regularizer,
                                      constraint=self.kernel_constraint)
        if self.bias_axes:
            self.bias = self.add_weight(self._bias_shape(sizes, len(input_shape)), self.bias_initializer, name="bias",
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)

    def _sizes(self, input_shape: tuple[int | None, ...]) -> dict[str, Any]:
        """Size of each letter, from the input and then from `output_shape`."""
        sizes = _aligned(self.parts[0], input_shape)
        given = (None, *self.partial_output_shape)
        output = self.parts[2]
        if len(output.replace("...", "")) > len(given):
            raise ShapeError(f"output_shape {self.partial_output_shape} of layer {self.name!r} has fewer axes than the "
                             f"result of {self.equation!r} (without the batch axis).")
        return sizes | {c: n for c, n in _aligned(output, given).items() if n is not None}

    def _bias_shape(self, sizes: dict[str, Any], rank: int) -> list[int]:
        """Sizes of the bias's axes, 1 for the others behind the first of them."""
        before, dots, after = self.parts[2].partition("...")
        hidden = ["..."] * (rank - len(self.parts[0].replace("...", ""))) if dots else []
        axes = [*before, *hidden, *after]
        first = min(axes.index(c) for c in self.bias_axes or "")
        return [sizes[c] if c in (self.bias_axes or "") else 1 for c in axes[first:]]

    def call(self, inputs: Tensor) -> Tensor:
        x = ops.einsum(self.equation, inputs, ops.cast(self.kernel, self.compute_dtype))
        if self.bias is not None:
            x = x + ops.cast(self.bias, self.compute_dtype)
        return self.activation(x)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        shape = tuple(input_shape)
        sizes = self._sizes(shape)
        before, dots, after = self.parts[2].partition("...")
        head, _, tail = self.parts[0].partition("...")
        hidden = shape[len(head) : len(shape) - len(tail)] if dots else ()
        return (*(sizes.get(c) for c in before), *hidden, *(sizes.get(c) for c in after))

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "equation": self.equation, "output_shape": self.partial_output_shape,
                  "activation": activations.serialize(self.activation), "bias_axes": self.bias_axes}
        for part in ("kernel", "bias"):
            config[f"{part}_initializer"] = initializers.serialize(getattr(self, f"{part}_initializer"))
            config[f"{part}_regularizer"] = regularizers.serialize(getattr(self, f"{part}_regularizer"))
            config[f"{part}_constraint"] = constraints.serialize(getattr(self, f"{part}_constraint"))
        return config


def _split(equation: str) -> tuple[str, str, str]:
    """Letters of the input, the kernel and the result."""
    operands, arrow, output = equation.replace(" ", "").partition("->")
    inputs, comma, kernel = operands.partition(",")
    letters = (inputs + kernel + output).replace("...", "")
    if not arrow or not comma or "..." in kernel or not letters.isalpha() or ("..." in inputs) != ("..." in output):
        raise ValueError(f"The equation of an EinsumDense must look like 'abc,cd->abd' or '...c,cd->...d', "
                         f"received {equation!r}.")
    return inputs, kernel, output


def _aligned(names: str, shape: tuple[int | None, ...]) -> dict[str, int | None]:
    """Sizes of letters: those before `...` from the left, those behind it from the right."""
    before, _, after = names.partition("...")
    tail = shape[len(shape) - len(after) :] if after else ()
    return dict(zip(before, shape, strict=False)) | dict(zip(after, tail, strict=False))


def _with_fans(initializer: Any, letters: str, summed: list[str]) -> Any:
    """The initializer on a matrix (summed axes, other axes), whose values are then put in place."""
    order = [*summed, *(c for c in letters if c not in summed)]

    def first_value(shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        sizes = dict(zip(letters, shape, strict=True))
        rows = math.prod(sizes[c] for c in summed)
        matrix = initializer((rows, math.prod(shape) // max(rows, 1)), dtype=dtype)
        ordered = ops.reshape(matrix, tuple(sizes[c] for c in order))
        return ops.transpose(ordered, tuple(order.index(c) for c in letters))

    return first_value
