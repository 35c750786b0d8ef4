"""Helpers under Keras' names."""

from lamella.drawing import model_to_dot as model_to_dot
from lamella.drawing import plot_model as plot_model
from lamella.frontend import standardize_dtype as standardize_dtype
from lamella.frontend.random import set_random_seed as set_random_seed
from lamella.nn.layers.keras_tensor import is_keras_tensor as is_keras_tensor
from lamella.utils.arrays import normalize as normalize
from lamella.utils.arrays import pad_sequences as pad_sequences
from lamella.utils.arrays import to_categorical as to_categorical
from lamella.utils.session import clear_session as clear_session
