"""`Dot`: products of two inputs, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import Tensor
from lamella.nn.layers.layer import LAYERS, Layer


@LAYERS.register()
class Dot(Layer):
    """The inner products of the inputs along one axis of each: out[n, i, j] = Σ_k x[n, i, k] · y[n, j, k].

    The other axes of the first input come first, then those of the second; without any the result is (batch, 1).

    Args:
        axes: the axis of both, or a pair; not the batch axis.
        normalize: whether both are first divided by their length along the axis (cosine similarity).
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: `axes` is no int or pair of ints.
        ShapeError: not two inputs, an axis out of range or the batch axis, or sizes that differ.

    Example:
        >>> Dot(axes=1)([ops.convert_to_tensor([[1.0, 2.0]]), ops.convert_to_tensor([[3.0, 4.0]])]).numpy().tolist()
        [[11.0]]
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pair = [axes, axes] if isinstance(axes, int) else list(axes)
        if len(pair) != 2 or not all(isinstance(axis, int) for axis in pair):
            raise ValueError(f"axes of layer {self.name!r} must be an int or a pair of ints, received {axes!r}.")
        self.axes = axes if isinstance(axes, int) else tuple(axes)
        self._pair = (pair[0], pair[1])
        self.normalize = bool(normalize)
        self.built = True

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        i, j = self._resolved([x.shape for x in self._two(inputs)])
        x, y = inputs
        if self.normalize:
            x, y = ops.normalize(x, axis=i, order=2), ops.normalize(y, axis=j, order=2)
        left = ["n", *"abcdefgh"[: len(x.shape) - 1]]
        right = ["n", *"ijklmopq"[: len(y.shape) - 1]]
        left[i] = right[j] = "z"
        out = ["n", *(c for c in left[1:] if c != "z"), *(c for c in right[1:] if c != "z")]
        product = ops.einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", x, y)
        return ops.expand_dims(product, -1) if len(out) == 1 else product

    def _two(self, inputs: Any) -> Any:
        if not isinstance(inputs, (list, tuple)) or len(inputs) != 2:
            received = len(inputs) if isinstance(inputs, (list, tuple)) else f"a {type(inputs).__name__}"
            raise ShapeError(f"Layer {self.name!r} expects a list of 2 inputs, received {received}.")
        return inputs

    def _resolved(self, shapes: Sequence[Sequence[int | None]]) -> tuple[int, int]:
        places = []
        for axis, shape in zip(self._pair, shapes, strict=True):
            if not -len(shape) < axis < len(shape) or axis == 0:
                raise ShapeError(f"Layer {self.name!r} has axes {self.axes}, which must name an axis behind the batch, "
                                 f"received inputs of shapes {', '.join(str(tuple(s)) for s in shapes)}.")
            places.append(axis % len(shape))
        i, j = places
        if None not in (shapes[0][i], shapes[1][j]) and shapes[0][i] != shapes[1][j]:
            raise ShapeError(f"Layer {self.name!r} expects equal sizes on axes {self._pair}, received "
                             f"{shapes[0][i]} and {shapes[1][j]} (shapes {tuple(shapes[0])} and {tuple(shapes[1])}).")
        return i, j

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        first, second = self._two(input_shape)
        i, j = self._resolved([first, second])
        rest = [n for shape, axis in ((first, i), (second, j)) for a, n in enumerate(shape) if a not in (0, axis)]
        return (first[0], *(rest or [1]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def dot(inputs: Sequence[Any], axes: int | Sequence[int] = -1, **kwargs: Any) -> Any:
    """`Dot(axes, **kwargs)(inputs)`.

    Example:
        >>> dot([ops.ones((1, 3)), ops.ones((1, 3))], axes=-1).numpy().tolist()
        [[3.0]]
    """
    return Dot(axes, **kwargs)(inputs)
