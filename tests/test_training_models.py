"""Models: sequential, functional, subclassed; their looks, weights and configs."""

from __future__ import annotations

import json

import numpy as np
import pytest

import lamella as tf
from lamella.errors import ShapeError

layers = tf.keras.layers


def test_sequential_builds_at_once_when_the_shape_is_known():
    model = tf.keras.Sequential([layers.Dense(8, activation="relu", input_shape=(4,)), layers.Dense(2)], name="net")
    assert model.built and model.output_shape == (None, 2) and model.input_shape == (None, 4)
    assert [w.path for w in model.weights] == ["net/dense/kernel", "net/dense/bias"] or len(model.weights) == 4
    assert all(w.path.startswith("net/") for w in model.weights)
    assert model.count_params() == 4 * 8 + 8 + 8 * 2 + 2


def test_sequential_builds_at_the_first_call():
    model = tf.keras.Sequential([layers.Dense(3)])
    assert not model.built and not model.has_graph
    assert model(np.zeros((2, 5))).shape == (2, 3)
    assert model.built and model.input_shape == (None, 5)


def test_sequential_add_and_pop():
    model = tf.keras.Sequential()
    model.add(tf.keras.Input((4,)))
    model.add(layers.Dense(3, name="a"))
    model.add(layers.Dense(2, name="b"))
    assert model.predict(np.zeros((1, 4)), verbose=0).shape == (1, 2)
    assert model.pop().name == "b"
    assert model.predict(np.zeros((1, 4)), verbose=0).shape == (1, 3)
    with pytest.raises(ValueError, match="'a' already"):
        model.add(layers.Dense(1, name="a"))
    with pytest.raises(TypeError, match="takes layers"):
        model.add(3)
    with pytest.raises(ValueError, match="input must come first"):
        model.add(tf.keras.Input((4,)))


def two_inputs():
    a, b = tf.keras.Input((2,), name="a"), tf.keras.Input((3,), name="b")
    merged = Sum(name="sum")([layers.Dense(4, name="merge_a")(a), layers.Dense(4, name="merge_b")(b)])
    return tf.keras.Model(
        [a, b], {"x": layers.Dense(1, name="first")(merged), "y": layers.Dense(2, name="second")(merged)}
    )


class Sum(layers.Layer):
    def call(self, inputs):
        return inputs[0] + inputs[1]


def test_functional_with_several_inputs_and_outputs():
    model = two_inputs()
    x = [np.ones((5, 2), np.float32), np.ones((5, 3), np.float32)]
    by_list = model.predict(x, verbose=0)
    by_name = model.predict({"b": x[1], "a": x[0]}, verbose=0)
    assert {k: v.shape for k, v in by_list.items()} == {"x": (5, 1), "y": (5, 2)}
    np.testing.assert_array_equal(by_list["y"], by_name["y"])
    assert model.output_names == ["x", "y"]
    with pytest.raises(ShapeError, match="2 inputs"):
        model(x[0])
    with pytest.raises(ShapeError, match=r"no entry for the model's inputs \['b'\]"):
        model({"a": x[0]})


def test_layers_are_shared_and_models_nest():
    inputs = tf.keras.Input((3,))
    shared = layers.Dense(3, name="shared")
    inner = tf.keras.Model(inputs, shared(shared(inputs)), name="inner")
    outer_in = tf.keras.Input((3,))
    outer = tf.keras.Model(outer_in, layers.Dense(1)(inner(outer_in)))
    assert len(inner.weights) == 2 and len(outer.weights) == 4
    x = np.random.default_rng(0).random((4, 3), dtype=np.float32)
    kernel, bias = inner.get_weights()
    np.testing.assert_allclose(inner(x).numpy(), (x @ kernel + bias) @ kernel + bias, rtol=1e-5)
    assert outer(x).shape == (4, 1)


# Functions on symbolic tensors: K is keras or lamella.
RECORDED = {
    "operators": lambda K, x, y: [(x != y) & ~(x > 0.5) | (y < 0.1), x[:, 1:] @ y[:, :3], 2.0 / (1.0 + x), -x % 0.3],
    "elementwise": lambda K, x, y: [K.ops.relu(x - y), K.ops.where(x > y, x, 0.0), K.ops.cast(x > y, "int32")],
    "shapes": lambda K, x, y: [K.ops.reshape(x, (-1, 12)), K.ops.expand_dims(x, 1), K.ops.transpose(x, (0, 2, 1)),
                               *K.ops.split(x, 2, axis=1), K.ops.concatenate([x, y], axis=-1), K.ops.repeat(x, 2, axis=1)],
    "reductions": lambda K, x, y: [K.ops.mean(x, axis=1), K.ops.max(x, axis=(1, 2)), *K.ops.top_k(x, k=2), K.ops.sum(x)],
    "products": lambda K, x, y: [K.ops.einsum("bij,bkj->bik", x, y), K.ops.matmul(x, np.ones((3, 2), np.float32))],
    "namespaces": lambda K, x, y: [K.ops.nn.softmax(x), K.ops.linalg.norm(x), K.activations.gelu(x),
                                   K.ops.image.resize(K.ops.expand_dims(x, -1), (2, 5))],
    "losses": lambda K, x, y: [K.losses.mean_squared_error(x, y), K.losses.cosine_similarity(x, y)],
}


@pytest.mark.parametrize("case", RECORDED)
def test_functions_on_symbolic_tensors_become_layers(case):
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(1)
    x, y = (rng.random((5, 4, 3), dtype=np.float32) for _ in range(2))

    def model(K):
        inputs = [K.Input((4, 3)), K.Input((4, 3))]
        return K.Model(inputs, RECORDED[case](K, *inputs))

    ours, theirs = model(tf.keras), model(keras)
    assert [t.shape for t in ours.outputs] == [t.shape for t in theirs.outputs]
    assert [t.dtype for t in ours.outputs] == [t.dtype for t in theirs.outputs]
    again = tf.keras.Model.from_config(ours.get_config())
    for want, *results in zip(theirs([x, y]), ours([x, y]), again([x, y]), strict=True):
        for result in results:
            np.testing.assert_allclose(result.numpy(), np.asarray(want), rtol=1e-5, atol=1e-6)


def test_a_recorded_function_is_named_after_itself():
    x = tf.keras.Input((4,))
    tf.keras.utils.clear_session()
    assert [tf.keras.ops.tanh(x).history.layer.name, tf.keras.ops.linalg.norm(x).history.layer.name] == ["tanh", "norm"]
    assert tf.keras.ops.shape(x) == (None, 4) and tf.keras.ops.dtype(x) == "float32" and tf.keras.ops.ndim(x) == 2
    with pytest.raises(TypeError, match="no values.*lamella.ops"):
        tf.keras.ops.convert_to_numpy(x)
    with pytest.raises(ValueError, match="Unknown operation 'tanhh'. Did you mean 'tanh'"):
        layers.Operation("tanhh")


def test_inputs_are_cast_and_ranks_fitted():
    model = tf.keras.Sequential([tf.keras.Input((1,)), layers.Dense(1, kernel_initializer="ones")])
    assert model(np.arange(3, dtype=np.uint8)).numpy().ravel().tolist() == [0, 1, 2]
    assert model([[1], [2]]).shape == (2, 1)
    with pytest.raises(ShapeError, match=r"expected axis -1 to have size 1, received shape \(2, 5\)"):
        model(np.zeros((2, 5)))


def test_dicts_are_walked_by_sorted_keys_as_in_keras():
    keras = pytest.importorskip("keras")
    x = {"num": np.ones((4, 3), np.float32), "cat": np.arange(4)[:, None]}
    y = {"one": np.ones((4, 1), np.float32), "kind": np.zeros((4, 2), np.float32)}

    def model(K):
        inputs = {"num": K.Input((3,), name="num"), "cat": K.Input((1,), dtype="int32", name="cat")}
        hidden = K.layers.Concatenate()([inputs["num"], K.layers.Flatten()(K.layers.Embedding(5, 2)(inputs["cat"]))])
        model = K.Model(inputs, {"one": K.layers.Dense(1, name="a")(hidden), "kind": K.layers.Dense(2, name="b")(hidden)})
        rng = np.random.default_rng(0)
        model.set_weights([rng.standard_normal(w.shape).astype(np.float32) for w in model.get_weights()])
        model.compile("sgd", {"one": "mse", "kind": "mae"}, metrics={"one": ["mae"], "kind": ["mse"]})
        return model

    ours, theirs = model(tf.keras), model(keras)
    assert [t.name for t in theirs.inputs] == [t.history.layer.name for t in ours.inputs] == ["cat", "num"]
    got, want = ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    got, want = ours(dict(reversed(x.items()))), theirs(x)
    assert list(got) == list(want) == ["one", "kind"]
    many = {name: np.tile(value, (9, 1)) for name, value in x.items()}
    for name, value in ours.predict(many, batch_size=4, verbose=0).items():
        np.testing.assert_allclose(value, np.tile(got[name].numpy(), (9, 1)), rtol=1e-5)
    for name in want:
        np.testing.assert_allclose(got[name].numpy(), np.asarray(want[name]), rtol=1e-5)

    @tf.function
    def difference(parts):
        return parts["b"] - parts["a"]

    assert difference({"b": 3.0, "a": np.float32(1)}) == difference({"a": np.float32(1), "b": 3.0}) == 2


def test_inputs_and_outputs_may_be_nested():
    class Parts(layers.Layer):
        def call(self, inputs):
            x, (y, z) = inputs["x"], inputs["pair"]
            return {"sum": x + y, "list": [z * 2.0, x - z]}

    inputs = {"x": tf.keras.Input((3,)), "pair": (tf.keras.Input((3,)), tf.keras.Input((3,)))}
    model = tf.keras.Model(inputs, Parts()(inputs))
    data = {"x": np.ones((4, 3)), "pair": (np.full((4, 3), 2.0), np.full((4, 3), 3.0))}
    for result in (model(data), model.predict(data, verbose=0)):
        assert [np.asarray(part)[0, 0] for part in (result["sum"], *result["list"])] == [3.0, 6.0, -2.0]


def test_input_and_output_of_a_layer_are_those_of_its_first_call():
    inputs, shared = tf.keras.Input((3,)), layers.Dense(3)
    with pytest.raises(AttributeError, match="never called on symbolic"):
        _ = shared.output
    first = shared(inputs)
    shared(first)
    assert shared.output is first and shared.input is inputs


def test_a_missing_input_is_named():
    a, b = tf.keras.Input((2,), name="a"), tf.keras.Input((2,), name="b")
    with pytest.raises(ValueError, match="depend on the input 'b'"):
        tf.keras.Model(a, Sum()([a, b]))
    with pytest.raises(TypeError, match="both inputs and outputs"):
        tf.keras.Model(a)
    with pytest.raises(TypeError, match="symbolic"):
        tf.keras.Model(a, 3)


class Custom(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(4, activation="relu")
        self.heads = [layers.Dense(1), layers.Dense(1)]

    def call(self, inputs, training=False):
        hidden = self.hidden(inputs)
        return self.heads[0](hidden) + self.heads[1](hidden)


def test_subclassed_model():
    model = Custom()
    model.compile("sgd", "mse")
    assert not model.has_graph
    model.fit(np.ones((6, 3)), np.ones((6, 1)), epochs=2, verbose=0)
    assert len(model.weights) == 6 and [layer.name for layer in model.layers][0].startswith("dense")
    with pytest.raises(NotImplementedError):
        model.get_config()
    with pytest.raises(AttributeError, match="no symbolic inputs"):
        _ = model.outputs


def test_summary_shows_shapes_and_totals():
    model = tf.keras.Sequential(
        [layers.Dense(128, activation="relu", input_shape=(784,), name="hidden"), layers.Dense(10, name="out")]
    )
    lines = []
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    for words in (
        "hidden (Dense)",
        "(None, 128)",
        "100,480",
        "Total params: 101,770 (397.54 KB)",
        "Non-trainable params: 0",
    ):
        assert words in text


def test_summary_shows_connections_where_layers_branch():
    inputs = tf.keras.Input((4,), name="inputs")
    straight = tf.keras.Model(inputs, layers.Dense(2, name="out")(layers.Dense(4, name="hidden")(inputs)))
    hidden = layers.Dense(4, name="other")(inputs)
    branched = tf.keras.Model(inputs, layers.Add(name="sum")([inputs, hidden]))
    texts = []
    straight.summary(print_fn=texts.append), branched.summary(print_fn=texts.append)
    assert "Connected to" not in texts[0] and "Connected to" in texts[1]
    (row,) = [line for line in texts[1].splitlines() if "sum (Add)" in line]
    assert "inputs, other" in row


def test_summary_of_nested_models_and_of_a_part():
    base = tf.keras.Sequential([tf.keras.Input((4,)), layers.Dense(3, name="deep")], name="base")
    base.trainable = False
    model = tf.keras.Sequential([base, layers.ReLU(name="relu"), layers.Dense(2, name="head")])
    texts = []
    model.summary(80, (0.5, 0.7, 0.85, 1.0), texts.append, expand_nested=True, show_trainable=True)
    rows = {line.split("(")[0].strip("│ "): line for line in texts[0].splitlines() if "│" in line}
    assert list(rows) == ["base", "└ deep", "relu", "head"]
    assert [row.rstrip("│ ")[-1] for row in rows.values()] == ["N", "N", "-", "Y"]
    model.summary(layer_range=("relu", "he.*"), print_fn=texts.append)
    assert "head" in texts[1] and "base" not in texts[1]
    with pytest.raises(ValueError, match="names 'rel_u'.*Did you mean 'relu'"):
        model.summary(layer_range=("rel_u", "head"))
    with pytest.raises(ValueError, match="positions of summary"):
        model.summary(positions=(0.5, 1.0))


def test_summary_of_a_subclass():
    model, texts = Custom(), []
    model.summary(print_fn=texts.append)
    model(np.ones((6, 3)))
    model.summary(print_fn=texts.append)
    assert "0 (unbuilt)" in texts[0] and "(None, 4)" in texts[1] and "(None, 1)" in texts[1]


def test_names_of_a_functional_model_must_differ():
    inputs = tf.keras.Input((3,))
    with pytest.raises(ValueError, match="2 layers .* named 'same'"):
        tf.keras.Model(inputs, layers.Dense(2, name="same")(layers.Dense(2, name="same")(inputs)))


def test_get_layer():
    model = tf.keras.Sequential([layers.Dense(2, input_shape=(2,), name="one")])
    assert model.get_layer("one") is model.get_layer(index=0)
    with pytest.raises(ValueError, match="'two'"):
        model.get_layer("two")
    with pytest.raises(ValueError, match="name or an index"):
        model.get_layer()


def test_weights_are_copies():
    model = tf.keras.Sequential([layers.Dense(2, input_shape=(2,))])
    before = model.get_weights()
    model.set_weights([w + 1 for w in before])
    assert not np.allclose(before[0], model.get_weights()[0])
    with pytest.raises(ShapeError):
        model.set_weights(before[:1])


def test_json_has_keras_form():
    config = json.loads(two_inputs().to_json())
    assert config["class_name"] == "Functional" and config["module"] == "keras.src.models.functional"
    by_name = {layer["name"]: layer for layer in config["config"]["layers"]}
    tensor = by_name["first"]["inbound_nodes"][0]["args"][0]
    assert tensor["class_name"] == "__keras_tensor__" and tensor["config"]["shape"] == [None, 4]
    assert [place[0] for place in config["config"]["input_layers"]] == ["a", "b"]
    model = tf.keras.Sequential([layers.Dense(2, input_shape=(2,), name="one")], name="stack")
    config = json.loads(model.to_json())
    assert config["class_name"] == "Sequential"
    assert [layer["class_name"] for layer in config["config"]["layers"]] == ["InputLayer", "Dense"]
    assert config["build_config"]["input_shape"] == [None, 2]


def test_frozen_layers_do_not_train():
    model = tf.keras.Sequential([layers.Dense(3, input_shape=(2,)), layers.Dense(1)])
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(np.ones((4, 2)), np.zeros(4), verbose=0)
    after = model.get_weights()
    assert np.array_equal(before[0], after[0]) and not np.array_equal(before[2], after[2])
    model.layers[0].trainable = True
    model.fit(np.ones((4, 2)), np.ones(4), verbose=0)
    assert not np.array_equal(after[0], model.get_weights()[0])
