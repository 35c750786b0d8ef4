"""`keras.preprocessing.sequence`."""

from lamella.utils import pad_sequences as pad_sequences
