"""`RandomRotation`, `RandomZoom`, `RandomTranslation`, `RandomShear`: a random affine map for each image."""

from __future__ import annotations

import math
from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.checks import finite_float
from lamella.nn.layers.image.base import RandomImageLayer, bounds
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.naming_errors import errors_name
from lamella.ops.image.layout import check_choice
from lamella.ops.image.sampling import ORDERS

FILL_MODES = ("reflect", "wrap", "constant", "nearest")


class _RandomAffine(RandomImageLayer):
    """Base of layers that read images at (a0 x + a1 y + a2, b0 x + b1 y + b2); see `ops.image.affine_transform`.

    Subclasses define `_matrix`.

    Args:
        fill_mode: what stands outside of a b c d: "reflect" b a|a b c d|d c, "wrap" c d|a b c d|a b, "nearest"
            a a|a b c d|d d, "constant" `fill_value`.
        interpolation: "bilinear" or "nearest"; masks are always read by "nearest".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        fill_value: for "constant".
        data_format: "channels_last" (default) or "channels_first".
    """

    moves_pixels = True

    def __init__(self, fill_mode: str, interpolation: str, seed: int | None, fill_value: float, data_format: str | None,
                 **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        with errors_name(self):
            check_choice("fill_mode", fill_mode, FILL_MODES)
            check_choice("interpolation", interpolation, ORDERS)
        self.fill_mode, self.interpolation = fill_mode, interpolation
        self.fill_value = finite_float("fill_value", fill_value, self.name)

    def get_random_transformation(self, images: Tensor) -> Tensor:
        """A transform for each image, (batch, 8) float32: a0, a1, a2, b0, b1, b2, 0, 0."""
        zero = ops.zeros((images.shape[0], 1, 1, 1), "float32")
        numbers = [zero + number for number in self._matrix(images)]
        return ops.reshape(ops.stack([*numbers, zero, zero], -1), (images.shape[0], 8))

    def _matrix(self, images: Tensor) -> tuple[Any, Any, Any, Any, Any, Any]:
        """a0, a1, a2, b0, b1, b2: numbers, or tensors (batch, 1, 1, 1)."""
        raise NotImplementedError

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        return ops.image.affine_transform(images, transformation, interpolation, self.fill_mode, self.fill_value,
                                          self.data_format)

    def get_config(self) -> dict[str, Any]:
        names = ("fill_mode", "interpolation", "fill_value")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@LAYERS.register()
class RandomRotation(_RandomAffine):
    """In training each image turned around its centre by a random angle 2 pi u, u uniform between the factors.

    Args:
        factor: (low, high) as parts of a full turn, in [-1, 1], or f for (-f, f). Positive turns counter-clockwise.
        fill_mode: what stands outside of a b c d: "reflect" b a|a b c d|d c, "wrap" c d|a b c d|a b, "nearest"
            a a|a b c d|d d, "constant" `fill_value`.
        interpolation: "bilinear" or "nearest".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        fill_value: for "constant".
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor out of range, an unknown mode, interpolation or format, a bad seed.

    Source: keras.layers.RandomRotation.

    Example:
        >>> import numpy as np
        >>> quarter = RandomRotation((0.25, 0.25), "nearest", "nearest")
        >>> quarter(np.array([[[1.0], [2.0]], [[3.0], [4.0]]]), training=True).numpy()[..., 0].tolist()
        [[2.0, 4.0], [1.0, 3.0]]
    """

    def __init__(self, factor: Any, fill_mode: str = "reflect", interpolation: str = "bilinear", seed: int | None = None,
                 fill_value: float = 0.0, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = bounds("factor", factor, self.name, -1.0, 1.0)

    def _matrix(self, images: Tensor) -> tuple[Any, Any, Any, Any, Any, Any]:
        height, width = self._size(images)
        x, y = (width - 1) / 2, (height - 1) / 2
        angle = self._uniform(images, self.factor) * (2.0 * math.pi)
        cos, sin = ops.cos(angle), ops.sin(angle)
        return cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


@LAYERS.register()
class RandomZoom(_RandomAffine):
    """In training each image made smaller (positive factors) or larger (negative ones) around its centre.

    A pixel at distance d from the centre shows the input at distance d (1 + u), u uniform between the factors.

    Args:
        height_factor: (low, high) in (-1, 1], or f for (-f, f).
        width_factor: the same for the width; None draws once for both, which keeps the proportions.
        fill_mode, interpolation, seed, fill_value, data_format: see `RandomRotation`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor out of range, an unknown mode, interpolation or format, a bad seed.

    Source: keras.layers.RandomZoom.

    Example:
        >>> import numpy as np
        >>> twice = RandomZoom((-0.5, -0.5), interpolation="nearest")
        >>> twice(np.array([[[1.0], [2.0], [3.0], [4.0]]]), training=True).numpy().ravel().tolist()
        [2.0, 2.0, 3.0, 3.0]
    """

    def __init__(self, height_factor: Any, width_factor: Any = None, fill_mode: str = "reflect",
                 interpolation: str = "bilinear", seed: int | None = None, fill_value: float = 0.0,
                 data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        low = math.nextafter(-1.0, 0.0)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = bounds("height_factor", height_factor, self.name, low, 1.0)
        self._width = None if width_factor is None else bounds("width_factor", width_factor, self.name, low, 1.0)

    def _matrix(self, images: Tensor) -> tuple[Any, Any, Any, Any, Any, Any]:
        height, width = self._size(images)
        rows = self._uniform(images, self._height) + 1.0
        columns = rows if self._width is None else self._uniform(images, self._width) + 1.0
        return columns, 0.0, (1.0 - columns) * ((width - 1) / 2), 0.0, rows, (1.0 - rows) * ((height - 1) / 2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height_factor": self.height_factor, "width_factor": self.width_factor}


@LAYERS.register()
class RandomTranslation(_RandomAffine):
    """In training each image moved down by u times its height and right by v times its width, both uniform between the
    factors.

    Args:
        height_factor: (low, high) in [-1, 1], or f for (-f, f). Positive moves down.
        width_factor: the same for the width. Positive moves to the right.
        fill_mode, interpolation, seed, fill_value, data_format: see `RandomRotation`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor out of range, an unknown mode, interpolation or format, a bad seed.

    Source: keras.layers.RandomTranslation.

    Example:
        >>> import numpy as np
        >>> right = RandomTranslation(0.0, (0.25, 0.25), fill_mode="constant")
        >>> right(np.array([[[1.0], [2.0], [3.0], [4.0]]]), training=True).numpy().ravel().tolist()
        [0.0, 1.0, 2.0, 3.0]
    """

    def __init__(self, height_factor: Any, width_factor: Any, fill_mode: str = "reflect", interpolation: str = "bilinear",
                 seed: int | None = None, fill_value: float = 0.0, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = bounds("height_factor", height_factor, self.name, -1.0, 1.0)
        self._width = bounds("width_factor", width_factor, self.name, -1.0, 1.0)

    def _matrix(self, images: Tensor) -> tuple[Any, Any, Any, Any, Any, Any]:
        height, width = self._size(images)
        down, right = self._uniform(images, self._height) * height, self._uniform(images, self._width) * width
        return 1.0, 0.0, -right, 0.0, 1.0, -down

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height_factor": self.height_factor, "width_factor": self.width_factor}


@LAYERS.register()
class RandomShear(_RandomAffine):
    """In training pixel (x, y) of each image shows the input at (x + s y, t x + y), with the origin at the top left.

    s and t are uniform between the factors, and have with probability 1/2 the other sign, both together.

    Args:
        x_factor: (low, high) in [0, 1] of s, or f for (-f, f).
        y_factor: the same of t.
        interpolation, fill_mode, fill_value, data_format, seed: see `RandomRotation`.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor out of range, an unknown mode, interpolation or format, a bad seed.

    Source: keras.layers.RandomShear.

    Example:
        >>> import numpy as np
        >>> layer = RandomShear((1.0, 1.0), 0.0, fill_mode="nearest", seed=1)
        >>> layer(np.array([[[1.0], [2.0]], [[3.0], [4.0]]]), training=True).numpy()[0, :, 0].tolist()
        [1.0, 2.0]
    """

    def __init__(self, x_factor: Any = 0.0, y_factor: Any = 0.0, interpolation: str = "bilinear", fill_mode: str = "reflect",
                 fill_value: float = 0.0, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.x_factor, self.y_factor = x_factor, y_factor
        self._x, self._y = (bounds(name, value, self.name, 0.0, 1.0)
                            for name, value in (("x_factor", x_factor), ("y_factor", y_factor)))

    def _matrix(self, images: Tensor) -> tuple[Any, Any, Any, Any, Any, Any]:
        sign = ops.where(self._coins(images, 0.5), -1.0, 1.0)
        s, t = self._uniform(images, self._x) * sign, self._uniform(images, self._y) * sign
        return 1.0, s, 0.0, t, 1.0, 0.0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "x_factor": self.x_factor, "y_factor": self.y_factor}
