"""The stages after tracing, public: `f.trace(x).lower().compile()`, each with `.text()`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Lowered:
    """A traced function scheduled for a target."""

    traced: Any
    executable: Any

    def text(self, stage: str = "schedule") -> str:
        """`"graph"`, `"schedule"` or `"llvm"`, as far as the target has them."""
        return self.executable.text(stage)

    def compile(self) -> Compiled:
        return Compiled(self.traced, self.executable)


@dataclass
class Compiled:
    """A traced function as machine code."""

    traced: Any
    executable: Any

    def text(self, stage: str = "asm") -> str:
        """`"asm"` or an earlier stage."""
        return self.executable.text(stage)

    def cost(self) -> Any:
        """Floating point operations and bytes of each kernel."""
        return self.executable.cost()

    def memory(self) -> Any:
        """The buffers and the peak."""
        return self.executable.memory()

    def __call__(self, *arrays: Any) -> Any:
        """Run on the leaves of the arguments; variables are updated.

        Returns:
            The function's results, with numpy arrays for tensors.
        """
        traced = self.traced
        call = self.executable.bind([*(np.array(a, order="C") for a in arrays), *(v._array for v in traced.variables)])
        call.run()
        return traced.unflatten([np.array(a) for a in call.outputs[: traced.n_results]])
