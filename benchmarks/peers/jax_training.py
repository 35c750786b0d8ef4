"""Networks in JAX by hand, with Adam: one jitted step called from Python, and an epoch in ``lax.scan``; everything donated."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from network_worker import NetworkPeer, NotOffered
from peers.jax_networks import NETWORKS


class JaxStep(NetworkPeer):
    """One jitted call per step."""

    def build(self) -> None:
        if self.network not in NETWORKS:
            raise NotOffered
        parameters, statistics, x, y, self.apply, self.loss = NETWORKS[self.network]()
        self.x, self.y = jnp.asarray(x), jnp.asarray(y)
        zeros = partial(jax.tree.map, jnp.zeros_like)
        self.state = {"weights": parameters, "statistics": statistics, "m": zeros(parameters), "v": zeros(parameters),
                      "t": jnp.zeros((), "float32")}  # fmt: skip
        self.step = jax.jit(self._step, donate_argnums=0)
        self.epoch = jax.jit(self._epoch, donate_argnums=0)
        self.score = jax.jit(lambda s, x, y: self.loss(self.apply(s["weights"], s["statistics"], x, False)[0], y))
        self.scores = jax.jit(lambda s, xs, ys: jax.lax.map(lambda b: self.score(s, *b), (xs, ys)).mean())
        self.predict = jax.jit(lambda s, x: self.apply(s["weights"], s["statistics"], x, False)[0])
        self.batches = {}

    def _step(self, state: dict, x: jax.Array, y: jax.Array):
        def total(weights):
            outputs, statistics = self.apply(weights, state["statistics"], x, True)
            return self.loss(outputs, y), statistics

        (loss, statistics), gradients = jax.value_and_grad(total, has_aux=True)(state["weights"])
        t = state["t"] + 1
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        m = jax.tree.map(lambda m, g: m + (g - m) * 0.1, state["m"], gradients)
        v = jax.tree.map(lambda v, g: v + (g * g - v) * 0.001, state["v"], gradients)
        weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), state["weights"], m, v)
        return {"weights": weights, "statistics": statistics, "m": m, "v": v, "t": t}, loss

    def _epoch(self, state: dict, xs: jax.Array, ys: jax.Array):
        return jax.lax.scan(lambda state, batch: self._step(state, *batch), state, (xs, ys))

    def stacked(self, steps: int) -> tuple[jax.Array, jax.Array]:
        """The batch `steps` times over, along a new axis."""
        if steps not in self.batches:
            self.batches[steps] = jnp.stack([self.x] * steps), jnp.stack([self.y] * steps)
        return self.batches[steps]

    def train(self, steps: int) -> None:
        for _ in range(steps):
            self.state, loss = self.step(self.state, self.x, self.y)
        loss.block_until_ready()

    def evaluate(self, steps: int) -> None:
        sum(self.score(self.state, self.x, self.y) for _ in range(steps)).block_until_ready()

    def one(self) -> None:
        if self.network != "cnn":
            raise NotOffered
        np.asarray(self.predict(self.state, self.x[:1]))


class JaxScan(JaxStep):
    """One jitted call per epoch. XLA runs convolutions inside of loops without its fast kernels (a step of `cnn`: 1.07 s instead
    of 0.08 s), so the larger network is left out."""

    def build(self) -> None:
        if self.network == "resnet20":
            raise NotOffered
        super().build()

    def train(self, steps: int) -> None:
        self.state, losses = self.epoch(self.state, *self.stacked(steps))
        losses.block_until_ready()

    def evaluate(self, steps: int) -> None:
        self.scores(self.state, *self.stacked(steps)).block_until_ready()
