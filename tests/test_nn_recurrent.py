"""Recurrent layers against Keras (JAX) with the same weights: outputs, states, masks, gradients; compiled training."""

from __future__ import annotations

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")
jax = pytest.importorskip("jax")

from lamella import ops, tree  # noqa: E402
from lamella.errors import ShapeError  # noqa: E402
from lamella.frontend import GradientTape, Variable, function  # noqa: E402
from lamella.nn import layers  # noqa: E402
from lamella.settings import settings  # noqa: E402
from lamella.training import Sequential  # noqa: E402

RNG = np.random.default_rng(11)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


X = normal(3, 5, 4)
ONE_STEP, ONE_SAMPLE = normal(3, 1, 4), normal(1, 7, 3)
MASK = np.array([[1, 1, 1, 1, 1], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)
EACH = [("SimpleRNN", {}), ("LSTM", {}), ("GRU", {}), ("GRU", {"reset_after": False})]
FLAGS = [
    {},
    {"return_sequences": True},
    {"return_sequences": True, "return_state": True, "go_backwards": True},
    {"go_backwards": True},
    {"return_sequences": True, "zero_output_for_mask": True},
    {"zero_output_for_mask": True, "return_state": True},
]
OPTIONS = [
    ("SimpleRNN", {"activation": "relu", "use_bias": False}, X),
    ("LSTM", {"activation": "elu", "recurrent_activation": "hard_sigmoid", "unit_forget_bias": False}, X),
    ("LSTM", {"use_bias": False, "return_sequences": True}, ONE_SAMPLE),
    ("GRU", {"use_bias": False, "reset_after": False}, X),
    ("GRU", {"use_bias": False, "return_sequences": True}, ONE_STEP),
    ("LSTM", {"return_sequences": True}, ONE_STEP),
    ("SimpleRNN", {"unroll": True}, ONE_STEP),
]


@pytest.fixture(autouse=True)
def _no_disk_cache(monkeypatch):
    monkeypatch.setattr(settings, "cache_dir", "")


def fill(ours, theirs, *args, **kwargs):
    """Build both and give them the same weights."""
    ours(*args, **kwargs), theirs(*args, **kwargs)
    weights = [0.5 * normal(*w.shape) for w in theirs.get_weights()]
    ours.set_weights(weights), theirs.set_weights(weights)
    return ours, theirs


def pair(name, kwargs, x, units=3):
    return fill(getattr(layers, name)(units, **kwargs), getattr(keras.layers, name)(units, **kwargs), x)


def assert_same(got, want, tolerance=3e-6):
    got, want = tree.flatten(got), jax.tree.leaves(want)
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=tolerance * (1 + np.abs(b).max()))


def assert_same_gradients(ours, theirs, x, mask=None, tolerance=1e-5):
    """Of sum(sin(k + 1) * output_k^2) towards weights and inputs."""
    def loss(outputs, sin, total):
        return sum(total(y * y * sin(k + 1.0)) for k, y in enumerate(outputs))

    x = ops.convert_to_tensor(x)
    with GradientTape() as tape:
        tape.watch(x)
        value = loss(tree.flatten(ours(x, mask=mask)), np.sin, ops.sum)
    grads = tape.gradient(value, [x, *ours.trainable_variables])

    def their_loss(x, variables):
        out, _ = theirs.stateless_call(variables, [v.value for v in theirs.non_trainable_variables], x, mask=mask)
        return loss(jax.tree.leaves(out), np.sin, jax.numpy.sum)

    want_x, want = jax.jit(jax.grad(their_loss, (0, 1)))(np.asarray(x), [v.value for v in theirs.trainable_variables])
    assert_same(grads, [want_x, *want], tolerance)


OUTPUTS = [("LSTM", {}, flags) for flags in FLAGS] + [(*case, flags) for case in EACH if case[0] != "LSTM"
                                                      for flags in (FLAGS[2], FLAGS[4])]


@pytest.mark.parametrize(("name", "kwargs", "flags"), OUTPUTS, ids=range(len(OUTPUTS)))
def test_outputs_and_states(name, kwargs, flags):
    ours, theirs = pair(name, {**kwargs, **flags}, X)
    got = ours(X, mask=MASK)
    assert_same(got, theirs(X, mask=MASK))
    assert_same(ours(X), theirs(X))
    assert isinstance(got, tuple) == flags.get("return_state", False)
    symbolic = type(ours).from_config(ours.get_config())(layers.Input((5, 4)))
    assert [t.shape[1:] for t in tree.flatten(symbolic)] == [t.shape[1:] for t in tree.flatten(got)]


@pytest.mark.parametrize(("name", "kwargs", "x"), OPTIONS, ids=[f"{o[0]}-{i}" for i, o in enumerate(OPTIONS)])
def test_options_odd_sizes_and_length_one(name, kwargs, x):
    ours, theirs = pair(name, kwargs, x, units=5)
    assert_same(ours(x), theirs(x))
    assert [w.path.split("/")[1:] for w in ours.weights] == [w.path.split("/")[1:] for w in theirs.weights]
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    keras.layers.deserialize(layers.serialize(ours))


@pytest.mark.parametrize(("name", "kwargs"), EACH, ids=["SimpleRNN", "LSTM", "GRU", "GRU-before"])
def test_gradients(name, kwargs):
    ours, theirs = pair(name, {**kwargs, **FLAGS[2]}, X)
    assert_same_gradients(ours, theirs, X, MASK)


@pytest.mark.parametrize(("name", "states"), [("SimpleRNN", 1), ("LSTM", 2), ("GRU", 1)])
def test_initial_state(name, states):
    ours, theirs = pair(name, {"return_sequences": True, "return_state": True}, X)
    first = [normal(3, 3) for _ in range(states)]
    assert_same(ours(X, initial_state=first), theirs(X, initial_state=first))
    assert_same(ours(X, initial_state=first, mask=MASK), theirs(X, initial_state=first, mask=MASK))
    with pytest.raises(ShapeError, match=r"needs states of shapes \[\(3, 3\).* received \[\(3, 2\)"):
        ours(X, initial_state=[normal(3, 2)] * states)


@pytest.mark.parametrize("name", ["SimpleRNNCell", "LSTMCell", "GRUCell"])
def test_cells_alone_and_in_rnn(name):
    ours, theirs = getattr(layers, name)(3), getattr(keras.layers, name)(3)
    states = [normal(3, 3) for _ in range(2 if name == "LSTMCell" else 1)]
    fill(ours, theirs, X[:, 0], states)
    assert_same(ours(X[:, 0], states), theirs(X[:, 0], states))
    outer = fill(layers.RNN(layers.deserialize(layers.serialize(ours)), return_sequences=True),
                 keras.layers.RNN(keras.layers.deserialize(keras.layers.serialize(theirs)), return_sequences=True), X)
    assert_same(outer[0](X, mask=MASK), outer[1](X, mask=MASK))
    assert [w.name for w in outer[0].weights] == [w.name for w in outer[1].weights]


@pytest.mark.parametrize("flags", [FLAGS[0], FLAGS[2]], ids=["plain", "all"])
def test_stacked_cells(flags):
    def stack(library):
        return library.RNN([library.LSTMCell(3), library.GRUCell(2), library.SimpleRNNCell(4)], **flags)

    ours, theirs = fill(stack(layers), stack(keras.layers), X)
    assert_same(ours(X, mask=MASK), theirs(X, mask=MASK))
    if flags.get("return_state") and flags.get("return_sequences"):
        assert_same_gradients(ours, theirs, X)
    assert layers.RNN.from_config(ours.get_config()).get_config() == ours.get_config()


def minimal_cell(library, scale):
    class Minimal(library.Layer):
        """A cell with the least that RNN asks for, whose output isn't its state."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.state_size = 4

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], 4), initializer="ones", name="kernel")

        def call(self, inputs, states):
            h = inputs @ self.kernel * 0.1 + states[0] * 0.5
            return h * scale, [h]

    return Minimal()


@pytest.mark.parametrize("flags", FLAGS, ids=[",".join(f) or "plain" for f in FLAGS])
def test_custom_cell(flags):
    ours = layers.RNN(minimal_cell(layers, 3.0), **flags)
    theirs = keras.layers.RNN(minimal_cell(keras.layers, 3.0), **flags)
    fill(ours, theirs, X)
    assert_same(ours(X), theirs(X))
    # Keras takes the first state for the last output of a masked step, which is right for its own cells only.
    outputs = tree.flatten(ours(X, mask=MASK))[0].numpy()
    plain = tree.flatten(layers.RNN(ours.cell, return_sequences=True, go_backwards=ours.go_backwards)(X[:, 1:3]))[0]
    want = plain.numpy()[1, -1] * (0 if ours.zero_output_for_mask else 1)
    np.testing.assert_allclose(outputs[1, -1] if ours.return_sequences else outputs[1], want, atol=1e-6)
    assert np.abs(outputs[2]).max() == 0


class Counting(layers.SimpleRNNCell):
    """Overrides `call`, so that its parts run in the loop."""

    def build(self, input_shape):
        super().build(input_shape)
        self.count = Variable(0.0, trainable=False, name="count")

    def call(self, inputs, states, training=False):
        self.count.assign_add(1.0)
        return super().call(inputs, states, training)


class Dropping(layers.Layer):
    """A cell of the user's with a layer of dropout; its output shows what was kept."""

    state_size = output_size = 4

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.drop = layers.Dropout(0.5, seed=3)

    def call(self, inputs, states, training=False):
        return self.drop(inputs, training=training), states


def test_a_cell_may_assign_variables():
    layer = layers.RNN(Counting(3))
    layer(X)
    function(layer)(X)
    assert layer.cell.count.numpy() == 2 * X.shape[1]


def test_dropout_layers_in_a_cell_drop_other_places_in_each_step():
    layer, x = layers.RNN(Dropping(), return_sequences=True), np.ones((3, 9, 4), np.float32)
    assert np.array_equal(layer(x).numpy(), x)
    runs = [run(x).numpy() for run in (lambda x: layer(x, training=True), function(lambda x: layer(x, training=True))) * 2]
    assert all(set(run.ravel().tolist()) == {0.0, 2.0} for run in runs)
    assert all(len({step.tobytes() for step in run.swapaxes(0, 1)}) > 6 for run in runs)
    assert len({run.tobytes() for run in runs}) == 4

    @function
    def gradient(x):
        with GradientTape() as tape:
            tape.watch(x)
            out = layer(x, training=True)
        return out, tape.gradient(out, x)

    kept, slope = gradient(ops.convert_to_tensor(x))
    assert np.array_equal(kept.numpy(), slope.numpy())  # the backward pass sees the same masks


class CalledLSTM(layers.LSTMCell):
    def call(self, inputs, states, training=False):
        return super().call(inputs, states, training)


@pytest.mark.parametrize("rates", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}], ids=str)
@pytest.mark.parametrize("make", [lambda **kw: CalledLSTM(3, **kw), lambda **kw: [layers.LSTMCell(4), layers.LSTMCell(3, **kw)]],
                         ids=["called", "second"])
def test_masks_of_cells_in_the_loop_are_the_same_at_all_steps(make, rates):
    """Against a loop in Python in which one call draws the masks and all steps use them."""
    layer = layers.RNN(make(**rates, seed=5), return_sequences=True)
    layer(X)
    cell = layer.cell.cells[-1] if isinstance(layer.cell, layers.StackedRNNCells) else layer.cell
    before = cell.seed_generator.state.numpy()
    got = layer(X, training=True).numpy()
    cell.seed_generator.state.assign(before)
    np.testing.assert_allclose(function(lambda x: layer(x, training=True))(X).numpy(), got, rtol=1e-5, atol=1e-6)
    cell.seed_generator.state.assign(before)
    states, outputs = layer.get_initial_state(len(X)), []
    with cell.same_masks():
        for t in range(X.shape[1]):
            output, states = layer.cell(X[:, t], states, training=True)
            outputs.append(output.numpy())
    np.testing.assert_allclose(got, np.stack(outputs, 1), rtol=1e-5, atol=1e-6)
    assert not np.allclose(got, layer(X).numpy())


@pytest.mark.parametrize(("merge", "flags"), [
    ("concat", FLAGS[1]), ("sum", FLAGS[0]), ("ave", {**FLAGS[2], "go_backwards": False}), (None, FLAGS[0]),
], ids=str)
def test_bidirectional(merge, flags):
    def wrap(library):
        return library.Bidirectional(library.LSTM(3, **flags), merge_mode=merge)

    ours, theirs = fill(wrap(layers), wrap(keras.layers), X)
    assert_same(ours(X, mask=MASK), theirs(X, mask=MASK))
    if merge == "concat":
        assert_same_gradients(ours, theirs, X, MASK)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    again = layers.Bidirectional.from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    symbolic = again(layers.Input((5, 4)))
    assert [t.shape[1:] for t in tree.flatten(symbolic)] == [t.shape[1:] for t in tree.flatten(ours(X))]


def test_bidirectional_takes_another_backward_layer_and_states():
    def wrap(library):
        return library.Bidirectional(library.GRU(3, return_sequences=True), merge_mode="concat",
                                     backward_layer=library.LSTM(2, go_backwards=True, return_sequences=True))

    ours, theirs = fill(wrap(layers), wrap(keras.layers), X)
    assert_same(ours(X), theirs(X))
    both = fill(layers.Bidirectional(layers.GRU(3)), keras.layers.Bidirectional(keras.layers.GRU(3)), X)
    first = [normal(3, 3), normal(3, 3)]
    assert_same(both[0](X, initial_state=first), both[1](X, initial_state=first))
    with pytest.raises(ValueError, match="walk the other way"):
        layers.Bidirectional(layers.GRU(3), backward_layer=layers.GRU(3))
    with pytest.raises(ValueError, match="merge_mode of layer .* must be one of"):
        layers.Bidirectional(layers.GRU(3), merge_mode="max")
    with pytest.raises(ValueError, match="needs a recurrent layer"):
        layers.Bidirectional(layers.Dense(3))


def test_stateful_layers_keep_and_reset_their_states():
    ours, theirs = pair("LSTM", {"stateful": True}, X)
    for layer in (ours, theirs):
        layer.reset_state()
    for _ in range(3):
        assert_same(ours(X), theirs(X))
    ours.reset_state(), theirs.reset_state()
    compiled = function(lambda x: ours(x))
    for _ in range(2):
        assert_same(compiled(X), theirs(X))
    with pytest.raises(ShapeError, match=r"for this batch; it keeps \[\(3, 3\), \(3, 3\)\]"):
        ours(X[:2])
    with pytest.raises(ValueError, match="stateful and needs a fixed batch size"):
        layers.GRU(3, stateful=True)(layers.Input((5, 4)))


@pytest.mark.parametrize(("name", "kwargs"), EACH, ids=["SimpleRNN", "LSTM", "GRU", "GRU-before"])
def test_dropout_masks_are_the_same_at_all_steps(name, kwargs):
    layer = getattr(layers, name)(3, dropout=0.5, seed=3, return_sequences=True, **kwargs)
    x = np.ones((4, 6, 50), np.float32)
    layer(x)
    rows, _ = layer.cell.prepare(ops.transpose(x, (1, 0, 2)), True)
    assert np.ptp(rows.numpy(), axis=0).max() < 1e-5 and np.ptp(rows.numpy(), axis=1).max() > 1e-3
    assert np.array_equal(layer(x).numpy(), layer(x).numpy())
    assert not np.array_equal(layer(x, training=True).numpy(), layer(x, training=True).numpy())

    recurrent = getattr(layers, name)(3, recurrent_dropout=0.4, seed=5, return_sequences=True, **kwargs)
    first, second = recurrent(x, training=True), recurrent(x, training=True)
    np.testing.assert_allclose(first[:, 0].numpy(), second[:, 0].numpy())  # the state is 0 there
    assert not np.allclose(first[:, 1:].numpy(), second[:, 1:].numpy())
    compiled = function(lambda v: recurrent(v, training=True))
    recurrent.cell.seed_generator.state.assign(np.array([5, 0], np.uint32))
    np.testing.assert_allclose(compiled(x).numpy(), first.numpy(), atol=1e-6)


def test_masks_travel_on():
    ids = np.array([[1, 2, 0], [3, 0, 0]], np.int32)
    def stack(library):
        embedding, inner, last = library.Embedding(5, 4, mask_zero=True), library.LSTM(3, return_sequences=True), \
            library.GRU(2)
        return embedding, inner, last

    ours, theirs = stack(layers), stack(keras.layers)
    x, y = ids, ids
    for mine, other in zip(ours, theirs, strict=True):
        mine(x), other(y)
        weights = [normal(*w.shape) for w in other.get_weights()]
        mine.set_weights(weights), other.set_weights(weights)
        x, y = mine(x), other(y)
        assert_same(x, y)


IMAGES = [
    ("ConvLSTM1D", {"filters": 3, "kernel_size": 3}, normal(2, 4, 7, 2)),
    ("ConvLSTM1D", {"filters": 2, "kernel_size": 2, "strides": 2, "padding": "same", "return_sequences": True},
     normal(3, 5, 7, 2)),
    ("ConvLSTM2D", {"filters": 3, "kernel_size": (3, 2), "padding": "same", "return_state": True, "use_bias": False},
     normal(2, 3, 5, 4, 2)),
    ("ConvLSTM2D", {"filters": 2, "kernel_size": 2, "data_format": "channels_first", "dilation_rate": 2,
                    "return_sequences": True, "go_backwards": True}, normal(1, 2, 3, 5, 6)),
    ("ConvLSTM2D", {"filters": 2, "kernel_size": 1}, normal(2, 1, 1, 1, 1)),
]


@pytest.mark.parametrize(("name", "kwargs", "x"), IMAGES, ids=[f"{c[0]}-{i}" for i, c in enumerate(IMAGES)])
def test_convolutional(name, kwargs, x):
    ours, theirs = fill(getattr(layers, name)(**kwargs), getattr(keras.layers, name)(**kwargs), x)
    assert_same(ours(x), theirs(x))
    assert [w.path.split("/")[1:] for w in ours.weights] == [w.path.split("/")[1:] for w in theirs.weights]
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    assert [t.shape[1:] for t in tree.flatten(again(layers.Input(x.shape[1:])))] == [
        t.shape[1:] for t in tree.flatten(ours(x))]
    if name == "ConvLSTM2D" and kwargs["filters"] == 3:
        assert_same_gradients(ours, theirs, x)
    assert layers.deserialize(layers.serialize(ours)).filters == kwargs["filters"]
    dropped = getattr(layers, name)(**kwargs, dropout=0.3, recurrent_dropout=0.3, seed=1)
    assert np.isfinite(tree.flatten(dropped(x, training=True))[0].numpy()).all()


NATIVE = [
    (lambda: layers.SimpleRNN(17, return_sequences=True, go_backwards=True), (6, 9, 5)),
    (lambda: layers.LSTM(17, return_sequences=True), (6, 9, 5)),
    (lambda: layers.LSTM(17, return_sequences=True, return_state=True), (6, 9, 5)),
    (lambda: layers.GRU(7, reset_after=False, return_sequences=True), (6, 9, 5)),
    (lambda: layers.RNN([layers.LSTMCell(5), layers.GRUCell(18)], return_sequences=True), (6, 9, 5)),
    (lambda: layers.Bidirectional(layers.GRU(5, return_sequences=True)), (6, 1, 5)),
    (lambda: layers.ConvLSTM2D(5, 3, padding="same", return_sequences=True), (2, 4, 7, 6, 3)),
]


@pytest.mark.parametrize(("make", "shape"), NATIVE, ids=range(len(NATIVE)))
def test_compiled_outputs_and_gradients_equal_eager_ones(make, shape):
    layer, x = make(), normal(*shape)
    layer(x)

    def run(x):
        with GradientTape() as tape:
            tape.watch(x)
            outputs = tree.flatten(layer(x))
            loss = sum(ops.sum(ops.sin(y)) for y in outputs)
        return [*outputs, *tape.gradient(loss, [x, *layer.trainable_variables])]

    assert_same(function(lambda x: layer(x))(x), tree.map_structure(np.asarray, layer(x)))
    assert_same(function(run)(x), [np.asarray(y) for y in run(ops.convert_to_tensor(x))], 1e-5)


def training_step(model, x, y):
    with GradientTape() as tape:
        loss = ops.mean(ops.square(model(x, training=True) - y))
    variables = model.trainable_variables
    for variable, grad in zip(variables, tape.gradient(loss, variables), strict=True):
        variable.assign_sub(0.1 * grad)
    return loss


@pytest.mark.parametrize("inner", [
    lambda: [layers.LSTM(7, return_sequences=True), layers.LSTM(5)],
    lambda: [layers.Bidirectional(layers.GRU(6, return_sequences=True)), layers.SimpleRNN(3)],
], ids=["lstm", "bidirectional"])
def test_compiled_training_steps_equal_eager_ones(inner):
    x, y = normal(9, 11, 3), normal(9, 1)
    models = [Sequential([*inner(), layers.Dense(1)]) for _ in range(2)]
    for model in models:
        model(x)
    models[1].set_weights(models[0].get_weights())
    step = function(lambda x, y: training_step(models[1], x, y))
    for _ in range(3):
        np.testing.assert_allclose(step(x, y).numpy(), training_step(models[0], x, y).numpy(), rtol=1e-4)
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)


def test_fit_trains_an_lstm_inside_of_the_epoch_loop():
    x = normal(50, 8, 2)
    y = (x[:, :, 0].sum(1) > 0).astype(np.float32)[:, None]
    model = Sequential([layers.LSTM(8), layers.Dense(1, activation="sigmoid")])
    model.compile(optimizer="adam", loss="binary_crossentropy")
    model.optimizer.learning_rate = 0.05
    history = model.fit(x, y, batch_size=16, epochs=12, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: layers.LSTM(0), ValueError, "units of layer 'lstm_cell.*' must be an int > 0"),
    (lambda: layers.LSTM(3, dropout=2.0), ValueError, r"dropout of layer 'lstm_cell.*' must be a finite number"),
    (lambda: layers.LSTM(3, unit=4), TypeError, "no argument 'unit'"),
    (lambda: layers.LSTM(3)(normal(2, 4)), ShapeError, r"at least 3 axes, received shape \(2, 4\)"),
    (lambda: layers.RNN(3), ValueError, "needs cells, which have call"),
    (lambda: layers.StackedRNNCells([]), ValueError, "at least one cell"),
    (lambda: layers.GRU(3)(X, mask=MASK[:, :2]), ShapeError, r"expects a mask of shape \(3, 5\), received \(3, 2\)"),
])
def test_bad_arguments_name_the_cause(make, error, text):
    with pytest.raises(error, match=text):
        make()
