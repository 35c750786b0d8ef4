"""Indices out of range: found on the host before a program runs; never read or written out of bounds inside of one."""

from __future__ import annotations

import numpy as np
import pytest

from lamella import executor, ops, reference
from lamella.callbacks import Callback
from lamella.data import Dataset
from lamella.frontend import GradientTape, TensorSpec, bind, function, trace
from lamella.nn import layers
from lamella.training import Model, Sequential

RNG = np.random.default_rng(8)
GOOD = RNG.integers(0, 9, (50, 4))
Y = np.zeros((50, 1), np.float32)
MESSAGE = r"Layer 'words' takes indices from 0 to 8, received 9 in row 37, at \(37, 2\): 1 of 200 is out of range"


def with_bad(array=GOOD, value=9, dtype=np.int64):
    bad = array.astype(dtype)
    bad[37, 2] = value
    return bad


def words():
    return layers.Embedding(9, 3, name="words")


class Subclassed(Model):
    def __init__(self):
        super().__init__()
        self.words, self.out = words(), layers.Dense(1)

    def call(self, x):
        return self.out(ops.mean(self.words(x), axis=1))


def sequential():
    return Sequential([words(), layers.GlobalAveragePooling1D(), layers.Dense(1)])


def functional(dtype=None):
    inputs = layers.Input((4,), dtype=dtype)
    return Model(inputs, layers.Dense(1)(layers.Flatten()(words()(inputs))))


def nested():
    inputs = layers.Input((4,), dtype="int32")
    return Model(inputs, layers.Dense(1)(Sequential([words(), layers.Flatten()])(inputs)))


MODELS = {"sequential": sequential, "functional": functional, "int64 input": lambda: functional("int64"), "nested": nested,
          "subclassed": Subclassed}


def compiled(make):
    model = make()
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("name", MODELS)
def test_fit_evaluate_and_predict_name_layer_index_and_row(name):
    model, bad = compiled(MODELS[name]), with_bad()
    before = model.fit(GOOD, Y, epochs=1, verbose=0, batch_size=8) and model.get_weights()
    for run in (lambda: model.fit(bad, Y, verbose=0, batch_size=8), lambda: model.evaluate(bad, Y, verbose=0, batch_size=8),
                lambda: model.predict(bad, verbose=0, batch_size=8), lambda: model.predict(bad, verbose=0, batch_size=64),
                lambda: model.train_on_batch(bad, Y), lambda: model.predict_on_batch(bad), lambda: model(bad)):
        for _ in range(2):  # the second time the program is there already
            with pytest.raises(IndexError, match=MESSAGE):
                run()
    for mine, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)
    model.fit(GOOD, Y, verbose=0, batch_size=8)


@pytest.mark.filterwarnings("ignore:.*values that are NaN")
@pytest.mark.parametrize(("dtype", "value"), [(np.uint8, 200), (np.int8, -1), (np.int64, 2**40), (np.int32, -(2**31)),
                                              (np.float32, 9.0), (np.float32, np.nan), (np.float32, -1.0)], ids=str)
def test_every_dtype_and_value(dtype, value):
    model = compiled(functional)
    with pytest.raises(IndexError, match="received .* in row 37"):
        model.fit(with_bad(value=value, dtype=dtype), Y, verbose=0)
    model.fit(with_bad(value=8.5 if dtype is np.float32 else 8, dtype=dtype), Y, verbose=0)


def test_validation_data_is_looked_at_before_the_first_epoch():
    class Count(Callback):
        epochs = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.epochs += 1

    model, count = compiled(sequential), Count()
    with pytest.raises(IndexError, match=MESSAGE):
        model.fit(GOOD, Y, validation_data=(with_bad(), Y), verbose=0, callbacks=[count])
    assert count.epochs == 0


def test_one_of_several_inputs():
    inputs = [layers.Input((4,)), layers.Input((4,), dtype="int32")]
    model = Model(inputs, layers.Dense(1)(layers.Concatenate()([inputs[0], layers.Flatten()(words()(inputs[1]))])))
    model.compile("sgd", "mse")
    model.fit([with_bad(value=1e6, dtype=np.float32), GOOD], Y, verbose=0)
    with pytest.raises(IndexError, match=MESSAGE):
        model.fit([GOOD.astype(np.float32), with_bad()], Y, verbose=0)


def test_streams_and_eager_runs():
    data = Dataset.from_tensor_slices((with_bad(), Y)).batch(10)
    for eagerly in (False, True):
        model = sequential()
        model.compile("sgd", "mse", run_eagerly=eagerly)
        with pytest.raises(IndexError, match=r"received 9 in row 7, at \(7, 2\)"):  # of the batch
            model.fit(data, verbose=0)
        with pytest.raises(IndexError, match=r"received 9 in row 7, at \(7, 2\)"):
            model.predict(data, verbose=0)


def test_compiled_functions_look_at_their_arguments():
    layer = words()
    layer(GOOD)
    call = function(lambda x: layer(x) + 1.0)
    for _ in range(2):
        assert call(GOOD).shape == (50, 4, 3)
        with pytest.raises(IndexError, match=MESSAGE):
            call(with_bad())
    with GradientTape(), pytest.raises(IndexError, match=MESSAGE):
        call(with_bad())
    encoding = layers.CategoryEncoding(9, name="words")
    with pytest.raises(IndexError, match=MESSAGE):
        function(encoding)(with_bad())


def test_what_a_program_computes_itself_is_moved_into_the_range():
    layer = words()
    layer(GOOD)
    table = layer.embeddings.numpy()
    got = function(lambda x: layer(x * 1000 - 5))(np.array([[0, 1]])).numpy()
    np.testing.assert_array_equal(got[0], table[[4, 8]])  # -5 counts from the end, as everywhere; 995 is the last


INDICES = {
    "int8": [-128, -1, 0, 4, 5, 127], "uint8": [0, 4, 5, 255], "int16": [-(2**15), 2**15 - 1, 3],
    "int32": [-(2**31), -7, -1, 0, 4, 5, 2**31 - 1], "uint32": [0, 5, 2**31, 2**32 - 1],
    "int64": [-(2**63), -(2**32), -1, 0, 4, 5, 2**31, 2**32, 2**32 + 1, 2**63 - 1], "uint64": [0, 5, 2**32, 2**63 - 1],
}


@pytest.mark.parametrize("row", [(), (3,), (16,)], ids=str)
@pytest.mark.parametrize("dtype", INDICES)
def test_native_code_stays_within_bounds(dtype, row):
    """Bare primitives, as they come out of the front end: reads and writes at clamped places, as the reference says."""
    index = np.array(INDICES[dtype], dtype)
    table, updates = (RNG.standard_normal((n, *row)).astype(np.float32) for n in (5, len(index)))
    for primitive, arrays in (("gather", (table, index)), ("scatter_add", (table, index, updates))):
        specs = [TensorSpec(a.shape, a.dtype.name) for a in arrays]
        graph = trace(lambda *x, primitive=primitive: bind(primitive, *x), specs, primitive).graph
        (got,), (want,) = executor.compile(graph)(*arrays), reference.evaluate(graph, list(arrays))
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(
        executor.compile(trace(lambda x, i: bind("gather", x, i), specs[:2], "gather").graph)(table, index)[0],
        table[np.clip(index.astype(object), 0, 4).astype(int)])
