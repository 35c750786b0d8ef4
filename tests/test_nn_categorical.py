"""Layers of categories and texts: against a table from Keras on TensorFlow, and against Keras on JAX where it can."""

from __future__ import annotations

import json
import os
import pathlib

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

from lamella.data import Dataset
from lamella.errors import DTypeError, ShapeError
from lamella.frontend import function
from lamella.nn import layers
from lamella.nn.layers.categorical.hashes import farmhash64, siphash64
from lamella.settings import settings
from lamella.training import Model, Sequential

# Written by tools/make_categorical_table.py: Keras' string layers need TensorFlow, which the tests do without.
TABLE = json.loads((pathlib.Path(__file__).parent / "data" / "categorical.json").read_text(encoding="utf-8"))
RNG = np.random.default_rng(5)


def made(row):
    kwargs = {k: tuple(v) if k == "ngrams" and isinstance(v, list) else v for k, v in row["kwargs"].items()}
    layer = getattr(layers, row["layer"])(**kwargs)
    if row["adapt"] is not None:
        layer.adapt(iter(row["adapt"]["batches"]) if isinstance(row["adapt"], dict) else row["adapt"])
    return layer


def features(inputs):
    return tuple(map(np.array, inputs["features"])) if isinstance(inputs, dict) else inputs


@pytest.mark.parametrize("row", TABLE, ids=[f"{row['layer']}-{i}" for i, row in enumerate(TABLE)])
def test_as_keras_on_tensorflow(row):
    layer, x, want = made(row), features(row["inputs"]), row["outputs"]
    got = layer(x)
    if row["kwargs"].get("invert") and row["layer"] == "StringLookup":
        assert isinstance(got, np.ndarray) and got.tolist() == want
    else:
        np.testing.assert_allclose(got.numpy(), np.array(want), rtol=1e-6)
        assert got.dtype == ("int64" if layer.get_config().get("output_mode") == "int" else "float32")
    if row["vocabulary"] is not None:
        assert layer.get_vocabulary() == row["vocabulary"] and layer.vocabulary_size() == len(row["vocabulary"])
    config = json.loads(json.dumps(layer.get_config()))  # a config is JSON
    again = type(layer).from_config(config)
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(got))
    if row["layer"] != "HashedCrossing" and np.ndim(x):
        shape = layer.compute_output_shape((None, *np.shape(x)[1:]))
        one_sample = np.ndim(x) == 1 and len(got.shape) == 1 and layer.get_config()["output_mode"] != "int"
        if not one_sample:  # Keras takes a vector as one sample, whose size is not that of a batch
            assert len(shape) == len(got.shape)
            assert all(a in (None, b) for a, b in zip(shape[1:], got.shape[1:], strict=True))


def test_every_row_of_the_table_can_fail():
    assert len(TABLE) > 90 and len({json.dumps(row["outputs"]) for row in TABLE}) > 60


def test_hashes_of_many_lengths():
    strings = [RNG.integers(0, 256, n).astype(np.uint8).tobytes() for n in range(200)]
    whole = farmhash64(strings)
    assert len(set(whole.tolist())) == 200
    assert [farmhash64([s])[0] for s in strings] == whole.tolist()
    assert [siphash64([s], (1, 2))[0] for s in strings] == siphash64(strings, (1, 2)).tolist()
    assert farmhash64([]).shape == (0,)


# -- on tensors: against Keras on JAX ----------------------------------------------------------------------------------

IDS = np.array([[0, 3, 3], [2, 1, 4]])
WEIGHTS = np.array([[0.5, 2.0, 0.25], [1.0, 4.0, 0.125]], np.float32)
VALUES = np.array([[-1.5, 1.0, np.inf], [0.0, np.nan, 0.999]], np.float32)
ON_TENSORS = [
    *[("CategoryEncoding", {"num_tokens": 5, "output_mode": mode}, x)
      for mode in ("one_hot", "multi_hot", "count") for x in (IDS, IDS[0], IDS[:, :1], IDS.astype(np.uint8))],
    *[("Discretization", {"bin_boundaries": [0.0, 1.0, 2.5], "output_mode": mode}, x)
      for mode in ("int", "one_hot", "multi_hot", "count") for x in (VALUES, VALUES[0], VALUES[:, :1], IDS)],
]


@pytest.mark.parametrize(("name", "kwargs", "x"), ON_TENSORS, ids=[f"{c[0]}-{i}" for i, c in enumerate(ON_TENSORS)])
def test_as_keras_on_jax(name, kwargs, x):
    keras = pytest.importorskip("keras")
    ours, theirs = getattr(layers, name)(**kwargs), getattr(keras.layers, name)(**kwargs)
    got, want = ours(x), np.asarray(theirs(x))
    np.testing.assert_array_equal(got.numpy(), want)
    assert got.dtype == want.dtype.name
    if x.ndim > 1:
        assert tuple(ours.compute_output_shape((None, *x.shape[1:]))) == (None, *want.shape[1:])
    compiled = function(lambda t: ours(t))(x)
    np.testing.assert_array_equal(compiled.numpy(), want)
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()
    keras.layers.deserialize(layers.serialize(ours))


def test_count_weights(same_result_in_programs):
    keras = pytest.importorskip("keras")
    ours, theirs = (module.CategoryEncoding(5, output_mode="count") for module in (layers, keras.layers))
    want = np.asarray(theirs(IDS, count_weights=WEIGHTS))
    np.testing.assert_allclose(same_result_in_programs(lambda x, w: ours(x, count_weights=w), IDS, WEIGHTS), want)


@pytest.fixture
def same_result_in_programs():
    def check(call, *arrays):
        eager, compiled = call(*arrays).numpy(), function(call)(*arrays).numpy()
        np.testing.assert_array_equal(eager, compiled)
        return compiled
    return check


def test_three_axes_are_encoded_along_the_last():
    x = RNG.integers(0, 4, (2, 5, 3))
    for layer in (layers.CategoryEncoding(4, output_mode="count"), layers.Discretization([1, 2, 3], output_mode="count")):
        want = np.stack([np.stack([np.bincount(row, minlength=4) for row in rows]) for rows in x])
        np.testing.assert_array_equal(layer(x).numpy(), want)
        assert layer.compute_output_shape((None, 5, 3)) == (None, 5, 4)


BATCHES = [RNG.standard_normal(n).astype(np.float32) for n in (3, 1000, 57, 331)]


@pytest.mark.parametrize(("data", "kwargs"), [
    (np.concatenate(BATCHES), {"num_bins": 4}), (np.concatenate(BATCHES), {"num_bins": 7, "epsilon": 0.1}),
    (BATCHES, {"num_bins": 5}), (BATCHES, {"num_bins": 3, "epsilon": 0.25}), (np.arange(5.0), {"num_bins": 4}),
    (np.arange(12).reshape(3, 4), {"num_bins": 2}), (np.repeat([1.0, 2.0, 3.0], 100), {"num_bins": 3}),
], ids=range(7))
def test_discretization_adapts_as_keras(data, kwargs):
    keras = pytest.importorskip("keras")
    ours, theirs = layers.Discretization(**kwargs), keras.layers.Discretization(**kwargs)
    for batch in data if isinstance(data, list) else [data]:
        theirs.update_state(batch)  # Keras' adapt asks for TensorFlow
    theirs.finalize_state()
    for _ in range(2):  # a second time replaces the first
        ours.adapt(data)
        assert ours.bin_boundaries == theirs.bin_boundaries
    x = RNG.standard_normal((6, 2)).astype(np.float32)
    np.testing.assert_array_equal(ours(x).numpy(), np.asarray(theirs(x)))
    again = layers.Discretization.from_config(ours.get_config())
    assert again.bin_boundaries == ours.bin_boundaries and again.get_config() == ours.get_config()


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count", "tf_idf"])
@pytest.mark.parametrize("oov", [1, 3])
def test_integer_lookup_in_programs(same_result_in_programs, mode, oov):
    vocabulary = [int(v) for v in RNG.choice(1000, 37, replace=False) - 300]
    idf = {"idf_weights": RNG.random(37).tolist()} if mode == "tf_idf" else {}
    layer = layers.IntegerLookup(vocabulary=vocabulary, mask_token=10**12, num_oov_indices=oov, output_mode=mode, **idf)
    x = RNG.integers(-400, 900, (20, 6))
    x[::3, 1] = 10**12
    compiled = same_result_in_programs(layer, x)
    if mode == "int":
        places = {v: 1 + oov + i for i, v in enumerate(vocabulary)} | {10**12: 0}
        assert compiled.tolist() == [[places.get(int(v), 1 + int(v) % oov) for v in row] for row in x]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 9])
def test_integer_lookup_finds_all_of_any_vocabulary(same_result_in_programs, size):
    vocabulary = np.sort(RNG.choice(40, size, replace=False))[::-1] * 2
    x = np.arange(-3, 83)
    want = [1 + vocabulary.tolist().index(v) if v in vocabulary else 0 for v in x]
    assert same_result_in_programs(layers.IntegerLookup(vocabulary=vocabulary), x).tolist() == want
    inverse = layers.IntegerLookup(vocabulary=vocabulary, invert=True)
    assert same_result_in_programs(inverse, np.arange(-1, size + 2)).tolist() == [-1, -1, *vocabulary.tolist(), -1]


def test_in_a_functional_model_that_trains():
    lookup, age = layers.IntegerLookup(output_mode="one_hot"), layers.Discretization(num_bins=3, output_mode="one_hot")
    ids, ages = RNG.choice([7, 70, 700], (96, 1)), RNG.uniform(0, 90, (96, 1)).astype(np.float32)
    lookup.adapt(ids), age.adapt(ages)
    inputs = [layers.Input((1,), dtype="int64"), layers.Input((1,))]
    joined = layers.Concatenate()([lookup(inputs[0]), age(inputs[1])])
    assert joined.shape == (None, 7)
    model = Model(inputs, layers.Dense(1)(joined))
    model.compile("sgd", "mse")
    y = (ids == 70).astype(np.float32) + (ages > 60)
    before, *_, after = model.fit([ids, ages], y, epochs=60, batch_size=16, verbose=0).history["loss"]
    assert after < 0.1 < before
    for layer in (lookup, age):
        with pytest.raises(RuntimeError, match="is part of a compiled program"):
            layer.adapt(ids)


# -- strings on the way to a model -------------------------------------------------------------------------------------


def test_datasets_carry_strings_to_the_layer():
    texts, y = ["good movie", "bad movie", "a good good film"] * 4, [1, 0, 1] * 4
    layer = layers.TextVectorization(output_sequence_length=4)
    data = Dataset.from_tensor_slices((texts, y))
    layer.adapt(data.batch(5))
    assert layer.get_vocabulary()[2:5] == ["good", "movie", "film"]
    batches = data.batch(5).map(lambda x, t: (layer(x), t))
    assert [(x.dtype, x.shape, t.shape) for x, t in batches] == [("int64", (n, 4), (n,)) for n in (5, 5, 2)]
    assert next(iter(data.map(lambda x, t: layer(x)).batch(3))).shape == (3, 4)
    model = Sequential([layers.Embedding(7, 3), layers.GlobalAveragePooling1D(), layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    assert len(model.fit(batches, epochs=2, verbose=0).history["loss"]) == 2
    with pytest.raises(DTypeError, match="holds strings, not numbers.*TextVectorization"):
        model.fit(np.array(texts), np.array(y))
    with pytest.raises(DTypeError, match="holds strings, not numbers"):
        model.fit(data.batch(3))


def test_functions_of_the_user():
    seen = []

    def standardize(strings):
        seen.append(strings)
        return np.char.upper(strings)

    layer = layers.TextVectorization(standardize=standardize, split=lambda texts: [t.split(",") for t in texts],
                                     vocabulary=["A", "B"])
    assert layer(np.array([["a,b"], ["b"]])).numpy().tolist() == [[2, 3], [3, 0]]
    assert seen[0].dtype.kind == "U" and seen[0].shape == (2, 1)
    with pytest.raises(ShapeError, match=r"one sequence of tokens per text, 2 in all; it returned 1"):
        layers.TextVectorization(split=lambda texts: [["a"]], vocabulary=["a"])(["a", "b"])


def test_vocabulary_files(tmp_path):
    path = tmp_path / "vocabulary.txt"
    path.write_bytes("b\r\nzwei Wörter\na\n".encode())
    layer = layers.StringLookup(vocabulary=str(path))
    assert layer.get_vocabulary() == ["[UNK]", "b", "zwei Wörter", "a"]
    assert layer.get_config()["vocabulary"] == ["b", "zwei Wörter", "a"]  # the tokens: a config opens no files
    text = layers.TextVectorization(vocabulary=str(path))
    for one in (layer, text):
        with pytest.raises(ValueError, match="names the vocabulary file"):
            type(one).from_config({**one.get_config(), "vocabulary": str(path)})
    (tmp_path / "numbers.txt").write_text("5\n-7")
    assert layers.IntegerLookup(vocabulary=str(tmp_path / "numbers.txt")).get_vocabulary() == [-1, 5, -7]
    with pytest.raises(FileNotFoundError, match="'words' found no vocabulary file"):
        layers.StringLookup(vocabulary=str(tmp_path / "none.txt"), name="words")


def test_arrays_of_every_kind_of_strings():
    layer = layers.StringLookup(vocabulary=["a", "é"])
    want = [1, 2, 0]
    for x in (["a", "é", "q"], np.array(["a", "é", "q"]), np.array(["a", "é", "q"], object),
              np.array([b"a", "é".encode(), b"q"]), ("a", "é", "q")):
        assert layer(x).numpy().tolist() == want
    assert layers.StringLookup(vocabulary=["é"], encoding="latin-1")(np.array([b"\xe9"])).numpy().tolist() == [1]


def test_a_vocabulary_can_be_replaced_by_another():
    layer = layers.StringLookup()
    layer.adapt(["a", "b", "b"])
    assert layer.get_vocabulary() == ["[UNK]", "b", "a"]
    layer.set_vocabulary(["x"])
    assert layer(["x", "b"]).numpy().tolist() == [1, 0]
    layer.adapt(["q"])
    assert layer.get_vocabulary(include_special_tokens=False) == ["q"]


def test_encodings_follow_floatx(monkeypatch):
    monkeypatch.setattr(settings, "floatx", "float64")
    assert layers.StringLookup(vocabulary=["a"], output_mode="count")([["a"]]).dtype == "float64"


REFUSED = [
    (lambda: layers.StringLookup(vocabulary=["a", "a"], name="x"), "layer 'x' holds tokens more than once: ['a']"),
    (lambda: layers.StringLookup(vocabulary=[], name="x"), "layer 'x' must hold at least one token"),
    (lambda: layers.StringLookup(vocabulary=["a", "m"], mask_token="m", name="x"), "holds the reserved token 'm'"),
    (lambda: layers.StringLookup(vocabulary=["a", "[UNK]"], invert=True), "holds the reserved token '[UNK]'"),
    (lambda: layers.StringLookup(vocabulary=list("abc"), max_tokens=3), "needs 4 places (1 of them for ['[UNK]'])"),
    (lambda: layers.StringLookup(max_tokens=1, name="x"), "max_tokens of layer 'x' must be greater than 1, received 1"),
    (lambda: layers.StringLookup(num_oov_indices=-1, name="x"), "num_oov_indices of layer 'x' must be an int >= 0"),
    (lambda: layers.StringLookup(output_mode="multihot"), "Did you mean 'multi_hot'?"),
    (lambda: layers.StringLookup(pad_to_max_tokens=True, name="x"), "Layer 'x' needs max_tokens"),
    (lambda: layers.StringLookup(invert=True, output_mode="count"), "invert=True needs output_mode='int'"),
    (lambda: layers.StringLookup(sparse=True, name="x"), "Layer 'x' received sparse=True"),
    (lambda: layers.StringLookup(vocabulary=["a"], idf_weights=[1.0]), "idf_weights only with output_mode='tf_idf'"),
    (lambda: layers.StringLookup(vocabulary=["a"], output_mode="tf_idf"), "needs a vocabulary together with idf_weights"),
    (lambda: layers.StringLookup(vocabulary=["a"], output_mode="tf_idf", idf_weights=[1.0, 2.0]), "received shape (2,)"),
    (lambda: layers.StringLookup(salt="x", name="x"), "salt of layer 'x' must be an int or two"),
    (lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["q"]), "1 of 1 strings, the first is 'q'"),
    (lambda: layers.StringLookup(name="x")(["q"]), "Layer 'x' has no vocabulary yet: call adapt()"),
    (lambda: layers.StringLookup(output_mode="count")(["q"]), "has no vocabulary yet"),
    (lambda: layers.StringLookup(vocabulary=["a"], name="x").adapt(["a"]), "Layer 'x' was given its vocabulary"),
    (lambda: layers.StringLookup(vocabulary=["a"], name="x")(np.array([1])), "Layer 'x' expects strings, received 1 (int)"),
    (lambda: layers.StringLookup(vocabulary=["a"])([["a"], ["b", "c"]]), "the lists are ragged"),
    (lambda: layers.IntegerLookup(vocabulary=["a"], name="x"), "Layer 'x' expects integers"),
    (lambda: layers.IntegerLookup(vocabulary_dtype="int32"), "must be 'int64', received 'int32'"),
    (lambda: layers.IntegerLookup(salt=3), "salt only with oov_method='farmhash'"),
    (lambda: layers.IntegerLookup(oov_method="farmhsh"), "Did you mean 'farmhash'?"),
    (lambda: layers.IntegerLookup(vocabulary=[3], num_oov_indices=0)([3, 4]), "1 of 2 integers, the first is 4"),
    (lambda: function(layers.IntegerLookup(vocabulary=[3], num_oov_indices=0))(IDS), "outside of compiled models only"),
    (lambda: layers.CategoryEncoding(), "num_tokens of layer 'category_encoding"),
    (lambda: layers.CategoryEncoding(3)(IDS, count_weights=WEIGHTS), "count_weights only with output_mode='count'"),
    (lambda: layers.Discretization(), "needs either bin_boundaries or num_bins"),
    (lambda: layers.Discretization([2.0, 1.0], name="x"), "bin_boundaries of layer 'x' must ascend"),
    (lambda: layers.Discretization([1.0]).adapt(VALUES), "was given its bin_boundaries"),
    (lambda: layers.Discretization(num_bins=3, name="x")(VALUES), "Layer 'x' has no boundaries yet"),
    (lambda: layers.Discretization(num_bins=3).adapt(np.zeros(0)), "cannot adapt to no data"),
    (lambda: layers.Hashing(0, name="x"), "num_bins of layer 'x' must be an int > 0"),
    (lambda: layers.Hashing(3, dtype="float32", name="x"), "dtype of layer 'x'"),
    (lambda: layers.HashedCrossing(3, name="x")(["a"]), "at least two"),
    (lambda: layers.HashedCrossing(3)((["a"], ["b", "c"])), "features of one shape"),
    (lambda: layers.HashedCrossing(3)((["a"], np.array([1.0]))), "expects integers or strings"),
    (lambda: layers.TextVectorization(ragged=True, name="x"), "Layer 'x' received ragged=True"),
    (lambda: layers.TextVectorization(standardize="lowr"), "Did you mean 'lower'?"),
    (lambda: layers.TextVectorization(split="white"), "Unknown split 'white'"),
    (lambda: layers.TextVectorization(ngrams=0, name="x"), "ngrams of layer 'x' must be None, an int > 0"),
    (lambda: layers.TextVectorization(output_mode="count", output_sequence_length=3), "only with output_mode='int'"),
    (lambda: layers.TextVectorization(vocabulary=["a"])([["a", "b"]]), "a last axis of size 1, received shape (1, 2)"),
    (lambda: layers.TextVectorization(name="x")(layers.Input((1,))), "Layer 'x' (TextVectorization) works outside"),
    (lambda: Sequential([layers.Hashing(3)]), "works outside of compiled models"),
    (lambda: function(layers.Hashing(3))(IDS), "works outside of compiled models"),
    (lambda: layers.Input((1,), dtype="string", name="x"), "Input 'x' cannot be of dtype string"),
]


@pytest.mark.parametrize(("act", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refused_with_a_reason(act, message):
    with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
        act()
    assert message in str(caught.value)
