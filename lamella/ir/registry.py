"""The table of primitives; filled by the modules of `ir/primitives`."""

from __future__ import annotations

from lamella.ir.core import Primitive

PRIMITIVES: dict[str, Primitive] = {}


def register(primitive: Primitive) -> Primitive:
    if primitive.name in PRIMITIVES:
        raise ValueError(f"Primitive {primitive.name!r} is registered twice.")
    PRIMITIVES[primitive.name] = primitive
    return primitive
