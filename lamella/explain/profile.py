"""The time of a step, kernel by kernel: what `model.profile` returns."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lamella.ir import Source

SHOWN = 5  # different primitives of a kernel that the table names
LEAST = 0.001  # share of the step from which a kernel has a line of its own in the table


@dataclass(frozen=True)
class Row:
    """One kernel, or the sum of all.

    Attributes:
        kernel: its name in `LAMELLA_LOG=schedule`.
        layers: paths of the layers (losses, metrics, the optimizer) whose equations it computes.
        places: `file:line` of the user's code that they come from.
        does: `forward`, `backward`, `update` and `metrics`, as far as they take part; `batch` where rows are read from the data.
        operations: the primitives it computes, in order.
        schedule: how it runs, in words.
        seconds: per step.
        calls: per step.
        flops: floating point operations per step: two for each product of a sum of products.
        nbytes: bytes per step that it must read and write, each element once per call.
    """

    kernel: str
    layers: tuple[str, ...]
    places: tuple[str, ...]
    does: tuple[str, ...]
    operations: tuple[str, ...]
    schedule: str
    seconds: float
    calls: float
    flops: int
    nbytes: int

    @property
    def gflops(self) -> float:
        """`flops / seconds / 1e9`."""
        return self.flops / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def gbytes(self) -> float:
        """`nbytes / seconds / 1e9`."""
        return self.nbytes / self.seconds / 1e9 if self.seconds else 0.0


@dataclass(frozen=True)
class Profile:
    """Where the time of a step goes; `print` it.

    Attributes:
        title: model, kind of step and batch.
        rows: one per kernel, in the order in which they run; last `(waiting)`, the time at barriers, and `(between kernels)`.
            Their seconds add up to those of `total`.
        total: the whole step.
        steps: how many were measured.
        threads: of the team.
        peak: measured FMA peak of these threads in GFLOP/s.
    """

    title: str
    rows: tuple[Row, ...]
    total: Row
    steps: int
    threads: int
    peak: float

    @classmethod
    def of(cls, executable: Any, steps: int, title: str, scopes: dict[str, str], threads: int, peak: float) -> Profile:
        """From the counters of a profiled program.

        Args:
            executable: compiled with `profile=True`.
            steps: that it has run.
            title: of the table.
            scopes: what the equations of a scope do, such as `{"adam": "update"}`, where that is not forward or backward. The empty
                string is left out of the paths of layers.
            threads, peak: as in the class.
        """
        times = executable.times()
        rows = []
        for cost, (seconds, calls) in zip(executable.costs, times.kernels, strict=True):
            each = calls / steps
            rows.append(Row(cost.name, _unique(_layer(s, scopes) for s in cost.sources), _unique(s.place for s in cost.sources),
                            _unique(_part(s, scopes) for s in cost.sources) or ("batch",), cost.operations, cost.schedule,
                            seconds / steps, each, round(cost.flops * each), round(cost.nbytes * each)))
        known, whole, waiting = sum(row.seconds for row in rows), times.total / steps, times.waiting / steps
        rows += [Row(name, (), (), (), (), "", seconds, 1, 0, 0)
                 for name, seconds in (("(waiting)", waiting), ("(between kernels)", whole - known - waiting))]
        return cls(title, tuple(rows), _sum("total", rows), steps, threads, peak)

    def share(self, row: Row) -> float:
        """Of the step's time, 0 to 1."""
        return row.seconds / self.total.seconds

    def peak_share(self, row: Row) -> float:
        """Of the measured FMA peak, 0 to 1."""
        return row.gflops / self.peak

    def __str__(self) -> str:
        from rich.console import Console
        from rich.table import Table

        table = Table(title=self.title, caption=f"mean of {self.steps} steps, {self.threads} threads, "
                                                f"FMA peak {self.peak:.0f} GFLOP/s")
        for head in ("kernel", "layers", "does", "primitives"):
            table.add_column(head, overflow="fold")
        for head in ("time", "share", "GFLOP/s", "GB/s", "of peak"):
            table.add_column(head, justify="right", no_wrap=True)
        *kernels, waiting, between = self.rows
        small = [row for row in kernels if self.share(row) < LEAST]
        shown = [row for row in kernels if self.share(row) >= LEAST]
        if small:
            shown.append(_sum(f"{len(small)} kernels below {LEAST:.1%}", small))
        for row in (*shown, waiting, between):
            table.add_row(row.kernel, ", ".join(row.layers or row.places), ", ".join(row.does), _shortened(row.operations),
                          *self._numbers(row))
        table.add_section()
        table.add_row("total", "", "", "", *self._numbers(self.total))
        out = io.StringIO()
        Console(file=out, width=140, highlight=False, markup=False).print(table)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())

    def _numbers(self, row: Row) -> list[str]:
        rates = [f"{row.gflops:.1f}" if row.flops else "", f"{row.gbytes:.1f}" if row.nbytes and row.seconds else "",
                 f"{self.peak_share(row):.0%}" if row.flops else ""]
        return [f"{row.seconds * 1e6:,.1f} µs", f"{self.share(row):.1%}", *rates]


def _sum(name: str, rows: Sequence[Row]) -> Row:
    seconds, flops, nbytes = (sum(getattr(row, field) for row in rows) for field in ("seconds", "flops", "nbytes"))
    return Row(name, (), (), (), (), "", seconds, 1, flops, nbytes)


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, words)))


def _layer(source: Source, scopes: dict[str, str]) -> str:
    first, _, rest = source.scope.partition("/")
    return rest if rest and scopes.get(first) == "" else source.scope


def _part(source: Source, scopes: dict[str, str]) -> str:
    return scopes.get(source.scope.partition("/")[0]) or ("backward" if source.backward else "forward")


def _shortened(operations: tuple[str, ...]) -> str:
    names = _unique(operations)
    return " ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
