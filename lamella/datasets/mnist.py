"""MNIST: 70,000 grey images of handwritten digits, 28 × 28, ten classes."""

from __future__ import annotations

import os

import numpy as np

from lamella.datasets import _idx

ADDRESSES = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
CHECKSUMS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of the decompressed files."""


def load_data(
    path: str | os.PathLike | None = None, download: bool = True
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return MNIST as ``((x_train, y_train), (x_test, y_test))``, all uint8.

    ``x_train`` has shape ``(60000, 28, 28)`` with values 0 to 255, ``y_train`` ``(60000,)`` with the digits; the test
    arrays have 10,000 rows.

    The four idx files, gzip-compressed or not, are looked for in ``path`` alone where it is given. Without it:
    ``$LAMELLA_DATA/mnist``, ``$LAMELLA_DATA`` and ``~/.cache/lamella/mnist``. If they are in none of these and
    ``download`` is true, they come from a public mirror into the cache and are checked by SHA-256.

    Raises:
        FileNotFoundError: nothing in ``path``, or nothing anywhere and ``download`` is false.
        ConnectionError: the download failed; the message has the reason for each address.
        ValueError: a file is damaged, is not idx, or images and labels do not fit together.

    Example:
        >>> from lamella.datasets import mnist
        >>> mnist.load_data(path="/nowhere")
        Traceback (most recent call last):
            ...
        FileNotFoundError: no mnist in /nowhere: need train-images-idx3-ubyte, ... (or each with .gz)
    """
    return _idx.load("mnist", path, ADDRESSES, CHECKSUMS, (), download)
