"""Kernels that are shared before they are emitted are the ones that every cluster would get by itself."""

from __future__ import annotations

import numpy as np
import pytest

import lamella as tf
from lamella.frontend import Variable, trace
from lamella.native import program as programs
from lamella.native.clusters import Cluster
from lamella.native.kernel import Kernel
from lamella.native.pipeline import emit
from lamella.native.plan import Plan
from lamella.native.program import EMITTERS, Program
from lamella.native.target import Machine, machine

L = tf.keras.layers
SHAPES = [(12, 8)] * 3 + [(8, 12)] * 2 + [(5,)] * 3 + [(1,)] * 2 + [(70, 66)] * 2

NETWORKS = {
    "dense": lambda: [L.Input((20,)), L.Dense(33, "gelu"), L.Dropout(0.3), L.Dense(33, "gelu"), L.LayerNormalization(), L.Dense(3)],
    "convolution": lambda: [L.Input((9, 9, 4)), *(L.Conv2D(4, 3, padding="same", activation="relu") for _ in range(3)),
                            L.BatchNormalization(), L.MaxPooling2D(), L.Flatten(), L.Dense(3)],
    "embedding": lambda: [L.Input((6,), dtype="int32"), L.Embedding(11, 8), L.Bidirectional(L.LSTM(8)), L.Dense(3)],
    "causal": lambda: [L.Input((6, 8)), *(L.Conv1D(8, 3, padding="causal") for _ in "ab"), L.Softmax(), L.Flatten(), L.Dense(3)],
}  # fmt: skip


def update(name: str, shapes: list[tuple[int, ...]]) -> Program:
    """The compiled text of an optimizer's update."""
    parameters = [Variable(np.ones(s, np.float32)) for s in shapes]
    gradients = [Variable(np.ones(s, np.float32), trainable=False) for s in shapes]
    optimizer = getattr(tf.keras.optimizers, name)()
    optimizer.build(parameters)
    traced = trace(lambda: optimizer.apply(gradients, parameters), [], name)
    return emit(traced.graph, traced.donate)


def training(name: str) -> Program:
    """The text of a training step."""
    model = tf.keras.Sequential(NETWORKS[name]())
    model.compile("adam", "mse")
    shape = model.input_shape[1:]
    x = np.ones((16, *shape), np.int32 if name == "embedding" else np.float32)
    model.train_on_batch(x, np.ones((16, 3), np.float32))
    (step,) = model._programs.of_kind("train")
    return emit(step.traced.graph, step.traced.donate)


def kernels(plan: Plan) -> list[tuple[Plan, Cluster]]:
    """Every cluster with a kernel, in the bodies of loops too."""
    found: list[tuple[Plan, Cluster]] = []
    for cluster in (c for phase in plan.phases for c in phase):
        if cluster.kind == "control":
            found += kernels(plan.bodies[cluster])
        elif cluster.kind != "host":
            found.append((plan, cluster))
    return found


@pytest.mark.parametrize("make", [*(lambda n=n: update(n, SHAPES) for n in ("Adam", "Muon", "Adafactor")),
                                  *(lambda n=n: training(n) for n in NETWORKS)])  # fmt: skip
def test_a_shared_kernel_is_the_clusters_own(make) -> None:
    program = make()
    found = kernels(program.plan)
    assert [c for _, c in found] == list(program.kernels)
    for plan, cluster in found:
        own, shared = EMITTERS[cluster.kind](plan, cluster, machine()), program.kernels[cluster]
        assert (own.body, own.params, own.units, own.work, own.schedule, own.scratch, own.flops) == (
            shared.body, shared.params, shared.units, shared.work, shared.schedule, shared.scratch, shared.flops)  # fmt: skip
        assert shared.cluster is cluster


@pytest.mark.parametrize("name", ["Adam", "Muon"])
def test_equal_updates_are_emitted_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    emitted = []

    def counting(kind: str):
        def emitter(plan: Plan, cluster: Cluster, host: Machine) -> Kernel:
            emitted.append(cluster)
            return EMITTERS[kind](plan, cluster, host)

        return emitter

    monkeypatch.setattr(programs, "EMITTERS", {kind: counting(kind) for kind in EMITTERS})
    update(name, [(12, 8)])
    once = len(emitted)
    program = update(name, [(12, 8)] * 20)
    assert len(program.kernels) > 20 and len(emitted) == 2 * once
