"""Before a model runs on data: layers are built, metrics resolved, targets checked, optimizer slots made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from lamella import tree
from lamella.data import ArrayData, Stream, check_positive_int, is_array_like, unpack_batch
from lamella.errors import ShapeError
from lamella.frontend import TensorSpec, spec_of, trace
from lamella.nn.losses.targets import check_finite_targets
from lamella.training.programs import signature, specs_of
from lamella.training.step import by_output


def open_data(x: Any, y: Any, sample_weight: Any, where: str, check: bool = True) -> ArrayData | Stream:
    """Arrays or a stream, told apart by what `x` is.

    Raises:
        ValueError: x is missing, or y or weights are given beside a stream.
    """
    if x is None:
        raise ValueError(f"{where} needs x: arrays, or an iterable of batches.")
    if isinstance(x, (list, tuple, dict)) or is_array_like(x):
        return ArrayData(x, y, sample_weight, where, check)
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(
                f"{where}: {name} must be None, for x is a {type(x).__name__}, whose batches hold it: (x, y) or "
                "(x, y, sample_weight)."
            )
    return Stream(x, where)


def open_validation(validation_data: Any) -> ArrayData | Stream:
    """`(x, y)`, `(x, y, sample_weight)` or a stream.

    Raises:
        ValueError: a tuple of another length.
    """
    if isinstance(validation_data, (tuple, list)):
        if not 1 <= len(validation_data) <= 3:
            raise ValueError(
                f"validation_data must be (x, y) or (x, y, sample_weight), received {len(validation_data)} items."
            )
        x, y, sample_weight = unpack_batch(validation_data)
        return open_data(x, y, sample_weight, "fit: validation_data")
    return open_data(validation_data, None, None, "fit: validation_data")


def chosen_batch_size(
    data: ArrayData | Stream, batch_size: int | None, steps: int | None, name: str = "batch_size"
) -> int:
    """The batch size for arrays: the argument, else what makes `steps` batches, else 32.

    Raises:
        ValueError: less than 1, or given for a stream, whose batches have their size already.
    """
    if steps is not None:
        check_positive_int(steps, "steps_per_epoch" if data.where == "fit" else "steps")
    if batch_size is not None:
        check_positive_int(batch_size, name)
        if isinstance(data, Stream):
            raise ValueError(
                f"{name} must be None for a {type(data.source).__name__}, whose batches have their size already."
            )
        return int(batch_size)
    if steps is not None and isinstance(data, ArrayData):
        return -(-data.n // steps)
    return 32


def prepare(model: Any, kind: str, batch: Any, where: str) -> tuple[int, ...]:
    """Make a model ready for a kind of step on data like `batch`.

    Returns:
        The identities of the variables that the step trains: part of the key of its program.

    Raises:
        ValueError: targets are missing or out of range.
        ShapeError: data do not fit the model, or targets its outputs.
    """
    x, y, sample_weight = unpack_batch(batch)
    compiled = model._compiled
    had_graph = model.has_graph
    check_inputs(model, x, where)
    needs_outputs = compiled.has_loss or compiled.has_metrics or not model.built
    if needs_outputs and model.defines_call:
        names, outputs = output_specs(model, x)
        if not had_graph:  # a Sequential model learns the shape of its input from the data
            check_inputs(model, x, where)
        targets = by_output(y, names)
        if not compiled.bound:
            if compiled.has_metrics and y is None:
                raise ValueError(f"{where}: y is missing: the metrics need targets.")
            compiled.spread_losses(names)
            check_shapes(compiled, targets, outputs, where)
            compiled.bind(names, targets, outputs)
        check_all_targets(compiled, targets, outputs, where, by_output(sample_weight, names))
    if kind != "train":
        return ()
    if model.optimizer is None:
        raise ValueError(f"{where} needs an optimizer: compile() was given none.")
    variables = model.trainable_variables
    model.optimizer.build(variables)
    return tuple(map(id, variables))


def output_specs(model: Any, x: Any) -> tuple[list[str], list[Any]]:
    """Names and specs of the outputs; a model without graph is traced on the shapes of `x`, which builds its layers."""
    if model.has_graph:
        return model.output_names, model.outputs
    x = tree.map_structure(lambda leaf: leaf if leaf is None else leaf[:2], x)
    traced = model._programs.get(
        ("outputs", signature(x)), lambda: trace(lambda data: model(data, training=False), [specs_of(x)], model.name)
    )
    leaves = tree.flatten(traced.structure)
    names = (
        tree.keys_of(traced.structure)
        if isinstance(traced.structure, dict)
        else [f"output_{i + 1}" for i in range(len(leaves))]
    )
    return names, leaves


def check_inputs(model: Any, x: Any, where: str) -> None:
    """Hold inputs against a model whose graph is known.

    Raises:
        ShapeError: another number of inputs, or a shape that does not fit.
    """
    if not model.has_graph:
        return
    try:
        model._graph.check(x)
    except ShapeError as error:
        raise ShapeError(f"{where}: {error}") from None


def check_batch(model: Any, batch: Any, where: str) -> None:
    """Look at a later batch of a stream, whose first batch has been through `prepare`."""
    x, y, sample_weight = unpack_batch(batch)
    check_inputs(model, x, where)
    if model._compiled.bound and model._compiled.has_loss:
        names, outputs = output_specs(model, x)
        check_all_targets(model._compiled, by_output(y, names), outputs, where, by_output(sample_weight, names))


def check_shapes(compiled: Any, y: Sequence[Any], outputs: Sequence[Any], where: str) -> None:
    """Trace each loss of the library on its targets: what "accuracy" means must not be decided by targets of a wrong shape.

    Raises:
        ValueError: targets are missing, or have a shape that the loss does not take; names the argument.
    """
    for index, loss, target, argument in _targets(compiled, y, outputs, where):
        shape = tuple(outputs[index].shape[1:])
        if loss.known and None not in shape:
            specs = [spec_of(target), TensorSpec((len(target), *shape), outputs[index].dtype)]
            with _blaming(argument):
                trace(loss, specs, loss.name)


def check_all_targets(
    compiled: Any, y: Sequence[Any], outputs: Sequence[Any], where: str, sample_weight: Sequence[Any] = ()
) -> None:
    """Let losses and metrics look at all their targets on the host: class numbers out of range, for example.

    Targets of weight 0 may be any finite number.

    Raises:
        ValueError: targets are missing or can't be right; names the argument.
    """
    for index, loss, target, argument in _targets(compiled, y, outputs, where):
        weights = sample_weight[index] if index < len(sample_weight) else next(iter(sample_weight), None)
        with _blaming(argument):
            if loss.known:
                check_finite_targets(target)
            loss.check_targets(_weighted(target, weights), tuple(outputs[index].shape))
    for bound in compiled.bound_metrics:
        if bound.output < len(y) and y[bound.output] is not None:
            with _blaming(f"{where}: y (metric {bound.name!r})"):
                bound.metric.check_targets(y[bound.output], tuple(outputs[bound.output].shape))


def _targets(compiled: Any, y: Sequence[Any], outputs: Sequence[Any], where: str) -> Iterator[tuple[int, Any, Any, str]]:
    """Output, loss, targets and what to call them, for each loss."""
    for index, loss, _ in compiled.output_losses:
        argument = f"{where}: y" if len(outputs) == 1 else f"{where}: y[{index}] ({compiled.output_names[index]})"
        if index >= len(y) or y[index] is None:
            raise ValueError(f"{argument} is missing: the loss {loss.name!r} needs targets; pass y.")
        yield index, loss, y[index], argument


@contextmanager
def _blaming(argument: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise type(error)(f"{argument}: {error}") from None


def _weighted(target: Any, weights: Any) -> Any:
    """The targets, with one that counts in place of those whose weight is 0."""
    if weights is None or weights.shape != target.shape[: weights.ndim]:
        return target
    counted = np.argwhere(weights != 0)
    if not len(counted) or len(counted) == weights.size:
        return target
    target = np.array(target)
    target[weights == 0] = target[tuple(counted[0])]
    return target
