"""Fixtures that several test files share."""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

from lamella import autodiff, executor, ops, reference
from lamella.autodiff import gradient_graph
from lamella.frontend import GradientTape, TensorSpec, trace
from lamella.nn import layers


def _gradients(layer, arrays, many, directions, training):
    """Outputs and the gradients of Σ output · direction towards float inputs and trainable weights, here."""
    tensors = [ops.convert_to_tensor(a) for a in arrays]
    with GradientTape() as tape:
        for tensor in tensors:
            tape.watch(tensor)
        out = layer(tensors if many else tensors[0], **training)
        loss = ops.sum(out * directions(out.shape))
    gradients = tape.gradient(loss, [*tensors, *layer.trainable_weights])
    return out.numpy(), [None if g is None else g.numpy() for g in gradients]


def _keras_gradients(layer, arrays, many, directions, training):
    """The same in Keras on JAX."""
    jax = pytest.importorskip("jax")

    def loss(weights, inputs):
        out, _ = layer.stateless_call(weights, [v.value for v in layer.non_trainable_variables],
                                      inputs if many else inputs[0], **training)
        return (out * directions(out.shape)).sum(), out

    weights = [v.value for v in layer.trainable_variables]
    (_, out), (by_weight, by_input) = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(weights, list(arrays))
    return np.asarray(out), [np.asarray(g) for g in [*by_input, *by_weight]]


def _compare(name, kwargs, inputs, training=None, gradients=True, rtol=2e-4, atol=2e-5):
    """A layer against Keras': outputs, gradients, weights, shapes, configs; returns both layers."""
    keras = pytest.importorskip("keras")
    many = isinstance(inputs, list)
    arrays = inputs if many else [inputs]
    training = {} if training is None else {"training": training}
    ours, theirs = getattr(layers, name)(**kwargs), getattr(keras.layers, name)(**kwargs)
    ours(inputs)
    theirs.build([x.shape for x in arrays] if many else inputs.shape)
    rng = np.random.default_rng(len(arrays[0].shape))
    weights = [w if w.dtype.kind in "iu" else rng.uniform(0.2, 1.0, w.shape).astype(np.float32) *
               rng.choice([-1, 1], w.shape).astype(np.float32) if w.ndim > 1 else np.abs(w) + 0.3
               for w in theirs.get_weights()]
    theirs.set_weights(weights), ours.set_weights(weights)

    def directions(shape):
        return np.random.default_rng(3).standard_normal(shape).astype(np.float32)

    if gradients:
        (got, mine), (want, wanted) = (
            one(layer, arrays, many, directions, training)
            for one, layer in ((_gradients, ours), (_keras_gradients, theirs)))
        for place, (a, b) in enumerate(zip(mine, wanted, strict=True)):
            a = np.zeros_like(b) if a is None else a
            scale = max(1.0, float(np.abs(b).max(initial=0)))
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol * scale, err_msg=f"gradient {place}")
    else:
        got, want = ours(inputs, **training).numpy(), np.asarray(theirs(inputs, **training))
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol * max(1.0, float(np.abs(want).max(initial=0))))
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    assert [w.path.split("/")[-1] for w in ours.weights] == [w.path.split("/")[-1] for w in theirs.weights]
    shapes = [(None, *x.shape[1:]) for x in arrays]
    shape = ours.compute_output_shape(shapes if many else shapes[0])
    assert tuple(shape) == (None, *want.shape[1:])
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    keras.layers.deserialize(layers.serialize(ours))
    deviation = max(np.abs(a - b).max(initial=0) for a, b in [(got, want)])
    return SimpleNamespace(ours=ours, theirs=theirs, deviation=deviation)


@pytest.fixture
def same_as_keras():
    """`same_as_keras(layer name, arguments, inputs)`: a layer here and in Keras (JAX), with the same weights."""
    return _compare


def _native(function, *arrays, gradient=True, atol=1e-5):
    """A function of float32 arrays, forward and gradient: native code against the reference interpreter."""
    traced = trace(function, [TensorSpec(a.shape, "float32") for a in arrays], "f")
    values = [*arrays, *(v.numpy() for v in traced.variables)]
    graphs = [traced.graph]
    if gradient:
        graphs.append(gradient_graph(traced.graph, list(range(len(arrays)))))
    rng = np.random.default_rng(5)
    for graph in graphs:
        extra = [rng.standard_normal(v.type.shape).astype(np.float32) for v in graph.inputs[len(values):]]
        got, want = executor.compile(graph)(*values, *extra), reference.evaluate(graph, [*values, *extra])
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=atol * max(1.0, float(np.abs(b).max(initial=0))))


@pytest.fixture
def native_as_reference():
    """`native_as_reference(function, *arrays)`: both targets agree on a function and its gradient."""
    return _native


_WIDE = {"float64": "float32", "int64": "int32", "uint64": "uint32"}  # JAX has no 64-bit dtypes by default


def _arrays(value):
    """The arrays of a result, whatever lists and tuples it is made of."""
    return [a for v in value for a in _arrays(v)] if isinstance(value, (list, tuple)) else [np.asarray(value)]


def _same_op(name, args, kwargs, rtol=2e-5, atol=2e-6):
    keras = pytest.importorskip("keras")
    with np.errstate(all="ignore"):
        expected = _arrays(getattr(keras.ops, name)(*args, **kwargs))
        received = _arrays(getattr(ops, name)(*args, **kwargs))
    assert len(expected) == len(received)
    for e, r in zip(expected, received, strict=True):
        assert r.shape == e.shape
        assert _WIDE.get(r.dtype.name, r.dtype.name) == _WIDE.get(e.dtype.name, e.dtype.name)
        if e.dtype.name == "bfloat16":
            e, r = e.astype(np.float32), r.astype(np.float32)
        np.testing.assert_allclose(r, e, rtol=rtol, atol=atol)


@pytest.fixture
def op_as_keras():
    """`op_as_keras(name, args, kwargs)`: values, shapes and dtypes of an operation are those of keras.ops on JAX."""
    return _same_op


def _is_float(a):
    return isinstance(a, np.ndarray) and a.dtype == np.float32


def _op_graph(name, args, kwargs, dtype):
    """The graph of an operation in its float32 arrays, and their values with those of its constants."""
    leaves = [a for arg in args for a in (arg if isinstance(arg, (list, tuple)) else [arg]) if _is_float(a)]

    def call(*tensors):
        rest = iter(tensors)

        def fill(arg):
            if isinstance(arg, (list, tuple)):
                return type(arg)(map(fill, arg))
            return next(rest) if _is_float(arg) else arg

        return getattr(ops, name)(*map(fill, args), **kwargs)

    traced = trace(call, [TensorSpec(a.shape, dtype) for a in leaves], name)
    return traced.graph, [*(a.astype(dtype) for a in leaves), *(v._array for v in traced.variables)]


def _op_gradient(name, args, kwargs, order=2, tolerance=1e-4):
    graph, values = _op_graph(name, args, kwargs, "float64")
    autodiff.check_gradients(graph, values, reference.evaluate, order=order, tolerance=tolerance)


@pytest.fixture
def op_gradient():
    """`op_gradient(name, args, kwargs)`: gradients towards all float32 arrays agree with differences, to second order."""
    return _op_gradient


def _op_native(name, args, kwargs, atol=1e-5):
    graph, values = _op_graph(name, args, kwargs, "float32")
    for a, b in zip(executor.compile(graph)(*values), reference.evaluate(graph, values), strict=True):
        scale = float(np.abs(b).max(initial=1, where=np.isfinite(b)))
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=atol * scale)


@pytest.fixture
def op_native():
    """`op_native(name, args, kwargs)`: native code agrees with the reference interpreter."""
    return _op_native
