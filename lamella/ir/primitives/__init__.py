"""ADD AN OP HERE: one record per primitive, grouped by kind.

Importing this package fills `lamella.ir.PRIMITIVES`.
"""

from lamella.ir.primitives import contract, control, decompositions, elementwise, index, leaf, linalg, move, reduce

__all__ = ["contract", "control", "decompositions", "elementwise", "index", "leaf", "linalg", "move", "reduce"]
