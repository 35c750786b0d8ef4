"""Masks travel beside their tensors: which places of a batch hold real data."""

from __future__ import annotations

import weakref
from typing import Any

_masks: dict[int, tuple[weakref.ref[Any], Any]] = {}


def set_mask(tensor: Any, mask: Any) -> None:
    """Attach `mask` (bool, the leading axes of `tensor`) to a tensor; None takes a mask away.

    Example:
        >>> class Thing: pass
        >>> thing = Thing(); set_mask(thing, "mask"); get_mask(thing)
        'mask'
    """
    key = id(tensor)
    if mask is None:
        _masks.pop(key, None)
        return
    # Keyed by identity, as tensors compare element by element; the reference clears the entry with the tensor.
    _masks[key] = (weakref.ref(tensor, lambda _: _masks.pop(key, None)), mask)


def get_mask(tensor: Any) -> Any:
    """The mask of a tensor, or None."""
    entry = _masks.get(id(tensor)) if _masks else None
    return entry[1] if entry is not None and entry[0]() is tensor else None
