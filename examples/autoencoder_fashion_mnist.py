"""A convolutional autoencoder squeezes pictures of clothes through 32 numbers.

python examples/autoencoder_fashion_mnist.py      # --plot "" draws no picture (which needs matplotlib)
python examples/autoencoder_fashion_mnist.py --short

The baseline is the best that a linear map can do with as many numbers: a principal component analysis.

In full: mean squared error 0.0073 after 15 epochs, 1.4 minutes on two cores; the components leave 0.0151.
"""

import argparse

import numpy as np

import lamella as tf

try:
    from matplotlib.figure import Figure
except ImportError:
    Figure = None

layers = tf.keras.layers


def load(short: bool):
    """Return the training and the test images, (n, 28, 28, 1), scaled to [0, 1]."""
    (x_train, _), (x_test, _) = tf.keras.datasets.fashion_mnist.load_data()
    x_train, x_test = (x[..., None].astype("float32") / 255 for x in (x_train, x_test))
    return (x_train[:2000], x_test[:500]) if short else (x_train, x_test)


def build(code: int):
    """Return the encoder (picture to code), the decoder (code to picture) and the two in a row."""
    encoder = tf.keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(code),
        ],
        name="encoder",
    )
    decoder = tf.keras.Sequential(
        [
            layers.Input((code,)),
            layers.Dense(7 * 7 * 64, activation="relu"),
            layers.Reshape((7, 7, 64)),
            layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid"),
        ],
        name="decoder",
    )
    return encoder, decoder, tf.keras.Sequential([encoder, decoder], name="autoencoder")


def principal_components(x_train: np.ndarray, x: np.ndarray, code: int) -> np.ndarray:
    """Return pictures projected on the `code` directions in which the training pictures vary most."""
    mean = x_train.reshape(len(x_train), -1).mean(0)
    _, directions = np.linalg.eigh(np.cov(x_train.reshape(len(x_train), -1), rowvar=False))  # the variances ascend
    main = directions[:, -code:]
    return ((x.reshape(len(x), -1) - mean) @ main @ main.T + mean).reshape(x.shape)


def draw(rows: dict[str, np.ndarray], path: str) -> None:
    """Save a row of pictures for each entry, with its name on the left."""
    if Figure is None:
        print("matplotlib is not installed: no picture")
        return
    columns = min(map(len, rows.values()))
    figure = Figure((columns, 1.1 * len(rows)), layout="constrained")
    for axes, (name, pictures) in zip(figure.subplots(len(rows), columns), rows.items(), strict=True):
        axes[0].set_ylabel(name)
        for ax, picture in zip(axes, pictures, strict=False):
            ax.imshow(picture[..., 0], cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
    figure.savefig(path)
    print(f"originals and reconstructions: {path}")


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Train, evaluate, print; return the mean squared error of the components and of the autoencoder on the test data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", type=int, default=32, help="numbers per picture")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--plot", default="autoencoder_fashion_mnist.png", help="where the pictures go; empty: none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="a thirtieth of the data and at most two epochs")
    options = parser.parse_args(arguments)
    epochs = min(options.epochs, 2) if options.short else options.epochs
    tf.keras.utils.set_random_seed(options.seed)

    x_train, x_test = load(options.short)
    encoder, decoder, model = build(options.code)
    steps = epochs * -(-len(x_train) // options.batch_size)
    model.compile(optimizer=tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(2e-3, steps)), loss="mse")
    model.summary()
    model.fit(x_train, x_train, epochs=epochs, batch_size=options.batch_size, validation_data=(x_test, x_test))

    error = model.evaluate(x_test, x_test, batch_size=options.batch_size)
    projected = principal_components(x_train, x_test, options.code)
    baseline = float(np.mean((projected - x_test) ** 2))
    print(f"mean squared error with {options.code} numbers: principal components {baseline:.5f}, autoencoder {error:.5f}")
    if options.plot:
        some = x_test[:12]
        rebuilt = decoder.predict(encoder.predict(some, verbose=0), verbose=0)
        draw({"original": some, "components": projected[:12], "autoencoder": rebuilt}, options.plot)
    return baseline, error


if __name__ == "__main__":
    main()
