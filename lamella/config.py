"""`lamella.config` (`keras.config`): defaults of new layers, and how programs are compiled and run.

    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.threads = 2

Beside the functions below, which Keras has too, the attributes of `lamella.settings.Settings` can be read and set here:
`threads`, `cache_dir`, `log` and `target`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from lamella.errors import did_you_mean
from lamella.ir.types import FLOATS
from lamella.nn.dtype_policy import dtype_policy as dtype_policy
from lamella.nn.dtype_policy import set_dtype_policy as set_dtype_policy
from lamella.nn.numbers import number
from lamella.ops.windows import FORMATS
from lamella.settings import settings

_OWN = ("threads", "cache_dir", "log", "target")


def backend() -> str:
    """The name of what computes: always `"lamella"`.

    Example:
        >>> backend()
        'lamella'
    """
    return "lamella"


def floatx() -> str:
    """The dtype of new inputs, losses and metrics, of Python floats, and, unless a policy was set, of layers.

    Example:
        >>> floatx()
        'float32'
    """
    return settings.floatx


def set_floatx(value: str) -> None:
    """Set `floatx()`.

    Args:
        value: "float16", "bfloat16", "float32" or "float64".

    Raises:
        ValueError: no float dtype.

    Example:
        >>> set_floatx("float64"); dtype_policy()
        <DTypePolicy "float64">
        >>> set_floatx("float32")
    """
    settings.floatx = _one_of("floatx", value, FLOATS)


def epsilon() -> float:
    """The small number that keeps losses and metrics from dividing by 0 and from the logarithm of 0.

    Example:
        >>> epsilon()
        1e-07
    """
    return settings.epsilon


def set_epsilon(value: float) -> None:
    """Set `epsilon()`.

    Raises:
        ValueError: no finite number >= 0.
    """
    settings.epsilon = number("epsilon", value, "set_epsilon")


def image_data_format() -> str:
    """Where layers that are made without `data_format=` expect the channels of images.

    Example:
        >>> image_data_format()
        'channels_last'
    """
    return settings.image_data_format


def set_image_data_format(data_format: str) -> None:
    """Set `image_data_format()`: "channels_last" or "channels_first".

    Raises:
        ValueError: neither of them.
    """
    settings.image_data_format = _one_of("image_data_format", data_format, FORMATS)


def _one_of(what: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"Unknown {what} {value!r}. {did_you_mean(str(value), known)}")
    return value


class _Config(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name in _OWN:
            return getattr(settings, name)
        raise AttributeError(f"lamella.config has no {name!r}.")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN:
            setattr(settings, name, value)
        elif name.startswith("__"):
            super().__setattr__(name, value)
        else:
            raise AttributeError(f"lamella.config has no setting {name!r}. {did_you_mean(name, _OWN)} "
                                 "What else can be set has a function, such as set_floatx().")


sys.modules[__name__].__class__ = _Config
