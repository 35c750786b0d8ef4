"""Datasets of one's own, split, of windows and of folders; images in files; the progress line."""

from __future__ import annotations

import io
import os
import sys
import threading
import time

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
from keras.src.utils.dataset_utils import index_directory

import lamella as tf
from lamella import utils
from lamella.data import Dataset
from lamella.errors import ShapeError

RNG = np.random.default_rng(8)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = X @ RNG.normal(size=(4, 1)).astype(np.float32)


def mixed(base):
    """A PyDataset of Lamella's or of Keras' that notes what it is asked for."""
    class Pages(base):
        def __init__(self, size=10, **kwargs):
            super().__init__(**kwargs)
            self.size, self.asked, self.events, self.threads = size, [], [], set()

        def __len__(self):
            return (len(X) + self.size - 1) // self.size

        def __getitem__(self, i):
            self.asked.append(i)
            self.threads.add(threading.get_ident())
            rows = slice(self.size * i, self.size * (i + 1))
            return X[rows], Y[rows]

        def on_epoch_begin(self):
            self.events.append("begin")

        def on_epoch_end(self):
            self.events.append("end")

    return Pages


def model():
    m = tf.keras.Sequential([tf.keras.layers.Input((4,)), tf.keras.layers.Dense(1, kernel_initializer="zeros")])
    m.compile("sgd", "mse")
    return m


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("base", [utils.PyDataset, keras.utils.PyDataset], ids=["lamella", "keras"])
def test_py_dataset_trains_evaluates_and_predicts(base, workers):
    data, by_arrays, by_pages = mixed(base)(size=16, workers=workers), model(), model()
    want = by_arrays.fit(X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0).history["loss"]
    got = by_pages.fit(data, epochs=2, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert data.asked.count(3) == 2 and data.events == ["begin", "end"] * 2 and len(data.threads) <= workers
    np.testing.assert_allclose(by_pages.evaluate(data, verbose=0), by_arrays.evaluate(X, Y, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(by_pages.predict(data, verbose=0), by_arrays.predict(X, verbose=0), rtol=1e-5)
    validated = by_pages.fit(X, Y, validation_data=data, verbose=0).history
    assert validated["val_loss"][0] == pytest.approx(by_pages.evaluate(X, Y, verbose=0), rel=1e-5)


def test_py_dataset_is_shuffled_by_batches_as_in_keras():
    for base in (utils.PyDataset, keras.utils.PyDataset):
        data = mixed(base)(size=4)
        tf.keras.utils.set_random_seed(1)
        model().fit(data, epochs=2, verbose=0)
        first, second = data.asked[:15], data.asked[15:]
        assert sorted(first) == sorted(second) == list(range(15)) and first != second and first != list(range(15))
    again = mixed(utils.PyDataset)(size=4)
    tf.keras.utils.set_random_seed(1)
    model().fit(again, epochs=2, verbose=0)
    assert again.asked == first + second
    model().evaluate(again, verbose=0)
    assert again.asked[30:] == list(range(15))


def test_workers_work_ahead_and_in_order():
    class Slow(utils.PyDataset):
        def __init__(self):
            super().__init__(workers=4, max_queue_size=4)
            self.running = self.most = 0

        def __len__(self):
            return 12

        def __getitem__(self, i):
            self.running += 1
            self.most = max(self.most, self.running)
            time.sleep(0.002 * (3 - i % 3))
            self.running -= 1
            return np.full((1, 4), i, np.float32), np.zeros((1, 1), np.float32)

    data = Slow()
    predicted = model()
    predicted.layers[0].set_weights([np.full((4, 1), 0.25, np.float32), np.zeros(1, np.float32)])
    assert np.array_equal(predicted.predict(data, verbose=0).ravel(), np.arange(12)) and data.most > 1

    class Broken(Slow):
        def __getitem__(self, i):
            raise KeyError(f"page {i}")

    with pytest.raises(KeyError, match="page 0"):
        predicted.predict(Broken(), verbose=0)


def test_py_dataset_without_end_and_unfinished_ones():
    class Endless(utils.PyDataset):
        num_batches = None

        def __getitem__(self, i):
            return X[:5] * i, Y[:5]

    history = model().fit(Endless(), steps_per_epoch=3, epochs=2, verbose=0).history
    assert len(history["loss"]) == 2
    with pytest.raises(NotImplementedError, match="must define __len__"):
        model().fit(utils.PyDataset(), verbose=0)
    assert utils.Sequence is utils.PyDataset


def test_batches_as_tuples_as_in_keras():
    for library in (utils, keras.utils):
        pack, unpack = library.pack_x_y_sample_weight, library.unpack_x_y_sample_weight
        assert [pack(1), pack([1]), pack((1, 2)), pack(1, 2), pack(1, 2, 3)] == [1, ([1],), ((1, 2),), (1, 2), (1, 2, 3)]
        assert [unpack(1), unpack((1,)), unpack([1, 2]), unpack((1, 2, 3))] == [
            (1, None, None), (1, None, None), (1, 2, None), (1, 2, 3)]
        with pytest.raises(ValueError):
            unpack((1, 2, 3, 4))


def listed(dataset):
    return [np.asarray(item).tolist() if not isinstance(item, (tuple, dict)) else item for item in dataset]


@pytest.mark.parametrize(("sizes", "counts"), [
    ((0.8, None), (8, 2)), ((None, 0.25), (8, 2)), ((3, None), (3, 7)), ((None, 4), (6, 4)), ((2, 3), (2, 3)),
    ((0.55, 0.2), (6, 2)), ((2, 0.5), (2, 5))])
def test_split_dataset(sizes, counts):
    numbers = np.arange(10)
    for source in (numbers, Dataset.from_tensor_slices(numbers), iter(range(10)), [int(i) for i in numbers]):
        left, right = utils.split_dataset(source, *sizes)
        assert (len(left), len(right)) == counts
        assert listed(left) == list(range(counts[0])) and listed(right) == list(range(10 - counts[1], 10))
        assert listed(left) == list(range(counts[0]))  # again
    left, right = utils.split_dataset(numbers, *sizes, shuffle=True, seed=3)
    assert listed(left) == listed(utils.split_dataset(numbers, *sizes, shuffle=True, seed=3)[0]) != list(range(counts[0]))
    assert len({*listed(left), *listed(right)}) == sum(counts)


def test_split_dataset_keeps_the_structure_and_trains():
    left, right = utils.split_dataset([X, Y], right_size=0.2)
    assert all(np.array_equal(a, b) for (a, _), b in zip(left, X, strict=False))
    loss = model().fit(left.batch(8), validation_data=right.batch(8), verbose=0).history
    assert set(loss) == {"loss", "val_loss"}
    named, _ = utils.split_dataset({"a": X, "b": Y}, 0.5)
    assert set(next(iter(named))) == {"a", "b"}
    pages, _ = utils.split_dataset(Dataset.from_tensor_slices(X).batch(7), 0.5)  # the last batch is smaller
    assert [batch.shape for batch in pages] == [(7, 4)] * 4


@pytest.mark.parametrize(("sizes", "error", "text"), [
    ((), ValueError, "needs left_size or right_size"), ((0.0,), ValueError, "more than 0 and less than 1"),
    ((1.0,), ValueError, "left_size"), ((10,), ValueError, "less than 10"), ((None, -1), ValueError, "right_size"),
    (("a",), TypeError, "int or a float"), ((0.6, 0.6), ValueError, "cannot be split into 6 and 6"),
    ((0.01,), ValueError, "split into 0 and 10")])
def test_split_dataset_refuses(sizes, error, text):
    with pytest.raises(error, match=text):
        utils.split_dataset(np.arange(10), *sizes)


@pytest.mark.parametrize("kwargs", [
    {"sequence_length": 3}, {"sequence_length": 1}, {"sequence_length": 4, "sampling_rate": 3, "batch_size": 2},
    {"sequence_length": 5, "sequence_stride": 4, "batch_size": None}, {"sequence_length": 2, "start_index": 5, "end_index": 15},
    {"sequence_length": 20}, {"sequence_length": 3, "shuffle": True, "seed": 3}])
@pytest.mark.parametrize("with_targets", [True, False])
def test_windows_of_a_series(kwargs, with_targets):
    series, goals = RNG.normal(size=(20, 2)).astype(np.float32), np.arange(20)
    length, rate, stride = kwargs["sequence_length"], kwargs.get("sampling_rate", 1), kwargs.get("sequence_stride", 1)
    start, end = kwargs.get("start_index", 0), kwargs.get("end_index", 20)
    begins = [i for i in range(start, end, stride) if i + (length - 1) * rate < end]
    dataset = utils.timeseries_dataset_from_array(series, goals if with_targets else None, **kwargs)
    items = list(dataset.as_numpy_iterator())
    assert len(items) == len(dataset)
    windows = [item[0] for item in items] if with_targets else items
    if kwargs.get("batch_size", 128) is None:
        windows = [window[None] for window in windows]
    got = np.concatenate(windows)
    want = np.stack([series[i : i + (length - 1) * rate + 1 : rate] for i in begins])
    if with_targets:
        targets = np.concatenate([np.atleast_1d(item[1]) for item in items])
        order = np.argsort(targets)
        assert np.array_equal(targets[order], begins) and (not kwargs.get("shuffle") or not np.array_equal(targets, begins))
        got = got[order]
    elif kwargs.get("shuffle"):
        assert not np.array_equal(got, want)
        return
    assert np.array_equal(got, want)


def test_windows_need_targets_and_room():
    make = utils.timeseries_dataset_from_array
    assert sum(len(x) for x, _ in make(np.arange(10.0), np.arange(4), 3)) == 4
    for kwargs, text in (({"sequence_length": 0}, "sequence_length"), ({"sequence_length": 11}, "from 1 to 10"),
                         ({"sequence_length": 6, "sampling_rate": 2}, "hold no window"),
                         ({"sequence_length": 2, "end_index": 11}, "end_index"),
                         ({"sequence_length": 2, "sequence_stride": 0}, "sequence_stride"),
                         ({"sequence_length": 2, "start_index": -1}, "start")):
        with pytest.raises(ValueError, match=text):
            make(np.arange(10.0), None, **kwargs)


# Images in files

IMAGES = {"rgb": RNG.integers(0, 256, (9, 7, 3), np.uint8), "gray": RNG.integers(0, 256, (6, 8, 1), np.uint8),
          "rgba": RNG.integers(0, 256, (5, 5, 4), np.uint8)}


@pytest.mark.parametrize("name", IMAGES)
def test_images_in_files_as_in_keras(tmp_path, name):
    image = IMAGES[name]
    for library, file in ((utils, tmp_path / "ours.png"), (keras.utils, tmp_path / "theirs.png")):
        library.save_img(file, image, scale=False)
    for file in (tmp_path / "ours.png", str(tmp_path / "theirs.png")):
        for kwargs in ({}, {"color_mode": "grayscale"}, {"color_mode": "rgba"},
                       {"target_size": (4, 6), "interpolation": "bilinear"}, {"target_size": (4, 3), "keep_aspect_ratio": True}):
            ours, theirs = utils.load_img(file, **kwargs), keras.utils.load_img(file, **kwargs)
            assert ours.mode == theirs.mode and ours.size == theirs.size
            for arguments in ({}, {"data_format": "channels_first"}, {"dtype": "uint8"}):
                got, want = utils.img_to_array(ours, **arguments), keras.utils.img_to_array(theirs, **arguments)
                assert got.dtype == want.dtype and np.array_equal(got, want)
    same = utils.img_to_array(utils.load_img(tmp_path / "ours.png", {"gray": "grayscale"}.get(name, name)))
    assert np.array_equal(same, image)
    with open(tmp_path / "ours.png", "rb") as file:
        assert utils.load_img(io.BytesIO(file.read())).size == image.shape[1::-1]


def test_arrays_become_images_as_they_should(tmp_path):
    x = RNG.normal(size=(5, 6, 3))
    for kwargs in ({}, {"data_format": "channels_first"}):
        given = x.transpose(2, 0, 1) if kwargs else x
        scaled = (x - x.min()) / (x.max() - x.min()) * 255
        assert np.abs(np.asarray(utils.array_to_img(given, **kwargs)) - scaled).max() <= 1
    assert utils.array_to_img(np.full((2, 2, 1), 300.0), scale=False).mode == "I"
    assert np.asarray(utils.array_to_img(np.full((2, 2, 1), 7.0))).max() == 0
    with pytest.warns(UserWarning, match="saved as RGB"):
        utils.save_img(tmp_path / "a.jpg", IMAGES["rgba"])
    assert utils.load_img(tmp_path / "a.jpg").size == (5, 5)
    for bad in (np.zeros((2, 2)), np.zeros((2, 2, 2))):
        with pytest.raises(ShapeError, match="1, 3 or 4 channels"):
            utils.array_to_img(bad)
    with pytest.raises(ShapeError, match="2 or 3 axes"):
        utils.img_to_array(np.zeros(3))
    with pytest.raises(ValueError, match="Did you mean 'grayscale'"):
        utils.load_img("x.png", color_mode="greyscale")
    resize = tf.keras.preprocessing.image.smart_resize
    np.testing.assert_allclose(resize(x, (3, 9)), keras.preprocessing.image.smart_resize(x.astype("float32"), (3, 9)), rtol=1e-5,
                               atol=1e-5)


def test_without_pillow_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    image = IMAGES["rgb"]
    for call in (lambda: utils.load_img("x.png"), lambda: utils.array_to_img(image), lambda: utils.save_img("x.png", image)):
        with pytest.raises(ImportError, match=r"needs Pillow.*lamella\[images\]"):
            call()


@pytest.fixture
def folders(tmp_path):
    for folder, count in (("cats", 7), ("dogs", 5), (".hidden", 2)):
        (tmp_path / folder / "deep").mkdir(parents=True)
        for i in range(count):
            shade = np.full((4 + i, 6, 3), 20 * i + (100 if folder == "dogs" else 0), np.uint8)
            utils.save_img(tmp_path / folder / ("deep" if i == 3 else "") / f"{i}.png", shade, scale=False)
            (tmp_path / folder / f"{i}.txt").write_text(f"{folder} number {i}")
    return tmp_path


@pytest.mark.parametrize("kwargs", [{}, {"shuffle": False}, {"class_names": ["dogs", "cats"]}, {"labels": None}])
def test_folders_are_read_as_in_keras(folders, kwargs, capsys):
    theirs = index_directory(str(folders), **{"labels": "inferred", "formats": (".png",), "seed": 5, "verbose": True, **kwargs})
    printed = capsys.readouterr().out
    data = utils.image_dataset_from_directory(folders, **{"seed": 5, "image_size": (4, 5), "batch_size": 5, **kwargs})
    assert capsys.readouterr().out == printed
    assert list(data.file_paths) == list(theirs[0]) and data.class_names == theirs[2]
    if kwargs.get("shuffle") is False:
        labels = np.concatenate([y for _, y in data.as_numpy_iterator()])
        assert labels.dtype == np.int32 and np.array_equal(labels, theirs[1])


def test_images_of_folders(folders):
    read = utils.image_dataset_from_directory
    data = read(folders, image_size=(4, 5), batch_size=5, shuffle=False, verbose=False)
    batches = list(data)
    assert [x.shape for x, _ in batches] == [(5, 4, 5, 3), (5, 4, 5, 3), (2, 4, 5, 3)] and len(data) == 3
    shades = np.concatenate([x.numpy()[:, 0, 0, 0] for x, _ in batches])
    assert batches[0][0].dtype == "float32" and np.array_equal(shades, [0, 20, 40, 80, 100, 120, 60, 100, 120, 140, 180, 160])
    one_hot = next(iter(read(folders, label_mode="categorical", image_size=8, verbose=False)))
    assert one_hot[0].shape == (12, 8, 8, 3) and one_hot[1].shape == (12, 2) and one_hot[1].dtype == "float32"
    binary = next(iter(read(folders, label_mode="binary", color_mode="grayscale", data_format="channels_first", verbose=False)))
    assert binary[0].shape == (12, 1, 256, 256) and binary[1].shape == (12, 1) and binary[1].dtype == "float32"
    alone = next(iter(read(folders, labels=None, batch_size=None, image_size=(3, 3), color_mode="rgba", verbose=False)))
    assert alone.shape == (3, 3, 4)
    first, second = ([y.numpy().tolist() for _, y in moved] for moved in [read(folders, seed=1, image_size=2, verbose=False)] * 2)
    assert sorted(first[0]) == sorted(second[0]) and first != second
    given = read(folders, labels=list(range(14)), image_size=2, shuffle=False, verbose=False)  # hidden folders count, as in Keras
    assert next(iter(given))[1].numpy().tolist() == list(range(14)) and len(given.class_names) == 14


def test_training_and_validation_files(folders, capsys):
    kwargs = {"validation_split": 0.25, "seed": 4, "image_size": 2}
    train, test = (utils.image_dataset_from_directory(folders, subset=part, **kwargs) for part in ("training", "validation"))
    assert capsys.readouterr().out.splitlines()[1::2] == ["Using 9 files for training.", "Using 3 files for validation."]
    assert len(set(train.file_paths) | set(test.file_paths)) == 12 and len(test.file_paths) == 3
    both = utils.image_dataset_from_directory(folders, subset="both", **kwargs)
    assert [part.file_paths for part in both] == [train.file_paths, test.file_paths]
    texts = utils.text_dataset_from_directory(folders, subset="validation", validation_split=0.25, seed=4, verbose=False)
    assert len(texts.file_paths) == 3


def test_a_network_trains_on_a_folder(folders):
    train = utils.image_dataset_from_directory(folders, image_size=(6, 6), batch_size=4, seed=1, verbose=False)
    layers = tf.keras.layers
    model = tf.keras.Sequential([layers.Input((6, 6, 3)), layers.RandomFlip(seed=1), layers.Rescaling(1 / 255), layers.Flatten(),
                                 layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    assert len(model.fit(train, epochs=2, verbose=0).history["loss"]) == 2 and model.predict(train, verbose=0).shape == (12, 1)


def test_texts_of_folders(folders):
    data = utils.text_dataset_from_directory(folders, shuffle=False, batch_size=8, max_length=6, verbose=False)
    texts, labels = next(iter(data))
    assert texts.tolist() == ["cats n"] * 7 + ["dogs n"] and labels.numpy().tolist() == [0] * 7 + [1]
    words = tf.keras.layers.TextVectorization(output_sequence_length=3)
    words.adapt(utils.text_dataset_from_directory(folders, labels=None, batch_size=4, verbose=False))
    assert {"cats", "dogs", "number"} <= set(words.get_vocabulary())
    single = next(iter(utils.text_dataset_from_directory(folders, shuffle=False, batch_size=None, verbose=False)))
    assert single[0] == "cats number 0" and int(single[1]) == 0


@pytest.mark.parametrize(("kwargs", "text"), [
    ({"labels": [1, 2]}, "labels has 2 entries.*14 files"), ({"labels": "none"}, "labels must be 'inferred'"),
    ({"label_mode": "float"}, "label_mode must be"), ({"class_names": ["cats", "cows"]}, r"\['cows'\] are no folders"),
    ({"class_names": ["cats"], "label_mode": "binary"}, "needs two classes"), ({"validation_split": 0.2}, "go together"),
    ({"validation_split": 0.2, "subset": "training"}, "needs a seed"), ({"validation_split": 2, "subset": "both"}, "less than 1"),
    ({"subset": "test", "validation_split": 0.1}, "subset must be"),
    ({"class_names": ["cats"], "labels": None}, "class_names can only"),
    ({"validation_split": 0.01, "subset": "validation", "seed": 1}, "No validation files"),
    ({"color_mode": "bgr"}, "Unknown color_mode"),
    ({"interpolation": "area"}, "Unknown interpolation 'area'"), ({"image_size": (1, 2, 3)}, "image_size must be")])
def test_folders_that_cannot_be_read(folders, kwargs, text):
    with pytest.raises(ValueError, match=text):
        utils.image_dataset_from_directory(folders, **{"verbose": False, **kwargs})


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_line(monkeypatch, terminal):
    out = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    bar = utils.Progbar(4, interval=0, stateful_metrics=["rate"])
    for step, (loss, rate) in enumerate(((4.0, 1.0), (2.0, 0.5), (3.0, 0.25)), 1):
        bar.update(step, [("loss", loss), ("rate", rate)])
    before = out.getvalue()
    bar.update(4, [("loss", 0.5), ("rate", 0.125)])
    lines = [line.strip() for line in out.getvalue().replace("\r", "\n").strip().splitlines()]
    assert len(lines) == (4 if terminal else 1) and bool(before) == terminal
    assert lines[-1].startswith("4/4 " + "━" * 20) and lines[-1].endswith("/step - loss: 0.5000 - rate: 0.1250")
    if terminal:
        assert "3/4 ━━━━━━━━━━━━━━━─────" in lines[2] and lines[2].endswith("loss: 3.0000 - rate: 0.2500")
    with pytest.raises(ValueError, match="not both"):
        utils.Progbar(3, stateful_metrics=[], stateless_metrics=[])


def test_progress_values_are_those_of_keras():
    for library in (utils, keras.utils):
        bar = library.Progbar(10, verbose=0, stateless_metrics=["mean"])
        for step, value in ((2, 1.0), (3, 4.0), (7, 0.5)):
            bar.update(step, [("mean", value), ("last", value)])
        sums = bar._sums if library is utils else bar._values
        assert sums["mean"][0] / sums["mean"][1] == pytest.approx((2 * 1 + 4 + 4 * 0.5) / 7)
        assert sums["last"][0] / sums["last"][1] == 0.5
