"""`model.profile` and `LAMELLA_LOG=profile`: what the report says, and that the model stays as it is."""

from __future__ import annotations

import time

import numpy as np
import pytest

import lamella as tf
from lamella.explain import profile as report_module
from lamella.settings import settings

layers = tf.keras.layers
BATCH = 16


def conv_net(optimizer="adam"):
    model = tf.keras.Sequential([
        layers.Input((10, 12, 3)), layers.Conv2D(5, (3, 2), activation="relu", name="first"), layers.MaxPooling2D(name="pool"),
        layers.Conv2D(7, 3, padding="same", name="second"), layers.Flatten(), layers.Dense(6, name="top")])  # fmt: skip
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, name="loss_of_classes")
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def data(rows=4 * BATCH):
    rng = np.random.default_rng(0)
    return rng.random((rows, 10, 12, 3), dtype="float32"), rng.integers(0, 6, rows).astype("int32")


class Batches:
    """Batches that can be read again and again."""

    def __init__(self, *batch):
        self.batch = batch

    def __iter__(self):
        return iter([self.batch] * 3)


def state(model):
    return [np.array(v) for v in model.variables + model.optimizer.variables + [w for m in model.metrics for w in m.variables]]


# Products of the layers by hand: outputs x terms of each sum, two operations per term.
FIRST = 2 * (BATCH * 8 * 11 * 5) * (3 * 2 * 3)
SECOND = 2 * (BATCH * 4 * 5 * 7) * (3 * 3 * 5)  # zeros around the image count
TOP = 2 * BATCH * (4 * 5 * 7) * 6


def flops(report, layer, does):
    return sum(row.flops for row in report.rows if row.layers[:1] == (layer,) and row.does[0] == does)


def test_flops_are_those_of_the_layers():
    x, y = data()
    report = conv_net().profile(x, y, batch_size=BATCH, steps=2)
    assert flops(report, "first", "forward") == FIRST == flops(report, "first", "backward")  # no gradient towards the images
    assert flops(report, "second", "forward") == SECOND
    assert flops(report, "second", "backward") == 2 * SECOND
    assert flops(report, "top", "forward") == TOP and flops(report, "top", "backward") == 2 * TOP
    loss = 2 * BATCH * 6  # the sum of one-hot classes times log probabilities
    assert report.total.flops == 2 * FIRST + 3 * SECOND + 3 * TOP + loss


@pytest.mark.parametrize("mode", ["evaluate", "predict"])
def test_modes_without_training(mode):
    x, y = data()
    report = conv_net().profile(x, None if mode == "predict" else y, batch_size=BATCH, steps=3, mode=mode)
    products = FIRST + SECOND + TOP
    assert report.total.flops == products + (2 * BATCH * 6 if mode == "evaluate" else 0)
    done = {word for row in report.rows for word in row.does}
    assert done <= {"forward", "metrics", "batch"} and "forward" in done
    assert ("metrics" in done) == (mode == "evaluate")


def test_products_that_became_sums_count_and_loops_count_every_step():
    """A layer with one unit has no columns to tile; an LSTM multiplies once per time step."""
    model = tf.keras.Sequential([layers.Input((7, 5)), layers.LSTM(4, name="lstm"), layers.Dense(1, name="top")])
    model.compile("sgd", "mse")
    report = model.profile(np.ones((BATCH, 7, 5), "float32"), mode="predict", steps=2)
    assert flops(report, "top", "forward") == 2 * BATCH * 4
    assert flops(report, "lstm", "forward") == 2 * BATCH * 7 * (5 + 4) * 16
    assert any(row.calls == 7 for row in report.rows)


def test_times_add_up_to_the_step():
    x, y = data(64 * BATCH)
    model = conv_net()
    began = time.perf_counter()
    report = model.profile(x, y, batch_size=BATCH, steps=200)
    whole = time.perf_counter() - began
    assert sum(row.seconds for row in report.rows) == pytest.approx(report.total.seconds, rel=1e-9)
    assert 0 < report.total.seconds * 200 < whole
    *kernels, waiting, between = report.rows
    assert all(row.seconds >= 0 for row in report.rows) and waiting.kernel == "(waiting)"
    assert between.seconds < 0.3 * report.total.seconds  # loop, counters, calls
    assert sum(map(report.share, report.rows)) == pytest.approx(1)


def test_bytes_of_an_update_and_of_a_batch():
    model = tf.keras.Sequential([layers.Input((64,)), layers.Dense(48, name="dense", use_bias=False)])
    model.compile("adam", "mse")
    report = model.profile(np.ones((BATCH * 2, 64), "float32"), np.ones((BATCH * 2, 48), "float32"), batch_size=BATCH, steps=2)
    weights, rows = 64 * 48 * 4, BATCH * 64 * 4
    update = next(row for row in report.rows if row.does == ("backward", "update"))
    assert update.flops == 2 * BATCH * 64 * 48
    scalars = update.nbytes - (rows + BATCH * 48 * 4 + 6 * weights)  # the rate and the step; operands; 3 arrays read and written
    assert 0 <= scalars <= 64
    gathered = next(row for row in report.rows if row.operations == ("gather",) and row.nbytes > rows)
    assert 0 <= gathered.nbytes - (2 * rows + 8 * BATCH) <= 64  # rows and their numbers, not the whole data


def test_the_model_stays_as_it_is_and_trains_as_without():
    x, y = data()
    models = []
    for profiled in (False, True):
        tf.keras.utils.set_random_seed(3)
        model = conv_net()
        model.fit(x, y, BATCH, verbose=0)
        before = state(model)
        if profiled:
            model.profile(x, y, BATCH, steps=5)
            assert all(np.array_equal(a, b) for a, b in zip(before, state(model), strict=True))
        model.fit(x, y, BATCH, verbose=0, shuffle=False)
        models.append(state(model))
    assert all(np.array_equal(a, b) for a, b in zip(*models, strict=True))


@pytest.fixture
def every_row(monkeypatch):
    """The table shows all kernels, however long a busy machine kept the others waiting."""
    monkeypatch.setattr(report_module, "LEAST", 0.0)


def test_the_table_names_layers_and_totals(every_row):
    x, y = data()
    text = str(conv_net("rmsprop").profile(x, y, BATCH, steps=3))
    for word in ("first", "second", "pool", "top", "rm_sprop", "backward", "update", "contract", "(waiting)", "total", "of peak",
                 "train step of 16 rows", "mean of 3 steps"):
        assert word in text, text
    assert "sequential/" not in text


def test_a_loop_names_the_layer_it_belongs_to_in_both_directions():
    model = tf.keras.Sequential([layers.Input((7, 5)), layers.GRU(4, name="gru"), layers.Dense(1)])
    model.compile("sgd", "mse")
    report = model.profile(np.ones((BATCH, 7, 5), "float32"), np.ones((BATCH, 1), "float32"), steps=2)
    inner = [row for row in report.rows if row.calls == 7]
    assert {word for row in inner for word in row.does} >= {"forward", "backward"}
    assert all("gru" in row.layers[0] for row in inner), [row for row in inner if not row.layers]


def test_streams_and_own_training_steps():
    class Own(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)

        def train_step(self, batch):
            return {**super().train_step(batch), "seven": tf.convert_to_tensor(7.0)}

    model = Own()
    model.compile("sgd", "mse")
    report = model.profile(Batches(np.ones((6, 3), "float32"), np.ones((6, 2), "float32")), steps=2)
    assert "of 6 rows" in report.title and report.total.flops >= 2 * 2 * 6 * 3 * 2


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"mode": "training"}, ValueError, "train"),
        ({"steps": 0}, ValueError, "steps"),
        ({"batch_size": 0}, ValueError, "batch_size"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        conv_net().profile(*data(), **arguments)


def test_it_needs_a_compiled_model_and_the_native_target(monkeypatch):
    model = tf.keras.Sequential([layers.Input((2,)), layers.Dense(1)])
    with pytest.raises(RuntimeError, match="profile"):
        model.profile(np.ones((4, 2), "float32"), np.ones((4, 1), "float32"))
    model.compile("sgd", "mse")
    monkeypatch.setattr(settings, "target", "reference")
    with pytest.raises(ValueError, match="no kernels"):
        model.profile(np.ones((4, 2), "float32"), np.ones((4, 1), "float32"))


@pytest.mark.parametrize("stream", [False, True])
def test_the_log_prints_the_steps_of_a_fit(monkeypatch, capsys, every_row, stream):
    monkeypatch.setattr(settings, "log", frozenset({"profile"}))
    x, y = data()
    model = conv_net()
    for _ in range(2):
        if stream:
            model.fit(Batches(x[:BATCH], y[:BATCH]), epochs=2, verbose=0)
        else:
            model.fit(x, y, BATCH, epochs=2, verbose=0)
    text = capsys.readouterr().err
    assert text.count("steps of fit") == 2 and f"{6 if stream else 8} steps of fit" in text
    assert "first" in text and "second" in text


def test_the_log_is_silent_without(capsys):
    x, y = data()
    conv_net().fit(x, y, BATCH, verbose=0)
    assert capsys.readouterr().err == ""
