"""Lamella: ``compile`` and ``fit``, and a custom loop under ``function``."""

from __future__ import annotations

import lamella as tf

import workload
from worker import Peer


class LamellaPeer(Peer):
    """The programs of ``examples/`` with the benchmark's data."""

    def version(self) -> dict:
        return {"lamella": tf.__version__}

    def build(self) -> None:
        self.model = tf.keras.Sequential(
            [
                tf.keras.layers.Dense(workload.HIDDEN, activation="relu", input_shape=(workload.FEATURES,)),
                tf.keras.layers.Dense(workload.CLASSES, activation="softmax"),
            ]
        )
        self.model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])

    def epochs(self, rows: int, batch: int, count: int) -> float:
        x, y = self.data["x_train"][:rows], self.data["y_train"][:rows]
        return self.model.fit(x, y, batch_size=batch, epochs=count, verbose=0).history["loss"][-1]

    def score(self) -> tuple[float, float]:
        return tuple(self.model.evaluate(self.data["x_test"], self.data["y_test"], verbose=0))

    def one_sample(self):
        row = self.data["x_test"][:1]
        return lambda: self.model.predict(row, verbose=0)

    def one_call(self):
        row = self.data["x_test"][:1]
        return lambda: self.model(row).numpy()

    def one_step(self, batch: int):
        model, optimizer = self.model, tf.keras.optimizers.Adam()
        x, y = self.data["x_train"][:batch], self.data["y_train"][:batch]

        @tf.function
        def train_step(images, labels):
            with tf.GradientTape() as tape:
                loss = tf.keras.losses.categorical_crossentropy(labels, model(images))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

        return lambda: train_step(x, y).numpy()
