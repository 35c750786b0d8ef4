"""A small GPT learns, character by character, to write Python as the standard library does.

python examples/gpt_stdlib.py                     # --plot "" draws no curve (which needs matplotlib)
python examples/gpt_stdlib.py --short

The text are the modules directly in this Python's library folder; every tenth is kept for validation.

In full: 1.594 bits per character on the modules of Python 3.11 (xz needs 1.597) after 6000 steps, ten minutes on two cores.
"""

import argparse
import lzma
import math
import pathlib
import sysconfig
import time

import numpy as np

import lamella as tf

try:
    from matplotlib.figure import Figure
except ImportError:
    Figure = None

layers, ops = tf.keras.layers, tf.keras.ops
VOCABULARY = 128  # ASCII: the codes are the ids


def load(context: int):
    """Return windows of the training and the validation text, (n, context + 1) codes that overlap in one."""
    paths = sorted(pathlib.Path(sysconfig.get_path("stdlib")).glob("*.py"))
    parts = []
    for chosen in ([p for i, p in enumerate(paths) if i % 10], paths[::10]):
        text = "\n".join(path.read_text(encoding="utf-8") for path in chosen)
        codes = np.frombuffer(text.encode("ascii", "ignore"), np.uint8).astype("int32")
        starts = np.arange(0, len(codes) - context, context)
        parts.append(codes[starts[:, None] + np.arange(context + 1)])
    return parts


class TokensAndPositions(layers.Layer):
    """A vector for each character plus one for its place in the window, both learned."""

    def __init__(self, context: int, width: int, **kwargs):
        super().__init__(**kwargs)
        self.tokens = layers.Embedding(VOCABULARY, width)
        self.positions = layers.Embedding(context, width)

    def call(self, ids):
        return self.tokens(ids) + self.positions(ops.arange(ids.shape[-1]))


def block(x, width: int, heads: int):
    """Each place looks at itself and those before it; then a network of its own. Both are added to what was there."""
    h = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(heads, width // heads)(h, h, use_causal_mask=True)])
    h = layers.Dense(4 * width, activation="gelu")(layers.LayerNormalization()(x))
    return layers.Add()([x, layers.Dense(width)(h)])


def build(context: int, depth: int, width: int, heads: int):
    """From the characters of a window to the logits of the next character at each place."""
    ids = tf.keras.Input((context,), dtype="int32")
    x = TokensAndPositions(context, width)(ids)
    for _ in range(depth):
        x = block(x, width, heads)
    logits = layers.Dense(VOCABULARY)(layers.LayerNormalization()(x))
    return tf.keras.Model(ids, logits, name="gpt")


def write(model, prompt: np.ndarray, length: int, temperature: float = 0.8) -> str:
    """Continue a window of characters; all of it is one compiled loop."""

    @tf.function
    def continued(window, noise):
        def step(window, noise):
            logits = model(window[None])[0, -1]
            code = ops.argmax(logits / temperature + noise)
            return ops.concatenate([window[1:], code[None]]), code

        return ops.scan(step, window, noise)[1]

    # The largest of logits plus Gumbel noise is a draw from their softmax.
    noise = np.random.default_rng(0).gumbel(size=(length, VOCABULARY)).astype("float32")
    return bytes(np.asarray(continued(prompt, noise), np.uint8)).decode("ascii")


def draw(history: dict[str, list[float]], steps: int, path: str) -> None:
    """Save the curves of the loss, a point per epoch."""
    if Figure is None:
        print("matplotlib is not installed: no curve")
        return
    axes = (figure := Figure(layout="constrained")).subplots()
    for name, label, place in (("loss", "training", 0.5), ("val_loss", "validation", 1)):  # a mean over the epoch; at its end
        axes.plot(steps * (np.arange(len(history[name])) + place), history[name], label=label)
    axes.set(xlabel="step", ylabel="nats per character")
    axes.legend()
    figure.savefig(path)
    print(f"the curve of the loss: {path}")


def main(arguments: list[str] | None = None) -> tuple[float, str]:
    """Train, print a sample; return the validation loss in nats per character, and the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--steps", type=int, default=200, help="per epoch")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--plot", default="gpt_stdlib.png", help="where the curve of the loss goes; empty: none is drawn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="a tiny network, at most two epochs of ten steps")
    options = parser.parse_args(arguments)
    tf.keras.utils.set_random_seed(options.seed)
    context, depth, width, heads, length = (32, 1, 32, 2, 50) if options.short else (128, 4, 128, 4, 600)
    epochs, steps = (min(options.epochs, 2), 10) if options.short else (options.epochs, options.steps)

    train, valid = load(context)
    model = build(context, depth, width, heads)
    schedule = tf.keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=epochs * steps, warmup_target=2e-3, warmup_steps=epochs * steps // 20
    )
    model.compile(
        optimizer=tf.keras.optimizers.AdamW(schedule, weight_decay=0.1, clipnorm=1.0),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.summary()
    sample = valid[:: max(len(valid) // 512, 1)]
    history = model.fit(
        train[:, :-1],
        train[:, 1:],
        batch_size=options.batch_size,
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=(sample[:, :-1], sample[:, 1:]),
    ).history
    if options.plot:
        draw(history, steps, options.plot)

    loss, _ = model.evaluate(valid[:, :-1], valid[:, 1:], batch_size=options.batch_size)
    text = valid[:, :-1].astype(np.uint8).tobytes()
    print(f"validation: {loss / math.log(2):.3f} bits per character (xz needs {8 * len(lzma.compress(text)) / len(text):.3f})")
    start = time.perf_counter()
    prompt = valid[0, :-1]
    written = write(model, prompt, length)
    print(f"{length} characters after a prompt of {context} (up to |), {time.perf_counter() - start:.2f} s with compilation:\n")
    print(bytes(prompt.astype(np.uint8)).decode("ascii") + "|" + written)
    return loss, written


if __name__ == "__main__":
    main()
