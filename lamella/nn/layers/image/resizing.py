"""`Resizing`."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.frontend import Tensor
from lamella.nn.layers.checks import finite_float, positive_int
from lamella.nn.layers.image.base import ImageLayer
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.naming_errors import errors_name
from lamella.ops.image.layout import check_choice
from lamella.ops.image.resizing import INTERPOLATIONS


@LAYERS.register()
class Resizing(ImageLayer):
    """Images of one height and width; see `ops.image.resize` for the formula.

    Integers stay integers (rounded), floats come in the layer's dtype; masks are resized by "nearest".

    Args:
        height, width: of the result.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
        crop_to_aspect_ratio: resize the largest centred window with the new proportions.
        pad_to_aspect_ratio: add `fill_value` at both sides of the shorter axis first.
        fill_mode: "constant".
        fill_value: of the padding.
        antialias: let every pixel count where an axis shrinks.
        data_format: "channels_last" (default) or "channels_first".
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a size below 1, an unknown interpolation, fill mode or format, or both ways to keep the proportions.

    Source: keras.layers.Resizing.

    Example:
        >>> import numpy as np
        >>> Resizing(1, 2)(np.array([[[10], [20], [30], [60]]], np.uint8)).numpy().ravel().tolist()
        [15, 45]
    """

    moves_pixels = True
    acts_always = True

    def __init__(self, height: int, width: int, interpolation: str = "bilinear", crop_to_aspect_ratio: bool = False,
                 pad_to_aspect_ratio: bool = False, fill_mode: str = "constant", fill_value: float = 0.0,
                 antialias: bool = False, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.height, self.width = (positive_int(name, n, self.name) for name, n in (("height", height), ("width", width)))
        with errors_name(self):
            check_choice("interpolation", interpolation, INTERPOLATIONS)
            check_choice("fill_mode", fill_mode, ("constant",))
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError(f"Layer {self.name!r} can crop_to_aspect_ratio or pad_to_aspect_ratio, not both.")
        self.interpolation, self.antialias = interpolation, bool(antialias)
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = bool(crop_to_aspect_ratio), bool(pad_to_aspect_ratio)
        self.fill_mode, self.fill_value = fill_mode, finite_float("fill_value", fill_value, self.name)

    def transform_images(self, images: Tensor, transformation: Any, training: bool = True) -> Tensor:
        return self._transform(images, transformation, self.interpolation)

    def _transform(self, images: Tensor, transformation: Any, interpolation: str) -> Tensor:
        return ops.image.resize(images, (self.height, self.width), interpolation, self.antialias, self.crop_to_aspect_ratio,
                                self.pad_to_aspect_ratio, self.fill_mode, self.fill_value, self.data_format)

    def get_config(self) -> dict[str, Any]:
        names = ("height", "width", "interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "fill_mode", "fill_value",
                 "antialias")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
