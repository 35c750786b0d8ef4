"""Shortcuts of planning give what looking at everything gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamella as tf
from lamella import executor
from lamella.ir import Builder, Graph, TensorType
from lamella.native import pipeline, program
from lamella.native.arena import ALIGN, first_fit
from lamella.native.fuse import Fusion
from lamella.native.simplify import simplify
from lamella.settings import settings as config

L = tf.keras.layers


def first_fit_plainly(blocks: list[tuple[int, int, int]]) -> list[int]:
    """The lowest offset at which nothing is in the way, of all multiples of the alignment."""
    offsets: dict[int, int] = {}
    size = [-(-max(n, 1) // ALIGN) * ALIGN for n, _, _ in blocks]
    for i in sorted(range(len(blocks)), key=lambda i: -blocks[i][0]):
        _, first, last = blocks[i]
        alive = [j for j in offsets if blocks[j][1] <= last and first <= blocks[j][2]]
        at = 0
        while any(at < offsets[j] + size[j] and offsets[j] < at + size[i] for j in alive):
            at += ALIGN
        offsets[i] = at
    return [offsets[i] for i in range(len(blocks))]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0, 1, 64, 65, 200, 640]), st.integers(0, 6), st.integers(0, 4)), max_size=25))
def test_first_fit(spans: list[tuple[int, int, int]]) -> None:
    blocks = [(n, first, first + more) for n, first, more in spans]
    assert first_fit(blocks) == first_fit_plainly(blocks)


def training_step() -> tuple[Graph, dict[int, int]]:
    """Of a network with padding, joined gates, products and updates in place."""
    model = tf.keras.Sequential([L.Input((9, 4)), L.Conv1D(6, 3, padding="same", activation="gelu"), L.LSTM(5), L.Dense(3)])
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((16, 9, 4), np.float32), np.ones((16, 3), np.float32))
    (step,) = model._programs.of_kind("train")
    return step.traced.graph, step.traced.donate


def test_clusters_know_who_comes_before_and_after() -> None:
    clusters = Fusion(simplify(training_step()[0])).clusters
    assert len(clusters) > 20
    for c in clusters:
        assert c not in c.ancestors and c.ancestors <= set(clusters)
        assert c.followers == {d for d in clusters if c in d.ancestors}
        assert all(a.ancestors <= c.ancestors for a in c.ancestors)


@pytest.mark.parametrize("part", [1, 3])
def test_a_program_in_parts_computes_the_same_bits(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "cache_dir", "")
    graph, donate = training_step()
    rng = np.random.default_rng(0)
    arrays = [np.abs(rng.standard_normal(v.shape)).astype(v.dtype) for v in graph.inputs]
    whole = executor.compile(graph, donate)
    monkeypatch.setattr(program, "PART", part)
    parts = executor.compile(graph, donate)
    assert "@part_" in parts.text("llvm")
    for a, b in zip(whole(*arrays), parts(*arrays), strict=True):
        np.testing.assert_array_equal(a, b)


def test_many_equal_updates_are_one_threads_each_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few are shared by all threads. The bits don't depend on it."""
    monkeypatch.setattr(config, "cache_dir", "")

    def updates(count: int) -> Graph:
        b = Builder()
        pairs = [[b.input(TensorType((100, 100), "float32")) for _ in range(2)] for _ in range(count)]
        return b.build([b.mul(b.sub(w, b.mul(g, b.literal(0.1, "float32"))), w) for w, g in pairs])

    def shared(graph: Graph) -> list[bool]:
        emitted = pipeline.emit(graph, {})
        (phase,) = emitted.plan.phases
        function = program._Function(emitted, emitted.plan, None)
        return [turn is None for turn in function._turns(phase, False)]

    many = updates(program.MANY * pipeline.machine().cores)
    assert shared(updates(4)) == [True] * 4 and shared(many) == [False] * len(many.outputs)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(v.shape).astype(np.float32) for v in many.inputs]
    monkeypatch.setattr(config, "threads", 1)
    one = executor.compile(many)(*arrays)
    for threads in (2, 3):
        monkeypatch.setattr(config, "threads", threads)
        for a, b in zip(one, executor.compile(many)(*arrays), strict=True):
            np.testing.assert_array_equal(a, b)
