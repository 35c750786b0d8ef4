"""From arguments to runners and callbacks, and one epoch of training or evaluation with its logs."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.callbacks import CallbackList
from lamella.data import ArrayData, Stream, class_weight_to_sample_weight, unpack_batch
from lamella.frontend.random import make_seed
from lamella.training.compile_arguments import CompileArguments
from lamella.training.preparation import check_batch, prepare
from lamella.training.runners import ArrayBatches, ArrayRunner, Hooks, StreamRunner
from lamella.training.single_batch import SingleBatch

Runner = ArrayRunner | StreamRunner


class Running(SingleBatch):
    """The pieces that `fit`, `evaluate` and `predict` are put together from."""

    def _callback_list(self, callbacks: Any, verbose: str | int, epochs: int, history: bool = True) -> CallbackList:
        verbose = 1 if verbose == "auto" else verbose
        if verbose not in (0, 1, 2):
            raise ValueError(f"verbose must be 0, 1, 2 or 'auto', received {verbose!r}.")
        params = {"verbose": verbose, "epochs": epochs, "steps": None, "metrics": None}
        if isinstance(callbacks, CallbackList):
            callbacks.set_model(self)
            callbacks.set_params(params)
            return callbacks
        return CallbackList(callbacks, add_history=history, add_progbar=verbose != 0, model=self, **params)

    def _runner(
        self,
        kind: str,
        data: ArrayData | Stream,
        batch_size: int,
        shuffle: bool | str,
        steps: int | None,
        where: str,
        callbacks: CallbackList,
        class_weight: Any = None,
    ) -> Runner:
        step_logs = callbacks.has_batch_hooks(kind) or (callbacks.needs_step_logs and kind == "train")
        eager = self._compiled.run_eagerly  # type: ignore[union-attr]
        if isinstance(data, ArrayData):
            if not eager:
                arrays, trained = data, prepare(self, kind, data.batch, where)
                return ArrayRunner(
                    lambda: self._epoch_call(kind, arrays, batch_size, bool(shuffle), step_logs, trained),
                    data,
                    batch_size,
                    shuffle,
                    make_seed() if shuffle else 0,
                    steps,
                    kind == "train",
                )
            data = Stream(ArrayBatches(data, batch_size), where)
        elif shuffle and data.numbered:
            data.shuffle(make_seed())
        transform = None if class_weight is None else lambda batch: weighted(batch, class_weight)

        def step(batch: Any) -> dict[str, Any]:
            check_batch(self, batch, where)
            return self._run_batch(kind, batch, trained)

        runner = StreamRunner(step, data, steps, kind == "train", transform)
        trained = prepare(self, kind, runner.peek(), where)
        return runner

    def _run_epoch(self, kind: str, runner: Runner, callbacks: CallbackList, epoch: int) -> dict[str, Any]:
        """One epoch of training or evaluation; its logs."""
        flag = "stop_training" if kind == "train" else "stop_evaluating"
        hooks = Hooks(callbacks, kind, lambda results: self._logs(kind, results), lambda: getattr(self, flag))

        def progress(step: int, buffers: dict[str, np.ndarray]) -> bool:
            if kind == "train":
                callbacks.on_train_progress(step, step_history(buffers))
            return getattr(self, flag)

        runner.restart(epoch)
        done, results = runner.run(hooks, progress)
        callbacks.params["steps"] = callbacks.params["steps"] or runner.steps
        if not hooks.per_batch:
            progress(done, results)
        return self._logs(kind, {name: values[done - 1] for name, values in results.items()} if done else {})

    def _run_test(self, runner: Runner, callbacks: CallbackList, epoch: int) -> dict[str, Any]:
        self.stop_evaluating = False
        self.reset_metrics()
        callbacks.on_test_begin({})
        logs = self._run_epoch("test", runner, callbacks, epoch)
        callbacks.on_test_end(logs)
        return logs

    def _expected_logs(self, compiled: CompileArguments, validation: bool) -> list[str] | None:
        if self._is_custom("train"):
            return None
        names = list(self._named_metrics())
        return names + [f"val_{name}" for name in names] * validation


def weighted(batch: Any, class_weight: dict[int, float]) -> tuple[Any, ...]:
    """A batch of a stream with the weights of its classes as sample weights."""
    x, y, sample_weight = unpack_batch(batch)
    if y is None or sample_weight is not None:
        raise ValueError("class_weight needs batches (x, y); it can't be combined with sample weights.")
    return (x, y, class_weight_to_sample_weight(y, class_weight))


def step_history(buffers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The results of steps under their names in the logs; `loss` is that of each batch."""
    logs = {name.removeprefix("logs/"): values for name, values in buffers.items() if name != "loss"}
    return {"loss": buffers["loss"]} | {k: v for k, v in logs.items() if k != "loss"} if "loss" in buffers else logs
