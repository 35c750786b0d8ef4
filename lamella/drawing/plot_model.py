"""`plot_model` and `model_to_dot`."""

from __future__ import annotations

import os
from typing import Any

from lamella.drawing.dot import dot_text
from lamella.drawing.layer_graph import layer_graph
from lamella.drawing.picture import Style, picture_of
from lamella.drawing.raster import save
from lamella.drawing.shapes import Picture
from lamella.drawing.svg import svg_text
from lamella.errors import did_you_mean

_DIRECTIONS = ("TB", "BT", "LR", "RL")
_FORMATS = (".svg", ".png", ".pdf", ".jpg", ".jpeg", ".eps", ".ps", ".tif", ".tiff", ".webp")


class Drawing:
    """A picture of a model; notebooks show it."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture

    @property
    def svg(self) -> str:
        """The picture as SVG text."""
        return svg_text(self.picture)

    def _repr_svg_(self) -> str:
        return self.svg


def plot_model(model: Any, to_file: Any = "model.png", show_shapes: bool = False, show_dtype: bool = False,
               show_layer_names: bool = False, rankdir: str = "TB", expand_nested: bool = False, dpi: float = 200,
               show_layer_activations: bool = False, show_trainable: bool = False) -> Drawing:
    """Draw the layers of a model and how they are connected.

    Neither Graphviz nor pydot is needed. An SVG file needs nothing at all, other formats need matplotlib.

    Args:
        model: a functional or sequential model; of another one there is only its name to show.
        to_file: where to write the picture, in the format of the name's ending (.svg, .png, .pdf, ...); None for
            nowhere.
        show_shapes: show the shapes of inputs and outputs; None stands for the size of the batch.
        show_dtype: show the dtypes of the outputs.
        show_layer_names: show the names of the layers.
        rankdir: from top to bottom "TB", or "BT", "LR", "RL".
        expand_nested: draw the layers of models inside of the model, in a frame.
        dpi: pixels per inch, for formats that have pixels.
        show_layer_activations: show the activation functions.
        show_trainable: show which layers are trainable and which are frozen.

    Returns:
        The drawing, which a notebook shows; its text is `drawing.svg`.

    Raises:
        ValueError: an unknown direction, or an ending that names no format.
        ImportError: matplotlib is missing and the file is not to be SVG.

    Source:
        As keras.utils.plot_model. A layer that is called several times gets a box for each call.

    Example:
        >>> from lamella.nn.layers import Dense, Input
        >>> from lamella.training import Sequential
        >>> drawing = plot_model(Sequential([Input((4,)), Dense(2)]), to_file=None, show_shapes=True)
        >>> "(None, 4) → (None, 2)" in drawing.svg
        True
    """
    style = _style(show_shapes, show_dtype, show_layer_names, rankdir, show_layer_activations, show_trainable)
    path = None if to_file is None else os.fspath(to_file)
    ending = "" if path is None else os.path.splitext(path)[1].lower()
    if path is not None and ending not in _FORMATS:
        raise ValueError(f"plot_model: to_file={path!r} names no format of a picture. {did_you_mean(ending, _FORMATS)}")
    drawing = Drawing(picture_of(layer_graph(model, expand_nested), style))
    if ending == ".svg":
        with open(path, "w", encoding="utf-8") as file:  # type: ignore[arg-type]
            file.write(drawing.svg)
    elif path is not None:
        save(drawing.picture, path, dpi)
    return drawing


def model_to_dot(model: Any, show_shapes: bool = False, show_dtype: bool = False, show_layer_names: bool = True,
                 rankdir: str = "TB", expand_nested: bool = False, dpi: float = 200,
                 show_layer_activations: bool = False, show_trainable: bool = False) -> str:
    """A model as text in the DOT language, for Graphviz or `pydot.graph_from_dot_data`.

    Args:
        model: as in `plot_model`.
        show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi, show_layer_activations, show_trainable:
            as in `plot_model`.

    Raises:
        ValueError: an unknown direction.

    Source:
        As keras.utils.model_to_dot, which returns an object of pydot.

    Example:
        >>> from lamella.nn.layers import Dense, Input
        >>> from lamella.training import Sequential
        >>> print(model_to_dot(Sequential([Input((4,)), Dense(2)]), show_layer_names=False).splitlines()[-2].strip())
        n0 -> n1;
    """
    style = _style(show_shapes, show_dtype, show_layer_names, rankdir, show_layer_activations, show_trainable)
    return dot_text(layer_graph(model, expand_nested), style, dpi)


def _style(shapes: bool, dtype: bool, names: bool, rankdir: str, activations: bool, trainable: bool) -> Style:
    if rankdir not in _DIRECTIONS:
        raise ValueError(f"rankdir must be one of {', '.join(_DIRECTIONS)}, received {rankdir!r}.")
    return Style(shapes, dtype, names, activations, trainable, rankdir)
