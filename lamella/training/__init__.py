"""Models and their training: one step as a graph, one epoch as a native call."""

from lamella.nn.layers import Input as Input
from lamella.training.model import Model as Model
from lamella.training.sequential import Sequential as Sequential
