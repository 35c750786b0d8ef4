"""Layers that apply others chosen at random: `RandAugment`, `AugMix`."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor, random
from lamella.nn.layers.checks import finite_float, positive_int
from lamella.nn.layers.image.affine import RandomRotation, RandomShear, RandomTranslation
from lamella.nn.layers.image.base import ImageLayer, RandomImageLayer, bounds, checked_value_range
from lamella.nn.layers.image.color import RandomColorDegeneration
from lamella.nn.layers.image.filters import RandomSharpness
from lamella.nn.layers.image.levels import Equalization, RandomPosterization
from lamella.nn.layers.image.light import AutoContrast, RandomBrightness, RandomContrast, Solarization
from lamella.nn.layers.layer import LAYERS

_MOVES = {
    "random_shear": lambda f: (RandomShear, {"x_factor": f, "y_factor": f}),
    "random_translation": lambda f: (RandomTranslation, {"height_factor": f, "width_factor": f}),
    "random_rotation": lambda f: (RandomRotation, {"factor": f}),
}
_LEVELS = {
    "random_posterization": lambda f: (RandomPosterization, {"factor": max(1, int(8 * f[1]))}),
    "solarization": lambda f: (Solarization, {"addition_factor": f, "threshold_factor": f}),
    "auto_contrast": lambda f: (AutoContrast, {}),
    "equalization": lambda f: (Equalization, {}),
}
_COLORS = {
    "random_brightness": lambda f: (RandomBrightness, {"factor": f}),
    "random_color_degeneration": lambda f: (RandomColorDegeneration, {"factor": f}),
    "random_contrast": lambda f: (RandomContrast, {"factor": f}),
    "random_sharpness": lambda f: (RandomSharpness, {"factor": f}),
}
_STILL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)


class _Policy(RandomImageLayer):
    """Base of layers that choose, for each image, one of several layers.

    All of them are computed, for a compiled program has no branches by image; but the moves are one: their matrices are chosen, and
    images are read once.

    Args:
        recipes: what to choose from besides the moves (shear, translation, rotation): name to a function of the factor.
    """

    moves_pixels = True

    def __init__(self, recipes: dict[str, Any], value_range: Any, factor: Any, interpolation: str, seed: int | None,
                 data_format: str | None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.value_range = checked_value_range(value_range, self.name)
        self.factor = bounds("factor", factor, self.name, 0.0, 1.0, "from zero")
        self.interpolation = interpolation
        self._moves = {name: self._made(name, *recipe(self.factor), interpolation=interpolation) for name, recipe in _MOVES.items()}
        self._others = {name: self._made(name, *recipe(self.factor), value_range=self.value_range)
                        for name, recipe in recipes.items()}

    def _made(self, name: str, cls: type[ImageLayer], arguments: dict[str, Any], **common: Any) -> ImageLayer:
        layer = cls(**arguments, **common, data_format=self.data_format, dtype=self.dtype_policy, name=f"{self.name}_{name}")
        if isinstance(layer, RandomImageLayer):
            layer.generator = self.generator
        return layer

    def _draw_step(self, images: Tensor, idle: bool) -> tuple[Tensor, dict[str, Any]]:
        """The number of each image's layer, (batch, 1, 1, 1), and what every layer draws; `idle`: the last number is none."""
        layers = {**self._moves, **self._others}
        chosen = random.randint((images.shape[0], 1, 1, 1), 0, len(layers) + idle, "int32", self.generator)
        return chosen, {name: layer.get_random_transformation(images) for name, layer in layers.items()}

    def _step(self, images: Tensor, step: tuple[Tensor, dict[str, Any]], interpolation: str, masks: bool = False) -> Tensor:
        chosen, drawn = step
        matrix = ops.convert_to_tensor([_STILL], "float32")
        for number, name in enumerate(self._moves):
            matrix = ops.where(ops.reshape(chosen, (-1, 1)) == number, drawn[name], matrix)
        images = self._moves["random_shear"]._transform(images, matrix, interpolation)
        for number, (name, layer) in enumerate(self._others.items(), len(self._moves)):
            if not masks:
                images = ops.where(chosen == number, layer._transform(images, drawn[name], interpolation), images)
        return images

    def get_config(self) -> dict[str, Any]:
        names = ("value_range", "factor", "interpolation")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@LAYERS.register()
class RandAugment(_Policy):
    """In training `num_ops` changes of each image, one after the other, each drawn from these layers: RandomShear,
    RandomTranslation, RandomRotation, RandomBrightness, RandomColorDegeneration, RandomContrast, RandomSharpness,
    RandomPosterization, Solarization, AutoContrast, Equalization.

    In Keras all images of a batch get the same layers.

    Args:
        value_range: smallest and largest value of a pixel.
        num_ops: number of changes.
        factor: of these layers, (low, high) in [0, 1], or f for (0, f); posterization leaves int(8 high) bits, at least 1.
        interpolation: "bilinear" or "nearest"; masks are always read by "nearest".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor, value range or number out of range, an unknown interpolation or format, a bad seed.

    Source: Cubuk et al. 2019, arXiv:1909.13719; keras.layers.RandAugment.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(1).uniform(0, 255, (4, 8, 8, 3))
        >>> RandAugment(seed=1)(images, training=True).shape
        (4, 8, 8, 3)
    """

    def __init__(self, value_range: Any = (0, 255), num_ops: int = 2, factor: Any = 0.5, interpolation: str = "bilinear",
                 seed: int | None = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__({**_COLORS, **_LEVELS}, value_range, factor, interpolation, seed, data_format, **kwargs)
        self.num_ops = positive_int("num_ops", num_ops, self.name)

    def get_random_transformation(self, images: Tensor) -> list[Any]:
        """For each change the number of each image's layer, and what every layer draws."""
        return [self._draw_step(images, idle=False) for _ in range(self.num_ops)]

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        for step in transformation:
            images = self._step(images, step, interpolation)
        return images

    def transform_segmentation_masks(self, segmentation_masks: Tensor, transformation: Any, training: bool = True) -> Tensor:
        for step in transformation if training else ():
            segmentation_masks = self._step(segmentation_masks, step, "nearest", masks=True)
        return segmentation_masks

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_ops": self.num_ops}


@LAYERS.register()
class AugMix(_Policy):
    """In training b x + (1 - b) sum_i w[i] x[i] for each image x, moved into `value_range`: x[i] is the image after chain i.

    A chain is `chain_depth` changes, each drawn from the layers of `RandAugment` and none. The weights w are
    Dirichlet(alpha, ..., alpha) distributed, b is Beta(alpha, alpha) distributed, for each image. (In Keras chains and weights are
    those of the whole batch, and Python's `random` chooses the layers: a compiled step repeats its choice.)

    Args:
        value_range: smallest and largest value of a pixel.
        num_chains: number of chains.
        chain_depth: number of changes in a chain.
        factor: of the layers, (low, high) in [0, 1], or f for (0, f); posterization leaves int(8 high) bits, at least 1.
        alpha: positive. The larger, the more even the weights.
        all_ops: False leaves brightness, color degeneration, contrast and sharpness out.
        interpolation: "bilinear" or "nearest".
        seed: int >= 0, or None for one drawn from `set_random_seed`'s state.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a factor, alpha, value range or number out of range, an unknown interpolation or format, a bad seed; masks,
            whose classes cannot be mixed.

    Source: Hendrycks et al. 2019, arXiv:1912.02781; keras.layers.AugMix.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(1).uniform(0, 255, (4, 8, 8, 3))
        >>> AugMix(num_chains=2, chain_depth=1, seed=1)(images, training=True).shape
        (4, 8, 8, 3)
    """

    def __init__(self, value_range: Any = (0, 255), num_chains: int = 3, chain_depth: int = 3, factor: Any = 0.3,
                 alpha: float = 1.0, all_ops: bool = True, interpolation: str = "bilinear", seed: int | None = None,
                 data_format: str | None = None, **kwargs: Any) -> None:
        recipes = {**_LEVELS, **_COLORS} if all_ops else _LEVELS
        super().__init__(recipes, value_range, factor, interpolation, seed, data_format, **kwargs)
        self.num_chains = positive_int("num_chains", num_chains, self.name)
        self.chain_depth = positive_int("chain_depth", chain_depth, self.name)
        self.alpha, self.all_ops = finite_float("alpha", alpha, self.name, 1e-6), bool(all_ops)

    def get_random_transformation(self, images: Tensor) -> tuple[Tensor, Tensor, list[Any]]:
        """The b of each image, (batch, 1, 1, 1); its w, (batch, chains, 1, 1, 1); and the changes of each chain."""
        batch = images.shape[0]
        stays = random.beta((batch, 1, 1, 1), self.alpha, self.alpha, "float32", self.generator)
        shares = random.gamma((batch, self.num_chains, 1, 1, 1), self.alpha, "float32", self.generator)
        chains = [[self._draw_step(images, idle=True) for _ in range(self.chain_depth)] for _ in range(self.num_chains)]
        return stays, shares / ops.sum(shares, 1, keepdims=True), chains

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        stays, weights, chains = transformation
        mixed: Any = 0.0
        for number, chain in enumerate(chains):
            changed = images
            for step in chain:
                changed = self._step(changed, step, interpolation)
            mixed = mixed + changed * ops.cast(weights[:, number], images.dtype)
        stays = ops.cast(stays, images.dtype)
        return ops.clip(stays * images + (1.0 - stays) * mixed, *self.value_range)

    def transform_segmentation_masks(self, segmentation_masks: Tensor, transformation: Any, training: bool = True) -> Tensor:
        if training:
            raise ValueError(f"Layer {self.name!r} mixes images, and cannot mix the classes of segmentation masks; RandAugment can "
                             "move them.")
        return segmentation_masks

    def get_config(self) -> dict[str, Any]:
        names = ("num_chains", "chain_depth", "alpha", "all_ops")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
