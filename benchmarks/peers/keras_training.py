"""Networks in the Keras API: Lamella, and Keras 3 on the backend that ``KERAS_BACKEND`` names."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from keras_networks import NETWORKS
from keras_others import OTHERS
from network_worker import NetworkPeer, NotOffered

ALL = NETWORKS | OTHERS


def _tiled(data: Any, steps: int) -> Any:
    """The batch `steps` times over."""
    if isinstance(data, list):
        return [_tiled(array, steps) for array in data]
    return np.concatenate([data] * steps)


class _KerasTraining(NetworkPeer):
    """``fit``, ``evaluate`` and ``predict`` without metrics and shuffling."""

    def __init__(self, network: str, k: Any) -> None:
        super().__init__(network)
        self.k = k
        for name in ("layers", "losses", "optimizers", "Sequential", "Model"):  # Lamella's are loaded on first use
            getattr(k, name)

    def build(self) -> None:
        self.model, x, y, loss = ALL[self.network](self.k)
        self.model.compile(optimizer="adam", loss=loss)
        self.batch = len(y)
        self.data = {}
        self.arrays = lambda steps: self.data.setdefault(steps, (_tiled(x, steps), _tiled(y, steps)))
        self.image = x[:1] if self.network == "cnn" else None

    def train(self, steps: int) -> None:
        self.model.fit(*self.arrays(steps), batch_size=self.batch, verbose=0, shuffle=False)

    def evaluate(self, steps: int) -> None:
        self.model.evaluate(*self.arrays(steps), batch_size=self.batch, verbose=0)

    def one(self) -> None:
        if self.image is None:
            raise NotOffered
        self.model.predict(self.image, verbose=0)


class LamellaTraining(_KerasTraining):
    def __init__(self, network: str) -> None:
        super().__init__(network, importlib.import_module("lamella").keras)


class KerasTraining(_KerasTraining):
    def __init__(self, network: str) -> None:
        super().__init__(network, importlib.import_module("keras"))
