"""JAX by hand: the whole epoch in ``lax.scan``, and one jitted step called from Python."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import workload
from worker import NotOffered, Peer


def initial() -> dict:
    """Return parameters, both Adam moments and the step counter."""
    rng = np.random.default_rng(0)

    def glorot(rows: int, columns: int) -> np.ndarray:
        limit = (6 / (rows + columns)) ** 0.5
        return rng.uniform(-limit, limit, (rows, columns)).astype("float32")

    weights = [
        jnp.asarray(glorot(workload.FEATURES, workload.HIDDEN)), jnp.zeros(workload.HIDDEN, "float32"),
        jnp.asarray(glorot(workload.HIDDEN, workload.CLASSES)), jnp.zeros(workload.CLASSES, "float32"),
    ]  # fmt: skip
    zeros = lambda: [jnp.zeros_like(w) for w in weights]  # noqa: E731 - two separate sets of buffers, both donated
    return {"weights": weights, "m": zeros(), "v": zeros(), "t": jnp.zeros((), "float32")}


def logits_of(weights: list, x: jax.Array) -> jax.Array:
    """Return the logits of the two dense layers."""
    w1, b1, w2, b2 = weights
    return jax.nn.relu(x @ w1 + b1) @ w2 + b2


def loss_of(weights: list, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the mean cross-entropy and the number of right answers."""
    logits = logits_of(weights, x)
    loss = -(jax.nn.log_softmax(logits) * y).sum(axis=1).mean()
    return loss, (logits.argmax(axis=1) == y.argmax(axis=1)).sum()


def train(state: dict, x: jax.Array, y: jax.Array) -> tuple[dict, tuple[jax.Array, jax.Array]]:
    """Make one Adam step; the bias corrections are folded into the step size, as Keras does."""
    (loss, hits), gradients = jax.value_and_grad(loss_of, has_aux=True)(state["weights"], x, y)
    t = state["t"] + 1
    rate = workload.LEARNING_RATE * jnp.sqrt(1 - workload.BETA_2**t) / (1 - workload.BETA_1**t)
    m = [m + (g - m) * (1 - workload.BETA_1) for m, g in zip(state["m"], gradients, strict=True)]
    v = [v + (g * g - v) * (1 - workload.BETA_2) for v, g in zip(state["v"], gradients, strict=True)]
    weights = [w - rate * m / (jnp.sqrt(v) + workload.EPSILON) for w, m, v in zip(state["weights"], m, v, strict=True)]
    return {"weights": weights, "m": m, "v": v, "t": t}, (loss, hits)


@partial(jax.jit, donate_argnums=0, static_argnums=4)
def epoch(state: dict, x: jax.Array, y: jax.Array, order: jax.Array, batch: int):
    """Train one epoch; the smaller last batch is a step after the scan."""
    full = len(order) // batch

    def body(state: dict, index: jax.Array):
        return train(state, x[index], y[index])

    state, (losses, hits) = jax.lax.scan(body, state, order[: full * batch].reshape(full, batch))
    loss_sum, correct = losses.sum() * batch, hits.sum()
    rest = order[full * batch :]
    if len(rest):
        state, (loss, hits) = train(state, x[rest], y[rest])
        loss_sum, correct = loss_sum + loss * len(rest), correct + hits
    return state, loss_sum / len(order), correct


@jax.jit
def evaluate(weights: list, x: jax.Array, y: jax.Array):
    """Return loss and accuracy, scanned over batches of 32."""
    full = len(x) // 32

    def body(_, batch):
        loss, hits = loss_of(weights, *batch)
        return None, (loss * 32, hits)

    head = (x[: full * 32].reshape(full, 32, -1), y[: full * 32].reshape(full, 32, -1))
    _, (losses, hits) = jax.lax.scan(body, None, head)
    loss_sum, correct = losses.sum(), hits.sum()
    if len(x) % 32:
        loss, hits = loss_of(weights, x[full * 32 :], y[full * 32 :])
        loss_sum, correct = loss_sum + loss * (len(x) % 32), correct + hits
    return loss_sum / len(x), correct / len(x)


class JaxScan(Peer):
    """One jitted call per epoch, state donated, rows gathered inside."""

    def version(self) -> dict:
        return {"jax": jax.__version__}

    def build(self) -> None:
        self.state = initial()
        self.arrays = {name: jnp.asarray(array) for name, array in self.data.items()}
        self.rng = np.random.default_rng(1)
        self.jitted_step = jax.jit(train, donate_argnums=0)
        self.apply = jax.jit(lambda weights, x: jax.nn.softmax(logits_of(weights, x)))

    def epochs(self, rows: int, batch: int, count: int) -> float:
        for _ in range(count):
            order = self.rng.permutation(rows).astype("int32")
            x, y = self.arrays["x_train"], self.arrays["y_train"]
            self.state, loss, _ = epoch(self.state, x, y, order, batch)
        return float(loss)

    def score(self) -> tuple[float, float]:
        loss, accuracy = evaluate(self.state["weights"], self.arrays["x_test"], self.arrays["y_test"])
        return float(loss), float(accuracy)

    def one_sample(self):
        row = self.arrays["x_test"][:1]
        return lambda: np.asarray(self.apply(self.state["weights"], row))

    one_call = one_sample


class JaxStep(JaxScan):
    """One jitted call per step, batches cut from the shuffled numpy arrays."""

    def epochs(self, rows: int, batch: int, count: int) -> float:
        x, y = self.data["x_train"], self.data["y_train"]
        for _ in range(count):
            order = self.rng.permutation(rows)
            losses = []
            for start in range(0, rows, batch):
                index = order[start : start + batch]
                self.state, (loss, _) = self.jitted_step(self.state, x[index], y[index])
                losses.append(loss * len(index))
        return float(sum(losses)) / rows

    def score(self) -> tuple[float, float]:
        raise NotOffered

    def one_sample(self):
        raise NotOffered

    one_call = one_sample

    def one_step(self, batch: int):
        x, y = self.arrays["x_train"][:batch], self.arrays["y_train"][:batch]

        def step() -> float:
            self.state, (loss, _) = self.jitted_step(self.state, x, y)
            return float(loss)

        return step
