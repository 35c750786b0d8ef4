"""Kernels of the short-time Fourier transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamella.errors import did_you_mean
from lamella.nn.initializers.base import INITIALIZERS, Initializer, Shape, numpy_dtype

_WINDOWS: dict[str, Callable[[int], np.ndarray]] = {
    "hann": np.hanning, "hamming": np.hamming, "blackman": np.blackman, "bartlett": np.bartlett, "boxcar": np.ones,
}
_SCALINGS: dict[str | None, Callable[[np.ndarray], float]] = {
    "density": lambda w: float(np.sqrt(np.sum(np.square(w)))),
    "spectrum": lambda w: float(np.sum(np.abs(w))),
    None: lambda w: 1.0,
}


@INITIALIZERS.register("stft", "STFTInitializer")
class STFT(Initializer):
    """w[t] cos(−2π t f / F) / s (real) or the sine (imag), for the shape (frames T, 1, frequencies F / 2 + 1).

    s = √Σw² ("density"), Σ|w| ("spectrum") or 1 (None).

    Args:
        side: "real" or "imag".
        window: "hann", "hamming", "blackman", "bartlett", "boxcar", T numbers, or None for none (and then s = 1).
        scaling: see above.
        periodic: whether named windows are periodic, else symmetric.

    Raises:
        ValueError: an unknown name, a window of another length, or a shape of other than three axes.

    Example:
        >>> STFT(window=None)((4, 1, 3))[:, 0, 1].round(6).tolist()
        [1.0, 0.0, -1.0, -0.0]
    """

    def __init__(self, side: str = "real", window: Any = "hann", scaling: str | None = "density",
                 periodic: bool = False) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f"side must be 'real' or 'imag', received {side!r}.")
        if isinstance(window, str) and window not in _WINDOWS:
            raise ValueError(f"Unknown window {window!r}. {did_you_mean(window, _WINDOWS)}")
        if scaling not in _SCALINGS:
            raise ValueError(f"scaling must be 'density', 'spectrum' or None, received {scaling!r}.")
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic

    def _window(self, length: int) -> np.ndarray:
        if isinstance(self.window, str):
            values = _WINDOWS[self.window](length + 1)[:-1] if self.periodic else _WINDOWS[self.window](length)
        else:
            values = np.asarray(self.window, np.float64)
        if values.shape != (length,):
            raise ValueError(f"The window needs {length} values, received the shape {values.shape}.")
        return values

    def __call__(self, shape: Shape, dtype: str | None = None) -> np.ndarray:
        if len(shape) != 3:
            raise ValueError(f"The STFT initializer needs a shape (frames, 1, frequencies), received {tuple(shape)}.")
        frames, channels, frequencies = shape
        angle = -2 * np.pi * np.arange(frames)[:, None, None] * np.arange(frequencies) / (2 * (frequencies - 1))
        kernel = np.cos(angle) if self.side == "real" else np.sin(angle)
        if self.window is not None:
            window = self._window(frames)
            kernel = kernel * window[:, None, None] / _SCALINGS[self.scaling](window)
        return np.broadcast_to(kernel, (frames, channels, frequencies)).astype(numpy_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        window = self.window.tolist() if isinstance(self.window, np.ndarray) else self.window
        return {"side": self.side, "window": window, "periodic": self.periodic, "scaling": self.scaling}
