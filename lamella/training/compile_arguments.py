"""What `compile` was given, checked and resolved in full before the model changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lamella import tree
from lamella.errors import did_you_mean
from lamella.nn import losses, optimizers
from lamella.nn.metrics import Mean, Metric, as_metric, known
from lamella.nn.numbers import number


@dataclass
class BoundMetric:
    """A metric with its name in the logs and its output."""

    name: str
    output: int
    metric: Metric
    weighted: bool


class CompileArguments:
    """Optimizer, losses and metrics of a compiled model.

    Losses and metrics are spread over the outputs by `bind`: at once if the outputs are known, otherwise when the model
    first sees data. Misspelt names raise here, in `compile`.

    Args:
        optimizer: name, config or instance; None for a model that is only evaluated.
        loss: one for all outputs, or a list or dict of them; names, functions, instances, None.
        loss_weights: numbers, in the same form.
        metrics, weighted_metrics: list, or list or dict of lists by output.
        run_eagerly: run every step in Python.

    Raises:
        ValueError: an unknown name, or a form that does not fit the outputs.
        TypeError: something that is neither name, function nor object.
    """

    def __init__(
        self, optimizer: Any, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any, run_eagerly: bool
    ) -> None:
        self.optimizer = optimizers.get(optimizer)
        self.loss = tree.map_structure(losses.as_loss, loss)
        self.loss_weights = loss_weights
        for weight in tree.flatten(loss_weights):
            _loss_weight(weight)
        self.metrics = _checked(metrics, "metrics")
        self.weighted_metrics = _checked(weighted_metrics, "weighted_metrics")
        self.run_eagerly = run_eagerly
        self.loss_tracker = Mean(name="loss")
        self.bound = False
        self.output_names: list[str] = []
        self.output_losses: list[tuple[int, Any, float]] = []
        self.loss_trackers: list[tuple[int, Any]] = []
        self.bound_metrics: list[BoundMetric] = []

    def scale_loss(self) -> None:
        """Wrap the optimizer in one that scales the loss, if it does not do so already."""
        if self.optimizer is not None and not isinstance(self.optimizer, optimizers.LossScaleOptimizer):
            self.optimizer = optimizers.LossScaleOptimizer(self.optimizer)

    @property
    def has_loss(self) -> bool:
        return any(loss is not None for loss in tree.flatten(self.loss))

    @property
    def has_metrics(self) -> bool:
        return any(leaf is not None for leaf in tree.flatten([self.metrics, self.weighted_metrics]))

    def spread_losses(self, names: list[str]) -> None:
        """Give each output its loss and weight.

        Raises:
            ValueError: a list of another length, or a dict with unknown names.
        """
        given = spread(self.loss, names, "loss", replicate=True)
        weights = spread(self.loss_weights, names, "loss_weights", replicate=True)
        output_losses = [
            (i, loss, _loss_weight(weight))
            for i, (loss, weight) in enumerate(zip(given, weights, strict=True))
            if loss is not None
        ]
        if isinstance(self.loss, dict):  # the logs list the losses as the user did
            order = {name: place for place, name in enumerate(self.loss)}
            output_losses.sort(key=lambda entry: order.get(names[entry[0]], 0))
        for request in (self.metrics, self.weighted_metrics):
            spread(request, names, "metrics", replicate=len(names) == 1)
        self.output_names, self.output_losses = names, output_losses
        self.loss_trackers = (
            [(i, Mean(name=f"{names[i]}_loss")) for i, _, _ in output_losses] if len(output_losses) > 1 else []
        )

    def bind(self, names: list[str], y: Sequence[Any], y_pred: Sequence[Any]) -> None:
        """Spread losses and metrics over the outputs; the shapes of y and y_pred say which kind "accuracy" is.

        Raises:
            ValueError: the arguments do not fit the outputs.
        """
        self.spread_losses(names)
        loss_of = {i: loss for i, loss, _ in self.output_losses}
        bound: list[BoundMetric] = []
        for given, weighted in ((self.metrics, False), (self.weighted_metrics, True)):
            for i, entry in enumerate(spread(given, names, "metrics", replicate=len(names) == 1)):
                for identifier in tree.flatten(entry):
                    if identifier is not None:
                        metric = as_metric(identifier, y[i].shape, y_pred[i].shape, loss_of.get(i))
                        bound.append(
                            BoundMetric(_log_name(metric.name, names, i, weighted, bound), i, metric, weighted)
                        )
        self.bound_metrics = bound
        self.bound = True

    @property
    def named_metrics(self) -> dict[str, Any]:
        """Name in the logs to metric: `loss` first, then the losses of several outputs, then the metrics."""
        named: dict[str, Any] = {"loss": self.loss_tracker}
        named |= {tracker.name: tracker for _, tracker in self.loss_trackers}
        return named | {bound.name: bound.metric for bound in self.bound_metrics}


def _checked(given: Any, argument: str) -> Any:
    """The argument itself, if all that it holds are metrics."""
    if given is None:
        return None
    if isinstance(given, str) or not isinstance(given, (list, tuple, dict)):
        raise ValueError(f"{argument} must be a list, tuple or dict, received {given!r}; write {argument}=[{given!r}].")
    for identifier in tree.flatten(given):
        if identifier is not None:
            known(identifier)
    return given


def _loss_weight(weight: Any) -> float:
    if weight is None:
        return 1.0
    if isinstance(weight, (str, list, tuple)):
        raise ValueError(
            f"loss_weights of compile() must be numbers, received {weight!r}; it is the third argument of compile: write "
            "metrics=[...] for metrics."
        )
    return number("loss_weights", weight, "compile()", -math.inf)


def spread(given: Any, names: list[str], argument: str, replicate: bool) -> list[Any]:
    """One entry per output.

    Args:
        given: one value, a list in the order of the outputs, or a dict by output name.
        names: of the outputs.
        argument: of `compile`, for the messages.
        replicate: whether one value stands for all outputs; with one output a list is one entry.

    Raises:
        ValueError: a list of another length, or a dict with unknown names.
    """
    if given is None:
        return [None] * len(names)
    if isinstance(given, dict):
        unknown = [key for key in given if key not in names]
        if unknown and not (len(names) == 1 and len(given) == 1):
            raise ValueError(f"{argument} names the output {unknown[0]!r}. {did_you_mean(str(unknown[0]), names)}")
        return list(given.values()) if unknown else [given.get(name) for name in names]
    if isinstance(given, (list, tuple)) and (len(names) > 1 or not argument.endswith("metrics")):
        if len(given) != len(names):
            raise ValueError(
                f"{argument} has {len(given)} entries, the model has {len(names)} outputs ({', '.join(names)})."
            )
        return list(given)
    if not replicate:
        raise ValueError(
            f"With several outputs {argument} needs a list or dict with one entry per output ({', '.join(names)})."
        )
    return [given] * len(names)


def _log_name(metric_name: str, names: list[str], output: int, weighted: bool, taken: Sequence[BoundMetric]) -> str:
    name = f"{names[output]}_{metric_name}" if len(names) > 1 else metric_name
    used = {bound.name for bound in taken}
    if weighted and name in used:
        name = f"weighted_{name}"
    candidate, k = name, 1
    while candidate in used:
        candidate, k = f"{name}_{k}", k + 1
    return candidate
