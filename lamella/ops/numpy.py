"""`ops.numpy`: the functions of `lamella.ops` under Keras' second name for them."""

from __future__ import annotations

from typing import Any

from lamella import ops


def __getattr__(name: str) -> Any:
    return getattr(ops, name)
