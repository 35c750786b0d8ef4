"""Helpers under Keras' names."""

from lamella.data import PyDataset as PyDataset
from lamella.data import pack_batch as pack_x_y_sample_weight  # noqa: F401
from lamella.data import unpack_batch as unpack_x_y_sample_weight  # noqa: F401
from lamella.drawing import model_to_dot as model_to_dot
from lamella.drawing import plot_model as plot_model
from lamella.frontend import standardize_dtype as standardize_dtype
from lamella.frontend.random import set_random_seed as set_random_seed
from lamella.nn.custom_objects import CustomObjectScope as CustomObjectScope
from lamella.nn.custom_objects import custom_object_scope as custom_object_scope
from lamella.nn.custom_objects import get_custom_objects as get_custom_objects
from lamella.nn.custom_objects import get_registered_name as get_registered_name
from lamella.nn.custom_objects import get_registered_object as get_registered_object
from lamella.nn.custom_objects import register_keras_serializable as register_keras_serializable
from lamella.nn.layers.keras_tensor import get_source_inputs as get_source_inputs
from lamella.nn.layers.keras_tensor import is_keras_tensor as is_keras_tensor
from lamella.utils import bounding_boxes as bounding_boxes
from lamella.utils.arrays import normalize as normalize
from lamella.utils.arrays import pad_sequences as pad_sequences
from lamella.utils.arrays import to_categorical as to_categorical
from lamella.utils.datasets import split_dataset as split_dataset
from lamella.utils.datasets import timeseries_dataset_from_array as timeseries_dataset_from_array
from lamella.utils.directories import image_dataset_from_directory as image_dataset_from_directory
from lamella.utils.directories import text_dataset_from_directory as text_dataset_from_directory
from lamella.utils.images import array_to_img as array_to_img
from lamella.utils.images import img_to_array as img_to_array
from lamella.utils.images import load_img as load_img
from lamella.utils.images import save_img as save_img
from lamella.utils.progbar import Progbar as Progbar
from lamella.utils.serialization import deserialize_keras_object as deserialize_keras_object
from lamella.utils.serialization import serialize_keras_object as serialize_keras_object
from lamella.utils.session import clear_session as clear_session

Sequence = PyDataset  # its name in Keras 2
