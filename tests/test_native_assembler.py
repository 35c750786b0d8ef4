"""Programs that are assembled in pieces by several threads."""

from __future__ import annotations

import numpy as np
import pytest

from lamella import executor
from lamella.errors import CompileError
from lamella.ir import Builder, Graph, TensorType, matmul_spec
from lamella.native import cache, pipeline, target
from lamella.native.target import Assembler
from lamella.settings import settings


def network() -> Graph:
    """Products, rows and sums: more than one kernel, with loops."""
    b = Builder()
    y = b.input(TensorType((48, 32), "float32"), "x")
    w = b.input(TensorType((32, 32), "float32"), "w")
    for _ in range(3):
        y = b.tanh(b.contract(y, w, spec=matmul_spec((48, 32), (32, 32))))
        y = b.sub(y, b.reshape(b.reduce_max(y, axes=(1,)), shape=(48, 1)))
    return b.build([b.reduce_sum(y, axes=(0,)), y], "network")


ARRAYS = [np.random.default_rng(i).standard_normal(s, dtype=np.float32) for i, s in enumerate([(48, 32), (32, 32)])]


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kernel is a piece."""
    monkeypatch.setattr(target, "PIECE", 1)


@pytest.mark.parametrize("threads", [1, 3])
def test_pieces_compute_the_same_bits(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(settings, "threads", threads)
    monkeypatch.setattr(settings, "cache_dir", "")
    monkeypatch.setattr(target, "PIECE", 1 << 30)
    whole = executor.compile(network())
    monkeypatch.setattr(target, "PIECE", 1)
    split = executor.compile(network())
    assert len(whole.compiled.objects) == 1 and len(split.compiled.objects) > 3
    for a, b in zip(whole(*ARRAYS), split(*ARRAYS), strict=True):
        np.testing.assert_array_equal(a, b)
    assert whole.text("llvm") == split.text("llvm")


def test_code_does_not_depend_on_the_number_of_threads(pieces: None, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(settings, "threads", threads)
        found.append(pipeline.build(network(), {})[0].objects)
    assert found[0] == found[1] == found[2]


def test_the_cache_keeps_all_pieces(pieces: None, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(settings, "cache_dir", str(tmp_path))
    built, _ = pipeline.build(network(), {})
    cache.save("text", {}, built)
    loaded = cache.load("text", {})
    assert len(built.objects) > 3 and loaded is not None and loaded.objects == built.objects


@pytest.mark.parametrize("refused", ["define void @f() { ret i64 0 }", "define void @f(", "nonsense"])
def test_refused_text_is_reported_by_the_caller(pieces: None, refused: str) -> None:
    with Assembler(2) as assembler, pytest.raises(CompileError, match="LLVM refuses"):
        assembler.add(refused, set())
        assembler.finish("", str)
