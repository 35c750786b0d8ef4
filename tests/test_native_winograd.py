"""3 x 3 convolutions with fewer multiplications: against the reference in float64, for sizes that no tile or vector divides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella import executor
from lamella.autodiff import gradient_graph
from lamella.ir import Builder, Graph, TensorType, conv_spec, grouped_conv_spec
from lamella.native import chains, kernel, tiles, winograd_gradient
from lamella.reference import evaluate, widen
from lamella.settings import settings as config


@pytest.fixture(autouse=True)
def _no_disk_cache(monkeypatch):
    monkeypatch.setattr(config, "cache_dir", "")


@pytest.fixture
def always():
    """Whether it pays or not, and with even the smallest kernels shared between threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "GAIN", 0.0)
        patch.setattr(kernel, "SERIAL_BELOW", 1)
        yield patch


def conv(b: Builder, x, w, pad: int = 1, stride: int = 1, dilation: int = 1):
    reach = dilation * (w.type.shape[0] - 1)
    out = [(s + 2 * pad - reach - 1) // stride + 1 for s in x.type.shape[1:3]]
    return b.contract(x, w, spec=conv_spec(x.type.shape, w.type.shape, [stride] * 2, [pad] * 2, out, [dilation] * 2))


def layer(n: int, size: tuple[int, int], channels: int, filters: int, pad: int) -> Graph:
    """relu(conv(x, w) + bias + residual), from inputs that are at least 3 x 3."""
    b = Builder()
    x, w = b.input(TensorType((n, *size, channels), "float32")), b.input(TensorType((3, 3, channels, filters), "float32"))
    bias = b.input(TensorType((filters,), "float32"))
    y = conv(b, x, w, pad)
    residual = b.input(y.type)
    return b.build([b.max(b.add(b.add(y, bias), residual), b.literal(0, "float32"))], "layer")


def draw(graph: Graph, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(v.shape).astype(np.float32) for v in graph.inputs]


def magnitudes(graph: Graph, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The results with all terms of all sums made positive: the scale of their rounding errors."""
    return evaluate(widen(graph), [np.abs(a).astype(np.float64) for a in arrays])


def error(graph: Graph, arrays: list[np.ndarray], results: list[np.ndarray], together: bool = False) -> float:
    """In units of a rounding, relative to the sum of the terms' magnitudes of each element, or to the largest such sum."""
    exact = evaluate(widen(graph), [a.astype(np.float64) for a in arrays])
    scales = [np.max(s, initial=0) if together else s for s in magnitudes(graph, arrays)]
    largest = [np.max(np.abs(r - e) / np.maximum(s, 1e-30)) for r, e, s in zip(results, exact, scales, strict=True)]
    return float(max(largest)) / float(np.finfo(np.float32).eps)


def fast(graph: Graph) -> int:
    """Kernels that multiply less."""
    return executor.compile(graph).text("schedule").count("Winograd")


def runs(graph: Graph, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The results, which are the same for 1, 2 and 3 threads."""
    exe = executor.compile(graph)
    results = []
    for threads in (1, 2, 3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(config, "threads", threads)
            results.append(exe(*arrays))
    for others in results[1:]:
        for one, other in zip(results[0], others, strict=True):
            np.testing.assert_array_equal(one, other)
    return results[0]


@pytest.mark.parametrize(("n", "size", "channels", "filters", "pad"), [
    (2, (32, 32), 16, 16, 1),
    (3, (11, 14), 32, 64, 0),  # tiles that are partly outside, several vectors
    (4, (8, 8), 64, 64, 1),
    (2, (9, 16), 20, 40, 1),  # channels and filters that are no whole vectors
    (5, (7, 7), 17, 33, 1),
    (2, (6, 6), 16, 120, 1),  # several panels, and a last one that is narrower
])
def test_layers(n, size, channels, filters, pad, always):
    graph = layer(n, size, channels, filters, pad)
    assert fast(graph) == 1
    arrays = draw(graph)
    assert error(graph, arrays, runs(graph, arrays)) < 3.0


@given(st.integers(1, 5), st.integers(1, 13), st.integers(1, 13), st.integers(2, 40), st.integers(2, 70))
@settings(max_examples=15, deadline=None)
def test_layers_of_any_size(n, height, width, channels, filters):
    graph = layer(n, (height, width), channels, filters, 1)
    arrays = draw(graph, height * 1009 + width * 101 + channels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "GAIN", 0.0)
        patch.setattr(kernel, "SERIAL_BELOW", 1)
        assert error(graph, arrays, runs(graph, arrays)) < 6.0


def test_rounding_is_not_worse_than_that_of_the_direct_sum(monkeypatch):
    """It is better: sums over the channels are shorter than sums over channels and taps."""
    b = Builder()
    x, w = b.input(TensorType((4, 16, 16, 64), "float32")), b.input(TensorType((3, 3, 64, 64), "float32"))
    graph = b.build([conv(b, x, w)])
    for arrays in (draw(graph), [np.abs(a) for a in draw(graph)]):
        errors = []
        for gain in (0.0, np.inf):
            monkeypatch.setattr(tiles, "GAIN", gain)
            errors.append(error(graph, arrays, executor.compile(graph)(*arrays)))
        assert errors[0] < errors[1]


def gradients(n: int, size: tuple[int, int], channels: int, filters: int, pad: int) -> Graph:
    """Of a convolution's image and kernel."""
    b = Builder()
    x, w = b.input(TensorType((n, *size, channels), "float32")), b.input(TensorType((3, 3, channels, filters), "float32"))
    return gradient_graph(b.build([conv(b, x, w, pad)]), [0, 1])


@pytest.mark.parametrize(("n", "size", "channels", "filters", "pad", "units"), [
    (6, (12, 12), 16, 24, 1, 4),
    (6, (9, 7), 20, 16, 0, 4),
    (8, (13, 11), 32, 70, 1, 4),
    (16, (8, 8), 64, 48, 1, 4),  # blocks of several images
    (9, (10, 10), 32, 16, 0, 99),  # the channels in pieces, for many cores
    (7, (32, 32), 16, 16, 1, 4),  # one image per part
])
def test_gradients(n, size, channels, filters, pad, units, always):
    always.setattr(winograd_gradient, "UNITS", units)
    graph = gradients(n, size, channels, filters, pad)
    assert fast(graph) == 2
    arrays = draw(graph)
    assert error(graph, arrays, runs(graph, arrays)) < 6.0


@given(st.integers(1, 9), st.integers(1, 13), st.integers(1, 13), st.integers(2, 40), st.integers(2, 70))
@settings(max_examples=15, deadline=None)
def test_gradients_of_any_size(n, height, width, channels, filters):
    graph = gradients(n, (height, width), channels, filters, 1)
    arrays = draw(graph, height * 1009 + width * 101 + channels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "GAIN", 0.0)
        patch.setattr(kernel, "SERIAL_BELOW", 1)
        # A corner of the kernel may have a single term; it is computed from its neighbours' too, and rounded as they are.
        assert error(graph, arrays, runs(graph, arrays), together=True) < 4.0


def test_update_with_the_gradient(always):
    """Of few images, whose gradient is not summed up in parts: the update joins the kernel."""
    inner = gradients(2, (8, 8), 32, 48, 0)
    b = Builder()
    inputs = [b.input(v.type) for v in inner.inputs]
    _, step = b.inline(inner, inputs)
    graph = b.build([b.add(inputs[1], b.mul(step, b.literal(0.5, "float32")))])
    assert executor.compile(graph).text("schedule").count("contract") == fast(graph) == 1
    arrays = draw(graph)
    assert error(graph, arrays, runs(graph, arrays)) < 6.0


def test_blocks_of_a_chain(always):
    """Layer after layer for a few images at a time; a batch of fewer images gives the same bits."""
    always.setattr(chains, "_pays", lambda *_: True)

    def network(n: int) -> Graph:
        b = Builder()
        x, *kernels = (b.input(TensorType(s, "float32")) for s in ((n, 10, 10, 16), (3, 3, 16, 32), (3, 3, 32, 16)))
        y = b.max(conv(b, x, kernels[0]), b.literal(0, "float32"))
        return b.build([b.add(conv(b, y, kernels[1]), x)])

    graph = network(16)
    arrays = draw(graph)
    whole = runs(graph, arrays)
    assert fast(graph) == 2 and executor.compile(graph).cost()["barriers"] < 3
    assert error(graph, arrays, whole) < 32.0
    (part,) = executor.compile(network(8))(arrays[0][:8], *arrays[1:])
    np.testing.assert_array_equal(part, whole[0][:8])


@pytest.mark.parametrize(("lines", "kernels"), [(64, 2), (40, 0)])
def test_one_image_in_blocks_of_lines(lines, kernels, always):
    """Without an axis of the batch, a chain may cut the image itself into blocks of lines: they must be whole rows of tiles."""
    always.setattr(chains, "_block_count", lambda *_: 8)
    always.setattr(chains, "_pays", lambda *_: True)
    b = Builder()
    x, *weights = (b.input(TensorType(s, "float32")) for s in ((1, lines, 40, 16), (3, 3, 16, 16), (3, 3, 16, 16)))
    y = b.max(conv(b, x, weights[0]), b.literal(0, "float32"))
    graph = b.build([b.max(conv(b, y, weights[1]), b.literal(0, "float32"))])
    assert fast(graph) == kernels
    arrays = draw(graph)
    assert error(graph, arrays, runs(graph, arrays)) < 32.0


def _plain(dtype="float32", window=3, channels=32, **how):
    b = Builder()
    x, w = b.input(TensorType((8, 16, 16, channels), dtype)), b.input(TensorType((window, window, channels, 32), dtype))
    return b.build([conv(b, x, w, **how)])


def _groups():
    b = Builder()
    x, w = b.input(TensorType((8, 16, 16, 2, 16), "float32")), b.input(TensorType((3, 3, 16, 2, 16), "float32"))
    return b.build([b.contract(x, w, spec=grouped_conv_spec(x.type.shape, w.type.shape, [1, 1], [1, 1], [16, 16], [1, 1]))])


@pytest.mark.parametrize(("graph", "kernels"), [
    (_plain(), 1), (_plain(channels=1), 0), (_plain(channels=3), 0), (_plain(stride=2), 0), (_plain(dilation=2), 0),
    (_plain(window=5), 0), (_plain("float64"), 0), (_plain("float16"), 0), (_plain("bfloat16"), 0), (_groups(), 0)],
    ids=["plain", "one channel", "colours", "stride", "dilation", "window of 5", "float64", "float16", "bfloat16", "groups"])
def test_where_it_is_used(graph, kernels):
    assert fast(graph) == kernels
