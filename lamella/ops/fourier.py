"""Windows, and Fourier transforms along the last axis. A complex tensor is a tuple (real part, imaginary part)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamella.errors import DTypeError, ShapeError, did_you_mean
from lamella.frontend import Tensor, bind, cast, convert_to_tensor, promote
from lamella.frontend.arithmetic import to_floats
from lamella.ir.types import is_float
from lamella.ops.complex import Pair
from lamella.ops.logic import where
from lamella.ops.patches import extract_sequences, window_places
from lamella.ops.scatter import scatter_update
from lamella.ops.shaping import concatenate, expand_dims, flip, moveaxis, pad, ravel, reshape, swapaxes
from lamella.settings import settings


def _window(make: Callable[..., np.ndarray], doc: str) -> Callable[[Any], Tensor]:
    def function(x: Any) -> Tensor:
        return convert_to_tensor(make(int(x)), settings.floatx)

    function.__name__ = function.__qualname__ = make.__name__
    function.__doc__ = f"{doc}, t = 0 ... x - 1."
    return function


bartlett = _window(np.bartlett, "The triangle 1 - |2 t / (x - 1) - 1|")
blackman = _window(np.blackman, "0.42 - 0.5 cos(2 pi t / (x - 1)) + 0.08 cos(4 pi t / (x - 1))")
hamming = _window(np.hamming, "0.54 - 0.46 cos(2 pi t / (x - 1))")
hanning = _window(np.hanning, "0.5 - 0.5 cos(2 pi t / (x - 1))")


def kaiser(x: Any, beta: Any) -> Tensor:
    """I0(beta sqrt(1 - (2 t / (x - 1) - 1)^2)) / I0(beta), t = 0 ... x - 1."""
    return convert_to_tensor(np.kaiser(int(x), float(beta)), settings.floatx)


def _complex(name: str, x: Any) -> tuple[Tensor, Tensor, str]:
    """Real and imaginary part in a precision that the transform computes in, and the dtype of the result.

    Raises:
        ValueError: no pair of equal shapes.
        DTypeError: integers.
    """
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"{name} takes a tuple of two tensors, real and imaginary part; received {type(x).__name__}.")
    real, imag = (v._tensor() for v in promote(*map(convert_to_tensor, x)))
    if real.shape != imag.shape:
        raise ShapeError(f"{name}: real and imaginary part must have one shape, received {real.shape} and {imag.shape}.")
    if not is_float(real.dtype):
        raise DTypeError(f"{name} takes floats, received {real.dtype}.")
    wide = "float64" if real.dtype == "float64" else "float32"
    return cast(real, wide), cast(imag, wide), real.dtype


def _transform(real: Tensor, imag: Tensor, dtype: str, inverse: bool = False) -> Pair:
    real, imag = bind("fft", real, imag, inverse=inverse)
    return cast(real, dtype), cast(imag, dtype)


def fft(x: Any) -> Pair:
    """sum over j of x[j] e^(-2 pi i j k / n).

    Args:
        x: (real part, imaginary part), each (..., n).

    Example:
        >>> real, imag = fft(([1.0, 0.0], [0.0, 0.0]))
        >>> real.numpy(), imag.numpy()
        (array([1., 1.], dtype=float32), array([0., 0.], dtype=float32))
    """
    return _transform(*_complex("fft", x))


def fft2(x: Any) -> Pair:
    """`fft` along both of the last two axes."""
    return _both_axes("fft2", x, inverse=False)


def ifft2(x: Any) -> Pair:
    """The inverse of `fft2`."""
    real, imag = _both_axes("ifft2", x, inverse=True)
    count = real.shape[-1] * real.shape[-2]
    return real / count, imag / count


def _both_axes(name: str, x: Any, inverse: bool) -> Pair:
    real, imag, dtype = _complex(name, x)
    if real.ndim < 2:
        raise ShapeError(f"{name} needs two axes, received shape {real.shape}.")
    for _ in range(2):
        real, imag = (swapaxes(part, -2, -1) for part in bind("fft", real, imag, inverse=inverse))
    return cast(real, dtype), cast(imag, dtype)


def _resized(x: Tensor, n: int) -> Tensor:
    """The last axis cut or filled up with zeros to n elements."""
    size = x.shape[-1]
    return x[..., :n] if size >= n else pad(x, [(0, 0)] * (x.ndim - 1) + [(0, n - size)])


def rfft(x: Any, fft_length: int | None = None) -> Pair:
    """The first n // 2 + 1 elements of the `fft` of real numbers; the others follow from them.

    Args:
        x: (..., m).
        fft_length: n, to which x is cut or filled up with zeros; None: m.
    """
    (x,) = to_floats(convert_to_tensor(x))
    n = x.shape[-1] if fft_length is None else int(fft_length)
    x = _resized(x, n)
    real, imag = fft((x, x * 0))
    return real[..., : n // 2 + 1], imag[..., : n // 2 + 1]


def irfft(x: Any, fft_length: int | None = None) -> Tensor:
    """The inverse of `rfft`: n real numbers.

    Args:
        x: (real part, imaginary part), each (..., m); cut or filled up with zeros to n // 2 + 1 elements.
        fft_length: n; None: 2 (m - 1).
    """
    real, imag, dtype = _complex("irfft", x)
    n = 2 * (real.shape[-1] - 1) if fft_length is None else int(fft_length)
    half = n // 2 + 1
    real, imag = _resized(real, half), _resized(imag, half)
    mirrored = [flip(part[..., 1 : n - half + 1], -1) for part in (real, imag)]
    whole = concatenate([real, mirrored[0]], -1), concatenate([imag, -mirrored[1]], -1)
    return _transform(*whole, dtype, inverse=True)[0] / n


_WINDOWS = {"hann": np.hanning, "hamming": np.hamming}


def _frame_window(window: Any, sequence_length: int, fft_length: int, dtype: str) -> np.ndarray:
    """The periodic window of a name (or the window itself), in the middle of a frame of `fft_length`.

    Raises:
        ValueError: unknown name, wrong length, or a frame longer than `fft_length`.
    """
    if fft_length < sequence_length:
        raise ValueError(f"fft_length must be at least sequence_length, received {fft_length} < {sequence_length}.")
    if window is None:
        return np.ones(fft_length, dtype)
    if isinstance(window, str):
        if window not in _WINDOWS:
            raise ValueError(f"Unknown window {window!r}. {did_you_mean(window, _WINDOWS)}")
        values = _WINDOWS[window](sequence_length + 1)[:-1] if sequence_length > 1 else np.ones(sequence_length)
    else:
        values = np.asarray(window)
    if values.shape != (sequence_length,):
        raise ValueError(f"The window must have {sequence_length} elements, received shape {values.shape}.")
    left = (fft_length - sequence_length) // 2
    return np.pad(values, (left, fft_length - sequence_length - left)).astype(dtype)


def stft(
    x: Any, sequence_length: int, sequence_stride: int, fft_length: int, window: Any = "hann", center: bool = True
) -> Pair:
    """The `rfft` of overlapping, windowed pieces of a signal.

    Args:
        x: float32 or float64 (..., n).
        sequence_length: elements under the window.
        sequence_stride: elements from one piece to the next.
        fft_length: length of the pieces; the window stands in the middle.
        window: "hann", "hamming" (periodic), `sequence_length` numbers, or None for none.
        center: whether the signal is reflected at both ends, so that piece t is centred at t sequence_stride.

    Returns:
        Real and imaginary part, (..., pieces, fft_length // 2 + 1).

    Raises:
        DTypeError, ValueError: wrong dtype, window or lengths.
    """
    x = convert_to_tensor(x)
    if x.dtype not in ("float32", "float64"):
        raise DTypeError(f"stft takes float32 or float64, received {x.dtype}.")
    weights = _frame_window(window, sequence_length, fft_length, x.dtype)
    if center:
        half = fft_length // 2
        x = pad(x, [(0, 0)] * (x.ndim - 1) + [(half, half)], mode="reflect")
    return rfft(extract_sequences(x, fft_length, sequence_stride) * weights)


def istft(
    x: Any, sequence_length: int, sequence_stride: int, fft_length: int, length: int | None = None,
    window: Any = "hann", center: bool = True,
) -> Tensor:
    """The signal whose `stft` is x: windowed pieces added up, divided by the sum of squared windows at each place.

    Args:
        x: real and imaginary part, (..., pieces, fft_length // 2 + 1).
        sequence_length, sequence_stride, fft_length, window, center: as given to `stft`.
        length: of the signal; None: as long as it follows from the pieces.

    Raises:
        ValueError: wrong window or lengths.
    """
    real, imag, dtype = _complex("istft", x)
    if real.ndim < 2:
        raise ShapeError(f"istft takes (..., pieces, frequencies), received shape {real.shape}.")
    weights = _frame_window(window, sequence_length, fft_length, real.dtype)
    pieces = irfft((real, imag), fft_length) * weights
    signal = _overlap_add(pieces, sequence_stride)
    count = pieces.shape[-2]
    total = _overlap_add(convert_to_tensor(np.broadcast_to(weights**2, (count, fft_length))), sequence_stride)
    signal = signal / where(total > 1e-10, total, 1.0)
    if window is None:
        signal = signal * (fft_length / sequence_stride)
    start = fft_length // 2 if center else 0
    end = start + length if length is not None else signal.shape[-1] - start
    return cast(signal[..., start:end], dtype)


def _overlap_add(pieces: Tensor, stride: int) -> Tensor:
    """(..., pieces, length) to one signal: piece t is added from t stride on."""
    count, length = pieces.shape[-2:]
    at = window_places(count, stride, length, 1)
    rows = moveaxis(reshape(pieces, (*pieces.shape[:-2], count * length)), -1, 0)
    empty = bind("broadcast", convert_to_tensor(0, pieces.dtype), shape=((count - 1) * stride + length, *rows.shape[1:]))
    return moveaxis(scatter_update(empty, expand_dims(ravel(at), -1), rows, "add"), 0, -1)
