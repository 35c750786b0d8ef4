"""Find, download, verify and read idx files, the format of MNIST and its relatives.

An idx file is a big-endian header (two zero bytes, a type code, the number of axes, one uint32 per axis) and then the
values in row-major order. Files may be gzip-compressed; the first two bytes tell.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import pathlib
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterable

import numpy as np

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
LARGEST = 1 << 30
"""No file of these data sets holds more bytes once decompressed: a larger one is refused before it fills the memory."""

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def cache_folder() -> pathlib.Path:
    """Return the folder that downloads go to: ``$XDG_CACHE_HOME/lamella``, else ``~/.cache/lamella``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (pathlib.Path(base) if base else pathlib.Path.home() / ".cache") / "lamella"


def read_bytes(path: str | os.PathLike) -> bytes:
    """Return the content of a file, decompressed where it is gzip.

    Raises ``ValueError``, naming the file, where the compressed data is damaged or larger than 1 GiB.
    """
    path = pathlib.Path(path)
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            content = (gzip.GzipFile(fileobj=file) if packed else file).read(LARGEST + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} is a damaged gzip file: {error}") from error
    if len(content) > LARGEST:
        raise ValueError(f"{path} holds more than {LARGEST} bytes, no file of this data set does")
    return content


def parse(content: bytes, name: str = "idx data") -> np.ndarray:
    """Return the array that the bytes of an idx file describe, in the machine's own byte order.

    Raises ``ValueError``, beginning with ``name``, where header and content do not fit together.

    >>> parse(bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9]))
    array([[7, 8, 9]], dtype=uint8)
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        raise ValueError(f"{name} is not an idx file: it starts with {content[:4]!r}, not with two zero bytes")
    code, axes = content[2], content[3]
    if code not in TYPES:
        raise ValueError(f"{name} has the unknown idx type code 0x{code:02x}; known are {[hex(c) for c in TYPES]}")
    start = 4 + 4 * axes
    if len(content) < start:
        raise ValueError(f"{name} ends inside its header: {len(content)} bytes, {start} needed for {axes} axes")
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes))
    dtype = np.dtype(TYPES[code])
    needed = dtype.itemsize
    for size in shape:
        needed *= size
    if len(content) - start != needed:
        raise ValueError(
            f"{name} says shape {shape} of {dtype.name}, {needed} bytes, but {len(content) - start} follow"
        )
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def find(path: str | os.PathLike | None, name: str, system: Iterable[str] = ()) -> pathlib.Path | None:
    """Return the first folder that holds all four files of the data set ``name``, or None.

    Looks in ``path`` alone where it is given, else in ``$LAMELLA_DATA/name``, ``$LAMELLA_DATA``, the cache
    folder and the folders ``system``.
    """
    for folder in places(path, name, system):
        if all(_file(folder, file) for file in FILES):
            return folder
    return None


def places(path: str | os.PathLike | None, name: str, system: Iterable[str] = ()) -> list[pathlib.Path]:
    """Return the folders that :func:`find` looks in, in its order."""
    if path is not None:
        return [pathlib.Path(path).expanduser()]
    found = []
    if base := os.environ.get("LAMELLA_DATA"):
        found += [pathlib.Path(base) / name, pathlib.Path(base)]
    return [*found, cache_folder() / name, *map(pathlib.Path, system)]


def _file(folder: pathlib.Path, file: str) -> pathlib.Path | None:
    for candidate in (folder / f"{file}.gz", folder / file):
        if candidate.is_file():
            return candidate
    return None


def download(folder: pathlib.Path, addresses: Iterable[str], checksums: dict[str, str]) -> None:
    """Download the four gzip files into ``folder`` from the first address that gives each of them.

    ``checksums`` holds the SHA-256 of each file's *decompressed* content: a file that differs is never kept. A file
    appears under its name only when it is complete.

    Raises ``ConnectionError``, naming every address and its reason, where none gives a file with the right checksum.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        if _file(folder, file):
            continue
        reasons = []
        for address in addresses:
            url = f"{address}{file}.gz"
            part = folder / f"{file}.gz.{os.getpid()}.part"
            try:
                with urllib.request.urlopen(url, timeout=60) as answer:
                    part.write_bytes(answer.read(LARGEST))
                verify(file, read_bytes(part), checksums)
                os.replace(part, folder / f"{file}.gz")
                break
            except (urllib.error.URLError, OSError, ValueError) as error:
                reasons.append(f"{url}: {error}")
            finally:
                with contextlib.suppress(FileNotFoundError):
                    part.unlink()
        else:
            raise ConnectionError(f"could not download {file}.gz:\n  " + "\n  ".join(reasons))


def verify(file: str, content: bytes, checksums: dict[str, str]) -> None:
    """Raise ``ValueError`` unless the SHA-256 of ``content`` is the one that ``checksums`` has for ``file``."""
    actual = hashlib.sha256(content).hexdigest()
    if actual != checksums[file]:
        raise ValueError(f"{file} has the SHA-256 {actual}, expected {checksums[file]}: damaged or another data set")


Arrays = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def load(
    name: str,
    path: str | os.PathLike | None,
    addresses: Iterable[str],
    checksums: dict[str, str],
    system: Iterable[str] = (),
    fetch: bool = True,
    hint: str = "",
) -> Arrays:
    """Find (or download) the data set ``name`` and return ``((x_train, y_train), (x_test, y_test))``.

    Raises ``FileNotFoundError`` where it is nowhere and may not be downloaded (``fetch`` false, or ``path`` given),
    ``ConnectionError`` where the download fails, ``ValueError`` where a file is damaged or images and labels do not
    fit.
    """
    folder = find(path, name, system)
    if folder is None:
        looked = ", ".join(map(str, places(path, name, system)))
        if path is not None or not fetch:
            raise FileNotFoundError(f"no {name} in {looked}: need {', '.join(FILES)} (or each with .gz){hint}")
        folder = cache_folder() / name
        try:
            download(folder, addresses, checksums)
        except ConnectionError as error:
            raise ConnectionError(f"no {name} in {looked}, and {error}{hint}") from error
    parts = []
    for images, labels in (FILES[:2], FILES[2:]):
        x, y = (_read(folder, file) for file in (images, labels))
        if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
            raise ValueError(
                f"{folder}: {images} has shape {x.shape} and {labels} {y.shape}: not images with one label each"
            )
        parts.append((x, y))
    return parts[0], parts[1]


def _read(folder: pathlib.Path, file: str) -> np.ndarray:
    path = _file(folder, file)
    if path is None:
        raise FileNotFoundError(f"{folder / file} is gone")
    return parse(read_bytes(path), str(path))
