"""What is wrong is said at the earliest moment, in words that help, and leaves the model as it was."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import lamella as tf
from lamella.errors import DTypeError, ShapeError

keras = tf.keras
layers, losses, metrics, optimizers = keras.layers, keras.losses, keras.metrics, keras.optimizers
schedules, initializers, constraints, regularizers = optimizers.schedules, keras.initializers, keras.constraints, keras.regularizers
RNG = np.random.default_rng(8)
X = RNG.random((50, 4), dtype=np.float32)
LABELS = RNG.integers(0, 3, 50)
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
NUMBERS = RNG.random((50, 1), dtype=np.float32)
NAN = float("nan")


def put(array, place, value):
    array = np.array(array)
    array[place] = value
    return array


def model(loss, outputs, activation=None, chosen=()):
    made = keras.Sequential([layers.Input((4,)), layers.Dense(5, activation="tanh"), layers.Dense(outputs, activation=activation)])
    made.compile("adam", loss, metrics=list(chosen))
    return made


def classes():
    return model("sparse_categorical_crossentropy", 3, "softmax", ["accuracy"])


def soft():
    return model("categorical_crossentropy", 3, "softmax", ["accuracy"])


def number(loss="mse", activation=None):
    return lambda: model(loss, 1, activation)


def unchanged(made, call, error, text):
    """`call` raises, and a right fit afterwards is that of an untouched model."""
    made.fit(X[:8], GOOD[made.output_shape[-1], made._compiled.loss.name](8), verbose=0)
    before = made.get_weights(), [v.numpy() for v in made.optimizer.variables]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error, match=text):
            call(made)
    for a, b in zip(before[0] + before[1], made.get_weights() + [v.numpy() for v in made.optimizer.variables], strict=True):
        np.testing.assert_array_equal(a, b)
    logs = made.fit(X[:8], GOOD[made.output_shape[-1], made._compiled.loss.name](8), verbose=0).history
    assert all(np.isfinite(v).all() for v in logs.values())


GOOD = {(3, "sparse_categorical_crossentropy"): lambda n: LABELS[:n], (3, "categorical_crossentropy"): lambda n: ONE_HOT[:n]}
GOOD |= {(1, name): lambda n: (NUMBERS[:n] > 0.5) * 1.0 for name in (
    "mean_squared_error", "binary_crossentropy", "binary_focal_crossentropy", "hinge", "squared_hinge", "poisson",
    "mean_squared_logarithmic_error")}


@pytest.mark.parametrize(("make", "y", "error", "text"), [
    (classes, put(LABELS, 7, 5), ValueError, r"fit: y: Class number 5 at \(7,\) is not in \[0, 3\)"),
    (classes, put(LABELS, 7, -1), ValueError, r"Class number -1 at \(7,\)"),
    (classes, put(LABELS + 0.0, 9, 1.5), ValueError, r"Class number 1.5 at \(9,\) is no whole number"),
    (classes, put(LABELS + 0.0, 9, NAN), ValueError, r"Target nan at \(9,\) is not finite"),
    (classes, ONE_HOT, ShapeError, "one-hot targets: use categorical_crossentropy"),
    (soft, LABELS, ShapeError, r"use sparse_categorical_crossentropy, or one_hot\(y, 3\)"),
    (soft, LABELS[:, None], ShapeError, "use sparse_categorical_crossentropy"),
    (soft, ONE_HOT - 0.5, ValueError, r"Target -0.5 at \(0, \d\) is not >= 0"),
    (soft, NUMBERS, ShapeError, "needs one-hot targets"),
    (number(), ONE_HOT, ShapeError, r"\(\d+, 3\) and \(\d+, 1\)"),
    (number(), put(NUMBERS, (7, 0), NAN), ValueError, r"Target nan at \(7, 0\) is not finite \(1 such targets\)"),
    (number(), put(NUMBERS, (8, 0), -np.inf), ValueError, r"Target -inf at \(8, 0\)"),
    (number("binary_crossentropy", "sigmoid"), ONE_HOT, ShapeError, r"\(\d+, 3\) and \(\d+, 1\)"),
    (number("binary_crossentropy", "sigmoid"), LABELS, ValueError, "For class numbers use sparse_categorical_crossentropy"),
    (number("binary_focal_crossentropy", "sigmoid"), 2 * (LABELS > 0) - 1, ValueError, "for -1 and 1 a hinge loss"),
    (number("hinge"), LABELS, ValueError, r"Target 2 at \(\d+,\) is neither 0 nor 1"),
    (number("squared_hinge"), LABELS - 1, ValueError, r"Target 0 at \(\d+,\) is neither -1 nor 1"),
    (number("poisson", "softplus"), NUMBERS - 0.5, ValueError, "is not >= 0"),
    (number("msle"), NUMBERS - 0.5, ValueError, "is not >= 0"),
    (number(), np.array(["a"] * 50), DTypeError, "strings"),
    (number(), NUMBERS + 1j, DTypeError, "complex"),
])
def test_targets_that_cannot_be_right(make, y, error, text):
    unchanged(make(), lambda m: m.fit(X, y, verbose=0), error, text)


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda m: m.fit(X, LABELS, validation_data=(X, put(LABELS, 9, 8)), verbose=0), ValueError, "validation_data: y: Class number"),
    (lambda m: m.evaluate(X, put(LABELS, 9, 8), verbose=0), ValueError, r"evaluate: y: Class number 8 at \(9,\)"),
    (lambda m: m.train_on_batch(X, put(LABELS, 9, 8)), ValueError, "train_on_batch: y: Class number 8"),
    (lambda m: m.test_on_batch(X, put(LABELS, 9, 8)), ValueError, "test_on_batch: y: Class number 8"),
    (lambda m: m.fit([(X, put(LABELS, 9, 8))].__iter__(), verbose=0), ValueError, "fit: y: Class number 8"),
    (lambda m: m.fit(X, LABELS, sample_weight=put(np.ones(50), 3, NAN), verbose=0), ValueError, "sample_weight holds 1 .* row 3"),
    (lambda m: m.fit(X, LABELS, class_weight={0: 1, 1: 1, 2: -1.0}, verbose=0), ValueError, "class_weight of class 2"),
    (lambda m: m.fit(X, LABELS, class_weight={0: 1, 1: 1}, verbose=0), ValueError, r"no weight for the classes \[2\]"),
    (lambda m: m.fit(X, LABELS, epochs=-1, verbose=0), ValueError, "epochs must be a whole number of at least 0"),
    (lambda m: m.fit(X, LABELS, epochs=1.5, verbose=0), ValueError, "epochs must be a whole number"),
    (lambda m: m.fit(X, LABELS, initial_epoch=-2, verbose=0), ValueError, "initial_epoch"),
    (lambda m: m.fit(X, verbose=0), ValueError, "needs targets; pass y"),
    (lambda m: m.compile("adamm", "mse"), ValueError, "Did you mean 'adam'"),
    (lambda m: m.compile("adam", "msee"), ValueError, "Did you mean 'mse'"),
    (lambda m: m.compile("adam", "mse", metrics=["acuracy"]), ValueError, "Did you mean 'accuracy'"),
    (lambda m: m.compile("adam", "mse", loss_weights="a"), ValueError, "loss_weights of compile"),
    (lambda m: m.compile("adam", "mse", loss_weights=[NAN]), ValueError, "loss_weights of compile"),
])
def test_calls_that_are_refused(call, error, text):
    unchanged(classes(), call, error, text)


def test_a_later_batch_of_a_stream_is_looked_at_too():
    made, bad = classes(), put(LABELS, 17, 5)
    with pytest.raises(ValueError, match=r"fit: y: Class number 5 at \(7,\)"):
        made.fit(((X[i:i + 10], bad[i:i + 10]) for i in range(0, 50, 10)), verbose=0)
    assert int(made.optimizer.iterations) == 1


def test_targets_of_weight_0_may_be_out_of_range():
    made, weights = classes(), put(np.ones(50, np.float32), 7, 0.0)
    assert np.isfinite(made.fit(X, put(LABELS, 7, -1), sample_weight=weights, verbose=0).history["loss"]).all()
    with pytest.warns(UserWarning), pytest.raises(ValueError, match=r"Target nan at \(7,\)"):  # 0 * NaN is NaN
        made.fit(X, put(LABELS + 0.0, 7, NAN), sample_weight=weights, verbose=0)
    with pytest.raises(ValueError, match=r"Class number -1 at \(8,\)"):
        made.fit(X, put(LABELS, 8, -1), sample_weight=weights, verbose=0)


def test_a_loss_of_ones_own_may_know_what_nan_means():
    def known(t, p):
        return tf.ops.where(tf.ops.isnan(t), 0.0, tf.ops.square(tf.ops.where(tf.ops.isnan(t), 0.0, t) - p))

    made = model(known, 1)
    with pytest.warns(UserWarning, match="y holds 1 values that are NaN"):
        assert np.isfinite(made.fit(X, put(NUMBERS, (7, 0), NAN), verbose=0).history["loss"]).all()


def test_accuracy_of_numbers_warns():
    with pytest.warns(UserWarning, match="For numbers take a metric such as 'mae'"):
        model("mse", 1, chosen=["accuracy"]).fit(X, NUMBERS, verbose=0)


def words(shape=(3,)):
    inputs = layers.Input(shape, dtype="int32")
    inner = keras.Sequential([layers.Input(shape, dtype="int32"), layers.Embedding(5, 2), layers.Flatten()])
    other = layers.Flatten()(layers.Embedding(9, 2)(inputs))
    return keras.Model(inputs, layers.Dense(1)(layers.Concatenate()([inner(inputs), other])))


@pytest.mark.parametrize("make", [
    words, lambda: keras.Sequential([layers.Embedding(5, 2), layers.Flatten(), layers.Dense(1)])], ids=["nested", "unbuilt"])
def test_a_word_without_a_row_is_named_before_anything_runs(make):
    made = make()
    made.compile("sgd", "mse")
    good, bad = RNG.integers(0, 5, (6, 3)), put(RNG.integers(0, 5, (6, 3)), (4, 1), 7)
    calls = [lambda: made.fit(bad, np.zeros((6, 1)), verbose=0), lambda: made.evaluate(bad, np.zeros((6, 1)), verbose=0),
             lambda: made.train_on_batch(bad, np.zeros((6, 1))), lambda: made.predict(bad, verbose=0),
             lambda: made.predict_on_batch(bad), lambda: made.predict(iter([good, bad]), verbose=0)]
    for call in calls:
        with pytest.raises(IndexError, match=r"indices from 0 to 4, received 7 in row 4, at \(4, 1\)"):
            call()
    made.predict(good, verbose=0)
    with pytest.raises(IndexError):
        made.predict(bad, verbose=0)


CONSTRUCTORS = [
    (lambda: optimizers.Adam(-1.0), "learning_rate of Adam"),
    (lambda: optimizers.SGD(NAN), "received nan"),
    (lambda: optimizers.SGD(0.1, momentum=1.5), "momentum of SGD"),
    (lambda: optimizers.Adam(beta_1=1.0), "beta_1 of Adam"),
    (lambda: optimizers.Adam(epsilon=-1e-7), "epsilon of Adam"),
    (lambda: optimizers.AdamW(weight_decay=-1.0), "weight_decay of AdamW"),
    (lambda: optimizers.SGD(clipnorm=-1.0), "clipnorm of SGD"),
    (lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0), "takes one of"),
    (lambda: optimizers.Muon(ns_steps=0), "ns_steps of Muon"),
    (lambda: optimizers.RMSprop(rho=2.0), "rho of RMSprop"),
    (lambda: optimizers.LossScaleOptimizer("sgd", initial_scale=NAN), "initial_scale"),
    (lambda: schedules.CosineDecay(0.1, 0), "decay_steps of CosineDecay"),
    (lambda: schedules.ExponentialDecay(-1, 9, 0.9), "must be a finite"),
    (lambda: schedules.PiecewiseConstantDecay([5, 2], [1, 2, 3]), "must rise"),
    (lambda: losses.Huber(-1.0), "delta of Huber"),
    (lambda: losses.Huber(np.inf), "delta of Huber"),
    (lambda: losses.BinaryFocalCrossentropy(gamma=-1.0), "gamma must be"),
    (lambda: losses.CategoricalCrossentropy(label_smoothing=2.0), "label_smoothing"),
    (lambda: losses.Tversky(alpha=NAN), "alpha"),
    (lambda: metrics.TopKCategoricalAccuracy(k=0), "k of TopK"),
    (lambda: metrics.SparseTopKCategoricalAccuracy(k=0), "k of SparseTopK"),
    (lambda: metrics.BinaryAccuracy(threshold=2.0), "threshold of BinaryAccuracy"),
    (lambda: metrics.FBetaScore(beta=0.0), "beta must be"),
    (lambda: regularizers.L2(NAN), "l2 must be"),
    (lambda: constraints.MaxNorm(-1.0), "max_value must be"),
    (lambda: constraints.MinMaxNorm(2.0, 1.0), "min_value <= max_value"),
    (lambda: initializers.RandomNormal(stddev=-1.0), "stddev of RandomNormal"),
    (lambda: initializers.TruncatedNormal(mean=np.inf), "mean of TruncatedNormal"),
    (lambda: initializers.RandomUniform(1.0, 0.0), "minval <= maxval"),
    (lambda: initializers.Orthogonal(gain=NAN), "gain of Orthogonal"),
    (lambda: initializers.Constant("a"), "Constant needs a number"),
    (lambda: initializers.VarianceScaling(scale=0.0), "scale must be"),
]


@pytest.mark.parametrize(("make", "text"), CONSTRUCTORS)
def test_bad_hyperparameters_do_not_wait_until_training(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: optimizers.Adam(learning_rte=0.1), TypeError, "Adam has no argument 'learning_rte'. Did you mean 'learning_rate'"),
    (lambda: layers.Dense(3, activaton="relu"), TypeError, "Dense has no argument 'activaton'. Did you mean 'activation'"),
    (lambda: layers.Dense(3, activation="reluu"), ValueError, "Did you mean 'relu'"),
    (lambda: layers.Dense(3, kernel_initializer="glorot_unifrom"), ValueError, "Did you mean 'glorot_uniform'"),
    (lambda: layers.Dense(3, kernel_regularizer="L22"), ValueError, "Unknown regularizer 'L22'"),
    (lambda: layers.Dense(3, kernel_constraint="maxnorms"), ValueError, "Did you mean 'max_norm'"),
    (lambda: schedules.deserialize({"class_name": "CosineDekay", "config": {}}), ValueError, "Did you mean 'CosineDecay'"),
    (lambda: metrics.get("auk"), ValueError, "Did you mean 'auc'"),
    (lambda: metrics.TopKCategoricalAccuracy()(ONE_HOT, NUMBERS), ShapeError, "sparse_top_k_categorical_accuracy"),
    (lambda: metrics.CategoricalAccuracy()(LABELS, ONE_HOT), ShapeError, "use sparse_categorical_accuracy"),
    (lambda: metrics.SparseCategoricalAccuracy()(ONE_HOT, ONE_HOT), ShapeError, "needs class numbers"),
    (lambda: metrics.AUC()(ONE_HOT, NUMBERS), ShapeError, "needs targets of the shape"),
    (lambda: metrics.MeanSquaredError()(ONE_HOT, NUMBERS), ShapeError, "needs targets of the shape"),
    (lambda: losses.MeanSquaredError()(ONE_HOT, NUMBERS), ShapeError, "needs targets of the shape"),
    (lambda: losses.KLDivergence()(LABELS, ONE_HOT), ShapeError, "needs targets of the shape"),
])
def test_misspelt_names_and_shapes_that_do_not_fit(make, error, text):
    with pytest.raises(error, match=text):
        make()
