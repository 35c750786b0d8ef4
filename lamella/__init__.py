"""Lamella: a thin, transparent deep-learning training library with the Keras 3 API.

    import lamella as tf

    model = tf.keras.Sequential([tf.keras.layers.Dense(10, activation="softmax")])

Names are loaded when they are first used. `lamella.keras` is this package itself under another name.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lamella._namespace import DTYPES, MODULES, OBJECTS, install, load

if TYPE_CHECKING:
    from lamella import backend as backend
    from lamella import callbacks as callbacks
    from lamella import config as config
    from lamella import datasets as datasets
    from lamella import ops as ops
    from lamella import preprocessing as preprocessing
    from lamella import utils as utils
    from lamella.frontend import GradientTape as GradientTape
    from lamella.frontend import Tensor as Tensor
    from lamella.frontend import TensorSpec as TensorSpec
    from lamella.frontend import Variable as Variable
    from lamella.frontend import cast as cast
    from lamella.frontend import convert_to_tensor as convert_to_tensor
    from lamella.frontend import function as function
    from lamella.frontend import init_scope as init_scope
    from lamella.frontend import name_scope as name_scope
    from lamella.frontend import random as random
    from lamella.frontend import stop_gradient as stop_gradient
    from lamella.nn import activations as activations
    from lamella.nn import constraints as constraints
    from lamella.nn import dtype_policy as dtype_policies  # noqa: F401
    from lamella.nn import initializers as initializers
    from lamella.nn import layers as layers
    from lamella.nn import losses as losses
    from lamella.nn import metrics as metrics
    from lamella.nn import mixed_precision as mixed_precision
    from lamella.nn import optimizers as optimizers
    from lamella.nn import regularizers as regularizers
    from lamella.nn.initializers import Initializer as Initializer
    from lamella.nn.layers import InputSpec as InputSpec
    from lamella.nn.layers import KerasTensor as KerasTensor
    from lamella.nn.layers import Layer as Layer
    from lamella.nn.losses import Loss as Loss
    from lamella.nn.metrics import Metric as Metric
    from lamella.nn.optimizers import Optimizer as Optimizer
    from lamella.nn.regularizers import Regularizer as Regularizer
    from lamella.training import Input as Input
    from lamella.training import Model as Model
    from lamella.training import Sequential as Sequential

__version__ = "0.1.0"
PUBLIC = frozenset({*MODULES, *OBJECTS, *DTYPES})


def version() -> str:
    """The version of Lamella, the same as `__version__`."""
    return __version__


def __getattr__(name: str) -> Any:
    if name in PUBLIC:
        value = load(name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'lamella' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})


keras = sys.modules["lamella.keras"] = sys.modules[__name__]
install()
