"""`SingleCellRNN`: a recurrent layer that makes its own cell and takes the cell's arguments."""

from __future__ import annotations

from typing import Any

from lamella.nn.layers.recurrent.rnn import RNN
from lamella.nn.naming import auto_name, to_snake_case

_LAYER_ARGUMENTS = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask",
                    "activity_regularizer", "trainable", "dtype", "autocast", "name", "input_shape", "input_dim",
                    "batch_input_shape")
_COMMON = ("name", "trainable", "dtype", "activity_regularizer")


def _cell_name(cell_class: type) -> str:
    """`lstm_cell` for LSTMCell, as in the paths of Keras' weights."""
    return to_snake_case(cell_class.__name__)


class SingleCellRNN(RNN):
    """Base of `SimpleRNN`, `LSTM` and `GRU`; attributes of the cell, such as `units`, are found here too.

    Args:
        cell_class: class of the cell.
        cell_arguments: for the cell.
        **kwargs: arguments of `RNN` and of the cell.
    """

    def __init__(self, cell_class: type, cell_arguments: dict[str, Any], **kwargs: Any) -> None:
        kwargs.pop("use_cudnn", None)
        own = {key: kwargs.pop(key) for key in _LAYER_ARGUMENTS if key in kwargs}
        shared = {key: own[key] for key in ("trainable", "dtype") if key in own}
        if own.get("name") is None:
            own["name"] = auto_name(type(self).__name__)
        self.name = own["name"]  # for errors of the cell
        cell = cell_class(**cell_arguments, **kwargs, **shared, name=_cell_name(cell_class))
        super().__init__(cell, **own)

    def __getattr__(self, name: str) -> Any:
        cell = vars(self).get("cell")
        if cell is None or name.startswith("_") or not hasattr(cell, name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        return getattr(cell, name)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["cell"]
        return config | {key: value for key, value in self.cell.get_config().items() if key not in _COMMON}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)
