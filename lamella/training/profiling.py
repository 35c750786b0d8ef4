"""`profile`: where the time of a step goes, measured on real steps that leave the model as it is."""

from __future__ import annotations

import functools
import sys
from typing import Any

from lamella import executor
from lamella.data import ArrayData, check_positive_int, pack_batch, permutation, unpack_batch
from lamella.errors import did_you_mean
from lamella.explain import Profile
from lamella.settings import settings
from lamella.training.predicting import Predicting
from lamella.training.preparation import chosen_batch_size, open_data, prepare
from lamella.training.programs import EpochProgram
from lamella.training.step import METRICS_SCOPE

KINDS = {"train": "train", "evaluate": "test", "predict": "predict"}


class Profiling(Predicting):
    """The measuring half of `Model`."""

    def profile(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        steps: int = 20,
        sample_weight: Any = None,
        mode: str = "train",
    ) -> Profile:
        """Run real steps on copies of all variables and measure every kernel.

        The program is that of `fit`, `evaluate` or `predict` with two differences: the cycle counter is read around
        each kernel, and kernels too small to be shared all run on the first thread, so that their times add up. The
        weights, the optimizer's slots and the metrics stay as they are (a model that was not built yet is built).

        Args:
            x, y, sample_weight, batch_size: as in `fit`; of an iterable of batches, the first one is taken.
            steps: how many to measure, after as many as the data hold to warm up.
            mode: `"train"`, `"evaluate"` or `"predict"`.

        Returns:
            A `Profile`: `print` shows a table, `profile.rows` holds the numbers.

        Raises:
            RuntimeError: not compiled (except for `"predict"`).
            ValueError: an unknown mode, or the reference target, which has no kernels.

        Example:
            >>> import numpy as np, lamella as tf
            >>> model = tf.keras.Sequential([tf.keras.layers.Input((8,)), tf.keras.layers.Dense(4, name="dense")])
            >>> model.compile("sgd", "mse")
            >>> report = model.profile(np.zeros((64, 8), "float32"), np.zeros((64, 4), "float32"), batch_size=32, steps=2)
            >>> report.steps, round(sum(map(report.share, report.rows)), 6)
            (2, 1.0)
        """
        if mode not in KINDS:
            raise ValueError(f"Unknown mode {mode!r}. {did_you_mean(mode, KINDS)}")
        kind = KINDS[mode]
        if kind != "predict":
            self._require_compiled("profile")
        check_positive_int(steps, "steps")
        data = open_data(x, y, sample_weight, "profile", check=False)
        if not isinstance(data, ArrayData):
            data = ArrayData(*unpack_batch(next(iter(data))), "profile", check=False)
            batch_size = data.n
        size = min(chosen_batch_size(data, batch_size, None), data.n)
        data = data.slice(0, size * min(data.n // size, steps))
        batch = pack_batch(data.x) if kind == "predict" else data.batch
        if kind != "predict":
            prepare(self, kind, batch, "profile")
        program = self._profiled_program(kind, batch, data.n, size)
        _run(program, batch, steps)
        title = f"{self.name}: {mode} step of {size} rows"  # type: ignore[attr-defined]
        return self._report(program.executable, steps, title)

    def _profiled_program(self, kind: str, batch: Any, n: int, size: int) -> EpochProgram:
        predicts = kind == "predict"
        function = (lambda b: {"outputs": self.predict_step(b)}) if predicts else self._traceable(kind)
        keep_all = predicts or self._is_custom(kind)
        return EpochProgram(
            function,
            batch,
            n,
            size,
            kind == "train",
            lambda name: keep_all or name == "loss",
            predicts,
            f"{kind}_step",
            functools.partial(executor.compile, profile=True),
        )

    def _report(self, executable: Any, steps: int, title: str) -> Profile:
        scopes = {METRICS_SCOPE: "metrics", self.name: ""}  # type: ignore[attr-defined]
        if self.optimizer is not None:
            scopes[self.optimizer.name] = "update"
        return Profile.of(executable, steps, title, scopes, settings.threads, executor.fma_peak(settings.threads))

    def _print_profiles(self) -> None:
        """What `LAMELLA_LOG=profile` shows after a fit: its own steps, which were counted as they ran."""
        for program in self._programs.of_kind("train"):
            executable = getattr(program, "executable", None)
            if executable is None or not hasattr(executable, "times"):
                continue  # eager steps, the reference target
            times = executable.times()
            steps = times.iterations if isinstance(program, EpochProgram) else times.runs
            if steps:
                title = f"{self.name}: {steps} steps of fit"  # type: ignore[attr-defined]
                print(self._report(executable, steps, title), file=sys.stderr)
            executable.reset()


def _run(program: EpochProgram, batch: Any, steps: int) -> None:
    """A pass to warm up, then `steps` steps that count, on copies of the variables."""
    call = program.bind(batch, copies=True)
    if call.order is not None:
        call.order[:] = permutation(program.n, 0, 0, None)
    call.set_range(0, program.steps)
    call.run()
    program.executable.reset()
    while steps:
        count = min(steps, program.steps)
        call.set_range(0, count)
        call.run()
        steps -= count
