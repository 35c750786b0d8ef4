"""`Progbar`, and how times and values are written in lines of progress."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np


class Progbar:
    """A line of progress for loops of one's own.

    On a terminal the line is redrawn; elsewhere (a file, a pipe) it is written once, at the end.

    Args:
        target: number of steps; None if it is not known.
        width: of the bar, in characters.
        verbose: 0 nothing, 1 the bar, 2 one line at the end.
        interval: least number of seconds between two drawings.
        stateful_metrics: names of values that are shown as they are; the others are averaged over the steps.
        stateless_metrics: the other way round: the names of those that are averaged.
        unit_name: what a step is called.

    Raises:
        ValueError: both `stateful_metrics` and `stateless_metrics`.

    Source: keras.utils.Progbar.

    Example:
        >>> bar = Progbar(4, verbose=2)
        >>> for step in range(4):
        ...     bar.add(1, [("loss", 1.0)])
        4/4 - 0s - .../step - loss: 1.0000
    """

    def __init__(self, target: int | None, width: int = 20, verbose: int = 1, interval: float = 0.05,
                 stateful_metrics: Iterable[str] | None = None, stateless_metrics: Iterable[str] | None = None,
                 unit_name: str = "step") -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Progbar takes stateful_metrics or stateless_metrics, not both.")
        self.target, self.width, self.verbose, self.interval, self.unit_name = target, width, verbose, interval, unit_name
        self._stateful = None if stateful_metrics is None else set(stateful_metrics)
        self._stateless = None if stateless_metrics is None else set(stateless_metrics)
        self._sums: dict[str, tuple[Any, float]] = {}
        self._done, self._began, self._drawn, self._length = 0, time.perf_counter(), 0.0, 0

    def update(self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None) -> None:
        """Show that `current` steps are done.

        Args:
            current: steps done.
            values: pairs of name and value, of the steps since the last update.
            finalize: whether this is the last update, whose values are shown as they are; by default at `target` steps.
        """
        last = finalize if finalize is not None else self.target is not None and current >= self.target
        for name, value in values or ():
            averaged = name in self._stateless if self._stateless is not None else name not in (self._stateful or ())
            steps = max(current - self._done, 1)
            total, count = self._sums.get(name, (0.0, 0)) if averaged and not last else (0.0, 0)
            self._sums[name] = (total + value * steps, count + steps)
        self._done = current
        terminal = sys.stdout.isatty()
        now = time.perf_counter()
        if self.verbose and (last or (self.verbose == 1 and terminal and now - self._drawn >= self.interval)):
            self._drawn = now
            self._write(self._line(now - self._began), redraw=terminal and self.verbose == 1, last=last)

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that `n` more steps are done; see `update`."""
        self.update(self._done + n, values)

    def _line(self, seconds: float) -> str:
        count = f"{self._done}/{self.target or 'Unknown'}"
        if self.verbose == 1 and self.target:
            count += " " + progress_bar(self._done, self.target, self.width)
        between = " " if self.verbose == 1 else " - "
        logs = format_logs({name: total / steps for name, (total, steps) in self._sums.items()})
        pace = format_step_time(seconds / max(self._done, 1))
        return f"{count}{between}{seconds:.0f}s{between}{pace}/{self.unit_name}{logs}"

    def _write(self, line: str, redraw: bool, last: bool) -> None:
        text = f"\r{line:<{self._length}}" if redraw else line
        self._length = len(line)
        print(text, end="\n" if last else "", flush=True)


def progress_bar(done: int, target: int, width: int) -> str:
    """`width` characters, of which the part that is done is heavy.

    Example:
        >>> progress_bar(1, 2, 6)
        '━━━───'
    """
    filled = min(width * done // target, width)
    return "━" * filled + "─" * (width - filled)


def format_step_time(seconds: float) -> str:
    """Time of a step with the unit that Keras would choose.

    Example:
        >>> format_step_time(0.0021), format_step_time(0.0001), format_step_time(2)
        ('2ms', '100us', '2s')
    """
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.0f}{unit}"
    return f"{seconds * 1e6:.0f}us"


def format_logs(logs: dict[str, Any]) -> str:
    """` - name: value` for each; four decimals, or an exponent for values of at most 0.001.

    Example:
        >>> format_logs({"loss": 0.5, "mse": 0.0001})
        ' - loss: 0.5000 - mse: 1.0000e-04'
    """
    return "".join(f" - {name}: {_number(value)}" for name, value in logs.items())


def _number(value: Any) -> str:
    number = float(np.mean(value))
    return f"{number:.4f}" if abs(number) > 1e-3 or not math.isfinite(number) else f"{number:.4e}"
