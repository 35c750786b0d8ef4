"""Spectrograms of audio: the short-time Fourier transform as convolutions with cosines and sines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.errors import ShapeError, did_you_mean
from lamella.frontend import Tensor
from lamella.nn import initializers
from lamella.nn.layers.checks import finite_float, positive_int
from lamella.nn.layers.layer import LAYERS, Layer
from lamella.nn.layers.naming_errors import errors_name
from lamella.nn.layers.spatial import SpatialLayer
from lamella.ops.windows import output_sizes, padding_mode
from lamella.settings import settings

_MODES = ("log", "magnitude", "psd", "real", "imag", "stft")
_WINDOWS = {"hann": np.hanning, "hamming": np.hamming}


@LAYERS.register()
class STFTSpectrogram(SpatialLayer):
    """Spectra of overlapping frames: X(t, f) = Σₖ x[t · step + k] · w[k] · e^(−2πi f k / F) / s, by trainable kernels.

    The window w and its scale s only set the first values of the kernels (`initializers.STFT`); with
    `trainable=False` they stay.

    Args:
        mode: "magnitude" (√max(|X|², 1e-7)), "log" (its logarithm), "psd" (|X|², doubled between the first and the last
            frequency), "real", "imag", or "stft" (both, one behind the other).
        frame_length: samples of a frame.
        frame_step: samples between frames, half a frame by default.
        fft_length: F, by default the smallest power of two that is not less than a frame.
        window: "hann", "hamming" or another name of `initializers.STFT`, or `frame_length` numbers.
        periodic: whether a named window is periodic.
        scaling: "density", "spectrum" or None; see `initializers.STFT`.
        padding: "valid" or "same".
        expand_dims: whether channels and frequencies get axes of their own, as images have.
        data_format: "channels_last" (batch, samples, channels) or "channels_first".

    Raises:
        ValueError: an unknown name, or lengths that do not fit together.

    Source:
        As Keras. Its mode "angle" is not available.

    Example:
        >>> STFTSpectrogram(frame_length=64, expand_dims=True)(ops.ones((2, 640, 1))).shape
        (2, 19, 33, 1)
    """

    rank = 1

    def __init__(self, mode: str = "log", frame_length: int = 256, frame_step: int | None = None,
                 fft_length: int | None = None, window: Any = "hann", periodic: bool = False,
                 scaling: str | None = "density", padding: str = "valid", expand_dims: bool = False,
                 data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if mode not in _MODES:
            raise ValueError(f"Unknown mode {mode!r} of layer {self.name!r}. {did_you_mean(str(mode), _MODES)}")
        self.mode, self.frame_length = mode, positive_int("frame_length", frame_length, self.name)
        self.frame_step, self.fft_length = frame_step, fft_length
        self._step = positive_int("frame_step", frame_step or max(1, frame_length // 2), self.name)
        self._fft_length = positive_int("fft_length", fft_length or 2 ** math.ceil(math.log2(frame_length)), self.name)
        if self._step > frame_length or self._fft_length < frame_length:
            raise ValueError(f"Layer {self.name!r} needs frame_step <= frame_length <= fft_length, received "
                             f"{self._step}, {frame_length} and {self._fft_length}.")
        with errors_name(self):
            self.padding = padding_mode(padding)
            self._initializers = {side: initializers.STFT(side, window, scaling, periodic) for side in ("real", "imag")}
        self.window, self.periodic, self.scaling, self.expand_dims = window, bool(periodic), scaling, bool(expand_dims)

    def build(self, input_shape: Sequence[int | None]) -> None:
        shape = (self.frame_length, 1, self._fft_length // 2 + 1)
        for side, other in (("real", "imag"), ("imag", "real")):
            if self.mode != other:
                setattr(self, f"{side}_kernel", self.add_weight(shape, self._initializers[side], name=f"{side}_kernel"))

    def call(self, inputs: Tensor) -> Tensor:
        signals = ops.transpose(inputs, (0, 2, 1)) if not self.channels_first else inputs
        if self.mode in ("real", "imag"):
            return self._arranged(self._part(signals, self.mode))
        real, imag = self._part(signals, "real"), self._part(signals, "imag")
        if self.mode == "stft":
            return self._arranged(ops.concatenate([real, imag], axis=-1))
        power = ops.square(real) + ops.square(imag)
        if self.mode == "psd":
            return self._arranged(power + ops.pad(power[..., 1:-1], [(0, 0), (0, 0), (0, 0), (1, 1)]))
        magnitude = ops.sqrt(ops.maximum(power, settings.epsilon))
        if self.mode == "log":
            magnitude = ops.log(ops.maximum(magnitude, settings.epsilon))
        return self._arranged(magnitude)

    def _part(self, signals: Tensor, side: str) -> Tensor:
        """(batch, channels, samples) to (batch, channels, frames, frequencies)."""
        batch, channels, samples = signals.shape
        kernel = ops.cast(getattr(self, f"{side}_kernel"), signals.dtype)
        with errors_name(self):
            out = ops.conv(ops.reshape(signals, (batch * channels, samples, 1)), kernel, self._step, self.padding,
                           "channels_last")
        return ops.reshape(out, (batch, channels, *out.shape[1:]))

    def _arranged(self, x: Tensor) -> Tensor:
        batch, channels, frames, frequencies = x.shape
        if self.expand_dims:
            return x if self.channels_first else ops.transpose(x, (0, 2, 3, 1))
        if self.channels_first:
            return ops.reshape(ops.transpose(x, (0, 1, 3, 2)), (batch, channels * frequencies, frames))
        return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (batch, frames, channels * frequencies))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        channels = input_shape[self._channel_axis]
        with errors_name(self):
            (frames,) = output_sizes(self._spatial(input_shape), (self.frame_length,), (self._step,), self.padding, (1,))
        frequencies = (self._fft_length // 2 + 1) * (2 if self.mode == "stft" else 1)
        if not self.expand_dims:
            return self._shape(input_shape[0], (frames,), None if channels is None else channels * frequencies)
        return self._shape(input_shape[0], (frames, frequencies), channels)

    def get_config(self) -> dict[str, Any]:
        names = ("mode", "frame_length", "frame_step", "fft_length", "periodic", "scaling", "padding", "expand_dims")
        window = self.window.tolist() if isinstance(self.window, np.ndarray) else self.window
        return {**super().get_config(), "window": window, **{name: getattr(self, name) for name in names}}


@LAYERS.register()
class MelSpectrogram(Layer):
    """The energies of audio in bands that are equally wide on the mel scale, m(f) = 1127 · ln(1 + f / 700), in decibels.

    |X|^mag_exp of the (reflect-padded, windowed) frames, times triangles between neighbouring bands; then
    10 · log₁₀(max(·, min_power) / max(|ref_power|, min_power)), cut off `top_db` below the largest value of the batch.

    Args:
        fft_length: samples of the transform.
        sequence_stride: samples between frames.
        sequence_length: samples that the window covers, by default `fft_length`.
        window: "hann", "hamming" (periodic), `sequence_length` numbers, or None for none.
        sampling_rate: samples per second.
        num_mel_bins: number of bands.
        min_freq, max_freq: hertz; the upper is half the sampling rate by default.
        power_to_db: whether the result is in decibels.
        top_db, mag_exp, min_power, ref_power: see above.

    Raises:
        ValueError: an unknown window or one of another length, or lengths that do not fit together.
        ShapeError: inputs that are neither (samples,) nor (batch, samples), or too short to be reflected.

    Source:
        As Keras; the scale and the triangles are those of the Hidden Markov Model Toolkit.

    Example:
        >>> MelSpectrogram(num_mel_bins=40, fft_length=256, sequence_stride=128)(ops.ones((2, 1600))).shape
        (2, 40, 13)
    """

    def __init__(self, fft_length: int = 2048, sequence_stride: int = 512, sequence_length: int | None = None,
                 window: Any = "hann", sampling_rate: int = 16000, num_mel_bins: int = 128, min_freq: float = 20.0,
                 max_freq: float | None = None, power_to_db: bool = True, top_db: float = 80.0, mag_exp: float = 2.0,
                 min_power: float = 1e-10, ref_power: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fft_length = positive_int("fft_length", fft_length, self.name)
        self.sequence_stride = positive_int("sequence_stride", sequence_stride, self.name)
        self.sequence_length = positive_int("sequence_length", sequence_length or fft_length, self.name)
        if self.sequence_length > self.fft_length:
            raise ValueError(f"Layer {self.name!r} needs sequence_length <= fft_length, received {sequence_length} and "
                             f"{fft_length}.")
        self.num_mel_bins = positive_int("num_mel_bins", num_mel_bins, self.name)
        self.sampling_rate, self.min_freq = sampling_rate, min_freq
        self.max_freq = max_freq or int(sampling_rate / 2)
        self.power_to_db, self.mag_exp, self.ref_power = bool(power_to_db), mag_exp, ref_power
        self.top_db = finite_float("top_db", top_db, self.name, 0.0)
        self.min_power = finite_float("min_power", min_power, self.name, 0.0)
        self.window = window
        self._windowed = self._window()
        self.built = True

    def _window(self) -> np.ndarray:
        n = self.sequence_length
        if isinstance(self.window, str):
            if self.window not in _WINDOWS:
                hint = did_you_mean(self.window, _WINDOWS)
                raise ValueError(f"Unknown window {self.window!r} of layer {self.name!r}. {hint}")
            return _WINDOWS[self.window](n + 1)[:-1]
        values = np.ones(n) if self.window is None else np.asarray(self.window, np.float64)
        if values.shape != (n,):
            raise ValueError(f"The window of layer {self.name!r} needs {n} numbers, received shape {values.shape}.")
        return values

    def call(self, inputs: Tensor) -> Tensor:
        if len(inputs.shape) not in (1, 2) or inputs.shape[-1] <= self.fft_length // 2:
            raise ShapeError(f"Layer {self.name!r} expects (samples,) or (batch, samples) with more than "
                             f"{self.fft_length // 2} samples, received shape {tuple(inputs.shape)}.")
        dtype = self.compute_dtype if self.compute_dtype in ("float32", "float64") else "float32"
        signals = ops.reshape(ops.cast(inputs, dtype), (-1, inputs.shape[-1], 1))
        energies = ops.matmul(self._magnitudes(signals, dtype), ops.convert_to_tensor(self._bands(), dtype))
        if self.power_to_db:
            decibels = 10.0 * ops.log10(ops.maximum(energies, self.min_power))
            decibels = decibels - 10.0 * math.log10(max(abs(self.ref_power), self.min_power))
            energies = ops.maximum(decibels, ops.max(decibels) - self.top_db)
        out = ops.cast(ops.swapaxes(energies, -1, -2), self.compute_dtype)
        return out if len(inputs.shape) == 2 else out[0]

    def _magnitudes(self, signals: Tensor, dtype: str) -> Tensor:
        """|X|^mag_exp, (batch, frames, frequencies)."""
        half, offset = self.fft_length // 2, (self.fft_length - self.sequence_length) // 2
        padded = ops.pad(signals, [(0, 0), (half, half), (0, 0)], mode="reflect")
        end = padded.shape[1] - (self.fft_length - self.sequence_length - offset)  # only the window's part of a frame
        times, frequencies = np.arange(self.sequence_length) + offset, np.arange(half + 1)
        angles = 2 * np.pi / self.fft_length * (times[:, None] * frequencies)
        power: Any = 0.0
        for wave in (np.cos, np.sin):
            kernel = ops.convert_to_tensor((wave(angles) * self._windowed[:, None])[:, None], dtype)
            power = power + ops.square(ops.conv(padded[:, offset:end], kernel, self.sequence_stride))
        return power if self.mag_exp == 2 else ops.power(ops.sqrt(power), self.mag_exp)

    def _bands(self) -> np.ndarray:
        """The weight of each frequency (but 0) in each band: triangles on the mel scale; (frequencies, bands)."""
        def mel(hertz: Any) -> Any:
            return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

        places = mel(np.linspace(0, self.sampling_rate / 2, self.fft_length // 2 + 1)[1:])[:, None]
        edges = np.linspace(mel(self.min_freq), mel(self.max_freq), self.num_mel_bins + 2)
        low, centre, high = edges[:-2], edges[1:-1], edges[2:]
        triangles = np.maximum(0, np.minimum((places - low) / (centre - low), (high - places) / (high - centre)))
        return np.pad(triangles, ((1, 0), (0, 0)))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        samples = input_shape[-1]
        padded = None if samples is None else samples + 2 * (self.fft_length // 2) - self.fft_length
        frames = None if padded is None else padded // self.sequence_stride + 1
        return (*input_shape[:-1], self.num_mel_bins, frames)

    def get_config(self) -> dict[str, Any]:
        names = ("fft_length", "sequence_stride", "sequence_length", "sampling_rate", "num_mel_bins", "min_freq",
                 "max_freq", "power_to_db", "top_db", "mag_exp", "min_power", "ref_power")
        window = self.window.tolist() if isinstance(self.window, np.ndarray) else self.window
        return {**super().get_config(), "window": window, **{name: getattr(self, name) for name in names}}
