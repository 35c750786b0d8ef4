"""Logs of the epochs as a table in a file."""

from __future__ import annotations

import csv
import os
from typing import IO, Any

from lamella.callbacks.callback import Callback, Logs


class CSVLogger(Callback):
    """Writes one row per epoch: the epoch (from 0), then the logs in their order.

    The columns are fixed at the first epoch: those of its logs, and with validation that does not run in every epoch
    also `val_` ones, filled with `NA` where they are missing.

    Args:
        filename: the file.
        separator: between columns.
        append: keep what the file has; no second header.

    Source: keras.callbacks.CSVLogger, whose columns are sorted by name.

    Example:
        >>> CSVLogger("log.csv").separator
        ','
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self._file: IO[str] | None = None
        self._columns: list[str] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._with_header = not (self.append and os.path.exists(self.filename) and os.path.getsize(self.filename))
        self._file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")
        self._columns = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert self._file is not None
        logs = logs or {}
        writer = csv.writer(self._file, delimiter=self.separator)
        if not self._columns:
            self._columns = self._choose_columns(logs)
            if self._with_header:
                writer.writerow(["epoch", *self._columns])
        writer.writerow([epoch, *(_cell(logs.get(name, "NA")) for name in self._columns)])
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _choose_columns(self, logs: Logs) -> list[str]:
        columns = list(logs)
        expected = self.params.get("metrics") or []
        return columns + [name for name in expected if name.startswith("val_") and name not in columns]


def _cell(value: Any) -> Any:
    return f'"[{", ".join(map(str, value))}]"' if isinstance(value, (list, tuple)) else value
