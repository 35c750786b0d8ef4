"""Keras 3 on the backend that ``KERAS_BACKEND`` names."""

from __future__ import annotations

import importlib

import keras

import workload
from worker import NotOffered, Peer


class KerasPeer(Peer):
    """``compile`` and ``fit`` with Keras' own defaults."""

    def version(self) -> dict:
        backend = keras.config.backend()
        return {"keras": keras.__version__, backend: importlib.import_module(backend).__version__}

    def build(self) -> None:
        self.model = keras.Sequential(
            [
                keras.layers.Input((workload.FEATURES,)),
                keras.layers.Dense(workload.HIDDEN, activation="relu"),
                keras.layers.Dense(workload.CLASSES, activation="softmax"),
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
        row = keras.ops.convert_to_tensor(self.data["x_test"][:1])
        return lambda: keras.ops.convert_to_numpy(self.model(row))

    def one_step(self, batch: int):
        if keras.config.backend() != "tensorflow":
            raise NotOffered
        tf = importlib.import_module("tensorflow")
        model, optimizer = self.model, keras.optimizers.Adam()
        x = tf.constant(self.data["x_train"][:batch])
        y = tf.constant(self.data["y_train"][:batch])

        @tf.function
        def train_step(images, labels):
            with tf.GradientTape() as tape:
                loss = keras.losses.categorical_crossentropy(labels, model(images))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

        return lambda: train_step(x, y).numpy()
