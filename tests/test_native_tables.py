"""Gradients of tables of which a step reads few rows: the same bits as adding to a table of zeros, in whatever reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lamella import executor
from lamella.ir import Builder, Graph, TensorType, Var, dtype_name, numpy_dtype
from lamella.native import scattering
from lamella.settings import settings

ROWS, LARGE = 300, 1 << 12  # LARGE stands in for `scattering.LARGE_TABLE`
RNG = np.random.default_rng(0)
INDICES = {
    "distinct": RNG.permutation(ROWS)[:60],
    "duplicates": RNG.integers(0, 9, 150),
    "all rows equal": np.full(33, 7),
    "first and last": np.array([0, ROWS - 1]),
    "outside": RNG.integers(-2 * ROWS, 2 * ROWS, 100),
    "of two axes": RNG.integers(0, ROWS, (5, 20)),
    "one": np.array([4]),
    "none": np.zeros(0, np.int64),
}
TABLES = [((ROWS, 20), "float32", "int32"), ((ROWS, 3, 16), "float32", "int64"), ((ROWS, 128), "float64", "int32"),
          ((ROWS, 64), "int32", "int32"), ((ROWS, 32), "bfloat16", "int32"), ((ROWS, 24), "float16", "int64")]


def compiled(graph: Graph, monkeypatch: pytest.MonkeyPatch, large: int) -> Any:
    monkeypatch.setattr(settings, "cache_dir", "")
    monkeypatch.setattr(scattering, "LARGE_TABLE", large)
    return executor.compile(graph)


def both(graph: Graph, monkeypatch: pytest.MonkeyPatch, arrays: list[np.ndarray], expect: bool = True) -> None:
    """Compile with the rule and without: the same bits."""
    new, old = compiled(graph, monkeypatch, LARGE), compiled(graph, monkeypatch, 1 << 60)
    assert (new.text("schedule") != old.text("schedule")) == expect
    for a, b in zip(new(*arrays), old(*arrays), strict=True):
        assert a.tobytes() == b.tobytes()


def inputs(b: Builder, shape: tuple[int, ...], dtype: str, indices: np.ndarray, start: float = 0) -> tuple[Var, list[np.ndarray]]:
    """The gradient of a table, and arrays of indices and updates (-0 among them)."""
    at = b.input(TensorType(indices.shape, dtype_name(indices.dtype)), "at")
    updates = b.input(TensorType(indices.shape + shape[1:], dtype), "updates")
    values = np.round(RNG.standard_normal(updates.type.shape) * 3, 1)
    values[values == 0] = -0.0
    return b.scatter_add(b.full(TensorType(shape, dtype), start), at, updates), [indices, values.astype(numpy_dtype(dtype))]


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize(("shape", "dtype", "index_dtype"), TABLES)
def test_bits_are_those_of_adding_to_zeros(monkeypatch, name: str, shape, dtype: str, index_dtype: str) -> None:
    b = Builder()
    gradient, arrays = inputs(b, shape, dtype, INDICES[name].astype(index_dtype))
    both(b.build([gradient]), monkeypatch, arrays, expect=name != "none")


KEPT = {
    "rows are few": ((ROWS, 20), np.arange(ROWS) % 100, 0),
    "rows are short": ((ROWS * 10, 4), np.arange(9), 0),
    "the table is small": ((16, 20), np.arange(4), 0),
    "the table starts from ones": ((ROWS, 20), np.arange(9), 1),
    "the table starts from -0": ((ROWS, 20), np.arange(9), -0.0),
    "numbers": ((ROWS * 100,), np.arange(9), 0),
}


@pytest.mark.parametrize("name", KEPT)
def test_other_tables_are_added_to_in_place(monkeypatch, name: str) -> None:
    shape, indices, start = KEPT[name]
    b = Builder()
    gradient, arrays = inputs(b, shape, "float32", indices.astype("int32"), start)
    both(b.build([gradient]), monkeypatch, arrays, expect=False)


def update(b: Builder, table: Var, gradient: Any) -> Any:
    return b.sub(table, b.mul(gradient, b.literal(0.5, "float32")))


def norm(b: Builder, gradient: Any) -> Any:
    return b.sqrt(b.reduce_sum(b.mul(gradient, gradient), axes=(0, 1)))


READERS: dict[str, Callable[[Builder, Var, Any], list[Any]]] = {
    "an update": lambda b, table, g: [update(b, table, g)],
    "an update and an output": lambda b, table, g: [update(b, table, g), g],
    "clipping by norm": lambda b, table, g: [update(b, table, b.div(g, b.max(norm(b, g), b.literal(1, "float32"))))],
    "decay": lambda b, table, g: [update(b, table, b.add(g, b.mul(table, b.literal(0.01, "float32"))))],
    "a penalty": lambda b, table, g: [update(b, table, b.add(g, table)), norm(b, table)],
    "two updates": lambda b, table, g: [update(b, table, g), update(b, g, b.mul(g, g))],
    "sums of columns": lambda b, table, g: [b.reduce_sum(g, axes=(0,)), update(b, table, g)],
    "a product": lambda b, table, g: [b.mul(table, b.reduce_sum(b.mul(table, g), axes=(0, 1)))],
    "a transpose": lambda b, table, g: [b.transpose(g, perm=(1, 0)), update(b, table, g)],
}


@pytest.mark.parametrize("name", READERS)
def test_whoever_reads_it_gets_the_same_bits(monkeypatch, name: str) -> None:
    b = Builder()
    gradient, arrays = inputs(b, (3000, 32), "float32", INDICES["outside"].astype("int32"))
    table = b.input(TensorType((3000, 32), "float32"), "table")
    graph = b.build(READERS[name](b, table, gradient))
    both(graph, monkeypatch, [*arrays, RNG.standard_normal((3000, 32), dtype="float32")])


def test_a_step_needs_no_memory_for_the_table(monkeypatch) -> None:
    """The update computes the gradient where it needs it, beside the table, which changes in place."""
    b = Builder()
    gradient, arrays = inputs(b, (3000, 32), "float32", INDICES["duplicates"].astype("int32"))
    table = b.input(TensorType((3000, 32), "float32"), "table")
    clipped = b.div(gradient, b.max(norm(b, gradient), b.literal(1, "float32")))
    for new in (gradient, clipped):
        graph = b.build([update(b, table, new)])
        monkeypatch.setattr(scattering, "LARGE_TABLE", LARGE)
        exe = executor.compile(graph, {0: 2})
        stored = 3000 * 32 * 4 if new is clipped else 0  # of which the norm is taken
        assert exe.memory()["arena"] <= stored + 150 * 32 * 4 + 3000 * 4 + 8192
