"""Pictures of models: `plot_model` and `model_to_dot`. Start reading there; `layout.py` is the algorithm."""

from lamella.drawing.plot_model import Drawing as Drawing
from lamella.drawing.plot_model import model_to_dot as model_to_dot
from lamella.drawing.plot_model import plot_model as plot_model
