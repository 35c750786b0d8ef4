"""The workload that every peer runs: the 784-128-10 network on 60,000 rows.

One folder of plain ``.npy`` files holds the data, so that a peer needs numpy and nothing else to read exactly
the rows that the others read.

* ``x_train`` float32 ``(60000, 784)`` in [0, 1], ``y_train`` float32 one-hot ``(60000, 10)``, ``c_train`` int64
  ``(60000,)``
* ``x_test``, ``y_test``, ``c_test``: the same with 10,000 rows
"""

from __future__ import annotations

import pathlib

import numpy as np

FEATURES, HIDDEN, CLASSES = 784, 128, 10
LEARNING_RATE, BETA_1, BETA_2, EPSILON = 0.001, 0.9, 0.999, 1e-7
NAMES = ("x_train", "y_train", "c_train", "x_test", "y_test", "c_test")

# Floating point operations of one training step for one row: forward, and two products per weight in the backward
# pass, except that nobody needs the gradient of the images.
FLOPS_PER_ROW = 2 * (2 * FEATURES * HIDDEN + 3 * HIDDEN * CLASSES)


def steps(rows: int, batch: int) -> int:
    """Return the number of steps of an epoch, the smaller last batch included."""
    return -(-rows // batch)


def load(folder: str) -> dict[str, np.ndarray]:
    """Read the arrays written by :func:`write`."""
    return {name: np.load(pathlib.Path(folder) / f"{name}.npy") for name in NAMES}


def random_data(rows: int = 60_000, test_rows: int = 10_000, seed: int = 0) -> dict[str, np.ndarray]:
    """Return random images whose labels a linear map decides, so that training still lowers the loss."""
    rng = np.random.default_rng(seed)
    teacher = rng.standard_normal((FEATURES, CLASSES)).astype("float32")
    data = {}
    for part, count in (("train", rows), ("test", test_rows)):
        x = rng.random((count, FEATURES), dtype="float32")
        classes = ((x - 0.5) @ teacher).argmax(axis=1)
        data |= prepared(part, x, classes)
    return data


def prepared(part: str, x: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """Return the three arrays of one part (``train`` or ``test``) from images in [0, 1] and class numbers."""
    one_hot = np.zeros((len(x), CLASSES), "float32")
    one_hot[np.arange(len(x)), classes] = 1.0
    return {
        f"x_{part}": np.ascontiguousarray(x, dtype="float32"),
        f"y_{part}": one_hot,
        f"c_{part}": classes.astype("int64"),
    }


def write(folder: str, data: dict[str, np.ndarray]) -> None:
    """Write the arrays of ``data`` into ``folder``."""
    for name in NAMES:
        np.save(pathlib.Path(folder) / f"{name}.npy", data[name])
