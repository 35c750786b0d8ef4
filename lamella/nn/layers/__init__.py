"""Layers: the building blocks of models, with the names and arguments of `keras.layers`."""

from lamella.nn.layers.activation_layers import ELU, Activation, LeakyReLU, ReLU, Softmax
from lamella.nn.layers.dense import Dense
from lamella.nn.layers.dropout import Dropout
from lamella.nn.layers.embedding import Embedding
from lamella.nn.layers.input_layer import Input, InputLayer
from lamella.nn.layers.input_spec import InputSpec
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.nn.layers.layer import Layer, deserialize, get, serialize
from lamella.nn.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from lamella.nn.layers.normalization import BatchNormalization, LayerNormalization
from lamella.nn.layers.operation import Operation
from lamella.nn.layers.preprocessing import Normalization, Rescaling
from lamella.nn.layers.shaping import Flatten, Identity, Permute, RepeatVector, Reshape

__all__ = [
    "ELU", "Activation", "Add", "Average", "BatchNormalization", "Concatenate", "Dense", "Dropout", "Embedding",
    "Flatten", "Identity", "Input", "InputLayer", "InputSpec", "KerasTensor", "Layer", "LayerNormalization",
    "LeakyReLU", "Maximum", "Minimum", "Multiply", "Normalization", "Operation", "Permute", "ReLU", "RepeatVector",
    "Rescaling", "Reshape", "Softmax", "Subtract", "add", "average", "concatenate", "deserialize", "get", "maximum",
    "minimum", "multiply", "serialize", "subtract",
]
