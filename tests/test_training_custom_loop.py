"""Loops of one's own: GradientTape under @function and eagerly, and overridden steps."""

from __future__ import annotations

import numpy as np

import lamella as tf
from lamella.data import Dataset

layers = tf.keras.layers
RNG = np.random.default_rng(0)
X = RNG.random((70, 6), dtype=np.float32)
Y = np.eye(3, dtype=np.float32)[RNG.integers(0, 3, 70)]


def run_loop(compiled: bool, weights=None):
    model = tf.keras.Sequential(
        [layers.Dense(8, activation="relu", input_shape=(6,)), layers.Dense(3, activation="softmax")]
    )
    if weights is not None:
        model.set_weights(weights)
    start = model.get_weights()
    optimizer = tf.keras.optimizers.Adam()

    def train_step(images, labels):
        with tf.GradientTape() as tape:
            predictions = model(images)
            loss = tf.keras.losses.categorical_crossentropy(labels, predictions)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    step = tf.function(train_step) if compiled else train_step
    losses = [
        np.array(step(images, labels))
        for _ in range(3)
        for images, labels in Dataset.from_tensor_slices((X, Y)).batch(32)
    ]
    return start, losses, model.get_weights()


def test_the_compiled_loop_and_the_eager_one_agree():
    start, compiled, weights = run_loop(True)
    _, eager, eager_weights = run_loop(False, start)
    assert [len(loss) for loss in compiled] == [32, 32, 6] * 3
    for a, b in zip(compiled, eager, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    for a, b in zip(weights, eager_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    assert np.mean(compiled[6]) < np.mean(compiled[0])


class Custom(tf.keras.Model):
    """The example of Keras' guide: metrics of its own, a train_step of its own."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)
        self.tracker = tf.keras.metrics.Mean(name="distance")

    def call(self, x, training=False):
        return self.dense(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.ops.mean((self(x, training=True) - y) ** 2)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.tracker.update_state(loss)
        return {"distance": self.tracker.result(), "loss": loss}

    @property
    def metrics(self):
        return [self.tracker]


def test_an_overridden_train_step():
    model = Custom()
    model.compile(optimizer="sgd")
    history = model.fit(X, Y, batch_size=32, epochs=4, verbose=0).history
    assert list(history) == ["distance", "loss"]
    assert history["distance"][-1] < history["distance"][0]
    logs = model.train_on_batch(X, Y, return_dict=True)
    assert logs["distance"] == logs["loss"]


class Scaled(tf.keras.Model):
    """Overrides only the loss, and one step by way of super()."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x, training=False):
        return self.dense(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return 2.0 * super().compute_loss(x, y, y_pred, sample_weight, training)

    def test_step(self, data):
        logs = super().test_step(data)
        return {"twice": logs["loss"], "rows": float(data[0].shape[0])}


def test_an_overridden_loss_and_test_step():
    model = Scaled()
    model.compile("sgd", "mse", metrics=["mse"])
    logs = model.evaluate(X, Y, batch_size=40, verbose=0, return_dict=True)
    assert list(logs) == ["twice", "rows"] and logs["rows"] == 30
    model.optimizer.learning_rate = 0.0
    history = model.fit(X, Y, validation_data=(X, Y), verbose=0).history
    assert list(history) == ["loss", "mse", "val_twice", "val_rows"]
    np.testing.assert_allclose(history["loss"][0], 2 * history["mse"][0], rtol=1e-5)
    np.testing.assert_allclose(history["val_twice"][0], history["loss"][0], rtol=1e-5)


def test_add_loss_in_a_layer():
    class Penalty(layers.Layer):
        def call(self, x):
            self.add_loss(tf.ops.sum(x) * 0.0 + 3.0)
            return x

    inputs = tf.keras.Input((6,))
    model = tf.keras.Model(inputs, layers.Dense(3)(Penalty()(inputs)))
    model.compile("sgd", "mse", metrics=["mse"])
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["loss"], logs["mse"] + 3.0, rtol=1e-5)


class Autoencoder(tf.keras.Model):
    """A model that is trained by its step alone, as the VAEs and GANs of Keras' guides: there is no call()."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.tracker = tf.keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.tracker]

    def train_step(self, data):
        assert data.shape == (10, 6)  # x alone, not a tuple
        with tf.GradientTape() as tape:
            loss = tf.keras.ops.mean(tf.keras.losses.mean_squared_error(data, self.decoder(self.encoder(data))))
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}

    def predict_step(self, data):
        return self.encoder(data)


def test_a_model_without_call_trains_by_its_step():
    parts = [tf.keras.Sequential([tf.keras.Input((n,)), layers.Dense(m)]) for n, m in ((6, 2), (2, 6))]
    model = Autoencoder(*parts)
    model.compile(optimizer="adam")
    losses = model.fit(X, epochs=3, batch_size=10, verbose=0).history["loss"]
    assert losses[0] > losses[1] > losses[2]
    streamed = model.fit(Dataset.from_tensor_slices(X).batch(10), verbose=0).history["loss"]
    assert streamed[0] < losses[2]
    for size in (10, 70):
        np.testing.assert_allclose(model.predict(X, batch_size=size, verbose=0), parts[0](X).numpy(), rtol=1e-5)
