"""Data set loaders, on small idx files written here."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import pathlib
import threading

import numpy as np
import pytest

from lamella.datasets import _idx, fashion_mnist, mnist

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, CODES[array.dtype.str[1:]], array.ndim])
    return (
        head
        + b"".join(n.to_bytes(4, "big") for n in array.shape)
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


def small(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {"train": 12, "t10k": 5}
    arrays = {}
    for part, count in shapes.items():
        arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (count, 28, 28), dtype="uint8")
        arrays[f"{part}-labels-idx1-ubyte"] = rng.integers(0, 10, count, dtype="uint8")
    return arrays


def write(folder: pathlib.Path, arrays: dict[str, np.ndarray], packed: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path, monkeypatch):
    """No data of this machine, no network: caches and addresses point into the test's folder."""
    monkeypatch.delenv("LAMELLA_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fashion_mnist, "SYSTEM", (str(tmp_path / "system"),))
    monkeypatch.setattr(fashion_mnist, "ADDRESSES", ("http://127.0.0.1:9/",))
    monkeypatch.setattr(mnist, "ADDRESSES", ("http://127.0.0.1:9/",))


def check(loaded, arrays):
    (x_train, y_train), (x_test, y_test) = loaded
    for got, name in zip((x_train, y_train, x_test, y_test), _idx.FILES, strict=True):
        assert got.dtype == np.uint8
        assert got.flags.writeable and got.flags.c_contiguous
        np.testing.assert_array_equal(got, arrays[name])


@pytest.mark.parametrize("loader", [fashion_mnist, mnist])
@pytest.mark.parametrize("packed", [True, False])
def test_path(loader, packed, tmp_path):
    write(tmp_path / "here", small(), packed)
    check(loader.load_data(tmp_path / "here"), small())
    check(loader.load_data(str(tmp_path / "here")), small())


def test_order_of_places(tmp_path, monkeypatch):
    write(tmp_path / "system", small(1))
    check(fashion_mnist.load_data(), small(1))
    write(tmp_path / "cache" / "lamella" / "fashion_mnist", small(2))
    check(fashion_mnist.load_data(), small(2))
    monkeypatch.setenv("LAMELLA_DATA", str(tmp_path / "data"))
    write(tmp_path / "data", small(3))
    check(fashion_mnist.load_data(), small(3))
    write(tmp_path / "data" / "fashion_mnist", small(4))
    check(fashion_mnist.load_data(), small(4))
    write(tmp_path / "given", small(5))
    check(fashion_mnist.load_data(tmp_path / "given"), small(5))


def test_home_is_the_default_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _idx.cache_folder() == tmp_path / ".cache" / "lamella"


@pytest.mark.parametrize("kind", sorted(CODES))
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 4)])
def test_types_and_shapes(kind, shape):
    array = (np.arange(np.prod(shape, dtype=int)) - (3 if kind[0] != "u" else 0)).astype(kind).reshape(shape)
    parsed = _idx.parse(idx(array))
    assert parsed.dtype == np.dtype(kind).newbyteorder("=")
    np.testing.assert_array_equal(parsed, array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "two zero bytes"),
        (b"<html>", "two zero bytes"),
        (bytes([0, 0, 7, 1, 0, 0, 0, 0]), "type code 0x07"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 1]), "ends inside its header"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 5, 1, 2]), r"shape \(5,\) of uint8, 5 bytes, but 2 follow"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 1, 1, 2]), "1 bytes, but 2 follow"),
        (bytes([0, 0, 8, 4]) + b"\xff" * 16 + b"\0", "but 1 follow"),  # a huge shape allocates nothing
    ],
)
def test_damaged_idx(content, message):
    with pytest.raises(ValueError, match=message):
        _idx.parse(content, "file.gz")


def test_damaged_files_are_named(tmp_path):
    write(tmp_path, small())
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte\.gz is a damaged gzip file"):
        mnist.load_data(tmp_path)
    file.write_bytes(gzip.compress(idx(np.zeros((4, 28, 28), "uint8"))))
    with pytest.raises(ValueError, match=r"shape \(4, 28, 28\) and .* \(5,\): not images with one label each"):
        mnist.load_data(tmp_path)


def test_more_than_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_idx, "LARGEST", 1000)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(2000)))
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        _idx.read_bytes(tmp_path / "bomb.gz")


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="apt install dataset-fashion-mnist"):
        fashion_mnist.load_data(download=False)
    with pytest.raises(FileNotFoundError, match="no mnist in .*absent"):
        mnist.load_data(tmp_path / "absent")
    write(tmp_path / "partly", {k: v for k, v in small().items() if "t10k" not in k})
    with pytest.raises(FileNotFoundError, match="t10k-labels"):
        mnist.load_data(tmp_path / "partly")


@pytest.fixture
def server(tmp_path):
    """A web server of this machine with the small files."""
    write(tmp_path / "web", small())
    log: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            log.append(self.path)

    handler = functools.partial(Handler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", log
        running.shutdown()
        thread.join()


def sums(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    return {name: hashlib.sha256(idx(array)).hexdigest() for name, array in arrays.items()}


def test_download(server, monkeypatch, tmp_path):
    address, log = server
    monkeypatch.setattr(fashion_mnist, "ADDRESSES", ("http://127.0.0.1:9/", address))
    monkeypatch.setattr(fashion_mnist, "CHECKSUMS", sums(small()))
    check(fashion_mnist.load_data(), small())
    cache = tmp_path / "cache" / "lamella" / "fashion_mnist"
    assert sorted(p.name for p in cache.iterdir()) == sorted(f"{f}.gz" for f in _idx.FILES)
    asked = len(log)
    check(fashion_mnist.load_data(), small())
    assert len(log) == asked == 4, "the second load comes from the cache"


def test_download_with_another_checksum_keeps_nothing(server, monkeypatch, tmp_path):
    address, _ = server
    monkeypatch.setattr(mnist, "ADDRESSES", (address,))
    with pytest.raises(ConnectionError, match="has the SHA-256 .* expected ba891046"):
        mnist.load_data()
    assert list((tmp_path / "cache" / "lamella" / "mnist").iterdir()) == []


def test_no_network_says_what_to_do():
    with pytest.raises(ConnectionError, match=r"(?s)127\.0\.0\.1:9/train-images.*apt install dataset-fashion-mnist"):
        fashion_mnist.load_data()


def test_the_real_thing_where_it_is_installed():
    folder = pathlib.Path("/usr/share/datasets/fashion-mnist")
    if not folder.exists():
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data(folder)
    assert x_train.shape == (60_000, 28, 28) and x_test.shape == (10_000, 28, 28)
    np.testing.assert_array_equal(np.bincount(y_train), [6000] * 10)
    np.testing.assert_array_equal(np.bincount(y_test), [1000] * 10)
    assert round(float(x_train.mean()), 2) == 72.94
    for file in _idx.FILES:
        _idx.verify(file, _idx.read_bytes(folder / f"{file}.gz"), fashion_mnist.CHECKSUMS)
