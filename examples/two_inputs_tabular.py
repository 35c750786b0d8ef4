"""A model with two named inputs, numbers and categories, predicts how many miles a car of the seventies goes on a gallon.

python examples/two_inputs_tabular.py             # needs mlxtend (the Auto MPG data: 392 cars) and scikit-learn
python examples/two_inputs_tabular.py --short

Five times, a fifth of the cars is predicted by a model that saw the others. The baseline is a linear regression on the same
numbers and on one column per category.

In full: root mean squared error 2.62 miles per gallon, the regression 2.97; 2 s on two cores.
"""

import argparse

import numpy as np
from mlxtend.data import autompg_data
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

import lamella as tf

NUMBERS = ["displacement", "horsepower", "weight", "acceleration"]
COLUMNS = ["cylinders", "displacement", "horsepower", "weight", "acceleration", "year", "origin"]
CATEGORIES = ["cylinders", "year", "origin"]


def load():
    """Return numbers (n, 4), ids (n, 3), miles per gallon (n,), and how many ids there are: no two columns share one."""
    table, miles = autompg_data()
    column = dict(zip(COLUMNS, table.T, strict=False))
    ids, count = [], 0
    for name in CATEGORIES:
        values, numbered = np.unique(column[name], return_inverse=True)
        ids.append(numbered + count)
        count += len(values)
    numbers = np.stack([column[name] for name in NUMBERS], axis=1)
    return numbers.astype("float32"), np.stack(ids, axis=1).astype("int32"), miles.astype("float32"), count


def build(numbers: np.ndarray, miles: np.ndarray, count: int):
    """A network with one hidden layer; numbers and result are scaled by what the training data show."""
    layers = tf.keras.layers
    inputs = {
        "numbers": tf.keras.Input((len(NUMBERS),), name="numbers"),
        "ids": tf.keras.Input((len(CATEGORIES),), dtype="int32", name="ids"),
    }
    normalize = layers.Normalization()
    normalize.adapt(numbers)
    x = layers.Concatenate()([normalize(inputs["numbers"]), layers.Flatten()(layers.Embedding(count, 4)(inputs["ids"]))])
    x = layers.Dense(64, activation="relu")(x)
    outputs = layers.Rescaling(miles.std(), offset=miles.mean())(layers.Dense(1)(x))
    return tf.keras.Model(inputs, outputs, name="miles_per_gallon")


def linear(numbers: np.ndarray, ids: np.ndarray, miles: np.ndarray, count: int, test: np.ndarray, train: np.ndarray):
    """Predictions of the baseline for the rows `test`."""
    table = np.concatenate([numbers, np.eye(count)[ids].sum(axis=1)], axis=1)
    return LinearRegression().fit(table[train], miles[train]).predict(table[test])


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Train, predict, print; return the root mean squared error of the baseline and of the network, in miles per gallon."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="at most 20 epochs")
    options = parser.parse_args(arguments)
    epochs = min(options.epochs, 20) if options.short else options.epochs
    tf.keras.utils.set_random_seed(options.seed)

    numbers, ids, miles, count = load()
    by_line, by_network = np.zeros_like(miles), np.zeros_like(miles)
    for fold, (train, test) in enumerate(KFold(5, shuffle=True, random_state=options.seed).split(numbers)):
        by_line[test] = linear(numbers, ids, miles, count, test, train)
        model = build(numbers[train], miles[train], count)
        steps = epochs * -(-len(train) // options.batch_size)
        model.compile(optimizer=tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(3e-3, steps)), loss="mse")
        if fold == 0:
            model.summary()
        data = {"numbers": numbers[train], "ids": ids[train]}
        model.fit(data, miles[train], batch_size=options.batch_size, epochs=epochs, verbose=0)
        by_network[test] = model.predict({"numbers": numbers[test], "ids": ids[test]}, verbose=0)[:, 0]
        print(f"fold {fold + 1}: linear {rms(by_line[test] - miles[test]):.2f}, network {rms(by_network[test] - miles[test]):.2f}")
    errors = rms(by_line - miles), rms(by_network - miles)
    print(f"root mean squared error in miles per gallon: linear {errors[0]:.3f}, network {errors[1]:.3f}")
    return errors


def rms(x: np.ndarray) -> float:
    """Square root of the mean square."""
    return float(np.sqrt(np.mean(x**2)))


if __name__ == "__main__":
    main()
