"""Layers that map the levels of pixels: histogram equalization, of the image or of its parts, and posterization."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamella import ops
from lamella.frontend import Tensor, bind, random
from lamella.nn.layers.checks import finite_float, positive_int
from lamella.nn.layers.image.base import ImageLayer, RandomImageLayer, checked_value_range
from lamella.nn.layers.layer import LAYERS


@LAYERS.register()
class Equalization(ImageLayer):
    """In training the levels of each channel of each image spread, so that all are about equally frequent.

    A pixel in bin i of the histogram becomes round(255 (c[i] - m) / (n - m)): c[i] pixels of its channel lie in the bins up to
    i, m in the first bin that is not empty, n in all. A channel of one bin stays as it is. Keras counts the pixels of
    all images of a batch together.

    Args:
        value_range: (low, high), smallest and largest value of a pixel.
        bins: of the histogram.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a bad value range, number of bins or format.

    Source: keras.layers.Equalization.

    Example:
        >>> import numpy as np
        >>> Equalization()(np.array([[[10], [11], [12]]], np.uint8), training=True).numpy().ravel().tolist()
        [0.0, 128.0, 255.0]
    """

    def __init__(self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.value_range = checked_value_range(value_range, self.name)
        self.bins = positive_int("bins", bins, self.name)

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        x = _scaled(images, self.value_range, (0.0, 255.0))
        tables = (*(1 if axis in self._space else n for axis, n in zip(range(-4, 0), x.shape, strict=True)), self.bins)
        counts = _counts(_bin(x * (self.bins - 1) / 255.0, self.bins), tables)
        total = ops.cumsum(counts, -1)
        first = ops.min(ops.where(total > 0, total, math.inf), -1, keepdims=True)
        rest = total[..., -1:] - first
        table = ops.round((total - first) * 255.0 / ops.where(rest > 0, rest, 1.0))
        levels = _looked_up(ops.clip(table, 0.0, 255.0), _bin(x / 255.0 * (self.bins - 1), self.bins))
        levels = _scaled(levels, (0.0, 255.0), self.value_range)
        return ops.where(rest[..., 0] > 0, ops.cast(levels, images.dtype), images)

    @property
    def _space(self) -> tuple[int, int]:
        return self._axes.rows, self._axes.columns

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value_range": self.value_range, "bins": self.bins}


@LAYERS.register()
class ContrastLimitedAdaptiveHistogramEqualization(ImageLayer):
    """Each part of an image equalized by the histogram around it (CLAHE); always, not only in training.

    The image is cut into tiles, mirrored at the bottom and right to fill the last ones. What a level's frequency in a tile exceeds
    clip_limit times the mean frequency is cut off and spread over all 256 levels. Level i of the tile becomes
    255 (c[i] - c[0]) / (n - c[0]), c the cumulative histogram, n the pixels of a tile. A pixel takes the values of
    the four tiles whose centres surround it, mixed bilinearly.

    Args:
        value_range: (low, high), smallest and largest value of a pixel.
        clip_limit: 0 or less for none.
        tile_grid_size: (rows, columns) of tiles.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Returns:
        Images; integers stay integers (the fraction is cut off), floats come in the layer's dtype.

    Raises:
        ValueError: a bad value range, limit, grid or format.

    Source: Zuiderveld 1994, "Contrast limited adaptive histogram equalization"; keras.layers of the same name.

    Example:
        >>> import numpy as np
        >>> ramp = np.arange(100, 164, dtype="uint8").reshape(8, 8, 1)
        >>> layer = ContrastLimitedAdaptiveHistogramEqualization(clip_limit=0, tile_grid_size=(1, 1))
        >>> layer(ramp).numpy()[..., 0][[0, -1], [0, -1]].tolist()
        [3, 255]
    """

    acts_always = True

    def __init__(self, value_range: Any = (0, 255), clip_limit: float = 4.0, tile_grid_size: Any = (8, 8),
                 data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.value_range = checked_value_range(value_range, self.name)
        self.clip_limit = finite_float("clip_limit", clip_limit, self.name)
        if not isinstance(tile_grid_size, (list, tuple)) or len(tile_grid_size) != 2:
            raise ValueError(f"tile_grid_size of layer {self.name!r} must be a pair of ints > 0, received {tile_grid_size!r}.")
        self.tile_grid_size = tuple(positive_int("tile_grid_size", n, self.name) for n in tile_grid_size)

    def transform_images(self, images: Tensor, transformation: Any, training: bool = True) -> Tensor:
        first = self.data_format == "channels_first"
        x = ops.moveaxis(images, 1, -1) if first else images
        x = ops.cast(_scaled(self._equalized(x), (0.0, 255.0), self.value_range), images.dtype)
        return ops.moveaxis(x, -1, 1) if first else x

    def _equalized(self, images: Tensor) -> Tensor:
        """(batch, height, width, channels), in [0, 255], float32."""
        batch, height, width, channels = images.shape
        sizes = [-(-n // tiles) for n, tiles in zip((height, width), self.tile_grid_size, strict=True)]
        rows, columns = (np.pad(np.arange(n), (0, size * tiles - n), mode="symmetric")
                         for n, size, tiles in zip((height, width), sizes, self.tile_grid_size, strict=True))
        levels = _bin(_scaled(images, self.value_range, (0.0, 255.0)), 256)
        filled = ops.take(ops.take(levels, rows, 1), columns, 2)
        (high, wide), (down, across) = sizes, self.tile_grid_size
        tiles = ops.reshape(filled, (batch, down, high, across, wide, channels))
        table = self._table(_counts(tiles, (batch, down, 1, across, 1, channels, 256)), high * wide)
        entry = levels + _first_rows((batch, 1, 1, 1, down * across * channels * 256))
        entry = entry + 256 * np.arange(channels, dtype=np.int32)
        table = ops.reshape(table, (-1,))

        def mixed(levels: list[Any], share: Any) -> Any:
            return levels[0] + (levels[1] - levels[0]) * share

        (upper, lower), down_share = _surrounding(high, down, height)
        (left, right), across_share = _surrounding(wide, across, width)
        sides = []
        for row in (upper, lower):
            tiles_here = [row[:, None, None] * across + column[:, None] for column in (left, right)]
            values = [bind("gather", table, entry + tile * (channels * 256)) for tile in tiles_here]
            sides.append(mixed(values, across_share[:, None]))
        return mixed(sides, down_share[:, None, None])

    def _table(self, counts: Tensor, pixels: int) -> Tensor:
        if self.clip_limit > 0:
            limited = ops.minimum(counts, self.clip_limit * pixels / 256.0)
            counts = limited + ops.sum(counts - limited, -1, keepdims=True) / 256.0
        total = ops.cumsum(counts, -1)
        lowest = total[..., :1]
        rest = pixels - lowest
        return ops.clip((total - lowest) * 255.0 / ops.where(rest == 0, 1.0, rest), 0.0, 255.0)

    def get_config(self) -> dict[str, Any]:
        names = ("value_range", "clip_limit", "tile_grid_size")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@LAYERS.register()
class RandomPosterization(RandomImageLayer):
    """In training pixels with fewer bits: of their level from 0 to 255, cut to an integer, the upper bits remain, the others become
    0. How many remain is drawn for each image.

    Args:
        factor: number of bits that remain, from 1 to 8, as Keras documents; or (smallest, largest). (Keras takes one number f as
            1 to f - 1, and leaves out the largest.)
        value_range: smallest and largest value of a pixel.
        data_format: "channels_last" (default) or "channels_first".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor or value range out of range, a bad seed.

    Source: keras.layers.RandomPosterization.

    Example:
        >>> import numpy as np
        >>> RandomPosterization(1)(np.array([[[100], [200]]], np.uint8), training=True).numpy().ravel().tolist()
        [0.0, 128.0]
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        pair = tuple(factor) if isinstance(factor, (list, tuple)) else (factor, factor)
        if len(pair) != 2 or any(positive_int("factor", bits, self.name) > 8 for bits in pair):
            raise ValueError(f"factor of layer {self.name!r} must be one or two numbers of bits from 1 to 8, received {factor!r}.")
        self.factor = tuple(sorted(pair))
        self.value_range = checked_value_range(value_range, self.name)

    def get_random_transformation(self, images: Tensor) -> Tensor:
        """By how many bits each image is shifted, (batch, 1, 1, 1) int32."""
        low, high = self.factor
        return 8 - random.randint((images.shape[0], 1, 1, 1), low, high + 1, "int32", self.generator)

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        levels = _bin(_scaled(images, self.value_range, (0.0, 255.0)), 256)
        coarse = ops.bitwise_left_shift(ops.bitwise_right_shift(levels, transformation), transformation)
        return ops.cast(_scaled(coarse, (0.0, 255.0), self.value_range), images.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range}


def _scaled(x: Tensor, given: tuple[float, float], wanted: tuple[float, float]) -> Tensor:
    """Values of one range moved into another, float32."""
    x = ops.cast(x, "float32")
    return x if given == wanted else (x - given[0]) / (given[1] - given[0]) * (wanted[1] - wanted[0]) + wanted[0]


def _bin(x: Tensor, bins: int) -> Tensor:
    """The whole parts, int32, moved into [0, bins)."""
    return ops.cast(ops.clip(x, 0.0, bins - 1.0), "int32")


def _first_rows(tables: tuple[int, ...]) -> np.ndarray:
    """Where each of the tables, (..., bins) entries in all, begins when they lie one after the other: shape (...)."""
    return np.arange(math.prod(tables[:-1]), dtype=np.int32).reshape(tables[:-1]) * tables[-1]


def _counts(levels: Tensor, tables: tuple[int, ...]) -> Tensor:
    """Histograms, float32, of shape `tables`: (..., bins), 1 along the axes of `levels` that are counted together."""
    rows = levels + _first_rows(tables)
    zeros = ops.zeros((math.prod(tables),), "float32")
    counts = bind("scatter_add", zeros, ops.reshape(rows, (-1,)), ops.ones((levels.size,), "float32"))
    return ops.reshape(counts, tables)


def _looked_up(table: Tensor, levels: Tensor) -> Tensor:
    """The entry of each level in its table: `table` has one axis more, and 1 along the axes where tables are shared."""
    return bind("gather", ops.reshape(table, (-1,)), levels + _first_rows(table.shape))


def _surrounding(size: int, tiles: int, n: int) -> tuple[list[np.ndarray], np.ndarray]:
    """For each of n places the two tiles (of `size` places) with the nearest centres, and the share of the second."""
    place = (np.arange(n) - size / 2) / size
    low = np.floor(place)
    return [np.clip(tile, 0, tiles - 1).astype(np.int32) for tile in (low, low + 1)], (place - low).astype(np.float32)
