"""Image layers: what they compute against Keras (JAX) number for number, how they draw, and inside of a model."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import lamella as tf
from lamella import ops
from lamella.errors import ShapeError
from lamella.nn import layers

RNG = np.random.default_rng(29)
FIRST = "channels_first"
BATCH = (255 * RNG.uniform(0, 1, (5, 8, 7, 3))).astype(np.float32)
BYTES = BATCH.astype(np.uint8)
BATCH_FIRST = np.ascontiguousarray(BATCH.transpose(0, 3, 1, 2))
UNIT = BATCH / 255


def pair(name, kwargs):
    ours, theirs = getattr(layers, name)(**kwargs), getattr(keras.layers, name)(**kwargs)
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()
    keras.layers.deserialize(layers.serialize(ours))
    return ours, theirs


def assert_close(got, want):
    want = np.asarray(want)
    assert got.shape == want.shape
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=3e-4)


ALWAYS = [
    ("Resizing", {"height": 4, "width": 9}, BATCH),
    ("Resizing", {"height": 11, "width": 3, "interpolation": "lanczos3", "antialias": True}, BATCH[0]),
    ("Resizing", {"height": 5, "width": 5, "crop_to_aspect_ratio": True}, BYTES),
    ("Resizing", {"height": 5, "width": 9, "pad_to_aspect_ratio": True, "fill_value": 9.0}, BATCH),
    ("Resizing", {"height": 4, "width": 4, "interpolation": "nearest", "data_format": FIRST}, BATCH_FIRST),
    ("CenterCrop", {"height": 4, "width": 4}, BYTES),
    ("CenterCrop", {"height": 5, "width": 6}, BATCH[0]),
    ("CenterCrop", {"height": 3, "width": 12}, BATCH),
    ("CenterCrop", {"height": 9, "width": 9, "data_format": FIRST}, BATCH_FIRST),
    ("AutoContrast", {}, BYTES),
    ("AutoContrast", {}, np.concatenate([BATCH[..., :1], np.full_like(BATCH[..., :1], 7)], -1)),
]


@pytest.mark.parametrize(("name", "kwargs", "images"), ALWAYS, ids=[f"{c[0]}-{i}" for i, c in enumerate(ALWAYS)])
def test_layers_without_chance_as_keras(name, kwargs, images):
    ours, theirs = pair(name, kwargs)
    for training in (True, False):
        got, want = ours(images, training=training), theirs(images, training=training)
        assert_close(got, want)
        assert got.dtype == str(want.dtype)
    if images.ndim == 4:
        assert ours.compute_output_shape((None, *images.shape[1:])) == (None, *want.shape[1:])


# Ranges without width: nothing is left to chance.
FIXED = [
    ("RandomRotation", {"factor": (0.07, 0.07)}, BATCH),
    ("RandomRotation", {"factor": (1, 1), "fill_mode": "nearest", "data_format": FIRST}, BATCH_FIRST),
    ("RandomZoom", {"height_factor": (0.3, 0.3)}, BATCH[0]),
    ("RandomZoom", {"height_factor": (-0.4, -0.4), "width_factor": (0.9, 0.9), "data_format": FIRST}, BATCH_FIRST),
    ("RandomTranslation", {"height_factor": (0.2, 0.2), "width_factor": (-0.3, -0.3)}, BATCH),
    ("RandomTranslation", {"height_factor": 0.0, "width_factor": (1.0, 1.0), "fill_mode": "constant"}, BYTES),
    ("RandomTranslation", {"height_factor": (-0.6, -0.6), "width_factor": 0, "interpolation": "nearest",
                           "data_format": FIRST}, BATCH_FIRST),
    ("RandomBrightness", {"factor": (0.3, 0.3)}, BATCH),
    ("RandomContrast", {"factor": (0.0, 0.0), "value_range": (50, 100)}, BYTES),
    ("RandomSaturation", {"factor": (0.3, 0.3), "value_range": (0, 1)}, UNIT),
    ("RandomSaturation", {"factor": (0.8, 0.8), "value_range": (0, 1), "data_format": FIRST}, UNIT.transpose(0, 3, 1, 2)),
    ("RandomGrayscale", {"factor": 1.0}, BATCH),
    ("RandomGrayscale", {"factor": 0.0, "data_format": FIRST}, BATCH_FIRST),
    ("RandomInvert", {"factor": (1.0, 1.0)}, BYTES),
    ("Solarization", {"addition_factor": 0.0, "threshold_factor": 0.0, "value_range": (0, 1)}, UNIT),
    ("RandomShear", {}, BATCH),
    ("RandomHue", {"factor": 0.0}, BATCH),
]


@pytest.mark.parametrize(("name", "kwargs", "images"), FIXED, ids=[f"{c[0]}-{i}" for i, c in enumerate(FIXED)])
def test_fixed_factors_as_keras(name, kwargs, images):
    ours, theirs = pair(name, kwargs)
    got = ours(images, training=True)
    assert_close(got, theirs(images, training=True))
    assert got.dtype == "float32"


def as_keras_draws(name, drawn, images):
    """What our layer drew in the form that Keras' takes."""
    if name in ("RandomRotation", "RandomZoom", "RandomTranslation", "RandomShear"):
        m = drawn.numpy()
        return {"rotation_matrix": m, "width_zoom": m[:, :1], "height_zoom": m[:, 4:5], "translations": -m[:, [2, 5]],
                "shear_factor": m[:, [1, 3]]}
    if name == "RandomFlip":
        (_, mirrored), = drawn
        return {"flips": mirrored.numpy()}
    if name == "RandomErasing":
        erased, fill = (np.broadcast_to(part.numpy(), images.shape) for part in drawn)
        return {"batch_masks": erased, "apply_erasing": np.ones(len(images), bool), "fill_value": fill}
    if name == "Solarization":
        return {"additions": drawn[0].numpy(), "thresholds": drawn[1].numpy()}
    draw = drawn.numpy()
    return {"contrast_factor": draw, "rgb_delta": draw, "factor": draw[:, 0, 0, 0], "apply_inversion": draw[:, 0, 0, 0]}


DRAWN = [
    ("RandomFlip", {"mode": "horizontal"}, BATCH),
    ("RandomFlip", {"mode": "vertical", "data_format": FIRST}, BATCH_FIRST),
    ("RandomRotation", {"factor": 0.5}, BATCH),
    ("RandomZoom", {"height_factor": 0.6, "width_factor": (0.1, 0.9), "interpolation": "nearest"}, BATCH),
    ("RandomZoom", {"height_factor": 0.6, "fill_mode": "wrap"}, BATCH),
    ("RandomTranslation", {"height_factor": 0.6, "width_factor": (0.1, 0.9), "fill_mode": "nearest"}, BATCH),
    ("RandomShear", {"x_factor": 0.6, "y_factor": (0.1, 0.9)}, BATCH),
    ("RandomShear", {"x_factor": 0.6, "fill_mode": "constant", "fill_value": 3.0, "data_format": FIRST}, BATCH_FIRST),
    ("RandomContrast", {"factor": 0.9}, BATCH),
    ("RandomContrast", {"factor": (0.5, 0.8), "value_range": (0.2, 0.7)}, UNIT),
    ("RandomBrightness", {"factor": 0.5}, BATCH),
    ("RandomHue", {"factor": 1.0}, BATCH),
    ("RandomHue", {"factor": (0.1, 0.4), "value_range": (0, 1), "data_format": FIRST}, UNIT.transpose(0, 3, 1, 2)),
    ("RandomSaturation", {"factor": 0.9, "value_range": (0, 1)}, UNIT),
    ("RandomInvert", {}, BATCH),
    ("RandomErasing", {}, BATCH),
    ("RandomErasing", {"fill_value": 30.0, "data_format": FIRST}, BATCH_FIRST),
    ("Solarization", {"addition_factor": 0.5, "threshold_factor": 0.9}, BATCH),
]


@pytest.mark.parametrize(("name", "kwargs", "images"), DRAWN, ids=[f"{c[0]}-{i}" for i, c in enumerate(DRAWN)])
def test_the_same_draws_give_the_same_images_as_in_keras(name, kwargs, images):
    ours, theirs = pair(name, {**kwargs, "seed": 4})
    drawn = ours.get_random_transformation(ops.convert_to_tensor(images))
    got = ours.transform_images(ops.convert_to_tensor(images), drawn)
    assert_close(got, theirs.transform_images(images, as_keras_draws(name, drawn, images)))
    assert not np.array_equal(got, images)


RANDOM = [(name, kwargs) for name, kwargs, _ in DRAWN if "data_format" not in kwargs]
RANDOM += [("RandomFlip", {}), ("RandomGrayscale", {}), ("RandomCrop", {"height": 5, "width": 6})]


@pytest.mark.parametrize(("name", "kwargs"), RANDOM, ids=[f"{c[0]}-{i}" for i, c in enumerate(RANDOM)])
def test_seeds_inference_and_both_targets(native_as_reference, name, kwargs):
    images = UNIT if kwargs.get("value_range", (0, 255))[1] <= 1 else BATCH
    one, two, other = (getattr(layers, name)(**kwargs, seed=seed) for seed in (7, 7, 8))
    first = one(images, training=True).numpy()
    assert first.dtype == np.float32 and np.array_equal(first, two(images, training=True))
    assert np.array_equal(one(images), two(images, training=True))  # alone, a layer trains by default
    assert not np.array_equal(first, one(images)) and not np.array_equal(first, other(images))
    before = one.generator.state.numpy()
    still = one(images, training=False)
    if name != "RandomCrop":
        assert np.array_equal(still, images)
        whole = one((255 * UNIT).astype(np.uint8), training=False)
        assert whole.dtype == "float32" and np.array_equal(whole, (255 * UNIT).astype(np.uint8))
    assert np.array_equal(before, one.generator.state.numpy())
    single = one(images[0], training=True)
    assert single.shape == first.shape[1:] and single.dtype == "float32"
    native_as_reference(lambda x: one(x, training=True), images, gradient=False)
    half = getattr(layers, name)(**kwargs, dtype="mixed_bfloat16")(images, training=True)
    assert half.dtype == "bfloat16"


def test_without_seeds_layers_differ_and_start_again_with_set_random_seed():
    tf.keras.utils.set_random_seed(5)
    a, b = (layers.RandomTranslation(0.5, 0.5)(BATCH).numpy() for _ in range(2))
    tf.keras.utils.set_random_seed(5)
    again = layers.RandomTranslation(0.5, 0.5)(BATCH).numpy()
    assert np.array_equal(a, again) and not np.array_equal(a, b)


MANY = ops.zeros((20000, 4, 6, 3))


def drawn(name, **kwargs):
    return getattr(layers, name)(**kwargs, seed=11).get_random_transformation(MANY)


def matrix(name, **kwargs):
    return drawn(name, **kwargs).numpy()


DISTRIBUTIONS = [  # what is drawn for each image, and the ends of its uniform distribution
    ("angle", lambda: (lambda m: np.arctan2(m[:, 3], m[:, 0]))(matrix("RandomRotation", factor=(-0.1, 0.3))),
     -0.2 * math.pi, 0.6 * math.pi),
    ("zoom", lambda: matrix("RandomZoom", height_factor=0.4)[:, 4], 0.6, 1.4),
    ("zoom of the width", lambda: matrix("RandomZoom", height_factor=0.4, width_factor=(0.1, 0.2))[:, 0], 1.1, 1.2),
    ("move down", lambda: -matrix("RandomTranslation", height_factor=0.5, width_factor=0.1)[:, 5], -2.0, 2.0),
    ("move right", lambda: -matrix("RandomTranslation", height_factor=0.5, width_factor=(0, 1))[:, 2], 0.0, 6.0),
    ("shear", lambda: matrix("RandomShear", x_factor=0.4)[:, 1], -0.4, 0.4),
    ("contrast", lambda: drawn("RandomContrast", factor=(0.5, 0.25)).numpy().ravel(), 0.5, 1.25),
    ("contrast of one number", lambda: drawn("RandomContrast", factor=0.5).numpy().ravel(), 0.5, 1.5),
    ("brightness", lambda: drawn("RandomBrightness", factor=0.1).numpy().ravel(), -25.5, 25.5),
    ("hue", lambda: drawn("RandomHue", factor=0.5).numpy().ravel(), -0.25, 0.25),
    ("saturation", lambda: (lambda f: f / (1 + f))(drawn("RandomSaturation", factor=(0.2, 0.7)).numpy().ravel()), 0.2, 0.7),
    ("solarization", lambda: drawn("Solarization", addition_factor=(0.2, 0.7))[0].numpy().ravel(), 51.0, 178.5),
    ("threshold", lambda: drawn("Solarization", threshold_factor=0.5)[1].numpy().ravel(), 0.0, 127.5),
]


@pytest.mark.parametrize(("draw", "low", "high"), [d[1:] for d in DISTRIBUTIONS], ids=[d[0] for d in DISTRIBUTIONS])
def test_draws_are_uniform_and_independent(draw, low, high):
    u = (draw().astype(np.float64) - low) / (high - low)
    n = len(u)
    assert n == MANY.shape[0] and u.min() > -1e-5 and u.max() < 1 + 1e-5
    distance = np.abs(np.sort(u) - (np.arange(n) + 0.5) / n).max()
    assert distance < 1.95 / math.sqrt(n)  # Kolmogorov and Smirnov, at 0.1 %
    for lag in (1, 2, 7):
        assert abs(np.corrcoef(u[:-lag], u[lag:])[0, 1]) < 4 / math.sqrt(n)


def test_two_draws_for_one_image_are_independent():
    m = matrix("RandomTranslation", height_factor=0.5, width_factor=0.5)
    zoom = matrix("RandomZoom", height_factor=0.5, width_factor=0.5)
    for a, b in ((m[:, 2], m[:, 5]), (zoom[:, 0], zoom[:, 4])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / math.sqrt(len(a))
    same = matrix("RandomZoom", height_factor=0.5)
    assert np.array_equal(same[:, 0], same[:, 4])


def shares(values, count):
    return np.bincount(np.asarray(values, int).ravel(), minlength=count) / np.size(values)


def test_coins_and_places_are_fair():
    images = np.tile(np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1), (8000, 1, 1, 1))
    corners = layers.RandomFlip(seed=1)(images, training=True).numpy()[:, 0, 0, 0]
    np.testing.assert_allclose(shares(corners, 4), 0.25, atol=0.02)
    pixels = np.tile(np.arange(30, dtype=np.float32).reshape(1, 5, 6, 1), (20000, 1, 1, 1))
    windows = layers.RandomCrop(3, 3, seed=2)(pixels, training=True).numpy()[..., 0]
    assert np.array_equal(windows - windows[:, :1, :1], np.broadcast_to([[0, 1, 2], [6, 7, 8], [12, 13, 14]], windows.shape))
    places = shares(windows[:, 0, 0], 30).reshape(5, 6)
    np.testing.assert_allclose(places[:3, :4], 1 / 12, atol=0.01)
    assert places[3:].sum() == places[:, 4:].sum() == 0
    tall = layers.RandomCrop(3, 6, seed=2)(pixels, training=True).numpy()[:, 0, 0, 0]  # room on one axis is enough
    np.testing.assert_allclose(shares(tall, 18)[[0, 6, 12]], 1 / 3, atol=0.02)
    colors = np.tile(np.float32([1, 0, 0]), (8000, 1, 1, 1))
    gray = layers.RandomGrayscale(0.3, seed=3)(colors, training=True).numpy()[:, 0, 0, 1] > 0
    assert abs(gray.mean() - 0.3) < 0.02
    for factor, probability in ((1.0, 0.5), ((0.5, 1.0), 0.75), (0.2, 0.1)):
        inverted = layers.RandomInvert(factor, seed=4)(colors, training=True).numpy()[:, 0, 0, 0] > 100
        assert abs(inverted.mean() - probability) < 0.02


def test_rectangles_that_are_erased():
    layer = layers.RandomErasing((1.0, 1.0), scale=(0.04, 0.64), fill_value=0.0, seed=5)
    out = layer(np.ones((4000, 20, 30, 2), np.float32), training=True).numpy()
    erased = out == 0
    assert np.array_equal(erased[..., 0], erased[..., 1])
    rows, columns = erased[..., 0].any(2), erased[..., 0].any(1)
    assert np.array_equal(erased[..., 0], rows[:, :, None] & columns[:, None])  # one rectangle in each image
    for line, n in ((rows, 20), (columns, 30)):
        share = line.mean(1)
        assert share.min() >= 0.2 - 1 / n and share.max() <= 0.8 + 1 / n
        expected = (0.8**3 - 0.2**3) / 3 / (0.64 - 0.04) * 2  # the mean root of u
        assert abs(share.mean() - expected) < 0.01
        np.testing.assert_allclose(line.mean(0), line.mean(0)[::-1], atol=0.03)
    assert abs(np.corrcoef(rows.sum(1), columns.sum(1))[0, 1]) < 0.07
    plain = layers.RandomErasing((1, 1), scale=(1, 1), fill_value=[1.0, 300.0, -3.0])(BATCH, training=True).numpy()
    assert np.array_equal(plain, np.broadcast_to([1.0, 255.0, 0.0], BATCH.shape))
    noise = layers.RandomErasing((1, 1), scale=(1, 1), value_range=(-200, 100), seed=6)(BATCH, training=True).numpy()
    assert np.unique(noise).size > 400 and noise.max() == 100.0 and abs(noise.mean()) < 20 and 60 < noise.std() < 100


def test_labels_stay_and_masks_go_with_the_images():
    masks = RNG.integers(0, 5, (5, 8, 7, 1)).astype(np.int32)
    images = np.repeat(masks, 3, -1).astype(np.float32)
    for layer in (layers.RandomFlip(seed=1), layers.RandomCrop(4, 5, seed=1), layers.CenterCrop(4, 4),
                  layers.RandomRotation(0.3, interpolation="nearest", seed=1), layers.Resizing(9, 3, "nearest")):
        for cut in (slice(None), 0):
            data = {"images": images[cut], "segmentation_masks": masks[cut], "labels": np.arange(5)}
            out = layer(data, training=True)
            assert out["segmentation_masks"].dtype == "int32" and np.array_equal(out["labels"], np.arange(5))
            assert np.array_equal(out["images"].numpy()[..., :1], out["segmentation_masks"])
    rotated = layers.RandomRotation(0.3, seed=1)({"images": images, "segmentation_masks": masks})
    assert set(np.unique(rotated["segmentation_masks"])) <= set(range(5))
    bright = layers.RandomBrightness(0.5)({"images": images, "segmentation_masks": masks}, training=True)
    assert np.array_equal(bright["segmentation_masks"], masks) and not np.array_equal(bright["images"], images)


def test_random_crop_outside_of_training_and_of_small_images():
    layer, middle = layers.RandomCrop(5, 6), layers.CenterCrop(5, 6)
    assert np.array_equal(layer(BATCH, training=False), middle(BATCH))
    small = layers.RandomCrop(12, 10)
    want = keras.ops.image.resize(BATCH, (12, 10), crop_to_aspect_ratio=True)
    for training in (True, False):
        assert_close(small(BATCH, training=training), want)
    assert small.compute_output_shape((None, 8, 7, 3)) == (None, 12, 10, 3)


def test_colors_stay_within_the_value_range():
    out = layers.RandomSaturation((0.95, 0.95))(BATCH, training=True).numpy()
    assert out.min() > -1e-3 and out.max() < 255.001
    np.testing.assert_allclose(layers.RandomInvert((1, 1), (50, 100))(np.full((2, 2, 3), 60.0)).numpy(), 90)
    flipped = layers.AutoContrast(data_format=FIRST)(BATCH_FIRST).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(flipped, layers.AutoContrast()(BATCH).numpy(), rtol=1e-6)
    bytes_, floats = (layers.RandomBrightness(0.5, seed=1)(x, training=True).numpy() for x in (BYTES, BYTES.astype(np.float32)))
    assert np.array_equal(bytes_, floats)


def test_pipeline():
    make = [lambda: layers.RandomFlip(seed=1, name="flip"), lambda: layers.CenterCrop(4, 4, name="crop"),
            lambda: layers.Dense(2, name="dense"), lambda: layers.Dropout(0.5, seed=2, name="drop")]
    pipeline, single = layers.Pipeline([m() for m in make], name="p"), [m() for m in make]
    pipeline.build(BATCH.shape)
    single[2].build((5, 4, 4, 3))
    single[2].set_weights(pipeline.get_weights())
    x = BATCH
    for layer in single:
        x = layer(x, training=True)
    assert np.array_equal(pipeline(BATCH), x) and len(pipeline.trainable_weights) == 2
    again = layers.deserialize(layers.serialize(pipeline))
    assert again.get_config() == pipeline.get_config() and pipeline.compute_output_shape((None, 8, 7, 3)) == (None, 4, 4, 2)
    assert isinstance(keras.layers.deserialize(layers.serialize(pipeline)), keras.layers.Pipeline)


def stripes(n):
    """Gray images, dark and light, with stripes across (class 0) or along (class 1)."""
    y = RNG.integers(0, 2, n)
    waves = np.sin(np.arange(12) * 2.0 + RNG.uniform(0, 6, (n, 1)))
    x = np.where(y[:, None, None] == 0, waves[:, :, None], waves[:, None, :]) * 60 + 127 + RNG.normal(0, 10, (n, 12, 12))
    return np.clip(x, 0, 255).astype(np.uint8)[..., None], y


def augmented_cnn():
    return tf.keras.Sequential([
        layers.Input((12, 12, 1), dtype="uint8"), layers.RandomFlip(seed=1), layers.RandomRotation(0.05, seed=2),
        layers.RandomCrop(10, 10, seed=3), layers.Rescaling(1 / 255), layers.Conv2D(8, 3, activation="relu"),
        layers.GlobalMaxPooling2D(), layers.Dense(2, activation="softmax")])


def test_a_cnn_with_augmentation_trains_in_the_compiled_step():
    tf.keras.utils.set_random_seed(3)
    x, y = stripes(500)
    model = augmented_cnn()
    calls = []
    flip = model.layers[0]
    flip.transform_images = lambda *a: calls.append(1) or type(flip).transform_images(flip, *a)
    model.compile(optimizer=tf.keras.optimizers.Adam(0.03), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    before = [np.array(layer.generator.state.numpy()) for layer in model.layers[:3]]
    history = model.fit(x, y, epochs=8, batch_size=32, verbose=0)
    after = [np.array(layer.generator.state.numpy()) for layer in model.layers[:3]]
    assert len(calls) <= 4  # traced for full and last batches; no Python for each step
    steps = 8 * 16  # two draws for a flip of both axes and for a crop, one for a rotation
    assert [int(b[1] - a[1]) for a, b in zip(before, after, strict=True)] == [2 * steps, steps, 2 * steps]
    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert accuracy > 0.9 and history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert model.evaluate(x, y, verbose=0) == [loss, accuracy] and model.evaluate(x, y, batch_size=100, verbose=0)[1] == accuracy
    out = model.predict(x[:40], verbose=0)
    assert np.array_equal(out, model.predict(x[:40], verbose=0))
    np.testing.assert_allclose(out, model(x[:40]).numpy(), rtol=1e-4, atol=1e-5)  # a model called by itself is at rest
    plain = tf.keras.Sequential([layers.Input((12, 12, 1)), layers.CenterCrop(10, 10), *model.layers[3:]])
    np.testing.assert_allclose(out, plain(x[:40].astype(np.float32)).numpy(), rtol=1e-4, atol=1e-5)
    assert not np.allclose(out, model(x[:40], training=True).numpy(), atol=1e-3)


def test_the_compiled_step_draws_as_the_layers_do():
    """The loss of the first batch is that of the eagerly augmented images."""
    x, y = stripes(32)
    model = augmented_cnn()
    model.compile(optimizer=tf.keras.optimizers.SGD(0.0), loss="sparse_categorical_crossentropy")
    images = x
    for layer in (layers.RandomFlip(seed=1), layers.RandomRotation(0.05, seed=2), layers.RandomCrop(10, 10, seed=3)):
        images = layer(images, training=True)
    for layer in model.layers[3:]:
        images = layer(images)
    want = -np.log(images.numpy()[np.arange(32), y]).mean()
    history = model.fit(x, y, batch_size=32, shuffle=False, verbose=0).history
    assert history["loss"][0] == pytest.approx(want, rel=1e-4)


def test_symbolic_shapes_and_dtypes():
    for layer, dtype, shape in ((layers.Resizing(4, 5), "uint8", (None, 4, 5, 3)),
                                (layers.RandomFlip(), "float32", (None, None, 7, 3)),
                                (layers.RandomCrop(12, 6), "float32", (None, 12, 6, 3))):
        out = layer(layers.Input((None, 7, 3), dtype="uint8"))
        assert out.shape == shape and out.dtype == dtype


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: layers.Resizing(0, 3), ValueError, "height of layer 'resizing.*' must be an int > 0, received 0"),
    (lambda: layers.Resizing(2, 2.5), ValueError, "width of layer 'resizing.*' must be an int > 0"),
    (lambda: layers.Resizing(2, 2, "bicubik"), ValueError, "Layer 'resizing.*': Unknown interpolation .* Did you mean 'bicubic'"),
    (lambda: layers.Resizing(2, 2, fill_mode="wrap"), ValueError, "Layer 'resizing.*': Unknown fill_mode 'wrap'"),
    (lambda: layers.Resizing(2, 2, "nearest", True, True), ValueError, "Layer 'resizing.*' can .* not both"),
    (lambda: layers.Resizing(2, 2, data_format="first"), ValueError, "Layer 'resizing.*': Unknown data_format"),
    (lambda: layers.Resizing(2, 2)(BATCH[0, 0]), ShapeError, r"Layer 'resizing.*' takes an image \(3 axes\)"),
    (lambda: layers.RandomFlip()(layers.Input((7,))), ShapeError, r"Layer 'random_flip.*received shape \(None, 7\)"),
    (lambda: layers.RandomFlip()({"images": BATCH, "segmentation_masks": BATCH[..., 0]}), ShapeError,
     r"Layer 'random_flip.*masks of the images' size.*masks of shape \(5, 8, 7\)"),
    (lambda: layers.RandomCrop(3, 3)({"images": BATCH[0], "segmentation_masks": BATCH[0, 1:]}), ShapeError, "images' size"),
    (lambda: layers.CenterCrop(-1, 3), ValueError, "height of layer 'center_crop"),
    (lambda: layers.RandomCrop(3, "4"), ValueError, "width of layer 'random_crop.*received '4'"),
    (lambda: layers.RandomFlip("horizontel"), ValueError, "Layer 'random_flip.*Did you mean 'horizontal'"),
    (lambda: layers.RandomFlip(seed=-1), ValueError, "Layer 'random_flip.*': A seed must be a non-negative integer"),
    (lambda: layers.RandomRotation(1.5), ValueError, r"factor of layer 'random_rotation.*\[-1.0, 1.0\], received 1.5"),
    (lambda: layers.RandomRotation((0.1, 0.2, 0.3)), ValueError, "factor of layer .* a number or a pair of numbers"),
    (lambda: layers.RandomRotation(float("nan")), ValueError, "factor of layer .* finite number"),
    (lambda: layers.RandomRotation(0.1, fill_mode="mirror"), ValueError, "Layer 'random_rotation.*Unknown fill_mode 'mirror'"),
    (lambda: layers.RandomRotation(0.1, interpolation="bicubic"), ValueError, "Unknown interpolation 'bicubic'"),
    (lambda: layers.RandomZoom((-1.0, 0.0)), ValueError, "height_factor of layer 'random_zoom"),
    (lambda: layers.RandomZoom(0.1, "x"), ValueError, "width_factor of layer 'random_zoom.*received 'x'"),
    (lambda: layers.RandomTranslation(0.1, (0.0, 1.1)), ValueError, "width_factor of layer 'random_translation"),
    (lambda: layers.RandomShear(-0.1), ValueError, r"x_factor of layer 'random_shear.*\[0.0, 1.0\]"),
    (lambda: layers.RandomContrast(-0.1), ValueError, r"factor of layer 'random_contrast.*\[0.0, 1.0\]"),
    (lambda: layers.RandomContrast((0.1, 0.2, 0.3)), ValueError, "a number or a pair"),
    (lambda: layers.RandomBrightness(0.1, value_range=255), ValueError, "value_range of layer 'random_brightness"),
    (lambda: layers.RandomBrightness(0.1, value_range=(1, 1)), ValueError, "a pair of different numbers"),
    (lambda: layers.RandomHue(0.5)(BATCH[..., :2]), ShapeError, "Layer 'random_hue.*3 channels on axis -1"),
    (lambda: layers.RandomErasing(scale=2.0), ValueError, "scale of layer 'random_erasing"),
    (lambda: layers.RandomErasing(fill_value="x"), ValueError, "fill_value of layer 'random_erasing"),
    (lambda: layers.RandomFlip()({"images": BATCH, "bounding_boxes": {}}), ValueError, "bounding boxes are not available"),
    (lambda: layers.RandomFlip()({"x": BATCH}), ValueError, r"Received the keys \['x'\]"),
    (lambda: layers.Pipeline([3]), TypeError, "Pipeline 'pipeline.*' takes layers, received 3"),
])
def test_bad_arguments_name_the_cause(make, error, text):
    with pytest.raises(error, match=text):
        make()
