"""Inner loops that threads run block by block of the batch: the same numbers, no meeting inside, nothing copied into histories."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamella import executor, keras, ops, reference
from lamella.autodiff import gradient_graph
from lamella.frontend.tracing import TensorSpec, trace
from lamella.native import memory, pipeline
from lamella.settings import settings as config


@pytest.fixture(autouse=True)
def _no_disk_cache(monkeypatch):
    monkeypatch.setattr(config, "cache_dir", "")


def plain(h, row, w, u, b):
    """Input and state through weights of their own, and a bias."""
    h = ops.tanh(row @ w + h @ u + b)
    return h, h


def gates(h, row, w, u, b):
    """The state in two halves of a product, read at other places than they were computed."""
    z = h @ u + b
    half = h.shape[-1]
    h = ops.sigmoid(z[:, :half]) * h + ops.tanh(z[:, half:] + row @ w)
    return h, h * 2


def rows(h, row, w, u, b):
    """A softmax along the features of each sample."""
    h = ops.softmax(h @ u + row @ w + b, axis=-1)
    return h, ops.sum(h * h, axis=-1)


def samples(h, row, w, u, b):
    """The mean over the batch needs all blocks."""
    h = ops.tanh(row @ w + h @ u) - ops.mean(h, axis=0) + b
    return h, h


STEPS = {f.__name__: f for f in (plain, gates, rows, samples)}


def gradient_of(step, steps, batch, units):
    """A graph of the loss and all gradients of a scan over `steps`."""
    def run(x, h, w, u, b):
        last, ys = ops.scan(lambda h, row: step(h, row, w, u, b), h, x)
        return ops.sum(last * last) + ops.sum(ops.sin(ys))

    wide = units * (1 + (step is gates))
    shapes = [(steps, batch, units), (batch, units), (units, units), (units, wide), (wide,)]
    graph = trace(run, [TensorSpec(s) for s in shapes], step.__name__).graph
    rng = np.random.default_rng(batch)
    return gradient_graph(graph, range(5)), [*(0.5 * rng.standard_normal(s).astype("float32") for s in shapes), np.float32(1)]


def loops_of(graph):
    """The plans of the graph's loops."""
    seen = []
    original = memory.plan

    def spy(*args):
        plan = original(*args)
        seen.append(plan)
        return plan

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "plan", spy)
        patch.setattr(pipeline, "plan", spy)
        program = pipeline.emit(graph, {})
    return program, seen[:-1]


def compiled(graph, arrays, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "threads", threads)
        return executor.compile(graph)(*arrays)


def check(graph, arrays):
    exact = reference.evaluate(reference.widen(graph), [a.astype(np.float64) for a in arrays])
    first = compiled(graph, arrays, 1)
    for out, want in zip(first, exact, strict=True):
        np.testing.assert_allclose(out, want, rtol=0, atol=3e-5 * (1 + np.abs(want).max(initial=0)))
    for threads in (2, 3, 7):
        for one, other in zip(first, compiled(graph, arrays, threads), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", STEPS)
@given(batch=st.integers(1, 40), units=st.integers(1, 40), steps=st.integers(1, 4))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_batch(name, batch, units, steps):
    check(*gradient_of(STEPS[name], steps, batch, units))


@pytest.mark.parametrize("name", STEPS)
def test_threads_meet_in_loops_only_if_samples_do(name):
    graph, arrays = gradient_of(STEPS[name], 3, 32, 48)
    _, loops = loops_of(graph)
    assert len(loops) == 2
    assert [p.by_block for p in loops] == [name != "samples"] * 2
    check(graph, arrays)


def test_a_batch_that_cannot_be_shared_evenly_is_not_cut():
    for batch, blocks in ((32, True), (36, True), (35, True), (31, False), (1, False)):
        graph, arrays = gradient_of(plain, 2, batch, 32)
        _, loops = loops_of(graph)
        assert [p.by_block for p in loops] == [blocks and pipeline.machine().cores <= batch // 4] * 2, batch
        check(graph, arrays)


def test_rows_of_histories_are_stored_where_they_are_computed():
    """`ys` forwards; the gradients of the rows and of the sum inside of tanh backwards. The others copy what was there."""
    graph, _ = gradient_of(plain, 3, 32, 48)
    _, (forwards, backwards) = loops_of(graph)
    for plan, outputs in ((forwards, [1]), (backwards, [1, 2])):
        for position in outputs:
            (writer,) = (c for c in plan.fusion.clusters if any(s.target is plan.graph.outputs[position] for s in c.stores))
            assert writer.members


@pytest.mark.parametrize("layer", ["SimpleRNN", "LSTM", "GRU"])
def test_recurrent_layers_run_block_by_block(layer, monkeypatch):
    """Forwards and backwards, inside of the loop over the epoch's steps."""
    seen = []
    original = memory.plan

    def spy(graph, inputs, outputs, counted=False):
        plan = original(graph, inputs, outputs, counted)
        if counted:
            seen.append(plan.by_block)
        return plan

    monkeypatch.setattr(memory, "plan", spy)
    model = keras.Sequential([keras.layers.Input((7, 12)), getattr(keras.layers, layer)(24), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.zeros((32, 7, 12), "float32"), np.zeros((32, 1), "float32"), batch_size=16, verbose=0)
    assert seen == [True, True]
