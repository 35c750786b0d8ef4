"""Models and their training: one step as a graph, one epoch as a native call."""

from lamella.nn.layers import Input as Input
from lamella.training.cloning import clone_model as clone_model
from lamella.training.cloning import model_from_json as model_from_json
from lamella.training.model import Model as Model
from lamella.training.sequential import Sequential as Sequential
