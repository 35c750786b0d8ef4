"""Write tests/data/categorical.json: what Keras' layers of strings and categories answer.

Keras computes them with TensorFlow, which the tests do without. Run it where both are installed:

    KERAS_BACKEND=tensorflow python tools/make_categorical_table.py
"""

from __future__ import annotations

import json
import pathlib

import keras
import numpy as np

OUT = pathlib.Path(__file__).parent.parent / "tests" / "data" / "categorical.json"

WORDS = [["a", "z", "a"], ["b", "m", ""]]
NUMBERS = [[12, 36, -7], [0, 2**40, 12]]
TEXTS = ["The cat, the DOG!", "É à la carte", "", "a\u00a0b\tc\nd  e", "dog's   don't", "cat"]
DOCUMENTS = [["a", "b", "a"], ["b", "c", "b"], ["", "[UNK]", "b"]]
LONG = ["x" * n for n in (0, 1, 3, 4, 7, 8, 16, 17, 32, 33, 64, 65, 128, 129, 300)]
ENCODINGS = ("one_hot", "multi_hot", "count")

# Layer, arguments, data to adapt to (None: none) and inputs; several batches stand in {"batches": [...]}.
CASES = [
    *[("StringLookup", {"vocabulary": ["a", "b"], "mask_token": "m", "output_mode": mode}, None, x)
      for mode in ("int", *ENCODINGS) for x in ("a", ["a", "z"], [["b"], ["m"]], WORDS)],
    ("StringLookup", {"vocabulary": ["a", "b"], "num_oov_indices": 4}, None, [*WORDS, ["héllo", "日本", "zz"]]),
    ("StringLookup", {"vocabulary": ["a", "b"], "num_oov_indices": 4, "mask_token": "", "salt": [133, 137]}, None, WORDS),
    ("StringLookup", {"vocabulary": ["a", "b"], "num_oov_indices": 3, "salt": 5, "output_mode": "multi_hot"}, None, WORDS),
    ("StringLookup", {"vocabulary": ["", "[UNK]", "a"], "mask_token": ""}, None, WORDS),
    ("StringLookup", {"vocabulary": ["[UNK]", "a"], "mask_token": ""}, None, WORDS),
    ("StringLookup", {"vocabulary": ["a", "b"], "num_oov_indices": 0}, None, [["b", "a"]]),
    ("StringLookup", {"vocabulary": ["a"], "max_tokens": 4, "pad_to_max_tokens": True, "output_mode": "count"}, None, WORDS),
    ("StringLookup", {"vocabulary": ["a", "b"], "idf_weights": [0.25, 3.0], "output_mode": "tf_idf"}, None, WORDS),
    ("StringLookup", {"vocabulary": ["[UNK]", "a", "b"], "idf_weights": [0.5, 0.25, 3.0], "output_mode": "tf_idf"}, None,
     WORDS),
    ("StringLookup", {"vocabulary": ["a", "b"], "invert": True, "mask_token": "m"}, None, [[0, 1, 2], [3, 4, -1]]),
    ("StringLookup", {"vocabulary": ["a", "b"], "invert": True, "num_oov_indices": 2, "oov_token": "?"}, None, [0, 1, 2, 3, 9]),
    ("StringLookup", {}, ["b", "a", "c", "b", "É", "z"], ["a", "b", "q"]),
    ("StringLookup", {"max_tokens": 3}, DOCUMENTS, DOCUMENTS),
    ("StringLookup", {"mask_token": ""}, {"batches": [["a", "b"], ["c", "c"]]}, DOCUMENTS),
    ("StringLookup", {"output_mode": "tf_idf"}, DOCUMENTS, DOCUMENTS),
    ("StringLookup", {"output_mode": "tf_idf"}, ["a", "b", "a"], DOCUMENTS),
    ("StringLookup", {"output_mode": "tf_idf"}, {"batches": [["a", "b", "a"], ["b", "c"]]}, DOCUMENTS),
    ("StringLookup", {"output_mode": "tf_idf", "max_tokens": 6, "pad_to_max_tokens": True}, DOCUMENTS, DOCUMENTS),
    *[("IntegerLookup", {"vocabulary": [36, 12, -5], "mask_token": 0, "output_mode": mode}, None, x)
      for mode in ("int", *ENCODINGS) for x in ([12, 5], [[36], [0]], NUMBERS)],
    ("IntegerLookup", {"vocabulary": [12, 36], "num_oov_indices": 3}, None, [*NUMBERS, [-1, -2, 7]]),
    ("IntegerLookup", {"vocabulary": [12], "num_oov_indices": 3, "oov_method": "farmhash"}, None, NUMBERS),
    ("IntegerLookup", {"vocabulary": [12], "num_oov_indices": 3, "oov_method": "farmhash", "salt": [1, 2], "mask_token": 0},
     None, NUMBERS),
    ("IntegerLookup", {"vocabulary": [12, 36], "num_oov_indices": 0}, None, [36, 12]),
    ("IntegerLookup", {"vocabulary": [12, 36], "invert": True, "num_oov_indices": 2, "mask_token": 0}, None, [[0, 1, 2, 3, 4, 9]]),
    ("IntegerLookup", {"vocabulary": [12, 36], "idf_weights": [0.25, 3.0], "output_mode": "tf_idf"}, None, NUMBERS),
    ("IntegerLookup", {"max_tokens": 4}, [[5, 5, 7], [7, 9, -1]], [5, 7, 9, 1]),
    ("IntegerLookup", {"output_mode": "tf_idf", "mask_token": 9}, [[5, 5, 7], [7, 9, -1]], [[5, 7, 9, 1]]),
    *[("Hashing", {"num_bins": 5, "output_mode": mode, **more}, None, x)
      for mode in ("int", *ENCODINGS) for more in ({}, {"salt": [3, 4], "mask_value": "a"}) for x in (["a"], WORDS)],
    ("Hashing", {"num_bins": 1000003}, None, LONG),
    ("Hashing", {"num_bins": 1000003, "salt": 133}, None, LONG),
    ("Hashing", {"num_bins": 7, "mask_value": 3}, None, [1, 2, 3, -4]),
    ("Hashing", {"num_bins": 7, "mask_value": 3}, None, [1.9, 2.0, 3.0, -4.2]),
    ("Hashing", {"num_bins": 1, "mask_value": 3}, None, [1, 3]),
    ("Hashing", {"num_bins": 100}, None, [True, False]),
    ("HashedCrossing", {"num_bins": 1000}, None, {"features": [["A", "B", ""], [101, -102, 0]]}),
    ("HashedCrossing", {"num_bins": 1000}, None, {"features": [[["A"], ["B"]], [["x"], ["É"]], [[5], [6]]]}),
    ("HashedCrossing", {"num_bins": 5, "output_mode": "one_hot"}, None, {"features": [["A", "B"], [1, 2]]}),
    ("HashedCrossing", {"num_bins": 5, "output_mode": "one_hot"}, None, {"features": [[["A"], ["B"]], [[1], [2]]]}),
    *[("TextVectorization", kwargs, TEXTS, [*TEXTS[:5], "unknown cat"])
      for kwargs in ({}, {"standardize": None}, {"standardize": "lower"}, {"standardize": "strip_punctuation"},
                     {"split": "character"}, {"split": None}, {"ngrams": 2}, {"ngrams": [2, 3]},
                     {"output_sequence_length": 3}, {"output_sequence_length": 6}, {"max_tokens": 5},
                     {"output_mode": "multi_hot"}, {"output_mode": "tf_idf"},
                     {"output_mode": "count", "max_tokens": 30, "pad_to_max_tokens": True},
                     {"split": None, "output_mode": "one_hot"}, {"split": None, "output_mode": "multi_hot"})],
    ("TextVectorization", {"vocabulary": ["a", "b"]}, None, "A b"),
    ("TextVectorization", {"vocabulary": ["a", "b"], "split": None}, None, "A"),
    ("TextVectorization", {"vocabulary": ["a", "b"]}, None, [[["a b"], ["b"]]]),
    ("TextVectorization", {"vocabulary": ["a", "b"]}, None, [""]),
    ("TextVectorization", {"vocabulary": ["a", "a b"], "split": None, "ngrams": 2}, None, [["a", "b"], ["b", "c"]]),
    ("TextVectorization", {"vocabulary": ["a", "b"], "split": None, "output_sequence_length": 3}, None, [["a", "b"], ["b", "c"]]),
    ("TextVectorization", {"vocabulary": ["a", "b"], "idf_weights": [0.5, 2.0], "output_mode": "tf_idf"}, None, ["a b b z"]),
    ("TextVectorization", {}, {"batches": [["a b", "b"], ["b c"]]}, ["c b a"]),
]


def answer(name, kwargs, adapt, inputs):
    """What Keras says."""
    arguments = {key: tuple(value) if key == "ngrams" and isinstance(value, list) else value for key, value in kwargs.items()}
    layer = getattr(keras.layers, name)(**arguments)
    if adapt is not None:
        layer.adapt(iter(adapt["batches"]) if isinstance(adapt, dict) else adapt)
    x = tuple(map(np.array, inputs["features"])) if isinstance(inputs, dict) else inputs
    output = np.asarray(layer(x))
    if output.dtype == object:
        output = np.vectorize(bytes.decode, [str])(output)
    words = [str(w) if isinstance(w, str) else int(w) for w in layer.get_vocabulary()] if hasattr(layer, "get_vocabulary") else None
    return {"layer": name, "kwargs": kwargs, "adapt": adapt, "inputs": inputs, "outputs": output.tolist(), "vocabulary": words}


if __name__ == "__main__":
    rows = [json.dumps(answer(*case), ensure_ascii=False) for case in CASES]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")
    print(f"{OUT}: {len(rows)} rows of Keras {keras.__version__}")
