"""Spectrograms and Lambda against Keras on JAX."""

from __future__ import annotations

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import function
from lamella.nn import layers
from lamella.nn.masks import get_mask
from lamella.training import Model, Sequential

RNG = np.random.default_rng(2)
AUDIO = (RNG.standard_normal((2, 301, 2)) * np.linspace(0.1, 1, 301)[:, None]).astype(np.float32)
SHORT = {"frame_length": 16}

STFT = [
    *[{**SHORT, "mode": mode} for mode in ("log", "magnitude", "psd", "real", "imag", "stft")],
    *[{**SHORT, "mode": "stft", "expand_dims": True, "data_format": f} for f in ("channels_last", "channels_first")],
    {**SHORT, "mode": "psd", "data_format": "channels_first", "padding": "same"},
    {"frame_length": 20, "frame_step": 7, "fft_length": 32, "window": "hamming", "scaling": "spectrum", "padding": "same"},
    {"frame_length": 12, "window": RNG.random(12), "scaling": None, "expand_dims": True},
]


@pytest.mark.parametrize("kwargs", STFT, ids=range(len(STFT)))
def test_stft_as_keras(same_as_keras, kwargs):
    pytest.importorskip("scipy")
    x = AUDIO.transpose(0, 2, 1) if kwargs.get("data_format") == "channels_first" else AUDIO
    same_as_keras("STFTSpectrogram", kwargs, x)


MEL = [
    {"fft_length": 64, "sequence_stride": 16, "num_mel_bins": 9},
    {"fft_length": 64, "sequence_stride": 20, "sequence_length": 50, "window": "hamming", "num_mel_bins": 5,
     "sampling_rate": 8000, "max_freq": 3000.0, "power_to_db": False},
    {"fft_length": 33, "sequence_stride": 10, "window": None, "num_mel_bins": 4, "mag_exp": 1.0, "top_db": 20.0},
    {"fft_length": 32, "sequence_stride": 10, "window": RNG.random(32), "num_mel_bins": 4, "ref_power": 3.0, "min_power": 1e-3},
]


@pytest.mark.parametrize("kwargs", MEL, ids=range(len(MEL)))
def test_mel_as_keras(kwargs):
    keras = pytest.importorskip("keras")
    pytest.importorskip("scipy")
    ours, theirs = layers.MelSpectrogram(**kwargs), keras.layers.MelSpectrogram(**kwargs)
    for x in (AUDIO[..., 0], AUDIO[0, :, 1]):
        got, want = ours(x).numpy(), np.asarray(theirs(x))
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-4 * np.abs(want).max())
        np.testing.assert_allclose(function(lambda t: ours(t))(x).numpy(), want, rtol=2e-4, atol=2e-4 * np.abs(want).max())
        assert tuple(ours.compute_output_shape(x.shape)) == want.shape
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()
    keras.layers.deserialize(layers.serialize(ours))


def test_a_tone_sits_in_its_band():
    seconds = np.arange(8000) / 8000
    for hertz in (500.0, 1500.0):
        layer = layers.MelSpectrogram(512, 256, sampling_rate=8000, num_mel_bins=32, min_freq=0.0)
        band = layer(np.sin(2 * np.pi * hertz * seconds).astype(np.float32)).numpy().mean(1).argmax()
        edges = 700 * np.expm1(np.linspace(0, 1127 * np.log1p(4000 / 700), 34) / 1127)
        assert edges[band] < hertz < edges[band + 2]


def test_lambda_as_keras():
    keras = pytest.importorskip("keras")
    x = AUDIO[:, :5]
    cases = [({"arguments": {"power": 3}}, lambda x, power: x**power), ({}, lambda x: x[:, 1:] - x[:, :-1])]
    for kwargs, double in cases:
        ours, theirs = layers.Lambda(double, **kwargs), keras.layers.Lambda(double, **kwargs)
        want = np.asarray(theirs(x))
        np.testing.assert_allclose(ours(x).numpy(), want, rtol=1e-6)
        assert ours.compute_output_shape((None, 5, 2)) == (None, *want.shape[1:]) == ours(layers.Input((5, 2))).shape
    trains = layers.Lambda(lambda x, training: x * (2.0 if training else 1.0))
    assert np.array_equal(trains(x, training=True).numpy(), 2 * x) and np.array_equal(trains(x).numpy(), x)


def test_lambda_in_models_and_with_masks():
    inputs = layers.Input((4,))
    a, b = layers.Lambda(lambda x: [x * 2, ops.cast(x, "int32")])(inputs)
    assert (a.dtype, b.dtype) == ("float32", "int32")
    model = Model(inputs, layers.Dense(1)(a))
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0).history["loss"]).all()
    model.to_json()  # as TensorBoard asks for
    masked = layers.Masking()(ops.convert_to_tensor([[[1.0], [0.0]]]))
    assert get_mask(layers.Lambda(lambda x: x + 1)(masked)) is None
    assert get_mask(layers.Lambda(lambda x: x + 1, mask=lambda x, mask: mask)(masked)).numpy().tolist() == [[True, False]]
    kept = layers.Lambda(lambda x, mask: ops.sum(ops.cast(mask, "float32")))(masked)
    assert float(kept) == 1.0
    shaped = layers.Lambda(lambda x: x, output_shape=(7,))(layers.Input((7,)))
    assert shaped.shape == (None, 7)


REFUSED = [
    (lambda: layers.Lambda.from_config(layers.Lambda(abs, name="mine").get_config()), "Layer 'mine' is a Lambda around"),
    (lambda: layers.Lambda(3, name="mine"), "Layer 'mine' needs a function, received 3"),
    (lambda: layers.STFTSpectrogram(mode="lgo"), "Did you mean 'log'?"),
    (lambda: layers.STFTSpectrogram(frame_length=8, fft_length=4, name="x"), "Layer 'x' needs frame_step <= frame_length"),
    (lambda: layers.STFTSpectrogram(window="hannn", name="x"), "Layer 'x': Unknown window 'hannn'"),
    (lambda: layers.STFTSpectrogram(name="x")(AUDIO[:, :9]), "Layer 'x': "),
    (lambda: layers.MelSpectrogram(8, sequence_length=9, name="x"), "Layer 'x' needs sequence_length <= fft_length"),
    (lambda: layers.MelSpectrogram(8, window=[1.0], name="x"), "window of layer 'x' needs 8 numbers"),
    (lambda: layers.MelSpectrogram(64, name="x")(AUDIO[:, :9, 0]), "Layer 'x' expects (samples,)"),
    (lambda: Sequential([layers.MelSpectrogram(64, name="x")])(AUDIO), "Layer 'x' expects (samples,)"),
]


@pytest.mark.parametrize(("act", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refused_with_a_reason(act, message):
    with pytest.raises((ValueError, TypeError, ShapeError)) as caught:
        act()
    assert message in str(caught.value)
