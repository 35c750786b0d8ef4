"""The registry of the activation functions."""

from lamella.nn.registry import Registry

ACTIVATIONS = Registry("keras.activations", "activation")
