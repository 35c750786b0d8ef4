"""TensorBoard files, read back with TensorBoard's own reader."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def
from tensorboard.util import tensor_util

import lamella as tf
from lamella.callbacks import TensorBoard

RNG = np.random.default_rng(0)
X = RNG.random((70, 6), dtype=np.float32)
Y = np.eye(3, dtype=np.float32)[RNG.integers(0, 3, 70)]


def fit(tmp_path, epochs=2, **kwargs):
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Dense(4, activation="relu", input_shape=(6,), name="hidden"),
            tf.keras.layers.Dense(3, activation="softmax", name="out"),
        ],
        name="net",
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        X,
        Y,
        batch_size=20,
        epochs=epochs,
        validation_data=(X[:10], Y[:10]),
        verbose=0,
        callbacks=[TensorBoard(tmp_path, **kwargs)],
    )
    return model, history.history


def read(tmp_path, run):
    events = EventAccumulator(str(tmp_path / run), size_guidance={"tensors": 0})
    events.Reload()
    return events


def scalars(events, tag):
    return [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in events.Tensors(tag)]


def test_scalars_have_keras_tags_and_steps(tmp_path):
    model, history = fit(tmp_path)
    train, validation = read(tmp_path, "train"), read(tmp_path, "validation")
    assert set(train.Tags()["tensors"]) == {"epoch_loss", "epoch_accuracy", "epoch_learning_rate", "keras"}
    assert set(validation.Tags()["tensors"]) == {
        "epoch_loss",
        "epoch_accuracy",
        "evaluation_loss_vs_iterations",
        "evaluation_accuracy_vs_iterations",
    }
    for events, prefix in ((train, ""), (validation, "val_")):
        for name in ("loss", "accuracy"):
            assert scalars(events, f"epoch_{name}") == [
                (i, pytest.approx(v)) for i, v in enumerate(history[prefix + name])
            ]
    assert scalars(train, "epoch_learning_rate") == [(0, pytest.approx(0.001)), (1, pytest.approx(0.001))]
    assert [step for step, _ in scalars(validation, "evaluation_loss_vs_iterations")] == [4, 8]
    assert train.SummaryMetadata("epoch_loss").plugin_data.plugin_name == "scalars"
    proto = train.Tensors("epoch_loss")[0].tensor_proto
    assert proto.dtype == 1 and len(proto.tensor_content) == 4 and not proto.tensor_shape.dim


def test_file_names(tmp_path):
    fit(tmp_path)
    names = [path.name for path in (tmp_path / "train").iterdir()]
    assert len(names) == 1 and names[0].startswith("events.out.tfevents.") and names[0].endswith(".v2")


def test_histograms_count_every_weight(tmp_path):
    model, _ = fit(tmp_path, histogram_freq=1)
    train = read(tmp_path, "train")
    for weight in model.weights:
        tag = f"{weight.path}/histogram"
        assert tag.startswith("net/")
        events = train.Tensors(tag)
        assert [e.step for e in events] == [0, 1]
        buckets = tensor_util.make_ndarray(events[-1].tensor_proto)
        assert buckets.shape == (30, 3) and buckets.dtype == np.float64
        assert buckets[:, 2].sum() == np.prod(weight.shape)
        values = np.asarray(weight)
        assert buckets[0, 0] == pytest.approx(values.min()) and buckets[-1, 1] == pytest.approx(values.max())
        assert train.SummaryMetadata(tag).plugin_data.plugin_name == "histograms"


def test_weights_as_images(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    fit(tmp_path, histogram_freq=1, write_images=True, epochs=1)
    train = read(tmp_path, "train")
    image = tensor_util.make_ndarray(train.Tensors("net/hidden/kernel/image")[0].tensor_proto)
    assert [int(image[0]), int(image[1])] == [6, 4] and len(image) == 3
    assert pillow.open(io.BytesIO(image[2])).size == (6, 4)
    assert train.SummaryMetadata("net/hidden/kernel/image").plugin_data.plugin_name == "images"


def test_the_graph_is_the_models_json(tmp_path):
    model, _ = fit(tmp_path, epochs=1)
    train = read(tmp_path, "train")
    metadata = train.SummaryMetadata("keras")
    assert metadata.plugin_data.plugin_name == "graph_keras_model" and metadata.plugin_data.content == b"1"
    text = tensor_util.make_ndarray(train.Tensors("keras")[0].tensor_proto).item()
    assert json.loads(text) == json.loads(model.to_json())
    nodes = [node.name for node in keras_model_to_graph_def(json.loads(text)).node]
    assert any("hidden" in name for name in nodes) and any("out" in name for name in nodes)


@pytest.mark.parametrize(("freq", "steps"), [("batch", list(range(1, 9))), (3, [3, 6])])
def test_batch_scalars_and_never_a_missing_epoch(tmp_path, freq, steps):
    _, history = fit(tmp_path, update_freq=freq, histogram_freq=1, write_steps_per_second=True)
    train = read(tmp_path, "train")
    assert [step for step, _ in scalars(train, "batch_loss")] == steps
    assert [step for step, _ in scalars(train, "batch_accuracy")] == steps
    assert [step for step, _ in scalars(train, "epoch_loss")] == [0, 1]
    assert "epoch_steps_per_second" in train.Tags()["tensors"]
    times = [e.wall_time for e in train.Tensors("batch_loss")]
    assert times == sorted(times)
    if freq == "batch":
        running = dict(scalars(train, "batch_accuracy"))
        assert running[4] == pytest.approx(history["accuracy"][0]) and running[8] == pytest.approx(
            history["accuracy"][1]
        )


def test_no_folder_without_validation(tmp_path):
    model = tf.keras.Sequential([tf.keras.layers.Dense(3, input_shape=(6,))])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path)])
    assert not (tmp_path / "validation").exists()


def test_bad_arguments_and_a_missing_package(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="update_freq"):
        TensorBoard(tmp_path, update_freq="often")
    with pytest.raises(ValueError, match="update_freq"):
        TensorBoard(tmp_path, update_freq=-2)
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto", None)
    with pytest.raises(ImportError, match=r"pip install 'lamella\[tensorboard\]'"):
        TensorBoard(tmp_path)
