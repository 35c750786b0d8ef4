"""Before a model runs on data: layers are built, metrics resolved, targets checked, optimizer slots made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import tree
from lamella.data import ArrayData, Stream, check_positive_int, is_array_like, unpack_batch
from lamella.errors import ShapeError
from lamella.frontend import trace
from lamella.nn.layers import Layer
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
    x, y, _ = unpack_batch(batch)
    compiled = model._compiled
    if model.has_graph:
        try:
            model._graph.check(x)
        except ShapeError as error:
            raise ShapeError(f"{where}: {error}") from None
    needs_outputs = compiled.has_loss or compiled.has_metrics or not model.built
    if needs_outputs and (model.has_graph or type(model).call is not Layer.call):
        names, outputs = output_specs(model, x)
        targets = by_output(y, names)
        if not compiled.bound:
            if compiled.has_metrics and y is None:
                raise ValueError(f"{where}: y is missing: the metrics need targets.")
            if compiled.has_loss and y is None:
                compiled.spread_losses(names)
                check_all_targets(compiled, [], outputs, where)
            compiled.bind(names, targets, outputs)
        check_all_targets(compiled, targets, outputs, where)
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
        list(traced.structure)
        if isinstance(traced.structure, dict)
        else [f"output_{i + 1}" for i in range(len(leaves))]
    )
    return names, leaves


def check_all_targets(compiled: Any, y: Sequence[Any], outputs: Sequence[Any], where: str) -> None:
    """Let each loss look at all its targets on the host: class numbers out of range, for example.

    Raises:
        ValueError: targets are missing or can't be right; names the argument.
    """
    for index, loss, _ in compiled.output_losses:
        target = y[index] if index < len(y) else None
        argument = f"{where}: y" if len(outputs) == 1 else f"{where}: y[{index}] ({compiled.output_names[index]})"
        if target is None:
            raise ValueError(f"{argument} is missing: the loss {loss.name!r} needs targets; pass y.")
        try:
            loss.check_targets(target, tuple(outputs[index].shape))
        except ValueError as error:
            raise type(error)(f"{argument}: {error}") from None
