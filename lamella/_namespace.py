"""Where the public names of `lamella` live, and how they are loaded on first use."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# Public module -> where it is.
MODULES = {
    name: f"lamella.nn.{name}"
    for name in (
        "layers",
        "activations",
        "losses",
        "metrics",
        "optimizers",
        "initializers",
        "regularizers",
        "constraints",
        "mixed_precision",
    )
}
MODULES |= {
    name: f"lamella.{name}"
    for name in ("ops", "backend", "callbacks", "config", "data", "datasets", "preprocessing", "utils")
}
MODULES |= {"models": "lamella.training", "random": "lamella.frontend.random"}
MODULES |= {"dtype_policies": "lamella.nn.dtype_policy"}

# Public object -> (module, attribute).
OBJECTS = {
    name: ("lamella.frontend", name)
    for name in (
        "Tensor",
        "Variable",
        "GradientTape",
        "TensorSpec",
        "function",
        "stop_gradient",
        "convert_to_tensor",
        "cast",
        "init_scope",
        "name_scope",
        "remat",
        "RematScope",
    )
}
OBJECTS |= {name: ("lamella.training", name) for name in ("Sequential", "Model", "Input")}
OBJECTS |= {name: ("lamella.nn.dtype_policy", name) for name in ("DTypePolicy", "FloatDTypePolicy")}
OBJECTS |= {name: ("lamella.nn.layers", name) for name in ("InputSpec", "KerasTensor", "Layer")}
OBJECTS |= {
    name: (f"lamella.nn.{module}", name)
    for module, name in (
        ("initializers", "Initializer"),
        ("losses", "Loss"),
        ("metrics", "Metric"),
        ("optimizers", "Optimizer"),
        ("regularizers", "Regularizer"),
    )
}

# `lamella.float32` is "float32", for `tf.cast(x, tf.float32)`.
DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
)


def load(name: str) -> Any:
    """The object behind a public name."""
    if name in DTYPES:
        return name
    if name in MODULES:
        return importlib.import_module(MODULES[name])
    module, attribute = OBJECTS[name]
    return getattr(importlib.import_module(module), attribute)


class _Aliases(MetaPathFinder, Loader):
    """Makes `lamella.layers` and `lamella.keras.layers` importable: they are `lamella.nn.layers`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("lamella."):
            return None
        short = fullname.removeprefix("lamella.").removeprefix("keras.")
        head, _, rest = short.partition(".")
        real = MODULES[head] + (f".{rest}" if rest else "") if head in MODULES else f"lamella.{short}"
        if real == fullname or (head not in MODULES and not fullname.startswith("lamella.keras.")):
            return None
        return ModuleSpec(fullname, self, loader_state=real)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(spec.loader_state)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state  # the import system put the alias' there


def install() -> None:
    """Let the import system know the aliases."""
    if not any(isinstance(finder, _Aliases) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Aliases())
