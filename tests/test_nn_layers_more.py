"""Padding, up-sampling, products, normalizations, noise and masks against Keras (JAX); what they refuse."""

from __future__ import annotations

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

from lamella import ops
from lamella.errors import ShapeError
from lamella.frontend import TensorSpec, trace
from lamella.nn import layers
from lamella.nn.masks import get_mask, set_mask
from lamella.training import Model

RNG = np.random.default_rng(17)
FIRST = "channels_first"


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


X, X3, IMAGE, VOLUME = normal(5, 4), normal(3, 6, 4), normal(2, 5, 6, 4), normal(2, 3, 4, 3, 2)

CASES = [
    ("ZeroPadding1D", {}, X3),
    ("ZeroPadding1D", {"padding": (0, 3)}, X3),
    ("ZeroPadding1D", {"padding": (1, 2), "data_format": FIRST}, X3),
    ("ZeroPadding2D", {"padding": (1, 2)}, IMAGE),
    ("ZeroPadding2D", {"padding": ((0, 1), (2, 3)), "data_format": FIRST}, IMAGE),
    ("ZeroPadding3D", {}, VOLUME),
    ("Cropping1D", {}, X3),
    ("Cropping2D", {"cropping": ((1, 0), (2, 1))}, IMAGE),
    ("Cropping2D", {"cropping": 1, "data_format": FIRST}, IMAGE),
    ("Cropping3D", {"cropping": (1, 1, 0)}, VOLUME),
    ("UpSampling1D", {"size": 3}, X3),
    ("UpSampling2D", {}, IMAGE),
    ("UpSampling2D", {"size": (2, 3), "interpolation": "bilinear"}, IMAGE),
    ("UpSampling2D", {"size": (1, 4), "interpolation": "bilinear", "data_format": FIRST}, IMAGE),
    ("UpSampling2D", {"interpolation": "bilinear"}, normal(1, 1, 1, 2)),
    ("UpSampling2D", {"size": (3, 2), "interpolation": "bicubic"}, IMAGE),
    ("UpSampling2D", {"size": (2, 3), "interpolation": "lanczos3", "data_format": FIRST}, IMAGE),
    ("UpSampling2D", {"size": 2, "interpolation": "lanczos5"}, IMAGE),
    ("UpSampling3D", {"size": (2, 1, 3)}, VOLUME),
    ("Dot", {"axes": 1}, [X, 2 * X + 1]),
    ("Dot", {"axes": -1, "normalize": True}, [X, X**2]),
    ("Dot", {"axes": 2}, [X3, normal(3, 5, 4)]),
    ("Dot", {"axes": (1, 2), "normalize": True}, [X3, normal(3, 5, 6)]),
    ("Dot", {"axes": (3, 1)}, [IMAGE, normal(2, 4)]),
    ("GroupNormalization", {"groups": 2}, IMAGE),
    ("GroupNormalization", {"groups": -1, "center": False}, IMAGE),
    ("GroupNormalization", {"groups": 5, "axis": 1, "epsilon": 0.1}, IMAGE),
    ("GroupNormalization", {"groups": 2, "scale": False}, X),
    ("RMSNormalization", {}, X3),
    ("RMSNormalization", {"axis": -1, "epsilon": 0.1}, X),
    ("UnitNormalization", {}, X3),
    ("UnitNormalization", {"axis": [1, 2]}, X3),
    ("BatchNormalization", {"axis": 1, "momentum": 0.9}, IMAGE),
    ("PReLU", {}, X3),
    ("PReLU", {"shared_axes": [1, 2]}, IMAGE),
    ("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, X),
    ("Masking", {}, X3),
    ("SpatialDropout1D", {"rate": 0.5}, X3),
    ("SpatialDropout2D", {"rate": 0.5, "data_format": FIRST}, IMAGE),
    ("SpatialDropout3D", {"rate": 0.5}, VOLUME),
    ("AlphaDropout", {"rate": 0.5}, X),
    ("GaussianNoise", {"stddev": 0.5}, X),
    ("GaussianDropout", {"rate": 0.5}, X),
]


@pytest.mark.parametrize(("name", "kwargs", "inputs"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_as_keras(same_as_keras, name, kwargs, inputs):
    same_as_keras(name, kwargs, inputs)


@pytest.mark.parametrize("axis", [-1, 1])
def test_batch_normalization_trains_with_the_same_gradients(same_as_keras, axis):
    pair = same_as_keras("BatchNormalization", {"axis": axis, "momentum": 0.8}, IMAGE, training=True)
    pair.theirs(IMAGE, training=True)
    for mine, other in zip(pair.ours.get_weights(), pair.theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)


def test_batch_normalization_leaves_masked_places_out():
    keras = pytest.importorskip("keras")
    mask = RNG.integers(0, 2, (3, 6)).astype(bool)
    ours, theirs = layers.BatchNormalization(momentum=0.5), keras.layers.BatchNormalization(momentum=0.5)
    for x in (X3, X3 * 3 + 1):
        got, want = ours(x, training=True, mask=mask), theirs(x, training=True, mask=mask)
        np.testing.assert_allclose(got.numpy(), np.asarray(want), rtol=1e-4, atol=1e-5)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)
    with pytest.raises(ShapeError, match=r"expects a mask of shape \(3, 6\), received \(3,\)"):
        ours(X3, training=True, mask=mask[:, 0])


RENORM = [{}, {"renorm_clipping": {"rmin": 0.5, "rmax": 2.0, "dmax": 0.1}, "renorm_momentum": 0.7},
          {"renorm_clipping": {"rmax": 1.5}, "scale": False, "center": False, "axis": 1}]


@pytest.mark.parametrize("kwargs", RENORM, ids=range(3))
def test_batch_renormalization_as_keras(same_as_keras, kwargs):
    pair = same_as_keras("BatchNormalization", {"renorm": True, "momentum": 0.8, **kwargs}, IMAGE, training=True)
    pair.theirs(IMAGE, training=True)  # ours has trained in the comparison already
    for step, x in enumerate((3 * IMAGE + 1, IMAGE * 0.1, IMAGE - 5)):
        got, want = pair.ours(x, training=True), np.asarray(pair.theirs(x, training=True))
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-4, atol=1e-4 * np.abs(want).max(), err_msg=f"{step}")
    np.testing.assert_allclose(pair.ours(IMAGE).numpy(), np.asarray(pair.theirs(IMAGE)), rtol=1e-4, atol=1e-4)
    assert [w.name for w in pair.ours.weights] == [w.name for w in pair.theirs.weights]
    for mine, other in zip(pair.ours.get_weights(), pair.theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


def test_masked_numbers_do_not_reach_the_statistics():
    x, mask = X3.copy(), np.ones((3, 6), bool)
    x[0, 2], mask[0, 2] = np.nan, False
    for kwargs in ({}, {"renorm": True}):
        layer = layers.BatchNormalization(**kwargs)
        assert np.isfinite(layer(x, training=True, mask=mask).numpy()[mask]).all()
        assert all(np.isfinite(w).all() for w in layer.get_weights())


def test_spectral_normalization():
    keras = pytest.importorskip("keras")
    ours = layers.SpectralNormalization(layers.Conv2D(3, 2), power_iterations=2)
    theirs = keras.layers.SpectralNormalization(keras.layers.Conv2D(3, 2), power_iterations=2)
    ours(IMAGE), theirs(IMAGE)
    kernel, bias, u = normal(2, 2, 4, 3), normal(3), normal(1, 3)
    ours.layer.set_weights([kernel, bias]), theirs.layer.set_weights([kernel, bias])
    ours.vector_u.assign(u), theirs.vector_u.assign(u)
    np.testing.assert_allclose(ours(IMAGE, training=True).numpy(), np.asarray(theirs(IMAGE, training=True)),
                               rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.vector_u.numpy(), np.asarray(theirs.vector_u), rtol=1e-4, atol=1e-6)
    assert np.array_equal(ours.layer.kernel.numpy(), kernel)  # stays the trainable weight that it was
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights] == [(2, 2, 4, 3), (1, 3), (3,)]
    for _ in range(50):
        ours(IMAGE, training=True)
    sigma = np.linalg.svd(kernel.reshape(-1, 3))[1][0]
    ours.layer.bias.assign(np.zeros(3))
    plain = ops.conv(IMAGE, kernel / sigma).numpy()
    np.testing.assert_allclose(ours(IMAGE).numpy(), plain, rtol=1e-3, atol=1e-4)
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()
    with pytest.raises(AttributeError, match="a weight `kernel` or `embeddings`"):
        layers.SpectralNormalization(layers.Flatten())(X)


@pytest.mark.parametrize("inner", ["Dense", "BatchNormalization"])
def test_time_distributed(inner):
    keras = pytest.importorskip("keras")
    arguments = {"Dense": (3,), "BatchNormalization": (-1, 0.5)}[inner]
    ours = layers.TimeDistributed(getattr(layers, inner)(*arguments))
    theirs = keras.layers.TimeDistributed(getattr(keras.layers, inner)(*arguments))
    ours(X3), theirs(X3)
    ours.set_weights(theirs.get_weights())
    for training in (False, True, False):
        got, want = ours(X3, training=training).numpy(), np.asarray(theirs(X3, training=training))
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    assert ours.compute_output_shape((None, 6, 4)) == (None, *want.shape[1:])
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()


def test_spatial_dropout_drops_whole_channels():
    for layer, x, axes in ((layers.SpatialDropout1D(0.5, seed=1), np.ones((40, 5, 8), np.float32), 1),
                           (layers.SpatialDropout2D(0.5, FIRST, seed=1), np.ones((40, 8, 3, 3), np.float32), (2, 3)),
                           (layers.SpatialDropout3D(0.5, seed=1), np.ones((40, 2, 2, 2, 8), np.float32), (1, 2, 3))):
        out = layer(x, training=True).numpy()
        low, high = out.min(axes), out.max(axes)
        assert np.array_equal(low, high) and set(np.unique(low)) == {0.0, 2.0} and abs(low.mean() - 1) < 0.2


def test_noise_keeps_mean_and_variance():
    x = normal(400, 300)
    out = layers.AlphaDropout(0.3, seed=2)(x, training=True).numpy()
    assert abs(out.mean()) < 0.02 and abs(out.std() - 1) < 0.02
    dropped = np.float32(-1.0507009873554805 * 1.6732632423543772)
    a = (0.7 * (1 + 0.3 * dropped**2)) ** -0.5
    low = a * dropped - a * dropped * 0.3
    assert abs(np.isclose(out, low, atol=1e-5).mean() - 0.3) < 0.01
    rows = layers.AlphaDropout(0.5, noise_shape=(None, 1), seed=2)(np.ones((99, 5), np.float32), training=True).numpy()
    assert (rows == rows[:, :1]).all()
    noise = layers.GaussianNoise(0.25, seed=2)(x, training=True).numpy() - x
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 0.25) < 0.01
    factor = layers.GaussianDropout(0.2, seed=2)(np.ones((400, 300), np.float32), training=True).numpy()
    assert abs(factor.mean() - 1) < 0.01 and abs(factor.std() - 0.5) < 0.01
    layer = layers.GaussianNoise(0.25, seed=2)
    assert not np.array_equal(layer(x, training=True), layer(x, training=True))


@pytest.mark.parametrize("masked", [(0, 1), (0,), (1,), (0, 1, 2), (0, 2)], ids=str)
@pytest.mark.parametrize("name", ["Add", "Multiply", "Maximum", "Minimum", "Average", "Concatenate"])
def test_merging_of_masked_inputs_as_keras(name, masked):
    keras = pytest.importorskip("keras")
    arrays = [normal(2, 5, 3) * (RNG.random((2, 5, 1)) < 0.5) for _ in range(max(2, max(masked) + 1))]

    def outputs(module, model):
        inputs = [module.Input((5, 3)) for _ in arrays]
        merged = getattr(module, name)()([module.Masking()(x) if i in masked else x for i, x in enumerate(inputs)])
        return model(inputs, [merged, module.GlobalAveragePooling1D()(merged)])  # the second shows the mask

    got, want = outputs(layers, Model)(arrays), outputs(keras.layers, keras.Model)(arrays)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a.numpy(), np.asarray(b), rtol=1e-6, atol=1e-6)


def test_masks_as_arguments_and_by_argument():
    class Pair(layers.Layer):
        def call(self, query, value, query_mask=None, value_mask=None):
            return ops.cast(query_mask, "float32") + 2 * ops.cast(value_mask, "float32")

    mask = np.array([[True, True, False]])
    given = layers.LSTM(2, return_sequences=True)(np.ones((1, 3, 2), np.float32), mask=mask)
    np.testing.assert_array_equal(get_mask(given), mask)  # the layers after it see it
    first, second = layers.Masking()(np.array([[[1.0], [0.0]]])), layers.Masking()(np.array([[[1.0], [2.0]]]))
    with pytest.warns(UserWarning, match=r"Layer 'pair' \(Pair\) does not pass masks on"):
        np.testing.assert_array_equal(Pair(name="pair")(first, second).numpy(), [[3, 2]])


def test_masks_from_masking_pass_through_merging():
    x = np.array([[[1.0], [0.0], [2.0]]], np.float32)
    a, b = layers.Masking()(x), layers.Masking()(x[:, ::-1] * [[[1.0], [1.0], [0.0]]])
    assert get_mask(a).numpy().tolist() == [[True, False, True]]
    assert get_mask(layers.Add()([a, b])).numpy().tolist() == [[True, False, True]]
    assert get_mask(layers.Add()([a, ops.ones((1, 3, 1))])) is None
    assert get_mask(layers.Concatenate()([a, b])).numpy().tolist() == [[True, False, True]]
    assert get_mask(layers.Concatenate(axis=1)([a, x])).numpy().tolist() == [[True, False, True, True, True, True]]
    step = ops.ones((1, 3, 2))
    set_mask(step, ops.convert_to_tensor([[True, True, False]]))
    assert get_mask(layers.TimeDistributed(layers.Dense(2))(step)) is not None


def test_activity_regularization_adds_to_the_losses():
    layer = layers.ActivityRegularization(l1=0.5, l2=0.25)
    layer(2 * np.ones((4, 3), np.float32))
    assert float(layer.losses[0]) == pytest.approx((0.5 * 24 + 0.25 * 48) / 4)


def test_layers_work_the_same_in_a_trace(native_as_reference):
    for name, kwargs, inputs in CASES[::3]:
        if not isinstance(inputs, list):
            layer = getattr(layers, name)(**kwargs)
            eager = layer(inputs)
            traced = trace(layer, [TensorSpec(inputs.shape, "float32")], name)
            assert traced.structure.shape == eager.shape and traced.structure.dtype == eager.dtype
    for layer in (layers.GroupNormalization(2), layers.UpSampling2D(2, interpolation="bilinear"), layers.PReLU()):
        layer(IMAGE)
        native_as_reference(layer, IMAGE)


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: layers.ZeroPadding2D(-1), ValueError, "padding of layer 'zero_padding2d.*' must be an int >= 0"),
    (lambda: layers.ZeroPadding2D((1, 2, 3)), ValueError, "for each of 2 axes"),
    (lambda: layers.ZeroPadding1D("one"), ValueError, "received 'one'"),
    (lambda: layers.Cropping2D(3)(IMAGE), ShapeError,
     r"received inputs of spatial shape \(5, 6\): nothing would remain"),
    (lambda: layers.Cropping2D(3)(layers.Input((5, 6, 1))), ShapeError, "nothing would remain"),
    (lambda: layers.UpSampling2D(0), ValueError, "Layer 'up_sampling2d.*': size must be an int >= 1"),
    (lambda: layers.UpSampling2D(interpolation="bilinaer"), ValueError, "Did you mean 'bilinear'"),
    (lambda: layers.Dot(0)([X, X]), ShapeError, "must name an axis behind the batch"),
    (lambda: layers.Dot(1)([X3, X]), ShapeError, r"equal sizes on axes \(1, 1\), received 6 and 4"),
    (lambda: layers.Dot(1)(X), ShapeError, "expects a list of 2 inputs, received a Tensor"),
    (lambda: layers.Dot("a"), ValueError, "an int or a pair of ints"),
    (lambda: layers.GroupNormalization(3)(IMAGE), ShapeError, "divides into 3 groups on axis -1"),
    (lambda: layers.GroupNormalization(0), ValueError, "groups of layer .* must be -1 or an int > 0"),
    (lambda: layers.RMSNormalization(axis=4)(X), ShapeError, "Layer 'rms_normalization.*': axis 4 is out of range"),
    (lambda: layers.UnitNormalization(axis=4)(X), ShapeError, "Layer 'unit_normalization.*': axis 4 is out of range"),
    (lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"rmax": 1.0, "rmin": 2.0}), ValueError, "rmin <= rmax"),
    (lambda: layers.PReLU(shared_axes=[0])(X), ShapeError, "axis 0 is the batch"),
    (lambda: layers.PReLU()(layers.Input((None, 3))), ShapeError, "known sizes on all axes that are not shared"),
    (lambda: layers.SpatialDropout2D(0.5)(X), ShapeError, "to have 4 axes"),
    (lambda: layers.GaussianNoise(2.0), ValueError, r"stddev of layer .* must be a finite number in \[0.0, 1.0\]"),
    (lambda: layers.GaussianDropout(1.0), ValueError, "rate of layer"),
    (lambda: layers.AlphaDropout(1.0), ValueError, "rate of layer"),
    (lambda: layers.Masking("x"), ValueError, "mask_value of layer"),
    (lambda: layers.ActivityRegularization(l1=-1.0), ValueError, "l1 of layer"),
    (lambda: layers.TimeDistributed("dense"), TypeError, "must be a layer, received 'dense'"),
    (lambda: layers.TimeDistributed(layers.Dense(2))(X), ShapeError, r"\(batch, steps, ...\)"),
    (lambda: layers.SpectralNormalization(layers.Dense(2), 0), ValueError, "power_iterations of layer"),
])
def test_bad_arguments_name_the_cause(make, error, text):
    with pytest.raises(error, match=text):
        make()
