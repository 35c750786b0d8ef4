"""Event files in TensorBoard's format, through protos and writer of the `tensorboard` package (an optional extra)."""

from __future__ import annotations

import json
import struct
import time
import zlib
from typing import Any

import numpy as np

BUCKETS = 30


class EventWriter:
    """Scalars, histograms, images and the Keras model graph of one run (one folder).

    Args:
        folder: created together with the event file.

    Raises:
        ImportError: the `tensorboard` package is missing; the message says how to install it.
    """

    def __init__(self, folder: str) -> None:
        self._parts = load_tensorboard()
        self._file = self._parts.EventFileWriter(folder, filename_suffix=".v2")

    def scalar(self, tag: str, value: float, step: int, wall_time: float | None = None) -> None:
        """One float32 number."""
        tensor = self._tensor("DT_FLOAT", (), np.float32(value).tobytes())
        self._add(tag, self._parts.scalar.create_summary_metadata(None, None), tensor, step, wall_time)

    def histogram(self, tag: str, values: np.ndarray, step: int) -> None:
        """30 rows of (left edge, right edge, count)."""
        tensor = self._tensor("DT_DOUBLE", (BUCKETS, 3), histogram_buckets(values).tobytes())
        self._add(tag, self._parts.histogram.create_summary_metadata(None, None), tensor, step)

    def image(self, tag: str, images: np.ndarray, step: int) -> None:
        """Pictures of shape (n, height, width, channels) with values in [0, 1]."""
        n, height, width, _ = images.shape
        tensor = self._parts.TensorProto(dtype="DT_STRING", tensor_shape=self._shape((2 + n,)))
        tensor.string_val.extend([str(width).encode(), str(height).encode(), *map(encode_png, images)])
        self._add(tag, self._parts.image.create_summary_metadata(None, None), tensor, step)

    def keras_model(self, json_text: str) -> None:
        """The model graph, which TensorBoard reads from Keras' JSON."""
        metadata = self._parts.SummaryMetadata()
        metadata.plugin_data.plugin_name = "graph_keras_model"
        metadata.plugin_data.content = b"1"
        tensor = self._parts.TensorProto(dtype="DT_STRING", tensor_shape=self._shape(()))
        tensor.string_val.append(json_text.encode())
        self._add("keras", metadata, tensor, 0)
        # TensorBoard's Graphs tab opens on the run's own graph: give it the same layers, not an empty page.
        graph = self._parts.keras_model_to_graph_def(json.loads(json_text))
        self._file.add_event(self._parts.Event(wall_time=time.time(), step=0, graph_def=graph.SerializeToString()))

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _shape(self, shape: tuple[int, ...]) -> Any:
        proto = self._parts.TensorShapeProto()
        for size in shape:
            proto.dim.add(size=size)
        return proto

    def _tensor(self, dtype: str, shape: tuple[int, ...], content: bytes) -> Any:
        return self._parts.TensorProto(dtype=dtype, tensor_shape=self._shape(shape), tensor_content=content)

    def _add(self, tag: str, metadata: Any, tensor: Any, step: int, wall_time: float | None = None) -> None:
        event = self._parts.Event(wall_time=wall_time or time.time(), step=step)
        event.summary.value.add(tag=tag, metadata=metadata, tensor=tensor)
        self._file.add_event(event)


class _Parts:
    """The names that the writer needs from the optional package."""

    def __init__(self) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2
        from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def
        from tensorboard.plugins.histogram import metadata as histogram
        from tensorboard.plugins.image import metadata as image
        from tensorboard.plugins.scalar import metadata as scalar
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.Event, self.SummaryMetadata = event_pb2.Event, summary_pb2.SummaryMetadata
        self.keras_model_to_graph_def = keras_model_to_graph_def
        self.TensorProto, self.TensorShapeProto = tensor_pb2.TensorProto, tensor_shape_pb2.TensorShapeProto
        self.histogram, self.image, self.scalar, self.EventFileWriter = histogram, image, scalar, EventFileWriter


def load_tensorboard() -> Any:
    """What the writer needs of the `tensorboard` package.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return _Parts()
    except ImportError as error:
        raise ImportError(
            f"The TensorBoard callback needs the tensorboard package: pip install 'lamella[tensorboard]'. ({error})"
        ) from error


def histogram_buckets(values: np.ndarray) -> np.ndarray:
    """The 30 equal buckets between minimum and maximum, as TensorBoard counts them.

    If all values are equal, only the last bucket counts. Values that are not finite are left out.

    Example:
        >>> histogram_buckets(np.array([0.0, 30.0]))[[0, -1]].tolist()
        [[0.0, 1.0, 1.0], [29.0, 30.0, 1.0]]
    """
    flat = np.asarray(values, np.float64).reshape(-1)
    flat = flat[np.isfinite(flat)]
    if flat.size == 0:
        return np.zeros((BUCKETS, 3))
    low, high = flat.min(), flat.max()
    if low == high:
        counts = np.zeros(BUCKETS)
        counts[-1] = flat.size
        return np.stack([np.full(BUCKETS, low), np.full(BUCKETS, low), counts], axis=1)
    index = np.minimum(np.floor((flat - low) / ((high - low) / BUCKETS)).astype(int), BUCKETS - 1)
    edges = np.linspace(low, high, BUCKETS + 1)
    return np.stack([edges[:-1], edges[1:], np.bincount(index, minlength=BUCKETS)], axis=1)


def encode_png(image: np.ndarray) -> bytes:
    """A picture (height, width, 1, 3 or 4 channels) with values in [0, 1] as PNG bytes."""
    height, width, channels = image.shape
    pixels = (np.clip(np.nan_to_num(image), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    raw = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1).tobytes()
    color = {1: 0, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    )
