"""Equalization, filters, warps, mixtures and policies: against Keras (JAX) where nothing is left to chance, else how they draw."""

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

RNG = np.random.default_rng(31)
FIRST = "channels_first"
BATCH = (255 * RNG.uniform(0, 1, (5, 13, 10, 3))).astype(np.float32)
BYTES = BATCH.astype(np.uint8)
BATCH_FIRST = np.ascontiguousarray(BATCH.transpose(0, 3, 1, 2))
UNIT = BATCH / 255
DARK = (RNG.uniform(0, 1, (4, 9, 11, 2)) ** 4 * 255).astype(np.uint8)
FLAT = np.concatenate([np.full((6, 6, 1), 7), np.tile(np.arange(6)[:, None, None], (1, 6, 1))], -1).astype(np.float32)
CLAHE = "ContrastLimitedAdaptiveHistogramEqualization"


def pair(name, kwargs):
    ours, theirs = getattr(layers, name)(**kwargs), getattr(keras.layers, name)(**kwargs)
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()
    assert set(theirs.get_config()) - {"dtype"} <= set(ours.get_config())
    keras.layers.deserialize(layers.serialize(ours))
    return ours, theirs


def assert_close(got, want, atol=3e-4):
    want = np.asarray(want)
    assert got.shape == want.shape and got.dtype == str(want.dtype)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=atol)


EXACT = [
    ("Equalization", {}, BYTES[0]),
    ("Equalization", {}, DARK[:1]),
    ("Equalization", {}, FLAT),
    ("Equalization", {"bins": 16}, BYTES[1]),
    ("Equalization", {"value_range": (0, 1)}, UNIT[:1]),
    ("Equalization", {"data_format": FIRST}, BATCH_FIRST[2]),
    (CLAHE, {"tile_grid_size": (2, 3)}, BYTES),
    (CLAHE, {"clip_limit": 1.5, "tile_grid_size": (4, 4), "value_range": (0, 1)}, UNIT[0]),
    (CLAHE, {"clip_limit": 0, "tile_grid_size": (5, 2), "data_format": FIRST}, BATCH_FIRST),
    ("RandomSharpness", {"factor": (0.3, 0.3)}, BATCH),
    ("RandomSharpness", {"factor": (1.0, 1.0), "value_range": (0, 1)}, UNIT[0]),
    ("RandomSharpness", {"factor": (0.0, 0.0), "data_format": FIRST}, BATCH_FIRST),
    ("RandomPosterization", {"factor": (3, 3)}, BYTES),
    ("RandomPosterization", {"factor": (1, 1), "value_range": (0, 1), "data_format": FIRST}, UNIT.transpose(0, 3, 1, 2)),
    ("RandomGaussianBlur", {"factor": (1, 1), "sigma": (0.8, 0.8)}, BATCH),
    ("RandomGaussianBlur", {"factor": (1, 1), "kernel_size": (5, 1), "sigma": (1, 1), "data_format": FIRST}, BATCH_FIRST),
    ("RandomGaussianBlur", {"factor": (1, 1), "kernel_size": (3, 7), "sigma": (0, 0)}, BYTES[0]),
    ("RandomColorDegeneration", {"factor": (0.4, 0.4)}, BYTES),
    ("RandomColorDegeneration", {"factor": (-0.5, -0.5), "value_range": (0, 1)}, UNIT),
    ("RandomColorDegeneration", {"factor": (1, 1), "data_format": FIRST}, BATCH_FIRST),
    ("RandomColorJitter", {"brightness_factor": (0.2, 0.2), "contrast_factor": (0.0, 0.0), "saturation_factor": (0.4, 0.4),
                           "value_range": (0, 1)}, UNIT),
    ("RandomColorJitter", {}, BATCH[0]),
    ("RandomElasticTransform", {"factor": 0.0}, BATCH),
]


@pytest.mark.parametrize(("name", "kwargs", "images"), EXACT, ids=[f"{c[0]}-{i}" for i, c in enumerate(EXACT)])
def test_without_chance_as_keras(name, kwargs, images):
    ours, theirs = pair(name, kwargs)
    got = ours(images, training=True)
    want = np.asarray(theirs(images, training=True))
    if got.dtype == "uint8":  # fractions are cut off: one that is nearly whole can go either way
        np.testing.assert_allclose((got.numpy() - 1.0 * want)[got.numpy() != want], 0, atol=1)
        assert (got.numpy() != want).mean() < 0.01 and got.shape == want.shape and want.dtype == np.uint8
    else:
        assert_close(got, want)
    assert ours.compute_output_shape(images.shape) == images.shape
    if name != CLAHE:
        still = ours(images, training=False)
        assert still.dtype == "float32" and np.array_equal(still, images)
    else:
        assert np.array_equal(ours(images, training=False), got)


def test_images_are_equalized_one_by_one():
    layer = layers.Equalization()
    together = layer(DARK, training=True).numpy()
    assert np.array_equal(together, np.stack([layer(image, training=True) for image in DARK]))
    assert together.std() > 1.1 * DARK.std()
    want = np.stack([keras.layers.Equalization()(image) for image in DARK])
    np.testing.assert_allclose(together, want, atol=1e-4)


def as_keras_draws(name, drawn):
    """What our layer drew in the form that Keras' takes."""
    if name == "RandomPerspective":
        changed, start, end = (part.numpy() for part in drawn)
        return {"apply_perspective": changed.ravel(), "start_points": start, "end_points": end}
    if name == "MixUp":
        return {"mix_weight": drawn[0].numpy().ravel(), "permutation_order": drawn[1].numpy()}
    if name == "CutMix":
        return {"mix_weight": drawn[0].numpy().ravel(), "permutation_order": drawn[1].numpy(), "batch_masks": drawn[2].numpy()}
    draw = drawn.numpy()
    return {"shift_factor": draw.ravel().astype("uint8"), "factor": draw}


DRAWN = [
    ("RandomSharpness", {"factor": 1.0}, BATCH),
    ("RandomPosterization", {"factor": (2, 7)}, BATCH),
    ("RandomColorDegeneration", {"factor": 1.0}, BATCH),
    ("RandomPerspective", {"scale": 0.6}, BATCH),
    ("RandomPerspective", {"interpolation": "nearest", "fill_value": 9.0, "data_format": FIRST}, BATCH_FIRST),
    ("MixUp", {}, BATCH),
    ("MixUp", {"alpha": 3.0, "data_format": FIRST}, BATCH_FIRST),
    ("CutMix", {}, BATCH),
    ("CutMix", {"factor": (0.5, 1.0), "data_format": FIRST}, BATCH_FIRST),
]


@pytest.mark.parametrize(("name", "kwargs", "images"), DRAWN, ids=[f"{c[0]}-{i}" for i, c in enumerate(DRAWN)])
def test_the_same_draws_give_the_same_images_and_labels_as_in_keras(name, kwargs, images):
    ours, theirs = pair(name, {**kwargs, "seed": 4})
    drawn, labels = ours.get_random_transformation(ops.convert_to_tensor(images)), RNG.uniform(0, 1, (5, 4)).astype(np.float32)
    got = ours.transform_images(ops.convert_to_tensor(images), drawn)
    assert_close(got, theirs.transform_images(images, as_keras_draws(name, drawn)), atol=3e-3)
    assert_close(ops.convert_to_tensor(ours.transform_labels(labels, drawn)),
                 theirs.transform_labels(labels, as_keras_draws(name, drawn)))
    assert not np.array_equal(got, images)


RANDOM = [(name, kwargs) for name, kwargs, _ in DRAWN if "data_format" not in kwargs]
RANDOM += [("RandomGaussianBlur", {}), ("RandomElasticTransform", {}), ("RandAugment", {}), ("AugMix", {}),
           ("AugMix", {"all_ops": False, "num_chains": 2, "chain_depth": 1, "value_range": (0, 255)}),
           ("RandomColorJitter", {"brightness_factor": 0.3, "contrast_factor": 0.5, "saturation_factor": 0.9, "hue_factor": 0.5})]


@pytest.mark.parametrize(("name", "kwargs"), RANDOM, ids=[f"{c[0]}-{i}" for i, c in enumerate(RANDOM)])
def test_seeds_inference_and_variety(name, kwargs):
    pair(name, kwargs)
    one, two, other = (getattr(layers, name)(**kwargs, seed=seed) for seed in (7, 7, 8))
    first = one(BATCH, training=True).numpy()
    assert first.dtype == np.float32 and np.isfinite(first).all() and first.min() >= 0 and first.max() <= 255.001
    assert np.array_equal(first, two(BATCH, training=True)) and np.array_equal(one(BATCH), two(BATCH, training=True))
    assert not np.array_equal(first, one(BATCH)) and not np.array_equal(first, other(BATCH))
    before = one.generator.state.numpy()
    still = one(BYTES, training=False)
    assert still.dtype == "float32" and np.array_equal(still, BYTES) and np.array_equal(before, one.generator.state.numpy())
    assert one(BATCH[0], training=True).shape == BATCH.shape[1:]
    assert getattr(layers, name)(**kwargs, dtype="mixed_bfloat16")(BATCH, training=True).dtype == "bfloat16"
    same = np.repeat(BATCH[:1], 8, 0)
    if name not in ("MixUp", "CutMix"):  # those have nothing to mix here
        assert len({image.tobytes() for image in one(same, training=True).numpy()}) > 1


COMPILED = [("Equalization", {}), (CLAHE, {"tile_grid_size": (2, 2)}), *RANDOM]


@pytest.mark.parametrize(("name", "kwargs"), COMPILED, ids=[f"{c[0]}-{i}" for i, c in enumerate(COMPILED)])
def test_native_as_reference(native_as_reference, name, kwargs):
    layer = getattr(layers, name)(**kwargs)
    native_as_reference(lambda x: layer(x, training=True), BATCH, gradient=False)


MANY = ops.zeros((20000, 6, 4, 3))


def drawn(name, **kwargs):
    return getattr(layers, name)(**kwargs, seed=11).get_random_transformation(MANY)


DISTRIBUTIONS = [
    ("sharpness", lambda: drawn("RandomSharpness", factor=0.4), 0.0, 0.4),
    ("degeneration", lambda: drawn("RandomColorDegeneration", factor=(-0.2, 0.4)), -0.2, 0.4),
    ("degeneration of one number", lambda: drawn("RandomColorDegeneration", factor=0.4), 0.0, 0.4),
    ("sigma", lambda: drawn("RandomGaussianBlur", sigma=(0.2, 0.7))[2], 0.2, 0.7),
    ("corner", lambda: drawn("RandomPerspective", scale=0.5)[2][:, 3, 1], 5 * 0.75, 5 * 1.25),
    ("elastic strength", lambda: drawn("RandomElasticTransform", scale=0.5)[1], 0.0, 0.5),
    ("MixUp with alpha 1", lambda: drawn("MixUp", alpha=1.0)[0], 0.0, 1.0),
    ("brightness in a jitter", lambda: drawn("RandomColorJitter", brightness_factor=0.1, hue_factor=0.5)[0], -25.5, 25.5),
]


@pytest.mark.parametrize(("draw", "low", "high"), [d[1:] for d in DISTRIBUTIONS], ids=[d[0] for d in DISTRIBUTIONS])
def test_draws_are_uniform_and_independent(draw, low, high):
    u = (draw().numpy().ravel().astype(np.float64) - low) / (high - low)
    n = len(u)
    assert n == MANY.shape[0] and u.min() > -1e-4 and u.max() < 1 + 1e-4
    assert np.abs(np.sort(u) - (np.arange(n) + 0.5) / n).max() < 1.95 / math.sqrt(n)  # Kolmogorov and Smirnov, at 0.1 %
    for lag in (1, 2, 7):
        assert abs(np.corrcoef(u[:-lag], u[lag:])[0, 1]) < 4 / math.sqrt(n)


def test_coins_are_fair():
    for name, kwargs in (("RandomGaussianBlur", {}), ("RandomPerspective", {}), ("RandomElasticTransform", {})):
        for factor, probability in ((1.0, 0.5), ((0.5, 1.0), 0.75), (0.2, 0.1)):
            assert abs(drawn(name, factor=factor, **kwargs)[0].numpy().mean() - probability) < 0.015
    bits = 8 - drawn("RandomPosterization", factor=(3, 6)).numpy().ravel()
    np.testing.assert_allclose(np.bincount(bits, minlength=9)[3:7] / bits.size, 0.25, atol=0.015)
    assert (8 - drawn("RandomPosterization", factor=5).numpy() == 5).all()
    for name, numbers in (("RandAugment", 11), ("AugMix", 12)):
        steps = drawn(name) if name == "RandAugment" else [step for chain in drawn(name)[2] for step in chain]
        assert len(steps) == (2 if name == "RandAugment" else 9)
        for chosen, _ in steps:
            np.testing.assert_allclose(np.bincount(chosen.numpy().ravel()) / 20000, 1 / numbers, atol=0.01)
            assert np.unique(chosen).size == numbers


def test_mixtures():
    weight, order = (part.numpy() for part in drawn("MixUp"))
    assert np.array_equal(np.sort(order), np.arange(20000)) and (order != np.arange(20000)).mean() > 0.99
    assert abs(weight.mean() - 0.5) < 0.02 and abs(weight.var() - 0.25 / 1.4) < 0.01  # of Beta(0.2, 0.2)
    cut = layers.CutMix((1.0, 1.0), seed=11).get_random_transformation(ops.zeros((3000, 40, 40, 1)))
    share, order, replaced = (part.numpy() for part in cut)
    np.testing.assert_allclose(share.ravel(), 1 - replaced.mean((1, 2, 3)), atol=1e-6)
    assert abs(share.mean() - 0.5) < 0.02
    rows, columns = replaced[..., 0].any(2), replaced[..., 0].any(1)
    assert np.array_equal(replaced[..., 0], rows[:, :, None] & columns[:, None])
    np.testing.assert_allclose(rows.mean(0), rows.mean(0)[::-1], atol=0.02)
    assert np.isfinite(drawn("CutMix", factor=(0.0, 0.0))[0].numpy()).all()


def test_labels_and_masks():
    masks, one_hot = RNG.integers(0, 5, (5, 13, 10, 1)).astype(np.int32), np.eye(5, dtype=np.float32)
    images = np.repeat(masks, 3, -1).astype(np.float32)
    data = {"images": images, "segmentation_masks": masks, "labels": one_hot, "other": np.arange(3)}
    for layer in (layers.RandomPerspective((1, 1), 0.5, "nearest", seed=1), layers.CutMix(seed=1),
                  layers.RandomElasticTransform((1, 1), (1, 1), "nearest", seed=1)):
        out = layer(data, training=True)
        assert out["segmentation_masks"].dtype == "int32" and not np.array_equal(out["segmentation_masks"], masks)
        assert np.array_equal(out["images"].numpy()[..., :1], out["segmentation_masks"])
        assert np.array_equal(out["other"], np.arange(3))
        rest = layer(data, training=False)
        assert all(np.array_equal(rest[key], data[key]) for key in data)
    mixed = layers.MixUp(1.0, seed=1)(data, training=True)
    np.testing.assert_allclose(mixed["images"].numpy()[..., :1], mixed["segmentation_masks"].numpy(), atol=1e-5)
    labels = mixed["labels"].numpy()
    np.testing.assert_allclose(labels.sum(1), 1, atol=1e-6)
    assert ((labels > 0).sum(1) == 2).any()
    columns = layers.MixUp(1.0, seed=1)({"images": images, "labels": np.arange(5)}, training=True)["labels"]
    np.testing.assert_allclose(columns.numpy(), labels @ np.arange(5), atol=1e-5)
    for policy in (layers.RandAugment(factor=(0.5, 0.5), interpolation="nearest", num_ops=1, seed=2),):
        chosen = policy.get_random_transformation(ops.convert_to_tensor(np.zeros((300, 13, 10, 1))))
        moved = policy.transform_segmentation_masks(ops.convert_to_tensor(np.repeat(masks[:1], 300, 0)), chosen).numpy()
        changed = (moved != masks[:1]).any((1, 2, 3))
        assert np.array_equal(changed, chosen[0][0].numpy().ravel() < 3) and moved.dtype == np.int32
    single = layers.CutMix()({"images": images[0], "labels": one_hot[0]}, training=True)
    assert np.array_equal(single["images"], images[0]) and np.array_equal(single["labels"], one_hot[0])
    with pytest.raises(ValueError, match="cannot mix the classes"):
        layers.AugMix()(data, training=True)


def test_a_policy_applies_what_it_chose():
    layer = layers.RandAugment(num_ops=1, factor=(0.3, 0.3), seed=3)
    images = np.repeat(BATCH[:1], 200, 0)
    drawn = layer.get_random_transformation(ops.convert_to_tensor(images))
    got = layer.transform_images(ops.convert_to_tensor(images), drawn).numpy()
    chosen, draws = drawn[0]
    names = list(draws)
    by_name = {"random_shear": layers.RandomShear(0.3, 0.3), "random_translation": layers.RandomTranslation(0.3, 0.3),
               "random_rotation": layers.RandomRotation(0.3), "random_brightness": layers.RandomBrightness(0.3),
               "random_color_degeneration": layers.RandomColorDegeneration(0.3), "random_contrast": layers.RandomContrast(0.3),
               "random_sharpness": layers.RandomSharpness(0.3), "random_posterization": layers.RandomPosterization(2),
               "solarization": layers.Solarization(0.3, 0.3), "auto_contrast": layers.AutoContrast(),
               "equalization": layers.Equalization()}
    assert set(names) == set(by_name)
    for number, name in enumerate(names):
        mine = chosen.numpy().ravel() == number
        want = by_name[name].transform_images(ops.convert_to_tensor(images), draws[name]).numpy()
        np.testing.assert_allclose(got[mine], want[mine], atol=1e-3)
        assert mine.any() and not np.allclose(want, images)


def test_elastic_fields_are_smooth_and_as_wide_as_they_should_be():
    size, scale = 60, 0.8
    flat = np.zeros((400, size, size, 1), np.float32)
    ramp = flat + np.arange(size, dtype=np.float32)[:, None]
    layer = layers.RandomElasticTransform((1, 1), (scale, scale), fill_mode="nearest", value_range=(-100, 200), seed=1)
    moved = (layer(ramp, training=True).numpy() - ramp)[:, 20:40, 20:40, 0]
    sigma, alpha = 0.05 * size * scale, 0.1 * size * scale
    want = alpha * sigma / (2 * math.sqrt(math.pi) * sigma)  # a blur of width s divides the deviation of noise by 2 sqrt(pi) s
    assert abs(moved.mean()) < 0.1 and moved.std() == pytest.approx(want, rel=0.05)
    neighbours = np.corrcoef(moved[:, 1:].ravel(), moved[:, :-1].ravel())[0, 1]
    assert neighbours == pytest.approx(math.exp(-1 / (4 * sigma**2)), abs=0.02)


POINTS = np.float32([[0, 0], [6, 0], [0, 7], [6, 7]])


@pytest.mark.parametrize("data_format", ["channels_last", FIRST])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_perspective_transform(native_as_reference, interpolation, data_format):
    images = RNG.uniform(0, 1, (3, 8, 7, 2)).astype(np.float32)
    images = images.transpose(0, 3, 1, 2) if data_format == FIRST else images
    start = np.repeat(POINTS[None], 3, 0) + RNG.uniform(-0.7, 0.7, (3, 4, 2)).astype(np.float32)
    end = np.repeat(POINTS[None], 3, 0) + RNG.uniform(-1.5, 1.5, (3, 4, 2)).astype(np.float32)
    kwargs = {"interpolation": interpolation, "fill_value": 0.3, "data_format": data_format}
    for x, a, b in ((images, start, end), (images[0], start[0], end[0])):
        got = ops.image.perspective_transform(x, a, b, **kwargs)
        np.testing.assert_allclose(got.numpy(), keras.ops.image.perspective_transform(x, a, b, **kwargs), atol=2e-4)
    native_as_reference(lambda x, a, b: ops.image.perspective_transform(x, a, b, **kwargs), images, start, end, gradient=False)
    np.testing.assert_allclose(ops.image.perspective_transform(images, start, start, **kwargs).numpy(), images, atol=1e-4)


def test_elastic_transform_draws_as_it_should():
    images = RNG.uniform(0, 1, (2, 20, 30, 2)).astype(np.float32)
    first = {"data_format": FIRST}
    for kwargs, x in (({}, images), (first, images.transpose(0, 3, 1, 2)), ({"interpolation": "nearest"}, images[0])):
        one, two, other = (ops.image.elastic_transform(x, 5.0, 2.0, seed=seed, **kwargs).numpy() for seed in (3, 3, 4))
        assert one.shape == x.shape and np.array_equal(one, two) and not np.array_equal(one, other)
        assert not np.array_equal(one, x) and one.min() >= x.min() and one.max() <= x.max()


def test_a_classifier_trains_behind_a_policy():
    tf.keras.utils.set_random_seed(3)
    y = RNG.integers(0, 2, 256)
    x = (np.where(y[:, None, None, None] == 0, 60, 190) + RNG.normal(0, 20, (256, 8, 8, 3))).clip(0, 255).astype(np.uint8)
    model = tf.keras.Sequential([
        layers.Input((8, 8, 3), dtype="uint8"), layers.RandAugment(num_ops=1, factor=0.2, seed=1),
        layers.RandomGaussianBlur(seed=2), layers.Rescaling(1 / 255), layers.GlobalAveragePooling2D(),
        layers.Dense(2, activation="softmax")])
    model.compile(optimizer=tf.keras.optimizers.Adam(0.1), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss = model.fit(x, y, epochs=6, verbose=0).history["loss"]
    assert loss[-1] < 0.7 * loss[0] and model.evaluate(x, y, verbose=0)[1] > 0.9


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: layers.Equalization(bins=0), ValueError, "bins of layer 'equalization.*' must be an int > 0"),
    (lambda: layers.Equalization(3), ValueError, "value_range of layer 'equalization"),
    (lambda: layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=8), ValueError, "tile_grid_size of layer"),
    (lambda: layers.ContrastLimitedAdaptiveHistogramEqualization(clip_limit="a"), ValueError, "clip_limit of layer"),
    (lambda: layers.RandomSharpness(1.5), ValueError, r"factor of layer 'random_sharpness.*\[0.0, 1.0\]"),
    (lambda: layers.RandomGaussianBlur(kernel_size=4), ValueError, "kernel_size of layer 'random_gaussian_blur.*odd"),
    (lambda: layers.RandomGaussianBlur(sigma=3.0), ValueError, "sigma of layer"),
    (lambda: layers.RandomPosterization(9), ValueError, "factor of layer 'random_posterization.*from 1 to 8, received 9"),
    (lambda: layers.RandomPosterization(2.5), ValueError, "factor of layer 'random_posterization"),
    (lambda: layers.RandomColorDegeneration(-0.1), ValueError, "factor of layer 'random_color_degeneration"),
    (lambda: layers.RandomColorDegeneration(0.5)(BATCH[..., :2]), ShapeError, "random_color_degeneration.*3 channels"),
    (lambda: layers.RandomColorJitter(hue_factor=2.0), ValueError, "factor of layer 'random_color_jitter.*hue'"),
    (lambda: layers.RandomPerspective(scale=2.0), ValueError, "scale of layer 'random_perspective"),
    (lambda: layers.RandomPerspective(interpolation="cubic"), ValueError, "Layer 'random_perspective.*Unknown interpolation"),
    (lambda: layers.RandomElasticTransform(fill_mode="zero"), ValueError, "Layer 'random_elastic_transform.*Unknown fill_mode"),
    (lambda: layers.MixUp(0.0), ValueError, "alpha of layer 'mix_up.*' must be positive"),
    (lambda: layers.MixUp(-1.0), ValueError, "alpha of layer 'mix_up"),
    (lambda: layers.CutMix(2.0), ValueError, "factor of layer 'cut_mix"),
    (lambda: layers.RandAugment(num_ops=0), ValueError, "num_ops of layer 'rand_augment"),
    (lambda: layers.AugMix(chain_depth=0), ValueError, "chain_depth of layer 'aug_mix"),
    (lambda: layers.AugMix(interpolation="cubic"), ValueError, "Unknown interpolation 'cubic'"),
    (lambda: ops.image.perspective_transform(BATCH, POINTS[:3], POINTS[:3]), ShapeError, r"start and end points of shape \(4, 2\)"),
])
def test_bad_arguments_name_the_cause(make, error, text):
    with pytest.raises(error, match=text):
        make()
