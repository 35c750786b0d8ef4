"""Fashion-MNIST: 70,000 grey images of clothes, 28 × 28, ten classes."""

from __future__ import annotations

import os

import numpy as np

from lamella.datasets import _idx

ADDRESSES = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
SYSTEM = ("/usr/share/datasets/fashion-mnist",)
CHECKSUMS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""SHA-256 of the decompressed files: packagers compress them anew."""

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def load_data(
    path: str | os.PathLike | None = None, download: bool = True
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return Fashion-MNIST as ``((x_train, y_train), (x_test, y_test))``, all uint8.

    ``x_train`` has shape ``(60000, 28, 28)`` with values 0 to 255, ``y_train`` ``(60000,)`` with class numbers 0 to 9
    (names in ``CLASSES``); the test arrays have 10,000 rows.

    The four idx files, gzip-compressed or not, are looked for in ``path`` alone where it is given. Without it:
    ``$LAMELLA_DATA/fashion_mnist``, ``$LAMELLA_DATA``, ``~/.cache/lamella/fashion_mnist`` and
    ``/usr/share/datasets/fashion-mnist``, where Debian's package dataset-fashion-mnist puts them. If they are in none
    of these and ``download`` is true, they come from the authors' address into the cache and are checked by SHA-256.

    Raises:
        FileNotFoundError: nothing in ``path``, or nothing anywhere and ``download`` is false.
        ConnectionError: the download failed; the message has the reason for each address.
        ValueError: a file is damaged, is not idx, or images and labels do not fit together.

    Example:
        >>> from lamella.datasets import fashion_mnist
        >>> try:
        ...     (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data(download=False)
        ...     shape = x_train.shape
        ... except FileNotFoundError:  # not on this machine: see the message for where to put it
        ...     shape = (60000, 28, 28)
        >>> shape
        (60000, 28, 28)
    """
    hint = "; on Debian and Ubuntu: apt install dataset-fashion-mnist"
    return _idx.load("fashion_mnist", path, ADDRESSES, CHECKSUMS, SYSTEM, download, hint)
