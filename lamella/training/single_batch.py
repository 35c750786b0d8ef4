"""`train_on_batch`, `test_on_batch`, and what all kinds of steps share."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.data import ArrayData
from lamella.training.compile_arguments import CompileArguments
from lamella.training.preparation import prepare
from lamella.training.programs import (
    EagerStep,
    EpochCall,
    EpochProgram,
    ProgramCache,
    StepProgram,
    data_leaves,
    signature,
    specs_of,
)
from lamella.training.step import Steps


class SingleBatch(Steps):
    """Compiled steps of a model, and the methods that run one of them."""

    _programs: ProgramCache
    _predict_calls: dict[Any, Any]

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One training step on one batch; the results are those of this batch.

        Args:
            x, y, sample_weight, class_weight: as in `fit`.
            return_dict: a dict by name instead of a list.

        Raises:
            RuntimeError: not compiled.
        """
        self._require_compiled("train_on_batch")
        data = ArrayData(x, y, sample_weight, "train_on_batch", check=False)
        if class_weight is not None:
            data = data.with_class_weight(class_weight)
        return self._on_batch("train", data, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics on one batch.

        Args:
            x, y, sample_weight: as in `evaluate`.
            return_dict: a dict by name instead of a list.

        Raises:
            RuntimeError: not compiled.
        """
        self._require_compiled("test_on_batch")
        return self._on_batch("test", ArrayData(x, y, sample_weight, "test_on_batch", check=False), return_dict)

    def _on_batch(self, kind: str, data: ArrayData, return_dict: bool) -> Any:
        trained = prepare(self, kind, data.batch, f"{kind}_on_batch")
        self.reset_metrics()
        logs = self._logs(kind, self._run_batch(kind, data.batch, trained))
        values = list(logs.values())
        return logs if return_dict else values[0] if len(values) == 1 else values

    # -- metrics ---------------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> list[Any]:
        """All metrics: the loss, those of `compile`, then those that the model and its layers hold."""
        compiled = list(self._compiled.named_metrics.values()) if self._compiled is not None else []
        return list({id(metric): metric for metric in compiled + super().metrics}.values())  # type: ignore[misc]

    @property
    def metrics_names(self) -> list[str]:
        """Names in the logs, loss first."""
        return list(self._named_metrics())

    def reset_metrics(self) -> None:
        """Start all metrics afresh."""
        for metric in self.metrics:
            metric.reset_state()

    def _named_metrics(self) -> dict[str, Any]:
        named = dict(self._compiled.named_metrics) if self._compiled is not None else {}
        known = {id(metric) for metric in named.values()}
        return named | {metric.name: metric for metric in self.metrics if id(metric) not in known}

    def _logs(self, kind: str, results: dict[str, Any]) -> dict[str, Any]:
        """Logs as Python numbers: what the step returned, if that was kept, else the metrics' results."""
        found = {name.removeprefix("logs/"): value for name, value in results.items() if name.startswith("logs/")}
        if not found and not self._is_custom(kind):
            found = self.get_metrics_result()
        return {name: _python(value) for name, value in found.items()}

    def _is_custom(self, kind: str) -> bool:
        """Whether a step, or how its logs come about, was overridden."""
        names = (f"{kind}_step", "compute_metrics", "get_metrics_result")
        return any(getattr(type(self), name) is not getattr(Steps, name) for name in names)

    # -- programs --------------------------------------------------------------------------------------------------

    def _require_compiled(self, method: str) -> CompileArguments:
        if self._compiled is None:
            raise RuntimeError(f"Call compile() before {method}(): the model has no loss and optimizer yet.")
        return self._compiled

    def _forget_programs(self) -> None:
        self._programs = ProgramCache()
        self._predict_calls = {}

    def _traceable(self, kind: str) -> Any:
        """The step as a function of one batch, whose result is `{"loss": batch loss, "logs": logs}`."""
        step = getattr(self, f"{kind}_step")

        def run(batch: Any) -> dict[str, Any]:
            self._batch_loss = None
            logs = step(batch)
            loss = self._batch_loss if self._batch_loss is not None else logs.get("loss")
            self._batch_loss = None
            return ({} if loss is None or kind != "train" else {"loss": loss}) | {"logs": logs}

        return run

    def _run_batch(self, kind: str, batch: Any, trained: tuple[int, ...]) -> dict[str, Any]:
        """One step on a tree of arrays; its results by name, flat."""

        def make() -> Any:
            function = self._traceable(kind)
            if self._compiled is not None and self._compiled.run_eagerly:
                return EagerStep(function, specs_of(batch))
            return StepProgram(function, specs_of(batch), f"{kind}_step")

        results = self._programs.get((kind, signature(batch), trained), make)(data_leaves(batch))
        logs = {f"logs/{name}": value for name, value in results["logs"].items()}
        return ({"loss": results["loss"]} if "loss" in results else {}) | logs

    def _epoch_call(
        self, kind: str, data: ArrayData, batch_size: int, shuffled: bool, step_logs: bool, trained: tuple[int, ...]
    ) -> EpochCall:
        """The compiled epoch for these arrays, bound to them."""
        with_logs = step_logs or self._is_custom(kind)
        key = (kind, signature(data.batch), trained, batch_size, shuffled, with_logs)
        program = self._programs.get(
            key,
            lambda: EpochProgram(
                self._traceable(kind),
                data.batch,
                data.n,
                batch_size,
                shuffled,
                lambda name: with_logs or name == "loss",
                False,
                f"{kind}_step",
            ),
        )
        return program.bind(data.batch)


def _python(value: Any) -> Any:
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else array
