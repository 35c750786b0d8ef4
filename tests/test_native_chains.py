"""Chains: kernels that run block by block of the batch give what whole kernels give, in less memory and with fewer barriers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella import executor, reference
from lamella.ir import Builder, TensorType, einsum_spec, matmul_spec
from lamella.native import chains, memory, pipeline
from lamella.native.chains import Chain
from lamella.native.simplify import simplify
from lamella.settings import settings as config

KINDS = ["binary", "binary", "unary", "rows", "sample", "batch", "move", "product", "pair", "shift"]
ELEMENTWISE = ["add", "sub", "mul", "max", "min"]


@pytest.fixture
def always(monkeypatch):
    """Chain whatever can be chained."""
    chain_everything(monkeypatch.setattr)


def chain_everything(setattr):
    setattr(chains, "_pays", lambda *_: True)
    setattr(chains, "LEAST_ROWS", 2)
    setattr(config, "cache_dir", "")


def planned(graph):
    simple = simplify(graph)
    inputs = [memory.Buffer("root", v.type.nbytes, i) for i, v in enumerate(simple.inputs)]
    return memory.plan(simple, inputs, memory.donated(simple.outputs, inputs, {}, len(inputs)))


def chains_of(graph):
    return [phase for phase in planned(graph).phases if isinstance(phase, Chain)]


def results(graph, arrays, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "threads", threads)
        return executor.compile(graph)(*arrays)


def check(graph, arrays, ulps=512.0):
    """Equal to the interpreter in float64, within `ulps` of the result, or a few of the largest number on the way if that cancels;
    and the same bits for any number of threads, more than there are cores too."""
    wide = reference.widen(graph)
    every = replace(wide, outputs=(*wide.outputs, *(v for e in wide.eqns for v in e.outputs)))
    exact = reference.evaluate(every, [a.astype(np.float64) if a.dtype == np.float32 else a for a in arrays])
    largest = max(np.max(np.abs(x), initial=0) for x in exact)
    first = results(graph, arrays, 1)
    for out, expected in zip(first, exact, strict=False):
        bound = max(ulps * np.max(np.abs(expected), initial=0), 4 * largest)
        assert np.max(np.abs(out - expected), initial=0) <= bound * np.finfo(np.float32).eps
    for threads in (2, 3, 7):
        for one, other in zip(first, results(graph, arrays, threads), strict=True):
            np.testing.assert_array_equal(one, other)


def attention(samples=8, tokens=128, width=64):
    """A product, batched products with a softmax between, and what needs all samples: the gradient of the weights."""
    b = Builder()
    x = b.input(TensorType((samples, tokens, width), "float32"))
    w = b.input(TensorType((width, width), "float32"))
    q = b.contract(x, w, spec=matmul_spec(x.type.shape, w.type.shape))
    scores = b.contract(q, x, spec=einsum_spec("bmk,bnk->bmn", q.type.shape, x.type.shape))
    e = b.exp(b.sub(scores, b.reshape(b.reduce_max(scores, axes=(2,)), shape=(samples, tokens, 1))))
    p = b.div(e, b.reshape(b.reduce_sum(e, axes=(2,)), shape=(samples, tokens, 1)))
    y = b.contract(p, x, spec=einsum_spec("bmn,bnk->bmk", p.type.shape, x.type.shape))
    dw = b.contract(x, y, spec=einsum_spec("bmk,bmn->kn", x.type.shape, y.type.shape))
    return b.build([y, dw])


def arrays_for(graph, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, v.type.shape).astype(np.float32) for v in graph.inputs]


def test_attention_weights_exist_for_one_sample_per_thread(always):
    graph = attention()
    (chain,) = chains_of(graph)
    assert chain.blocks == 8
    plan = planned(graph)
    cores = pipeline.machine().cores
    sample = 128 * 128 * 4
    assert chain.private <= 2 * sample + 128 * 64 * 4  # scores, weights, q
    assert plan.arena <= cores * chain.private + 8 * 128 * 64 * 4 + 64 * 64 * 4 + 4096  # and y, which the weights' gradient reads
    check(graph, arrays_for(graph))


def test_small_arrays_are_not_worth_a_chain():
    assert not chains_of(attention(4, 16, 8))


def test_what_reads_other_samples_ends_the_chain(always):
    b = Builder()
    x = b.input(TensorType((6, 40, 16), "float32"))
    y = b.reduce_sum(b.tanh(x), axes=(1,))  # (6, 16): of each sample
    first = b.contract(b.tanh(x), b.input(TensorType((16, 16), "float32")), spec=matmul_spec((6, 40, 16), (16, 16)))
    mean = b.div(b.reduce_sum(first, axes=(0, 1)), b.literal(240, "float32"))
    centred = b.sub(first, mean)
    graph = b.build([y, b.reverse(b.mul(centred, centred), axes=(0,))])
    check(graph, arrays_for(graph))


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_random_programs_over_a_batch(data):
    """Programs that stay within samples, reduce over them, and shift from one to the next."""
    samples, rows, columns = data.draw(st.integers(2, 9)), data.draw(st.integers(1, 9)), data.draw(st.integers(1, 40))
    shape = (samples, rows, columns)
    b = Builder()
    pool = [b.input(TensorType(s, "float32")) for s in [shape, shape, (columns,), (rows, 1), (samples, 1, 1)]]
    square = b.input(TensorType((columns, columns), "float32"))
    for _ in range(data.draw(st.integers(1, 10))):
        x, y = data.draw(st.sampled_from(pool)), data.draw(st.sampled_from(pool))
        kind = data.draw(st.sampled_from(KINDS))
        if kind == "binary":
            pool.append(b.emit(data.draw(st.sampled_from(ELEMENTWISE)), x, y))
        elif kind == "unary":
            pool.append(b.emit(data.draw(st.sampled_from(["tanh", "neg", "abs", "sin"])), x))
        elif x.type.shape != shape:
            continue
        elif kind == "rows":
            pool.append(b.reshape(b.reduce_max(x, axes=(2,)), shape=(samples, rows, 1)))
        elif kind == "sample":
            pool.append(b.reshape(b.div(b.reduce_sum(x, axes=(1,)), b.literal(rows, "float32")), shape=(samples, 1, columns)))
        elif kind == "batch":
            pool.append(b.div(b.reduce_sum(x, axes=(0, 1)), b.literal(samples * rows, "float32")))
        elif kind == "move":
            pool.append(b.transpose(b.reshape(b.transpose(x, perm=(1, 0, 2)), shape=(rows, samples, columns)), perm=(1, 0, 2)))
        elif kind == "shift":  # along the samples or along the rows
            axis = data.draw(st.integers(0, 1))
            low = tuple(int(a == axis) for a in range(3))
            wide = b.pad(x, b.literal(0.5, "float32"), low=low, high=(0, 0, 0), interior=(0, 0, 0))
            pool.append(b.slice(wide, start=(0, 0, 0), stop=shape, stride=(1, 1, 1)))
        elif kind == "product":
            pool.append(b.tanh(b.contract(x, square, spec=matmul_spec(shape, (columns, columns)))))
        elif y.type.shape == shape:
            scores = b.tanh(b.contract(x, y, spec=einsum_spec("bmk,bnk->bmn", shape, shape)))
            pool.append(b.tanh(b.contract(scores, y, spec=einsum_spec("bmn,bnk->bmk", scores.type.shape, shape))))
    graph = b.build([pool[-1], data.draw(st.sampled_from(pool)), pool[-1]])
    with pytest.MonkeyPatch.context() as patch:
        chain_everything(patch.setattr)
        check(graph, arrays_for(graph, 1), 2048.0)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_weights_are_packed_once_per_thread(always, monkeypatch, threads):
    """A chain's products share their packed weights between blocks, with every number of threads."""
    monkeypatch.setattr(config, "threads", threads)
    b = Builder()
    x, w, v = (b.input(TensorType(s, "float32")) for s in [(8, 70, 96), (96, 200), (200, 96)])
    hidden = b.max(b.contract(x, w, spec=einsum_spec("bmk,kn->bmn", (8, 70, 96), (96, 200))), b.literal(0, "float32"))
    graph = b.build([b.contract(hidden, v, spec=einsum_spec("bmk,kn->bmn", (8, 70, 200), (200, 96)))])
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(i.type.shape, dtype="float32") for i in graph.inputs]
    exe = executor.compile(graph)
    assert exe.text("schedule").count("packed once") == 2
    for _ in range(2):  # what the first call has packed must not serve the second
        (got,), (want,) = exe(*arrays), reference.evaluate(graph, arrays)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-3)
        arrays = [a + 1 for a in arrays]
