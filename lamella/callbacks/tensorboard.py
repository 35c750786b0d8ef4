"""Logs for TensorBoard."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from lamella.callbacks.callback import Callback, Logs
from lamella.callbacks.tensorboard_writer import EventWriter, load_tensorboard
from lamella.data import check_positive_int


class TensorBoard(Callback):
    """Writes event files with Keras' tags into `log_dir/train` and `log_dir/validation`.

    * every epoch, step = epoch from 0: `epoch_loss`, `epoch_<metric>`, `epoch_learning_rate` (train) and `epoch_loss`,
      `epoch_<metric>` (validation);
    * every evaluation, step = optimizer iterations: `evaluation_<name>_vs_iterations`;
    * every `histogram_freq` epochs: `<weight path>/histogram`, and with `write_images` `<weight path>/image`;
    * with `update_freq` a number or "batch", step = training step from 1: `batch_loss`, `batch_<metric>`, the running
      results of the epoch. They are read from the buffer that the epoch fills, so training does not slow down.
    * once: the model graph.

    Unlike Keras, an `update_freq` never drops the data of an epoch.

    Args:
        log_dir: folder.
        histogram_freq: epochs between histograms; 0 for none.
        write_graph: write the model graph (Sequential and functional models).
        write_images: write the weights as pictures beside their histograms.
        write_steps_per_second: write `epoch_steps_per_second` and, with batch logs, `batch_steps_per_second`.
        update_freq: `"epoch"`, `"batch"` or a number of steps.

    Raises:
        ImportError: the `tensorboard` package is missing.
        ValueError: update_freq is none of these.

    Source: keras.callbacks.TensorBoard (tags and steps).

    Example:
        >>> TensorBoard("./logs", histogram_freq=1).histogram_freq
        1
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
    ) -> None:
        super().__init__()
        load_tensorboard()
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = update_freq
        self._every = {"epoch": 0, "batch": 1}.get(update_freq) if isinstance(update_freq, str) else update_freq  # type: ignore[arg-type]
        if self._every is None:
            raise ValueError(f"update_freq must be 'epoch', 'batch' or a number of steps, received {update_freq!r}.")
        if self._every:
            check_positive_int(self._every, "update_freq")
        self.needs_step_logs = bool(self._every)
        self._writers: dict[str, EventWriter] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._global_step = 0
        if self.write_graph and hasattr(self.model, "to_json") and self.model.has_graph:
            self._writer("train").keras_model(self.model.to_json())

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch_began = time.time()
        self._steps_done = 0
        self._written = 0
        self._loss_sum = 0.0

    def on_train_progress(self, step: int, logs: dict[str, np.ndarray]) -> None:
        """Write the steps since the last call; their times are spread evenly over the time that has passed."""
        if self._every:
            now, begin = time.time(), self._epoch_began
            for i in range(self._written, step):
                self._loss_sum += float(logs["loss"][i]) if "loss" in logs else 0.0
                if (self._global_step + i + 1) % self._every == 0:
                    self._write_step(i, logs, begin + (now - begin) * (i + 1) / step, (now - begin) / step)
            self._written = step
        self._steps_done = step

    def _write_step(self, i: int, logs: dict[str, np.ndarray], wall_time: float, seconds: float) -> None:
        values = {name: self._loss_sum / (i + 1) if name == "loss" else results[i] for name, results in logs.items()}
        if self.write_steps_per_second:
            values["steps_per_second"] = 1.0 / max(seconds, 1e-9)
        for name, value in values.items():
            self._writer("train").scalar(f"batch_{name}", value, self._global_step + i + 1, wall_time)

    def on_test_end(self, logs: Logs | None = None) -> None:
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None:
            for name, value in (logs or {}).items():
                self._writer("validation").scalar(f"evaluation_{name}_vs_iterations", value, int(optimizer.iterations))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        values = {k: v for k, v in (logs or {}).items() if not k.startswith("val_")}
        values["learning_rate"] = float(self.model.optimizer.learning_rate)
        if self.write_steps_per_second:
            values["steps_per_second"] = self._steps_done / max(time.time() - self._epoch_began, 1e-9)
        for name, value in values.items():
            self._writer("train").scalar(f"epoch_{name}", value, epoch)
        for name, value in (logs or {}).items():
            if name.startswith("val_"):
                self._writer("validation").scalar(f"epoch_{name[4:]}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        self._global_step += self._steps_done
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _write_weights(self, epoch: int) -> None:
        writer = self._writer("train")
        for layer in self.model.layers:
            for weight in layer.weights:
                values = np.asarray(weight)
                writer.histogram(f"{weight.path}/histogram", values, epoch)
                images = as_images(values) if self.write_images else None
                if images is not None:
                    writer.image(f"{weight.path}/image", images, epoch)

    def _writer(self, run: str) -> EventWriter:
        """Writers are made when first needed, so that a run without validation leaves no such folder."""
        if run not in self._writers:
            self._writers[run] = EventWriter(os.path.join(self.log_dir, run))
        return self._writers[run]


def as_images(values: Any) -> np.ndarray | None:
    """A weight as pictures (n, height, width, channels), None if its rank has no sensible picture.

    Vectors become one row, matrices lie on their long side, 3-D weights give one picture per channel.

    Example:
        >>> as_images(np.zeros((784, 10))).shape, as_images(np.zeros(5)).shape
        ((1, 10, 784, 1), (1, 5, 1, 1))
    """
    array = np.squeeze(np.asarray(values, np.float32))
    if array.ndim == 1:
        return array.reshape(1, -1, 1, 1)
    if array.ndim == 2:
        array = array.T if array.shape[0] > array.shape[1] else array
        return array[None, :, :, None]
    if array.ndim == 3:
        return np.transpose(array, (2, 0, 1))[..., None]
    return array if array.ndim == 4 and array.shape[-1] in (1, 3, 4) else None
