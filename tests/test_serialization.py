"""Configs: users' own classes, models as JSON between Lamella and Keras, clones, any object as plain values."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import lamella as tf
from lamella import utils
from lamella.nn import layers

RNG = np.random.default_rng(5)


@utils.register_keras_serializable("tests")
class Scale(layers.Layer):
    """Times a factor, then a function."""

    def __init__(self, factor, then="linear", **kwargs):
        super().__init__(**kwargs)
        self.factor, self.then = factor, tf.keras.activations.get(then)

    def call(self, x):
        return self.then(self.factor * x)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor, "then": tf.keras.activations.serialize(self.then)}


class Unknown(Scale):
    pass


@utils.register_keras_serializable(name="cube")
def cubed(x):
    return x**3


def squared(x):
    return x**2


def test_registered_names_as_in_keras():
    for library in (utils, keras.utils):
        @library.register_keras_serializable("package", "other")
        class Thing:
            def get_config(self):
                return {}

        @library.register_keras_serializable()
        def function():
            pass

        assert library.get_registered_name(Thing) == "package>other" and library.get_registered_name(function) == "Custom>function"
        assert library.get_registered_object("package>other") is Thing and library.get_registered_object("nothing") is None
        assert library.get_registered_name(int) == "int"
        assert library.get_registered_object("a", {"a": 1}, {"a": 2, "b": 3}) == 1
        assert library.get_registered_object("b", {"a": 1}, {"a": 2, "b": 3}) == 3
        assert library.get_custom_objects()["package>other"] is Thing
        with library.custom_object_scope({"package>other": 5, "x": 6}):
            assert library.get_registered_object("package>other") == 5 and library.get_registered_object("x", {"x": 7}) == 6
        assert library.get_registered_object("x") is None
        with pytest.raises(ValueError, match=r"get_config\(\)"):
            library.register_keras_serializable()(int)
        del library.get_custom_objects()["package>other"], library.get_custom_objects()["Custom>function"]


def test_scopes_nest_and_end_with_errors():
    with utils.CustomObjectScope({"a": 1}):
        with pytest.raises(KeyError), utils.CustomObjectScope({"b": 2}):
            assert utils.get_registered_object("a") == 1 and utils.get_registered_object("b") == 2
            raise KeyError
        assert utils.get_registered_object("b") is None
    assert utils.get_registered_object("a") is None


def small(layer):
    inputs = layers.Input((3,), name="in")
    return tf.keras.Model(inputs, layers.Dense(2, name="out")(layer(inputs)), name="small")


def test_models_with_layers_of_ones_own():
    x = RNG.normal(size=(4, 3)).astype(np.float32)
    for make in (small, lambda layer: tf.keras.Sequential([layers.Input((3,)), layer, layers.Dense(2)])):
        for layer, known in ((Scale(2.0), {}), (Scale(2.0, cubed), {}), (Unknown(2.0), {"Unknown": Unknown}),
                             (Scale(2.0, squared), {"squared": squared})):
            model = make(layer)
            again = tf.keras.models.model_from_json(model.to_json(), custom_objects=known)
            again.set_weights(model.get_weights())
            assert np.array_equal(model(x), again(x)) and type(again) is type(model)
            again = type(model).from_config(model.get_config(), custom_objects=known)
            assert type(again.get_layer(layer.name)) is type(layer)
            with utils.custom_object_scope(known):
                assert type(again).from_config(model.get_config()).get_config() == model.get_config()
            if known:
                with pytest.raises(ValueError, match="Unknown (layer 'Unknown'|activation 'squared')"):
                    type(model).from_config(model.get_config())
    assert layers.serialize(Scale(1.0))["registered_name"] == "tests>Scale"
    assert layers.serialize(Unknown(1.0))["registered_name"] == "Unknown"
    wrapped = layers.serialize(layers.TimeDistributed(Scale(3.0, name="s"), name="t"))
    assert layers.deserialize(wrapped).layer.factor == 3.0


def functional(k):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    shared = k.layers.Dense(5, activation="tanh", kernel_regularizer="l2", name="shared")
    x, y = shared(a), shared(b)
    z = k.layers.Concatenate(name="both")([x, k.layers.Multiply(name="times")([x, y])])
    return k.Model({"a": a, "b": b}, [k.layers.Dropout(0.3, name="drop")(z), shared(k.layers.Dense(4, name="back")(y))], name="f")


def nested(k):
    inner = k.Sequential([k.Input((6,)), k.layers.Dense(6, activation="relu", name="d"), k.layers.BatchNormalization(name="n")],
                         name="inner")
    x = k.Input((6,), name="x")
    second = k.Model(x, k.layers.LayerNormalization(name="ln")(k.layers.Dense(6, name="dd")(x)), name="second")
    y = k.Input((6,), name="y")
    return k.Model(y, [second(inner(y)), inner(inner(y))], name="outer")


def convolutional(k):
    return k.Sequential([
        k.Input((8, 8, 2)), k.layers.RandomFlip(seed=1, name="flip"), k.layers.Conv2D(4, 3, padding="same", name="c"),
        k.layers.MaxPooling2D(name="m"), k.layers.Flatten(name="fl"),
        k.layers.Dense(2, name="e")], name="conv")


def recurrent(k):
    return k.Sequential([
        k.Input((5,)), k.layers.Embedding(7, 4, mask_zero=True, name="em"),
        k.layers.Bidirectional(k.layers.LSTM(3, return_sequences=True, name="l"), name="bi"),
        k.layers.TimeDistributed(k.layers.Dense(2, name="td"), name="t"),
        k.layers.SimpleRNN(2, kernel_initializer=k.initializers.RandomNormal(stddev=0.3, seed=1), name="g")], name="rec")


MODELS = [functional, nested, convolutional, recurrent]


@pytest.mark.parametrize("make", MODELS, ids=lambda m: m.__name__)
def test_models_as_json_between_lamella_and_keras(make):
    ours, theirs = make(tf.keras), make(keras)
    shapes = [w.shape for w in ours.weights]
    for text in (ours.to_json(), theirs.to_json()):
        mine, other = tf.keras.models.model_from_json(text), keras.models.model_from_json(text)
        assert [w.shape for w in mine.weights] == shapes and [tuple(w.shape) for w in other.weights] == shapes
        assert (mine.get_config() == ours.get_config() or text != ours.to_json()) and mine.name == other.name
        values = [RNG.normal(0, 0.3, shape).astype(np.float32) ** 2 for shape in shapes]
        mine.set_weights(values)
        other.set_weights(values)
        x = {t.name: RNG.integers(0, 7, (3, *t.shape[1:])).astype(np.float32) for t in ours.inputs}
        x = x if len(x) > 1 else next(iter(x.values()))
        for a, b in zip(np_list(mine(x)), np_list(other(x, training=False)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def np_list(outputs):
    return [np.asarray(o, np.float32) for o in (outputs if isinstance(outputs, list) else [outputs])]


def test_operators_and_keys_survive():
    x = layers.Input((6, 2), name="x")
    model = tf.keras.Model(x, {"out": (2.0 * x[:, 1:5:2] - x[:, :2])[..., 0], "one": x[:, 1] + 1.0})
    again = tf.keras.models.model_from_json(model.to_json())
    values = RNG.normal(size=(3, 6, 2)).astype(np.float32)
    want, got = model(values), again(values)
    assert list(got) == ["out", "one"] and all(np.array_equal(want[key], got[key]) for key in want)
    json.loads(model.to_json(indent=2))


def test_a_sequential_model_that_is_not_built():
    model = tf.keras.Sequential([layers.Dense(2), layers.Dense(1)], name="s")
    again = tf.keras.models.model_from_json(model.to_json())
    assert not again.built and len(again.layers) == 2
    model.build((None, 3))
    assert tf.keras.models.model_from_json(model.to_json()).output_shape == (None, 1)


def test_configs_that_cannot_be():
    config = functional(tf.keras).get_config()
    config["layers"] = [layer for layer in config["layers"] if layer["name"] != "back"]
    with pytest.raises(ValueError, match=r"\['shared'\] need outputs that no layer makes"):
        tf.keras.Model.from_config(config)
    with pytest.raises(ValueError, match="Unknown layer 'Dens'. Did you mean 'Dense'"):
        layers.deserialize({"class_name": "Dens", "config": {}})
    with pytest.raises(json.JSONDecodeError):
        tf.keras.models.model_from_json("model")


@pytest.mark.parametrize("make", MODELS, ids=lambda m: m.__name__)
def test_clone_model(make):
    model = make(tf.keras)
    model.trainable = False
    clone = tf.keras.models.clone_model(model)
    assert clone.get_config() == model.get_config() and type(clone) is type(model)
    assert not {id(w) for w in clone.weights} & {id(w) for w in model.weights}
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]
    assert [layer.name for layer in clone.layers] == [layer.name for layer in keras.models.clone_model(make(keras)).layers
                                                      if type(layer).__name__ != "InputLayer" or type(model) is tf.keras.Model]


def test_clone_model_with_functions():
    model, seen = functional(tf.keras), []

    def wide(layer):
        return layers.Dense(9, name=layer.name) if layer.name == "back" else type(layer).from_config(layer.get_config())

    with pytest.raises(ValueError):  # the shared layer has seen inputs of another width
        tf.keras.models.clone_model(model, clone_function=wide)

    def call(layer, *args, **kwargs):
        seen.append(layer.name)
        return layer(*args, **kwargs)

    same = tf.keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    assert sorted(seen) == ["back", "both", "drop", "shared", "shared", "shared", "times"]
    assert {id(w) for w in same.weights} == {id(w) for w in model.weights}
    inputs = {name: layers.Input((4,), name=f"new_{name}") for name in "ab"}
    assert [t.name for t in tf.keras.models.clone_model(model, input_tensors=inputs).inputs] == ["new_a", "new_b"]
    outer = nested(tf.keras)
    names = []
    tf.keras.models.clone_model(outer, recursive=True, clone_function=lambda one: names.append(one.name) or
                                type(one).from_config(one.get_config()))
    assert names == ["d", "n", "dd", "ln"]  # the inner model is shared, and cloned once
    seed = tf.keras.models.clone_model(tf.keras.Sequential([layers.Dropout(0.5, name="a")]),
                                       clone_function=lambda one: layers.Dropout(0.5, seed=3, name=one.name))
    assert seed.layers[0].seed == 3
    with pytest.raises(ValueError, match="call_function is for functional models"):
        tf.keras.models.clone_model(tf.keras.Sequential([layers.Dense(1)]), call_function=call)


def test_clone_of_a_compiled_model_is_compiled():
    x, y = RNG.normal(size=(64, 4)).astype(np.float32), RNG.normal(size=(64, 1)).astype(np.float32)
    model = tf.keras.Sequential([layers.Input((4,)), layers.Dense(1)])
    model.compile(optimizer=tf.keras.optimizers.SGD(0.125), loss="mse", metrics=["mae", tf.keras.metrics.RootMeanSquaredError()])
    model.fit(x, y, verbose=0)
    clone = tf.keras.models.clone_model(model)
    assert clone.optimizer is not model.optimizer and float(clone.optimizer.learning_rate) == 0.125
    assert int(clone.optimizer.iterations) == 0
    clone.set_weights(model.get_weights())
    assert clone.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    own = Described(3)
    assert tf.keras.models.clone_model(own).width == 3
    with pytest.raises(ValueError, match="is a subclassed model"):
        tf.keras.models.clone_model(own, clone_function=lambda layer: layer)


class Described(tf.keras.Model):
    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width, self.dense = width, layers.Dense(width)

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return {"width": self.width, "name": self.name}


OBJECTS = [
    lambda k: k.layers.Dense(3, activation="relu", kernel_initializer=k.initializers.Constant(0.5), name="d"),
    lambda k: k.losses.Huber(0.5),
    lambda k: k.metrics.MeanSquaredError(name="m"),
    lambda k: k.optimizers.Adam(k.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)),
    lambda k: k.regularizers.L1L2(0.1, 0.2),
    lambda k: k.constraints.MaxNorm(3.0),
    lambda k: k.DTypePolicy("mixed_bfloat16"),
    lambda k: {"a": [1, 2.5, None, True, "text"], "slice": slice(1, None), "key": (Ellipsis, 2), "raw": b"bytes"},
    lambda k: np.arange(6, dtype="int32").reshape(2, 3),
    lambda k: np.float32(0.5),
    lambda k: k.ops.convert_to_tensor([1.0, 2.0]),
]


@pytest.mark.parametrize("make", OBJECTS, ids=range(len(OBJECTS)))
def test_objects_as_plain_values_as_in_keras(make):
    ours = utils.serialize_keras_object(make(tf.keras))
    theirs = keras.utils.serialize_keras_object(make(keras))
    if isinstance(theirs, dict) and "registered_name" in theirs:
        assert {key: ours[key] for key in ("module", "class_name", "registered_name")} == {
            key: theirs[key] for key in ("module", "class_name", "registered_name")}
        keras.utils.deserialize_keras_object(json.loads(json.dumps(ours)))
    else:
        assert ours == theirs
    back = utils.deserialize_keras_object(ours)
    assert utils.serialize_keras_object(back) == ours and type(back) is type(make(tf.keras)) or isinstance(back, float)
    assert type(utils.deserialize_keras_object(theirs)) is type(back)


def test_functions_and_what_cannot_be_described():
    for function, known in ((tf.keras.activations.relu, {}), (tf.keras.losses.mean_squared_error, {}), (cubed, {}),
                            (squared, {"squared": squared})):
        config = utils.serialize_keras_object(function)
        assert config["class_name"] == "function" and utils.deserialize_keras_object(config, known) is function
    assert utils.serialize_keras_object(cubed)["registered_name"] == "Custom>cube"
    layer = utils.deserialize_keras_object(utils.serialize_keras_object([Unknown(2.0, name="u")]), {"Unknown": Unknown})[0]
    assert type(layer) is Unknown and layer.factor == 2.0
    for thing in (lambda x: x, object()):
        with pytest.raises(TypeError, match="cannot describe"):
            utils.serialize_keras_object(thing)
    for config in ({"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
                   {"module": "subprocess", "class_name": "Popen", "config": {"args": "true"}, "registered_name": "Popen"}):
        with pytest.raises(ValueError, match="Unknown layer '(system|Popen)'"):
            utils.deserialize_keras_object(config)


def test_source_inputs_as_in_keras():
    for k in (tf.keras, keras):
        model = functional(k)
        first, second = model.outputs
        assert [t.name for t in k.utils.get_source_inputs(first)] == ["a", "b"]
        assert [t.name for t in k.utils.get_source_inputs(second)] == ["b"]
        alone = k.Input((2,), name="z")
        assert [t.name for t in k.utils.get_source_inputs(alone)] == ["z"] and k.utils.is_keras_tensor(alone)
