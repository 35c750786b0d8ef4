"""An LSTM reads a word letter by letter and says which of eight languages it is from.

tools/get_data.sh python3 words    # Debian's word lists, 4 MB, where they are not in /usr/share/dict
python examples/lstm_languages.py
python examples/lstm_languages.py --short

The baseline is a logistic regression on how often each group of one to three letters occurs (needs scikit-learn).

In full: test accuracy 0.8989 after eight epochs, the baseline 0.8947; 6 minutes on two cores.
"""

import argparse
import collections
import os
import pathlib

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import lamella as tf

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
FOLDERS = [pathlib.Path("/usr/share/dict"), CACHE / "lamella" / "words"]
LISTS = ["american-english", "danish", "dutch", "french", "italian", "ngerman", "spanish", "swedish"]
LONGEST = 20


def read_lists() -> list[dict[str, None]]:
    """The words of each language, in small letters, each once and in the order of the file."""
    for folder in FOLDERS:
        if all((folder / name).exists() for name in LISTS):
            encodings = {"swedish": "latin-1"}
            texts = [(folder / name).read_text(encodings.get(name, "utf-8")) for name in LISTS]
            return [dict.fromkeys(word.lower() for word in text.split("\n") if word.isalpha()) for text in texts]
    raise FileNotFoundError(f"{', '.join(LISTS)} are not together in any of {FOLDERS}: run tools/get_data.sh python3 words")


def load(per_language: int, rng: np.random.Generator):
    """Draw words of 3 to 20 letters that are in one list only; return them shuffled, with the number of their language."""
    lists = read_lists()
    count = collections.Counter(word for words in lists for word in words)
    drawn = []
    for language, words in enumerate(lists):
        own = [word for word in words if count[word] == 1 and 3 <= len(word) <= LONGEST]
        drawn += [(own[i], language) for i in rng.choice(len(own), per_language, replace=False)]
    rng.shuffle(drawn)
    words, languages = zip(*drawn, strict=True)
    return list(words), np.array(languages, np.int32)


def build(letters: int):
    """Letters to vectors, an LSTM in each direction, a probability for each language; 0 is padding, which is masked."""
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Input((LONGEST,), dtype="int32"),
            layers.Embedding(letters + 1, 32, mask_zero=True),
            layers.Bidirectional(layers.LSTM(128)),
            layers.Dropout(0.4),
            layers.Dense(len(LISTS), activation="softmax"),
        ]
    )


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Train, evaluate, print; return the test accuracy of the baseline and of the LSTM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=40_000, help="per language")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="500 words per language and at most two epochs")
    options = parser.parse_args(arguments)
    epochs, per_language = (min(options.epochs, 2), 500) if options.short else (options.epochs, options.words)
    tf.keras.utils.set_random_seed(options.seed)

    words, languages = load(per_language, np.random.default_rng(options.seed))
    test = len(words) // 10
    letters = sorted(set("".join(words)))
    number = {letter: i for i, letter in enumerate(letters, 1)}
    x = tf.keras.utils.pad_sequences([[number[letter] for letter in word] for word in words], LONGEST, padding="post")

    bag = CountVectorizer(analyzer="char_wb", ngram_range=(1, 3))
    baseline = make_pipeline(bag, LogisticRegression(max_iter=300)).fit(words[test:], languages[test:])
    baseline_accuracy = float(baseline.score(words[:test], languages[:test]))

    model = build(len(letters))
    steps = epochs * -(-(len(x) - test) // options.batch_size)
    schedule = tf.keras.optimizers.schedules.CosineDecay(0.004, decay_steps=steps)
    model.compile(optimizer=tf.keras.optimizers.Adam(schedule), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.summary()
    model.fit(
        x[test:],
        languages[test:],
        epochs=epochs,
        batch_size=options.batch_size,
        validation_data=(x[:test], languages[:test]),
    )
    _, accuracy = model.evaluate(x[:test], languages[:test])
    print(f"test accuracy: letter groups {baseline_accuracy:.4f}, LSTM {accuracy:.4f}")
    return baseline_accuracy, accuracy


if __name__ == "__main__":
    main()
