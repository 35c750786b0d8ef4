"""The array helpers: as in Keras, and with better errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella import utils


@pytest.mark.parametrize(
    ("x", "num_classes", "shape"),
    [
        ([0, 2, 1], None, (3, 3)),
        ([0, 2, 1], 5, (3, 5)),
        ([[0], [2], [1]], None, (3, 3)),
        ([[0, 1], [2, 1]], 3, (2, 2, 3)),
        ([[[1]]], 2, (1, 1, 2)),
        (3, None, (4,)),
        ([], 4, (0, 4)),
        (np.array([1, 0], "uint8"), 2, (2, 2)),
        ([1.0, 2.0], None, (2, 3)),
    ],
)
def test_to_categorical(x, num_classes, shape):
    result = utils.to_categorical(x, num_classes)
    assert result.shape == shape and result.dtype == np.float32
    np.testing.assert_array_equal(result.sum(axis=-1), np.ones(shape[:-1]))
    np.testing.assert_array_equal(result.argmax(axis=-1).ravel(), np.ravel(x))


@pytest.mark.parametrize(
    ("x", "num_classes", "message"),
    [
        ([0, 1, 5], 3, r"5 at position 2 is not a class number from 0 to 2 \(1 of 3 are not\)"),
        ([0, -1], None, "-1 at position 1"),
        ([[0, 1], [7, 0]], 3, r"7 at position \(1, 0\)"),
        ([0.5], 2, "0.5 at position 0 is not a whole number"),
        ([0.0, float("nan")], 2, "nan at position 1 is not a whole number"),
        ([-1, -2], None, "-1 at position 0"),
        ([], None, "num_classes must be given"),
    ],
)
def test_to_categorical_refuses(x, num_classes, message):
    with pytest.raises(ValueError, match=message):
        utils.to_categorical(x, num_classes)


def test_normalize():
    x = np.array([[3.0, -4.0], [0.0, 0.0]])
    np.testing.assert_allclose(utils.normalize(x), [[0.6, -0.8], [0, 0]])
    np.testing.assert_allclose(utils.normalize(x, order=1), [[3 / 7, -4 / 7], [0, 0]])
    np.testing.assert_allclose(utils.normalize(x, order=np.inf), [[0.75, -1], [0, 0]])
    np.testing.assert_allclose(utils.normalize(x, axis=0), [[1, -1], [0, 0]])
    assert utils.normalize(x.astype("float32")).dtype == np.float32
    with pytest.raises(np.exceptions.AxisError):
        utils.normalize(x, axis=2)


def test_pad_sequences():
    sequences = [[1], [2, 3], [4, 5, 6]]
    pad = utils.pad_sequences
    np.testing.assert_array_equal(pad(sequences), [[0, 0, 1], [0, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(pad(sequences, padding="post"), [[1, 0, 0], [2, 3, 0], [4, 5, 6]])
    np.testing.assert_array_equal(pad(sequences, maxlen=2, value=9), [[9, 1], [2, 3], [5, 6]])
    np.testing.assert_array_equal(pad(sequences, maxlen=2, truncating="post"), [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(pad([[], [1]], padding="post", value=-1), [[-1], [1]])
    np.testing.assert_array_equal(pad([["a"], ["b", "c"]], dtype=object, value="-"), [["-", "a"], ["b", "c"]])
    assert pad([[[1, 2]], [[3, 4], [5, 6]]]).shape == (2, 2, 2)
    assert pad([]).shape == (0, 0)
    assert pad(sequences, maxlen=0).shape == (3, 0)
    assert pad(sequences).dtype == np.int32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequences": [1, 2]}, "sample 0 is 1, not a sequence"),
        ({"sequences": 3}, "must be a list of sequences"),
        ({"sequences": [[1]], "padding": "left"}, "padding is 'left'"),
        ({"sequences": [[1]], "truncating": "right"}, "truncating is 'right'"),
        ({"sequences": [[1]], "value": "x"}, "dtype int32 cannot hold the text 'x'"),
        ({"sequences": [[[1, 2]], [[1, 2, 3]]]}, r"entries of sample 1 have shape \(3,\), before it \(2,\)"),
    ],
)
def test_pad_sequences_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        utils.pad_sequences(**arguments)


@given(
    sequences=st.lists(st.lists(st.integers(-5, 5), max_size=6), max_size=5),
    maxlen=st.none() | st.integers(0, 8),
    padding=st.sampled_from(["pre", "post"]),
    truncating=st.sampled_from(["pre", "post"]),
)
def test_pad_sequences_row_by_row(sequences, maxlen, padding, truncating):
    result = utils.pad_sequences(sequences, maxlen, padding=padding, truncating=truncating, value=7)
    length = max(map(len, sequences), default=0) if maxlen is None else maxlen
    assert result.shape == (len(sequences), length)
    for row, sequence in zip(result, sequences, strict=True):
        kept = sequence[max(len(sequence) - length, 0) :] if truncating == "pre" else sequence[:length]
        fill = [7] * (length - len(kept))
        assert row.tolist() == (fill + kept if padding == "pre" else kept + fill)
