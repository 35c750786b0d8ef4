"""One step of training, evaluation and prediction, as functions of one batch.

They run eagerly and in a trace alike; `programs.py` compiles them. Models may override them as in Keras.
"""

from __future__ import annotations

from typing import Any

from lamella import ops, tree
from lamella.data import unpack_batch
from lamella.frontend import GradientTape, Tensor, name_scope
from lamella.training.compile_arguments import CompileArguments

METRICS_SCOPE = "metrics"  # what the equations of metrics are named after


class Steps:
    """The steps of a model.

    `train_step` is: forward pass with `training=True`, loss, gradient, optimizer update, then loss and metrics are
    tracked with the predictions from before the update.
    """

    _compiled: CompileArguments | None
    optimizer: Any
    trainable_variables: list[Any]
    losses: list[Any]
    _batch_loss: Any

    def train_step(self, data: Any) -> dict[str, Any]:
        """One training step; override it for a loop of your own.

        Args:
            data: `x`, `(x, y)` or `(x, y, sample_weight)`; see `pack_x_y_sample_weight`.

        Returns:
            The logs: name to scalar.
        """
        x, y, sample_weight = unpack_batch(data)
        with GradientTape() as tape:
            y_pred = self(x, training=True)  # type: ignore[operator]
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)  # the optimizer takes the scale out of the gradients again
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(scaled, variables), variables, strict=True))
        self._track_loss(loss, x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One evaluation step; override it to match a `train_step` of your own.

        Args:
            data: as for `train_step`.
        """
        x, y, sample_weight = unpack_batch(data)
        y_pred = self(x, training=False)  # type: ignore[operator]
        loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
        self._track_loss(loss, x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The outputs for one batch: x, or `(x,)` where x is a list or tuple."""
        x, _, _ = unpack_batch(data)
        return self(x, training=False)  # type: ignore[operator]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """Total loss of a batch: `sum over outputs of weight * loss(y, y_pred) + sum of self.losses`.

        Each loss averages over its elements; the penalties of regularizers are added in full.

        Raises:
            ValueError: there is neither a loss nor a penalty.
        """
        terms = self._data_losses(y, y_pred, sample_weight) + list(self.losses)
        if not terms:
            raise ValueError("There is nothing to minimize: give compile() a loss, or use add_loss or regularizers.")
        total = terms[0]
        for term in terms[1:]:
            total = total + ops.cast(term, total.dtype)
        return total

    def _data_losses(self, y: Any, y_pred: Any, sample_weight: Any) -> list[Any]:
        compiled = self._compiled
        if compiled is None or not compiled.output_losses:
            return []
        targets, outputs, weights = aligned(compiled.output_names, y, y_pred, sample_weight)
        values = [loss(targets[i], outputs[i], sample_weight=weights[i]) for i, loss, _ in compiled.output_losses]
        for (i, tracker), value in zip(compiled.loss_trackers, values, strict=bool(compiled.loss_trackers)):
            tracker.update_state(value, sample_weight=float(outputs[i].shape[0]))
        return [
            value if weight == 1.0 else value * weight
            for value, (_, _, weight) in zip(values, compiled.output_losses, strict=True)
        ]

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Update the compiled metrics with a batch; all results so far."""
        compiled = self._compiled
        if compiled is not None and compiled.bound_metrics:
            targets, outputs, weights = aligned(compiled.output_names, y, y_pred, sample_weight)
            for bound in compiled.bound_metrics:
                weight = weights[bound.output] if bound.weighted else None
                with name_scope(f"{METRICS_SCOPE}/{bound.name}"):
                    bound.metric.update_state(targets[bound.output], outputs[bound.output], sample_weight=weight)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Results of all metrics by their names in the logs, loss first."""
        results: dict[str, Any] = {}
        for name, metric in self._named_metrics().items():
            value = metric.result()
            results |= value if isinstance(value, dict) else {name: value}
        return results

    def _named_metrics(self) -> dict[str, Any]:
        raise NotImplementedError

    def _track_loss(self, loss: Any, x: Any) -> None:
        """The epoch's loss is the mean over samples: `sum(batch loss * batch size) / sum(batch size)`."""
        assert self._compiled is not None
        size = tree.flatten(x)[0].shape[0]
        with name_scope(f"{METRICS_SCOPE}/loss"):
            self._compiled.loss_tracker.update_state(loss, sample_weight=float(size))
        self._batch_loss = loss


def aligned(names: list[str], y: Any, y_pred: Any, sample_weight: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Targets, outputs and sample weights in flat lists with one entry per output; absent ones are None."""
    outputs = by_output(y_pred, names)
    targets = by_output(y, names)
    targets += [None] * (len(outputs) - len(targets))
    weights = by_output(sample_weight, names)
    weights = weights * len(outputs) if len(weights) == 1 else weights + [None] * (len(outputs) - len(weights))
    return targets, outputs, weights


def by_output(values: Any, names: list[str]) -> list[Any]:
    """The leaves of a tree in the order of the outputs; a dict is read by output names."""
    if isinstance(values, dict) and set(values) <= set(names):
        return [values.get(name) for name in names]
    return tree.flatten(values)
