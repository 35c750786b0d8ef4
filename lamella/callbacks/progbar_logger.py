"""The progress display of fit, evaluate and predict."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from lamella.callbacks.callback import Callback, Logs
from lamella.utils.progbar import format_logs, format_step_time

WIDTH = 20
REDRAW = 0.05  # seconds between two drawings


class ProgbarLogger(Callback):
    """Shows progress in Keras' form; `fit` adds one by itself unless `verbose=0`.

    On a terminal and in notebooks a line that is redrawn while the epoch runs:

        Epoch 3/10
        1204/1875 ━━━━━━━━━━━━╺━━━━━━━ 0s 105us/step - loss: 0.3718

    elsewhere (a file, a pipe), and with `verbose=2`, one plain line per epoch. It uses `on_train_progress`, so it costs
    the training nothing.

    Source: keras.callbacks.ProgbarLogger.
    """

    def __init__(self) -> None:
        super().__init__()
        self._console: Any = None
        self._live: Any = None
        self._in_fit = False
        self._steps: int | None = None
        self._done = 0
        self._title = ""
        self._began = self._seconds = self._drawn = 0.0

    # fit

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._in_fit = True

    @property
    def needs_step_logs(self) -> bool:  # type: ignore[override]
        """Only a bar that is redrawn shows the metrics of an epoch that still runs."""
        return self._redraws()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        epochs = self.params.get("epochs", 1)
        self._begin(f"Epoch {epoch + 1}/{epochs}" if epochs > 1 else "")

    def on_train_progress(self, step: int, logs: dict[str, np.ndarray]) -> None:
        now = time.perf_counter()
        self._done, self._seconds = step, now - self._began
        if self._live is None or step == 0 or now - self._drawn < REDRAW:
            return
        shown = {name: values[step - 1] for name, values in logs.items()}
        if "loss" in logs:
            shown["loss"] = np.mean(logs["loss"][:step])
        self._draw(shown)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._finish(logs or {})

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._in_fit = False

    # evaluate and predict on their own; a validation inside fit shows up in the epoch's line

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._begin("")

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._finish(logs or {})

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._begin("")

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._finish({})

    def close(self) -> None:
        self._in_fit = False
        if self._live is not None:
            self._live.stop()
            self._live = None

    # drawing

    def _begin(self, title: str) -> None:
        self._steps, self._done, self._title = self.params.get("steps"), 0, title
        self._began, self._drawn = time.perf_counter(), 0.0
        self._open_console()
        if self._redraws():
            from rich.live import Live

            if title:
                self._console.print(title)
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()

    def _open_console(self) -> None:
        if self._console is None:
            from rich.console import Console

            self._console = Console(highlight=False, soft_wrap=True)

    def _redraws(self) -> bool:
        self._open_console()
        return self.params.get("verbose") != 2 and (self._console.is_terminal or self._console.is_jupyter)

    def _draw(self, logs: Logs) -> None:
        self._drawn = time.perf_counter()
        self._live.update(self._line(logs), refresh=True)

    def _finish(self, logs: Logs) -> None:
        if not self._done:  # nobody reported steps: an evaluation or prediction
            self._done, self._seconds = self.params.get("steps") or 0, time.perf_counter() - self._began
        self._steps = self._steps or self._done
        if self._live is not None:
            self.close_line()
            self._console.print(self._line(logs), soft_wrap=True)  # whole, however narrow the terminal
        elif self._console is not None:
            title = f"{self._title} - " if self._title else ""
            self._console.print(f"{title}{self._count()} - {self._timing(' - ')}{format_logs(logs)}", markup=False)

    def close_line(self) -> None:
        """Take the line that was redrawn off the screen."""
        self._live.stop()
        self._live = None

    def _line(self, logs: Logs) -> Any:
        from rich.text import Text

        text = Text(f"{self._count()} ")
        if self._steps:
            filled = WIDTH * self._done // self._steps
            text.append("━" * filled, style="green").append("━" * (WIDTH - filled), style="bright_black").append(" ")
        return text.append(self._timing(" ")).append(format_logs(logs))

    def _count(self) -> str:
        return f"{self._done}/{self._steps}" if self._steps else f"{self._done}/Unknown"

    def _timing(self, between: str) -> str:
        return f"{self._seconds:.0f}s{between}{format_step_time(self._seconds / max(self._done, 1))}/step"
