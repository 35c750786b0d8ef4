"""`lamella.backend` (`keras.backend`): the global settings and questions about dtypes and tensors, for older
programs."""

from __future__ import annotations

from typing import Any

from lamella.config import backend as backend
from lamella.config import epsilon as epsilon
from lamella.config import floatx as floatx
from lamella.config import image_data_format as image_data_format
from lamella.config import set_epsilon as set_epsilon
from lamella.config import set_floatx as set_floatx
from lamella.config import set_image_data_format as set_image_data_format
from lamella.frontend import result_type as result_type
from lamella.frontend import standardize_dtype as standardize_dtype
from lamella.ir.types import is_float, is_int
from lamella.nn.layers.keras_tensor import is_keras_tensor as is_keras_tensor
from lamella.utils.session import clear_session as clear_session


def is_float_dtype(dtype: Any) -> bool:
    """Whether `dtype` is a float dtype.

    Example:
        >>> is_float_dtype("bfloat16"), is_float_dtype("int32")
        (True, False)
    """
    return is_float(standardize_dtype(dtype))


def is_int_dtype(dtype: Any) -> bool:
    """Whether `dtype` is an integer dtype, signed or not; bool is none.

    Example:
        >>> is_int_dtype("uint8"), is_int_dtype("bool")
        (True, False)
    """
    return is_int(standardize_dtype(dtype))
