"""Dtype policies, loss scaling and half-precision sums: against Keras (JAX), and against float64."""

from __future__ import annotations

import os

import ml_dtypes
import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")
jax = pytest.importorskip("jax")

import lamella as tf  # noqa: E402
from lamella import ops  # noqa: E402
from lamella.errors import DTypeError  # noqa: E402
from lamella.frontend import GradientTape  # noqa: E402
from lamella.nn import layers  # noqa: E402
from lamella.settings import settings  # noqa: E402

RNG = np.random.default_rng(11)
# Half a unit in the last place, relative to the largest number of its binade.
EPSILON = {"bfloat16": 2.0**-8, "float16": 2.0**-11}
BOTH = (tf.keras, keras)


@pytest.fixture(autouse=True)
def plain_policies():
    yield
    tf.keras.config.set_dtype_policy(None)
    keras.config.set_dtype_policy("float32")


def normal(*shape, seed=None):
    rng = RNG if seed is None else np.random.default_rng(seed)
    return rng.standard_normal(shape).astype(np.float32)


def wide(x):
    return np.asarray(x).astype(np.float64)


# Policies.

NAMES = ["float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "int32", "bool"]


@pytest.mark.parametrize("name", NAMES)
def test_policies_are_those_of_keras(name):
    ours, theirs = (k.dtype_policies.get(name) for k in BOTH)
    for attribute in ("name", "variable_dtype", "compute_dtype", "quantization_mode"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
    assert repr(ours) == repr(theirs)
    config = tf.keras.dtype_policies.serialize(ours)
    assert config == keras.dtype_policies.serialize(theirs)
    assert tf.keras.dtype_policies.deserialize(config) == tf.keras.dtype_policies.get(config) == ours
    assert tf.keras.FloatDTypePolicy(name) == ours and hash(tf.keras.FloatDTypePolicy(name)) == hash(ours)
    assert ours != tf.keras.DTypePolicy("uint8")


def test_the_global_policy_follows_floatx_until_it_is_set():
    config, mixed = tf.keras.config, tf.keras.mixed_precision
    try:
        config.set_floatx("float64")
        assert config.floatx() == "float64" and config.dtype_policy().name == "float64"
        assert layers.Dense(1).compute_dtype == "float64"
    finally:
        config.set_floatx("float32")
    for change in (config.set_dtype_policy, mixed.set_global_policy, mixed.set_dtype_policy):
        change("mixed_bfloat16")
        assert mixed.global_policy() == mixed.dtype_policy() == tf.keras.dtype_policies.get(None)
        assert layers.Dense(1).dtype_policy.name == tf.keras.DTypePolicy().name == "mixed_bfloat16"
        change(tf.keras.DTypePolicy("float32"))
    assert mixed.Policy is tf.keras.DTypePolicy and mixed.LossScaleOptimizer is tf.keras.optimizers.LossScaleOptimizer


def test_what_a_layer_says_about_its_dtypes():
    for k in BOTH:
        k.config.set_dtype_policy("mixed_bfloat16")
    for argument in (None, "float16", np.float64, {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}):
        ours, theirs = (k.layers.Dense(2, dtype=argument) for k in BOTH)
        for attribute in ("dtype", "variable_dtype", "compute_dtype", "input_dtype"):
            assert getattr(ours, attribute) == getattr(theirs, attribute)
        assert ours.get_config()["dtype"] == theirs.get_config()["dtype"]
        again = type(ours).from_config(ours.get_config())
        assert again.dtype_policy == ours.dtype_policy
    ours, theirs = (k.layers.Dense(2, dtype=k.DTypePolicy("float16")) for k in BOTH)
    for layer in (ours, theirs):
        layer.dtype_policy = "mixed_bfloat16"
    assert ours.dtype_policy.name == theirs.dtype_policy.name == "mixed_bfloat16"
    for k in BOTH:
        parts = (k.layers.Input((3,)).dtype, k.losses.MeanSquaredError().dtype, k.metrics.Mean().dtype)
        assert parts == ("float32",) * 3


def test_a_map_of_policies_by_path():
    def made(k):
        d = k.dtype_policies
        return d.DTypePolicyMap(d.DTypePolicy("float32"), {"a/b": d.DTypePolicy("bfloat16"), "c/.*": d.DTypePolicy("float16")})

    ours, theirs = map(made, BOTH)
    assert tf.keras.dtype_policies.serialize(ours) == keras.dtype_policies.serialize(theirs)
    for path in ("a/b", "c/x/y", "c", "a/b/c"):
        assert ours[path].name == theirs[path].name
    assert list(ours) == list(theirs) and len(ours) == 2 and "a/b" in ours and ours.name == theirs.name
    again = tf.keras.dtype_policies.deserialize(tf.keras.dtype_policies.serialize(ours))
    assert again == ours and again["a/b"].compute_dtype == "bfloat16"
    ours["a/.*"] = ours["c/.*."] = "float64"
    del ours["a/.*"]
    with pytest.raises(ValueError, match="several keys"):
        ours["c/x"]
    with pytest.raises(ValueError, match="already has the key"):
        ours["a/b"] = "float16"
    with pytest.raises(ValueError, match="plain policy"):
        tf.keras.dtype_policies.DTypePolicyMap(ours)
    outputs = []
    for k in BOTH:
        policies = made(k)
        policies["heads/query"] = k.DTypePolicy("mixed_bfloat16")
        layer = k.layers.MultiHeadAttention(2, 3, name="heads", dtype=policies)
        layer(normal(2, 3, 4), normal(2, 3, 4))
        outputs.append([layer.query_dense.compute_dtype, layer.key_dense.compute_dtype, layer.compute_dtype])
    assert outputs[0] == outputs[1] == ["bfloat16", "float32", "float32"]


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: layers.Dense(1, dtype="mixed_bf16"), DTypeError, "Did you mean 'mixed_bfloat16'"),
    (lambda: layers.Dense(1, dtype="int8_from_float32"), DTypeError, "quantized layers are not implemented"),
    (lambda: tf.keras.DTypePolicy(3), TypeError, "must be a string"),
    (lambda: tf.keras.config.set_dtype_policy("float99"), DTypeError, "Unknown dtype 'float99'"),
    (lambda: tf.keras.config.set_floatx("int32"), ValueError, "Unknown floatx 'int32'"),
    (lambda: tf.keras.config.set_epsilon(-1.0), ValueError, "epsilon"),
    (lambda: tf.keras.config.set_image_data_format("channels"), ValueError, "Did you mean 'channels_"),
    (lambda: setattr(tf.keras.config, "thread", 1), AttributeError, "Did you mean 'threads'"),
    (lambda: tf.keras.dtype_policies.DTypePolicyMap(policy_map=["a"]), TypeError, "must be a dict"),
])
def test_bad_policies_and_settings(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_settings_reach_what_they_are_about():
    config, threads = tf.keras.config, settings.threads
    assert config.backend() == "lamella" and config.epsilon() == keras.config.epsilon()
    try:
        config.threads = threads + 1
        assert settings.threads == config.threads == threads + 1
        config.set_image_data_format("channels_first")
        config.set_epsilon(1e-3)
        assert layers.Conv2D(2, 1).data_format == layers.Flatten().data_format == config.image_data_format() == "channels_first"
        assert float(tf.keras.losses.Poisson()([[1.0]], [[0.0]])) == pytest.approx(-np.log(1e-3))
    finally:
        config.threads = threads
        config.set_image_data_format("channels_last")
        config.set_epsilon(1e-7)


# Layers.

X, X3, IMAGES = normal(5, 4), normal(3, 6, 4), normal(2, 6, 5, 3)
SOME = ["mixed_bfloat16", "mixed_float16", "bfloat16", "float16"]
LAYERS = [
    ("Dense", {"units": 3, "activation": "relu"}, X, SOME),
    ("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 3), "bias_axes": "d"}, X3, []),
    ("Embedding", {"input_dim": 7, "output_dim": 3}, RNG.integers(0, 7, (4, 5)).astype(np.int32), []),
    ("Activation", {"activation": "gelu"}, X, []),
    ("PReLU", {}, X, []),
    ("Softmax", {}, X3, SOME[1:2]),
    ("BatchNormalization", {}, X3, SOME[1:2]),
    ("LayerNormalization", {}, X3, []),
    ("GroupNormalization", {"groups": 2}, X3, []),
    ("RMSNormalization", {}, X3, []),
    ("UnitNormalization", {}, X3, []),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"}, IMAGES, []),
    ("DepthwiseConv2D", {"kernel_size": 2}, IMAGES, []),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 2, "strides": 2}, IMAGES, []),
    ("MaxPooling2D", {}, IMAGES, []),
    ("AveragePooling2D", {"pool_size": 2}, IMAGES, []),
    ("LSTM", {"units": 3, "return_sequences": True}, X3, []),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "use_bias": False}, [X3, X3 + 1], []),
    ("Attention", {"use_scale": True}, [X3, X3 + 1], []),
    ("Add", {}, [X3, X3 + 1], []),
    ("Dot", {"axes": 2}, [X3, X3 + 1], []),
    ("Rescaling", {"scale": 1 / 3.0, "offset": 0.1}, X, []),
    ("Normalization", {"mean": [1.0, 2.0, 3.0, 4.0], "variance": [1.0, 4.0, 9.0, 2.0]}, X, []),
]
TABLE = [(name, kwargs, inputs, policy) for name, kwargs, inputs, more in LAYERS for policy in (more or SOME[:1])]


def call(layer, inputs):
    return layer(*inputs) if type(layer).__name__ == "MultiHeadAttention" else layer(inputs if len(inputs) > 1 else inputs[0])


@pytest.mark.parametrize(("name", "kwargs", "inputs", "policy"), TABLE, ids=[f"{c[0]}-{c[3]}" for c in TABLE])
def test_layers_compute_as_in_keras(name, kwargs, inputs, policy):
    arrays = inputs if isinstance(inputs, list) else [inputs]
    floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    ours, theirs = (getattr(k.layers, name)(**kwargs, dtype=policy) for k in BOTH)
    rng = np.random.default_rng(3)
    symbols = [[k.layers.Input(a.shape[1:], dtype=str(a.dtype)) for a in arrays] for k in BOTH]
    symbolic, _ = call(ours, symbols[0]), call(theirs, symbols[1])
    assert [w.dtype for w in ours.weights] == [w.dtype for w in theirs.weights]
    weights = [w if w.dtype.kind in "iu" else (rng.uniform(0.3, 1, w.shape) * rng.choice([-1, 1] if w.ndim > 1 else [1], w.shape))
               .astype(w.dtype) for w in theirs.get_weights()]
    theirs.set_weights(weights), ours.set_weights(weights)
    tensors = [ops.convert_to_tensor(a) for a in arrays]
    with GradientTape() as tape:
        tape.watch([tensors[i] for i in floats])
        got = call(ours, tensors)
        directions = normal(*got.shape, seed=4)
        loss = ops.sum(ops.cast(got, "float32") * directions)
    gradients = tape.gradient(loss, [*[tensors[i] for i in floats], *ours.trainable_weights])

    def their_loss(values, given):
        mapping = zip([*theirs.trainable_variables, *theirs.non_trainable_variables],
                      [*values, *(v.value for v in theirs.non_trainable_variables)], strict=True)
        full = [given[floats.index(i)] if i in floats else a for i, a in enumerate(arrays)]
        with keras.StatelessScope(state_mapping=list(mapping)):
            out = call(theirs, full)
        return (out.astype("float32") * directions).sum(), out

    start = [v.value for v in theirs.trainable_variables], [jax.numpy.asarray(arrays[i]) for i in floats]
    (_, want), (by_weight, by_input) = jax.jit(jax.value_and_grad(their_loss, (0, 1), has_aux=True))(*start)
    dtype = ours.compute_dtype
    assert got.dtype == str(want.dtype) == dtype
    assert symbolic.dtype == dtype
    for place, (a, b) in enumerate(zip([got, *gradients], [want, *by_input, *by_weight], strict=True)):
        assert a.dtype == str(b.dtype)
        error = np.abs(wide(a) - wide(b)).max() / max(1e-2, np.abs(wide(b)).max())
        assert error < 40 * EPSILON[dtype], f"result {place}: {error / EPSILON[dtype]:.1f} epsilon"


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16", "float32"])
def test_variables_of_own_layers_are_read_in_the_computation_dtype(policy):
    def scale_and_count(k):
        class Scale(k.layers.Layer):
            def build(self, shape):
                self.kept = self.add_weight(shape=(shape[-1],), initializer="ones", autocast=False)
                self.factor = self.add_weight(shape=(shape[-1],), initializer="ones")
                self.inner = k.layers.Dense(2, dtype="float32", kernel_initializer="ones")

            def call(self, x):
                self.seen = [self.factor.dtype, self.kept.dtype, str((x * self.factor).dtype), str((x * self.kept).dtype)]
                return self.inner(x * self.factor)

        layer = Scale(dtype=policy)
        out = layer(X)
        return [*layer.seen, str(out.dtype), *[w.dtype for w in layer.weights]]

    assert scale_and_count(tf.keras) == scale_and_count(keras)


def test_a_step_counter_in_a_mixed_layer_stays_exact_and_functions_see_the_policy():
    class Counter(layers.Layer):
        def build(self, shape):
            self.count = self.add_weight((), "zeros", trainable=False)

        def call(self, x):
            self.count.assign_add(1.0)
            return x + self.count

    layer = Counter(dtype="mixed_bfloat16")
    layer(X)
    layer.count.assign(256.0)
    run = tf.function(layer)
    assert run(X).dtype == "bfloat16" and float(layer.count) == 257.0  # bfloat16 has no 257
    weight = tf.Variable([1.0], name="w")
    double = tf.function(lambda x: x * weight)

    class Uses(layers.Layer):
        def call(self, x):
            return double(x)

    x = np.ones((1,), np.float32)
    assert Uses(dtype="mixed_float16")(x).dtype == "float16" and double(x).dtype == "float32"


# Training.

def network(k, policy):
    k.utils.set_random_seed(1)
    k.config.set_dtype_policy(policy)
    model = k.Sequential([
        k.layers.Input((6, 6, 2)), k.layers.Conv2D(4, 3, activation="relu"), k.layers.BatchNormalization(),
        k.layers.MaxPooling2D(), k.layers.Flatten(), k.layers.Dense(8, activation="tanh"), k.layers.LayerNormalization(),
        k.layers.Dense(3, activation="softmax", dtype="float32")])
    # Adam of Keras does not move bfloat16 variables at first, for 1 - 0.999 is 0 there.
    optimizer = k.optimizers.Adam(0.01) if "mixed" in policy else k.optimizers.SGD(0.05)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    k.config.set_dtype_policy("float32")
    return model


@pytest.mark.parametrize("policy", SOME[:3])
def test_20_steps_track_keras(policy):
    ours, theirs = (network(k, policy) for k in BOTH)
    ours.set_weights(theirs.get_weights())
    labels = np.random.default_rng(5).integers(0, 3, 160)
    x, y = normal(160, 6, 6, 2, seed=6) + labels[:, None, None, None], np.eye(3, dtype=np.float32)[labels]
    got = [ours.fit(x[i:i + 8], y[i:i + 8], batch_size=8, shuffle=False, verbose=0).history["loss"][0] for i in range(0, 160, 8)]
    want = [float(theirs.train_on_batch(x[i:i + 8], y[i:i + 8])[0]) for i in range(0, 160, 8)]
    eps = EPSILON[ours.layers[0].compute_dtype]
    np.testing.assert_allclose(got, want, atol=(16 if "mixed" in policy else 64) * eps)
    assert {w.dtype for w in ours.weights} == {w.dtype for w in theirs.weights}
    mine, other = ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(mine, other, atol=64 * eps)


@pytest.mark.parametrize("policy", SOME[:2])
def test_the_bits_do_not_depend_on_the_number_of_threads(policy, monkeypatch):
    x, y = normal(96, 6, 6, 2, seed=8), np.eye(3, dtype=np.float32)[np.random.default_rng(9).integers(0, 3, 96)]
    results = []
    for threads in (1, 2):
        monkeypatch.setattr(settings, "threads", threads)
        model = network(tf.keras, policy)
        model.fit(x, y, batch_size=32, epochs=3, shuffle=False, verbose=0)
        results.append([w.tobytes() for w in model.get_weights()])
    assert results[0] == results[1]


def scaled(k, growth):
    k.utils.set_random_seed(2)
    k.config.set_dtype_policy("mixed_float16")
    model = k.Sequential([k.layers.Input((6,)), k.layers.Dense(8, activation="relu"), k.layers.Dense(3)])
    optimizer = k.optimizers.Adam(0.01)
    if growth:
        optimizer = k.optimizers.LossScaleOptimizer(k.optimizers.SGD(1e-4, momentum=0.9), dynamic_growth_steps=growth)
    model.compile(optimizer, "mse")
    k.config.set_dtype_policy("float32")
    return model


@pytest.mark.parametrize("growth", [None, 3])
def test_overflowing_steps_are_left_out_and_the_scale_follows_keras(growth):
    """Targets of about 100 overflow in float16 when multiplied by 2^15."""
    ours, theirs = (scaled(k, growth) for k in BOTH)
    assert type(ours.optimizer).__name__ == type(theirs.optimizer).__name__ == "LossScaleOptimizer"
    start = theirs.get_weights()
    ours.set_weights(start)
    x, y = normal(64, 6, seed=1), 100 * normal(64, 3, seed=2)
    scales = []
    for step in range(14):
        rows = slice(8 * step % 64, 8 * step % 64 + 8)
        values = [model.train_on_batch(x[rows], y[rows]) for model in (ours, theirs)]
        assert values[0] == pytest.approx(float(values[1]), rel=1e-5)
        states = [[float(np.asarray(v)) for v in (m.optimizer.dynamic_scale, m.optimizer.step_counter, m.optimizer.iterations)]
                  for m in (ours, theirs)]
        assert states[0] == states[1]
        scales.append(states[0][0])
        for a, b, c in zip(ours.get_weights(), theirs.get_weights(), start, strict=True):
            np.testing.assert_allclose(a, b, atol=3e-5)
            assert states[0][2] or np.array_equal(a, c)
    assert scales[0] == 2.0**14 and scales[4] < 2.0**12
    assert growth is None or any(b > a for a, b in zip(scales, scales[1:], strict=False))
    # The whole of it in native epochs: the weights move and stay finite.
    again = scaled(tf.keras, growth)
    again.set_weights(start)
    history = again.fit(x, y, batch_size=8, epochs=40, verbose=0).history["loss"]
    assert np.isfinite(history).all() and history[-1] < 0.99 * history[0] and np.isfinite(np.concatenate(
        [w.ravel() for w in again.get_weights()])).all()


def test_when_the_optimizer_is_wrapped():
    for k in BOTH:
        optimizers = [k.optimizers.SGD(), k.optimizers.LossScaleOptimizer(k.optimizers.SGD()), None, "sgd"]
        kinds = []
        for policy in ("mixed_float16", "mixed_bfloat16", "float16"):
            for auto in (True, False):
                for optimizer in optimizers:
                    k.config.set_dtype_policy(policy)
                    model = k.Sequential([k.layers.Dense(1)])
                    model.compile(optimizer, "mse", auto_scale_loss=auto)
                    wrapped = isinstance(model.optimizer, k.optimizers.LossScaleOptimizer)
                    kinds.append(wrapped and type(model.optimizer.inner_optimizer).__name__)
        k.config.set_dtype_policy("float32")
        assert kinds == ["SGD", "SGD", False, "SGD"] + [False, "SGD", False, False] * 5
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Set 'clipnorm' on the inner optimizer"):
        tf.keras.optimizers.LossScaleOptimizer("sgd", clipnorm=1.0)
    tf.keras.optimizers.LossScaleOptimizer("sgd", clipnorm=None, use_ema=False, ema_momentum=0.99, dynamic=True)


# Sums.

def rounded(array, dtype):
    return array.astype({"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}[dtype])


def gradient_of(function, place):
    def gradient(*arrays):
        tensors = [ops.convert_to_tensor(a) for a in arrays]
        with GradientTape() as tape:
            tape.watch(tensors[place])
            out = function(*tensors)
        return tape.gradient(out, tensors[place])
    return gradient


def kernel_gradient(x, g):
    out = np.zeros((3, 3, x.shape[-1], g.shape[-1]))
    for i in range(3):
        for j in range(3):
            out[i, j] = np.einsum("nhwc,nhwf->cf", x[:, i:i + g.shape[1], j:j + g.shape[2]], g)
    return out


def scanned(w, rows):
    total, _ = ops.scan(lambda c, x: (c + ops.cast(w * x, "float32"), None), ops.convert_to_tensor(0.0), rows)
    return total


UNIFORM = RNG.random(10**6)
SUMS = {
    "mean of a million": (ops.mean, np.mean, [UNIFORM]),
    "variance": (ops.var, np.var, [UNIFORM[:200_000]]),
    "sum of columns": (lambda x: ops.sum(x, axis=0), lambda x: x.sum(0), [normal(5000, 7)]),
    "sum that cancels": (ops.sum, np.sum, [np.concatenate([normal(40_000) * 8, [60.0]])]),
    "product": (ops.prod, np.prod, [1 + normal(300) / 50]),
    "running sums": (ops.cumsum, np.cumsum, [UNIFORM[:3000]]),
    "few rows times many": (ops.matmul, np.matmul, [normal(32, 784), normal(784, 128)]),
    "matrix and vector": (ops.matmul, np.matmul, [normal(300, 500), normal(500)]),
    "blocks with much to do after": (lambda x, y: ops.gelu(ops.matmul(x, y) * 0.1, approximate=False) * 0.0 + ops.matmul(x, y),
                                     np.matmul, [normal(530, 700), normal(700, 515)]),
    "blocks": (ops.matmul, np.matmul, [normal(530, 700), normal(700, 515)]),
    "transposed": (lambda x, y: ops.matmul(ops.transpose(x), y), lambda x, y: x.T @ y, [normal(700, 45), normal(700, 37)]),
    "batches": (ops.matmul, np.matmul, [normal(5, 13, 130), normal(5, 130, 9)]),
    "kernel gradient": (gradient_of(lambda x, k, g: ops.sum(ops.cast(ops.conv(x, k), "float32") * ops.cast(g, "float32")), 1),
                        lambda x, k, g: kernel_gradient(x, g),
                        [normal(64, 12, 12, 8), normal(3, 3, 8, 16), normal(64, 10, 10, 16)]),
    "often read rows": (gradient_of(lambda t, i: ops.sum(ops.take(t, ops.cast(i, "int32"), axis=0)), 0),
                        lambda t, i: np.array([[i.size] * 4, [0] * 4]), [np.ones((2, 4)), np.zeros(3000)]),
    "constant of a loop": (gradient_of(scanned, 0), lambda w, rows: rows.sum(), [np.ones(()), UNIFORM[:5000]]),
    "softmax": (lambda x: ops.sum(ops.softmax(x)), lambda x: np.float64(1), [np.zeros((100_000,))]),
    "logsumexp": (ops.logsumexp, lambda x: np.log(x.size), [np.zeros((100_000,))]),
    "window": (lambda x: ops.average_pool(x, 32), lambda x: x.reshape(2, 2, 32, 2, 32, 3).mean((2, 4)),
               [UNIFORM[:24576].reshape(2, 64, 64, 3)]),
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", SUMS)
def test_sums_of_half_precision_are_rounded_once(name, dtype):
    ours, meaning, arrays = SUMS[name]
    given = [rounded(np.asarray(a), dtype) for a in arrays]
    want = meaning(*map(wide, given))
    largest = np.abs(want).max()
    for got in (ours(*map(ops.convert_to_tensor, given)), tf.function(ours)(*given)):
        assert got.dtype == dtype
        error = np.abs(wide(got) - want).max() / largest / EPSILON[dtype]
        assert error < (2.5 if name == "softmax" else 1.1), f"{error:.2f} half units"


def test_a_left_out_row_of_constants_compiles():
    """Half-precision numbers in the text of a kernel that has rows of its own."""
    x = rounded(normal(4, 40), "float16")
    run = tf.function(lambda x: ops.sum(x, axis=1) * 0.125 + 3.0)
    np.testing.assert_allclose(wide(run(x)), wide(x).sum(1) * 0.125 + 3.0, rtol=4e-3)
