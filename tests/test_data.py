"""Arrays, streams and datasets on their way into training."""

from __future__ import annotations

import numpy as np
import pytest

from lamella.data import (
    ArrayData,
    Dataset,
    Stream,
    as_array,
    as_arrays,
    check_finite,
    check_positive_int,
    class_weight_to_sample_weight,
    permutation,
    unpack_batch,
)
from lamella.errors import DTypeError, ShapeError


class HasArray:
    def __array__(self, dtype=None, copy=None):
        return np.arange(3.0)


class HasDlpack:
    def __init__(self):
        self.array = np.arange(4, dtype=np.int32)

    def __dlpack__(self, **kwargs):
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_array_is_passed_on_without_a_copy():
    x = np.zeros((2, 3), np.float32)
    assert as_array(x) is x
    assert as_arrays(x) is x


@pytest.mark.parametrize(
    ("given", "shape"),
    [([[1, 2], [3, 4]], (2, 2)), ((1.0, 2.0, 3.0), (3,)), (HasArray(), (3,)), (HasDlpack(), (4,)), (5, ())],
)
def test_what_becomes_an_array(given, shape):
    assert as_array(given).shape == shape


def test_pandas_and_jax_arrays():
    pandas = pytest.importorskip("pandas")
    jax = pytest.importorskip("jax")
    assert as_arrays(pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})).tolist() == [[1, 3], [2, 4]]
    assert as_array(jax.numpy.ones((2, 2))).shape == (2, 2)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ([[1, 2], [3, 4], [5]], ShapeError, "ragged: row 0 has shape (2,), row 2 has (1,)"),
        ([[1, [2]], [3, [4]]], ShapeError, "ragged"),
        (np.array(["a", "b"]), DTypeError, "strings"),
        (["a", "b"], DTypeError, "strings"),
        (np.array([{}, 1], dtype=object), DTypeError, "objects (dict)"),
        (np.array([1 + 2j]), DTypeError, "complex"),
        (object(), DTypeError, "no array"),
    ],
)
def test_what_does_not(given, error, words):
    with pytest.raises(error) as info:
        as_array(given, "x")
    assert words in str(info.value)
    assert "x" in str(info.value)


def test_floats_take_the_default_dtype_and_images_keep_theirs():
    assert as_arrays(np.zeros(2)).dtype == np.float32
    assert as_arrays(np.zeros(2, np.uint8)).dtype == np.uint8
    assert as_arrays(np.zeros(2, np.int64)).dtype == np.int64


def test_a_list_of_arrays_is_a_tree_and_a_list_of_numbers_is_an_array():
    assert len(as_arrays([np.zeros(2), np.ones(2)])) == 2
    assert as_arrays([[1, 2]]).shape == (1, 2)
    assert set(as_arrays({"a": [1], "b": np.zeros(1)})) == {"a", "b"}


def test_lengths_must_agree_and_all_are_listed():
    with pytest.raises(ShapeError, match="fit: all arrays.* x: 3; y: 2"):
        ArrayData(np.zeros((3, 1)), np.zeros(2))
    with pytest.raises(ValueError, match="x is empty"):
        ArrayData(np.zeros((0, 1)), np.zeros(0))


def test_nan_warns_with_count_and_first_row():
    x = np.zeros((5, 2), np.float32)
    x[3] = np.nan
    with pytest.warns(UserWarning, match="x holds 2 values that are NaN or infinite, the first in row 3"):
        check_finite(x, "x")
    check_finite(np.full(4, 1e30, np.float32), "large but finite")


def test_split_takes_the_tail():
    data = ArrayData(np.arange(10.0), np.arange(10))
    train, validation = data.split(0.25)
    assert train.x.tolist() == list(range(7))
    assert validation.y.tolist() == [7, 8, 9]
    for bad in (1.5, -0.1, 1.0):
        with pytest.raises(ValueError, match="validation_split"):
            data.split(bad)
    with pytest.raises(ValueError, match="leaves"):
        data.slice(0, 2).split(0.9)


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "32"])
def test_counts_are_whole_numbers_of_at_least_one(bad):
    with pytest.raises(ValueError, match="batch_size"):
        check_positive_int(bad, "batch_size")


def test_class_weights_become_sample_weights():
    y = np.eye(3, dtype=np.float32)[[0, 2, 1]]
    assert class_weight_to_sample_weight(y, {0: 1.0, 1: 2.0, 2: 3.0}).tolist() == [1, 3, 2]
    assert class_weight_to_sample_weight(np.array([[1], [0]]), {0: 5, 1: 7}).tolist() == [7, 5]
    with pytest.raises(ValueError, match=r"no weight for the classes \[2\]"):
        class_weight_to_sample_weight(y, {0: 1.0, 1: 1.0})


def test_permutation_depends_on_seed_and_epoch_alone():
    a = permutation(50, 1, 0)
    np.random.default_rng(0).random(3)
    assert (a == permutation(50, 1, 0)).all()
    assert (a != permutation(50, 1, 1)).any()
    assert (a != permutation(50, 2, 0)).any()
    inside = permutation(10, 0, 0, batch_size=4)
    assert [sorted(inside[i : i + 4]) for i in (0, 4, 8)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


class Pages:
    """Like a PyDataset: length and items, no iterator."""

    ended = 0

    def __len__(self):
        return 2

    def __getitem__(self, i):
        return np.full((3, 1), i), np.full(3, i)

    def on_epoch_end(self):
        self.ended += 1


def test_streams():
    pages = Stream(Pages())
    assert pages.length == 2 and not pages.once
    assert [batch[0][0, 0] for batch in pages] == [0, 1]
    pages.on_epoch_end()
    assert pages.source.ended == 1
    generator = Stream(np.zeros((1, 1)) for _ in range(2))
    assert generator.once and generator.length is None
    assert [len(batch) for batch in generator] == [1, 1]
    with pytest.raises(DTypeError, match="neither"):
        Stream(3)
    with pytest.raises(ValueError, match="tuple of 4"):
        unpack_batch((1, 2, 3, 4))


def test_dataset_batches_and_shuffles():
    data = Dataset.from_tensor_slices((np.arange(10.0), np.arange(10)))
    assert len(data) == 10
    batches = [x.shape[0] for x, _ in data.batch(4)]
    assert batches == [4, 4, 2] and len(data.batch(4)) == 3
    assert [x.shape[0] for x, _ in data.batch(4, drop_remainder=True)] == [4, 4]
    shuffled = data.shuffle(100, seed=3).batch(5)
    first, second = ([int(v) for x, _ in shuffled for v in np.asarray(x)] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(10)) and first != second
    assert all(int(x) == int(y) for x, y in data.shuffle(10))


def test_dataset_chains():
    data = Dataset.from_tensor_slices(np.arange(4.0)).map(lambda v: v * 2).repeat(2).take(5)
    assert [float(v) for v in data] == [0, 2, 4, 6, 0] and len(data) == 5
    assert [np.asarray(v).tolist() for v in data.batch(3)] == [[0, 2, 4], [6, 0]]
    assert sorted(float(v) for v in data.shuffle(2, seed=1)) == [0, 0, 2, 4, 6]
    with pytest.raises(ShapeError):
        Dataset.from_tensor_slices((np.zeros(3), np.zeros(2)))
    with pytest.raises(TypeError, match="length"):
        len(Dataset.from_tensor_slices(np.zeros(2)).repeat())
