"""`HostLayer`: layers of strings. They work on arrays at once, outside of compiled programs."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from lamella.errors import DTypeError
from lamella.frontend import Tensor
from lamella.nn.layers.keras_tensor import KerasTensor
from lamella.nn.layers.layer import Layer


class HostLayer(Layer):
    """Base of layers whose inputs or outputs are strings, which no compiled program can hold.

    `call` receives numpy arrays (of numbers, `str` or `bytes`) in place of tensors.

    Raises:
        TypeError: in a functional model or inside of a compiled function.
    """

    def _convert(self, structure: Any) -> Any:
        return self._convert_leaf(structure)

    def _convert_leaf(self, x: Any) -> Any:
        if isinstance(x, KerasTensor) or (isinstance(x, Tensor) and x._array is None):
            self.refuse_to_be_compiled()
        # Lists as objects: an array of numpy's strings would give each of them the room of the longest.
        return np.asarray(x, object if isinstance(x, (list, tuple, str, bytes)) else None)

    def refuse_to_be_compiled(self) -> NoReturn:
        """Raise the error about a place in a model."""
        raise TypeError(
            f"Layer {self.name!r} ({type(self).__name__}) works outside of compiled models, which cannot hold strings. "
            "Apply it to the data before the model: model.fit(layer(x), y), or "
            "dataset.map(lambda x, y: (layer(x), y))."
        )


def as_bytes(strings: np.ndarray, encoding: str, layer_name: str) -> list[bytes]:
    """The strings of an array, in order, as bytes.

    Raises:
        DTypeError: an entry is no string; names the layer.

    Example:
        >>> as_bytes(np.array([["a", "é"]]), "utf-8", "lookup")
        [b'a', b'\\xc3\\xa9']
    """
    flat = strings.ravel().tolist()
    if strings.dtype.kind not in "US":
        for item in flat:
            if not isinstance(item, (str, bytes)):
                hint = "; the lists are ragged: make rows of one length" if isinstance(item, list) else ""
                raise DTypeError(f"Layer {layer_name!r} expects strings, received {item!r} "
                                 f"({type(item).__name__}){hint}.")
    return [item.encode(encoding) if isinstance(item, str) else item for item in flat]
