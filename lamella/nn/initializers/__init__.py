"""First values of weights, computed with numpy on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.nn.initializers.base import INITIALIZERS, Initializer, RandomInitializer
from lamella.nn.initializers.constant import Constant, Identity, Ones, Zeros
from lamella.nn.initializers.random import Orthogonal, RandomNormal, RandomUniform, TruncatedNormal
from lamella.nn.initializers.stft import STFT
from lamella.nn.initializers.variance_scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
    compute_fans,
)

zeros, ones, constant, identity, orthogonal, stft = Zeros, Ones, Constant, Identity, Orthogonal, STFT
IdentityInitializer, OrthogonalInitializer, STFTInitializer = Identity, Orthogonal, STFT
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
glorot_normal, glorot_uniform, he_normal, he_uniform = GlorotNormal, GlorotUniform, HeNormal, HeUniform
lecun_normal, lecun_uniform, variance_scaling = LecunNormal, LecunUniform, VarianceScaling


def get(identifier: Any) -> Any:
    """An initializer from a name, a config, an instance, a function of (shape, dtype) or an array.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> type(get("zeros")).__name__
        'Zeros'
    """
    return Constant(identifier) if isinstance(identifier, np.ndarray) else INITIALIZERS.get(identifier)


serialize, deserialize = INITIALIZERS.serialize, INITIALIZERS.deserialize

__all__ = [
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "INITIALIZERS", "Identity",
    "IdentityInitializer", "Initializer", "LecunNormal", "LecunUniform", "Ones", "Orthogonal", "OrthogonalInitializer",
    "RandomInitializer", "RandomNormal", "RandomUniform", "STFT", "STFTInitializer", "TruncatedNormal",
    "VarianceScaling", "Zeros", "compute_fans", "constant", "deserialize", "get", "glorot_normal", "glorot_uniform",
    "he_normal", "he_uniform", "identity", "lecun_normal", "lecun_uniform", "ones", "orthogonal", "random_normal",
    "random_uniform", "serialize", "stft", "truncated_normal", "variance_scaling", "zeros",
]
