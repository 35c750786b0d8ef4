"""`SpatialDropout1D`–`3D`: whole channels dropped."""

from __future__ import annotations

from typing import Any

from lamella.nn.layers.dropout import Dropout
from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.layer import LAYERS
from lamella.nn.layers.naming_errors import errors_name
from lamella.ops.windows import is_channels_first


class _SpatialDropout(Dropout):
    """While training each channel of a sample is 0 everywhere with probability `rate`, else divided by 1 − rate.

    Args:
        rate: in [0, 1].
        data_format: "channels_last" (default) or "channels_first".
        seed: int, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a rate outside of [0, 1], unknown format.
    """

    rank = 1

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, name: str | None = None,
                 dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype, **kwargs)
        with errors_name(self):
            self.channels_first = is_channels_first(data_format)
        self.data_format = "channels_first" if self.channels_first else "channels_last"
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _noise_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        ones = (1,) * self.rank
        return (*shape[:2], *ones) if self.channels_first else (shape[0], *ones, shape[-1])

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "data_format": self.data_format}
        return {key: value for key, value in config.items() if key not in ("noise_shape", "trainable")}


@LAYERS.register()
class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole features of a sequence; the features stand last.

    Args:
        rate: in [0, 1].
        seed: int, or None for one drawn from `set_random_seed`'s state.
        **kwargs: arguments of `Layer`.

    Raises:
        ValueError: a rate outside of [0, 1].

    Source:
        Tompson et al. 2015, arXiv:1411.4280.

    Example:
        >>> from lamella import ops
        >>> out = SpatialDropout1D(0.5, seed=1)(ops.ones((50, 3, 1)), training=True).numpy()
        >>> sorted(set(map(tuple, out[:, :, 0].tolist())))
        [(0.0, 0.0, 0.0), (2.0, 2.0, 2.0)]
    """

    rank = 1

    def __init__(self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None,
                 **kwargs: Any) -> None:
        super().__init__(rate, None, seed, name, dtype, **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["data_format"]
        return config


@LAYERS.register()
class SpatialDropout2D(_SpatialDropout):
    __doc__ = f"""Dropout of whole feature maps.

    {_SpatialDropout.__doc__}

    Example:
        >>> from lamella import ops
        >>> SpatialDropout2D(0.5)(ops.ones((2, 3, 3, 4))).shape
        (2, 3, 3, 4)
    """

    rank = 2


@LAYERS.register()
class SpatialDropout3D(_SpatialDropout):
    __doc__ = f"""Dropout of whole feature volumes.

    {_SpatialDropout.__doc__}

    Example:
        >>> from lamella import ops
        >>> SpatialDropout3D(0.5)(ops.ones((2, 3, 3, 3, 4))).shape
        (2, 3, 3, 3, 4)
    """

    rank = 3
