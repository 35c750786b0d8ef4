"""The second program: the training loop written by hand, one compiled step at a time.

python examples/custom_loop.py
python examples/custom_loop.py --eager --short    # the same, operation by operation

In full: test accuracy 0.8519 after three epochs, 2 s on two cores.
"""

import argparse

import numpy as np

import lamella as tf


def load(short: bool):
    """Return images flattened to 784 and scaled to [0, 1], and one-hot labels."""
    (x_train, y_train), (x_test, y_test) = tf.keras.datasets.fashion_mnist.load_data()
    x_train, x_test = (x.reshape(-1, 784).astype("float32") / 255 for x in (x_train, x_test))
    y_train, y_test = (tf.keras.utils.to_categorical(y, 10) for y in (y_train, y_test))
    if short:
        return x_train[:6000], y_train[:6000], x_test[:1000], y_test[:1000]
    return x_train, y_train, x_test, y_test


def main(arguments: list[str] | None = None) -> list[float]:
    """Train; return the mean loss of every epoch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--eager", action="store_true", help="without tf.function")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="a tenth of the data and at most two epochs")
    options = parser.parse_args(arguments)
    epochs = min(options.epochs, 2) if options.short else options.epochs
    tf.keras.utils.set_random_seed(options.seed)

    x_train, y_train, x_test, y_test = load(options.short)
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Dense(128, activation="relu", input_shape=(784,)),
            tf.keras.layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = tf.keras.optimizers.Adam()

    def train_step(images, labels):
        with tf.GradientTape() as tape:
            predictions = model(images)
            loss = tf.keras.losses.categorical_crossentropy(labels, predictions)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    if not options.eager:
        train_step = tf.function(train_step)

    rng = np.random.default_rng(options.seed)
    history = []
    for epoch in range(epochs):
        order = rng.permutation(len(x_train))
        total = 0.0
        for start in range(0, len(order), options.batch_size):
            batch = order[start : start + options.batch_size]
            total += float(np.sum(train_step(x_train[batch], y_train[batch])))
        history.append(total / len(order))
        print(f"epoch {epoch + 1}/{epochs}: loss {history[-1]:.4f}")

    right = np.argmax(model(x_test), axis=1) == np.argmax(y_test, axis=1)
    print(f"test accuracy {right.mean():.4f}")
    return history


if __name__ == "__main__":
    main()
