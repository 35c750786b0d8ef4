"""Run the steps of an epoch: as one native call over arrays, or batch by batch over a stream.

Both runners have `steps` (None if unknown) and `run(kind hooks, progress) -> logs of the steps, or None`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lamella.callbacks import CallbackList
from lamella.data import ArrayData, Stream, permutation
from lamella.training.programs import EpochCall

POLL = 0.1  # seconds between two looks at a running epoch
SHORT = 0.05  # epochs that are expected to be shorter run on this thread

Progress = Callable[[int, dict[str, np.ndarray]], bool]


def drive(call: EpochCall, lo: int, hi: int, expected: float | None, progress: Progress) -> int:
    """Run the steps `lo ... hi` of a bound epoch and report while it runs; the number of the last step done, plus 1.

    An exception while waiting (Ctrl-C, or one of a callback) stops the loop at the next step, so that the variables are
    those of a whole number of steps, and is raised then.
    """
    call.set_range(lo, hi)
    if expected is not None and expected < SHORT:
        call.run()
        return hi
    running = call.start()
    try:
        running.begin()
        while not running.wait(POLL):
            if progress(int(call.progress[0]), call.buffers):
                call.progress[1] = 1
    except BaseException:
        call.progress[1] = 1
        _wait_for(running)
        raise
    reached = int(call.progress[0]) if call.progress[1] else hi
    return reached if reached > lo else hi  # the reference target neither counts nor stops


def _wait_for(running: Any) -> None:
    """Wait whatever happens: native code must not write to the variables after `fit` has returned."""
    while not running.cancel():
        with contextlib.suppress(KeyboardInterrupt):
            if running.wait(POLL):
                return


class ArrayRunner:
    """Epochs over data in memory.

    Args:
        make_call: compiles (or finds) the program and binds the data.
        data: the arrays.
        batch_size: rows of a step.
        shuffle: True, False or "batch".
        seed: of the permutations.
        steps: steps per epoch; None for one pass over the data.
        resume: whether an epoch of fewer or more steps goes on where the last one ended, as in training; otherwise each
            begins at the first row and ends with the data at the latest.
    """

    def __init__(
        self,
        make_call: Callable[[], EpochCall],
        data: ArrayData,
        batch_size: int,
        shuffle: bool | str,
        seed: int,
        steps: int | None,
        resume: bool = True,
    ) -> None:
        self._make_call = make_call
        self._call: EpochCall | None = None
        self._n, self._batch_size, self._shuffle, self._seed = data.n, batch_size, shuffle, seed
        self._pass_steps = data.steps(batch_size)
        self._resume = resume
        self.steps: int = steps or self._pass_steps
        if not resume:
            self.steps = min(self.steps, self._pass_steps)
        self._pass, self._at = -1, self._pass_steps

    def prepare(self) -> EpochCall:
        """Compile and bind, if that is not done yet."""
        if self._call is None:
            self._call = self._make_call()
        return self._call

    def start_pass(self, index: int) -> None:
        """Begin pass number `index` over the data: its order of rows depends on that number only."""
        self._pass, self._at = index, 0
        call = self.prepare()
        if self._shuffle and call.order is not None:
            call.order[:] = permutation(
                self._n, self._seed, index, self._batch_size if self._shuffle == "batch" else None
            )

    def restart(self, epoch: int) -> None:
        """Begin an epoch at the start of the data, unless it goes on."""
        if self.steps == self._pass_steps or not self._resume:
            self.start_pass(epoch)

    def run(self, hooks: Hooks, progress: Progress) -> tuple[int, dict[str, np.ndarray]]:
        """One epoch; the number of steps done, and their results by name."""
        done, parts = 0, []
        while done < self.steps and not hooks.stopped():
            if self._at == self._pass_steps:
                self.start_pass(self._pass + 1)
            count = min(self.steps - done, self._pass_steps - self._at)
            reached = self._run_segment(self._at, self._at + count, done, hooks, progress)
            buffers = self.prepare().buffers
            parts.append(
                {k: v[self._at : reached] for k, v in buffers.items()} if count < self._pass_steps else buffers
            )
            done += reached - self._at
            self._at = reached
        joined = (
            parts[0]
            if len(parts) == 1
            else {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
            if parts
            else {}
        )
        return done, joined

    def _run_segment(self, lo: int, hi: int, before: int, hooks: Hooks, progress: Progress) -> int:
        call = self.prepare()
        if hooks.per_batch:
            for i in range(lo, hi):
                hooks.begin(before + i - lo)
                call.set_range(i, i + 1)
                call.run()
                progress(i + 1 - lo, {k: v[lo:] for k, v in call.buffers.items()})
                hooks.end(before + i - lo, {k: v[i] for k, v in call.buffers.items()})
                if hooks.stopped():
                    return i + 1
            return hi
        began = time.perf_counter()
        known = call.program.seconds_per_step
        expected = None if known is None else known * (hi - lo)
        reached = drive(
            call, lo, hi, expected, lambda step, buffers: progress(step - lo, {k: v[lo:] for k, v in buffers.items()})
        )
        call.program.seconds_per_step = (time.perf_counter() - began) / max(reached - lo, 1)
        return reached


class StreamRunner:
    """Epochs over batches that come one by one.

    Args:
        step: finds the program of a batch and runs it; the results by name.
        stream: the batches.
        steps: per epoch; None for a whole pass.
        resume: whether an epoch of a given number of steps goes on where the last one ended; else each starts anew.
        transform: applied to each batch (class weights).
    """

    def __init__(
        self,
        step: Callable[[Any], dict[str, Any]],
        stream: Stream,
        steps: int | None,
        resume: bool = True,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self._step, self._stream, self._resume, self._transform = step, stream, resume, transform
        self.steps = steps if steps is not None else stream.length
        self._whole_passes = steps is None
        self._iterator: Iterator[Any] | None = None
        self._held: list[Any] = []

    def peek(self) -> Any:
        """The first batch, which the next epoch will still see."""
        if not self._held:
            self._iterator = iter(self._stream)
            self._held = [self._next(first=True)]
        return self._held[0]

    def restart(self, epoch: int) -> None:
        """Begin a pass, unless the epoch goes on with the last one."""
        if not self._held and (self._whole_passes or self._iterator is None or not self._resume):
            self._iterator = iter(self._stream)

    def run(self, hooks: Hooks, progress: Progress) -> tuple[int, dict[str, np.ndarray]]:
        """One epoch; the number of steps done, and their results by name."""
        rows: list[dict[str, Any]] = []
        buffers: dict[str, np.ndarray] = {}
        while self._whole_passes or len(rows) < (self.steps or 0):
            batch = self._next(first=not rows)
            if batch is None:
                break
            hooks.begin(len(rows))
            rows.append(self._step(batch))
            buffers = _append(buffers, rows[-1], len(rows))
            progress(len(rows), buffers)
            hooks.end(len(rows) - 1, rows[-1])
            if hooks.stopped():
                break
        self._stream.on_epoch_end()
        if self.steps is None:
            self.steps = len(rows)
        return len(rows), {k: v[: len(rows)] for k, v in buffers.items()}

    def _next(self, first: bool) -> Any:
        if self._held:
            return self._held.pop()
        assert self._iterator is not None
        batch = next(self._iterator, None)
        if batch is None and not self._whole_passes and not self._stream.once:
            self._iterator = iter(self._stream)
            batch = next(self._iterator, None)
        if batch is None and (first or not self._whole_passes):
            raise ValueError(_exhausted(self._stream))
        return batch if batch is None or self._transform is None else self._transform(batch)


def _exhausted(stream: Stream) -> str:
    if stream.once:
        return (
            f"{stream.where}: the generator has no more batches. It can be read once: pass steps_per_epoch so that all "
            "epochs fit into it, or an object that can be iterated again."
        )
    return f"{stream.where}: x is empty; it yielded no batch."


def _append(buffers: dict[str, np.ndarray], row: dict[str, Any], count: int) -> dict[str, np.ndarray]:
    """Write row number `count - 1`; the arrays double when they are full."""
    for name, value in row.items():
        array = np.asarray(value)
        buffer = buffers.get(name)
        if buffer is None or len(buffer) < count:
            grown = np.zeros((max(64, 2 * count), *array.shape), array.dtype)
            if buffer is not None:
                grown[: len(buffer)] = buffer
            buffers[name] = buffer = grown
        buffer[count - 1] = array
    return buffers


class ArrayBatches:
    """Batches of arrays as a re-iterable stream."""

    def __init__(self, data: ArrayData, batch_size: int) -> None:
        self._data, self._batch_size = data, batch_size

    def __iter__(self) -> Iterator[Any]:
        return self._data.batches(self._batch_size)

    def __len__(self) -> int:
        return self._data.steps(self._batch_size)


class Hooks:
    """The batch hooks of a run: called only if a callback overrides one."""

    def __init__(
        self,
        callbacks: CallbackList,
        kind: str,
        logs: Callable[[dict[str, Any]], dict[str, Any]],
        stopped: Callable[[], bool],
    ) -> None:
        self.per_batch = callbacks.has_batch_hooks(kind)
        self._begin, self._end = (getattr(callbacks, f"on_{kind}_batch_{when}") for when in ("begin", "end"))
        self._logs = logs
        self.stopped = stopped

    @classmethod
    def none(cls, stopped: Callable[[], bool]) -> Hooks:
        """No callbacks at all."""
        return cls(CallbackList(), "predict", lambda results: results, stopped)

    def begin(self, step: int) -> None:
        if self.per_batch:
            self._begin(step, {})

    def end(self, step: int, results: dict[str, Any]) -> None:
        if self.per_batch:
            self._end(step, self._logs(results))
