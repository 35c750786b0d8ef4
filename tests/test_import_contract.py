"""The layers of docs/design/architecture.md: imports go one way, siblings never import each other."""

from __future__ import annotations

import ast
import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "lamella"

# From the lowest line to the highest; a line's members never import each other.
LAYERS = [
    {"settings", "errors", "tree"},
    {"ir"},
    {"reference", "native", "xla", "autodiff"},
    {"executor"},
    {"frontend"},
    {"ops", "data", "saving", "drawing"},
    {"nn", "datasets", "explain"},
    {"utils"},
    {"callbacks"},
    {"training"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# Modules that only gather names for users: they may import everything, and no layer imports them.
FACADES = {"", "__main__", "_namespace", "keras", "random", "config", "backend", "preprocessing"}

# Third-party packages that one place alone may import: {package: folders or modules under lamella/}.
HOMES = {
    "llvmlite": {"native"},
    "jax": {"xla"},
    "jaxlib": {"xla"},
    "h5py": {"saving"},
    "safetensors": {"saving"},
    "mpi4py": {"distribution", "data/distribution", "native/distribution", "training/distribution"},
}

# What may be imported inside a function: optional extras, and core dependencies that cost start-up time.
LAZY = {
    "tensorboard", "matplotlib", "jax", "jaxlib", "mpi4py", "h5py", "safetensors", "pandas", "sklearn", "PIL",
    "IPython", "rich", "onnx", "torch", "tensorflow",
}  # fmt: skip

# What `import lamella` must never load.
HEAVY = (
    "tensorboard",
    "matplotlib",
    "jax",
    "h5py",
    "safetensors",
    "mpi4py",
    "torch",
    "tensorflow",
    "pandas",
    "scipy",
    "keras",
)
CORE = {"numpy", "llvmlite", "ml_dtypes", "rich"}


def python_files(folder: pathlib.Path = PACKAGE) -> list[pathlib.Path]:
    return sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)


def layer_of(module: str) -> str:
    """`lamella.ir.core` -> `ir`; the package itself is the empty string."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def module_name(path: pathlib.Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class Import:
    """One imported module: which, from where, and whether inside a function."""

    def __init__(self, path: pathlib.Path, line: int, module: str, inside: bool):
        self.path, self.line, self.module, self.inside = path, line, module, inside

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.module}"


def exists(module: str) -> bool:
    base = ROOT.joinpath(*module.split("."))
    return base.with_suffix(".py").exists() or base.is_dir()


def imports_of(path: pathlib.Path, source: str | None = None) -> list[Import]:
    """Every import of a file; `from lamella import x` counts as `lamella.x` where that is a module."""
    found: list[Import] = []
    this = module_name(path)
    package = this if path.name == "__init__.py" else this.rpartition(".")[0]

    def visit(node: ast.AST, inside: bool) -> None:
        for child in ast.iter_child_nodes(node):
            deeper = inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if isinstance(child, ast.Import):
                found.extend(Import(path, child.lineno, a.name, inside) for a in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    up = package.split(".")[: len(package.split(".")) - child.level + 1]
                    base = ".".join([*up, *([base] if base else [])])
                for alias in child.names:
                    full = f"{base}.{alias.name}"
                    found.append(Import(path, child.lineno, full if exists(full) else base, inside))
            else:
                visit(child, deeper)

    visit(ast.parse(source if source is not None else path.read_text(), str(path)), False)
    return found


ALL = [i for path in python_files() for i in imports_of(path)]


def test_every_module_has_a_layer():
    unknown = {layer_of(module_name(p)) for p in python_files()} - set(LEVEL) - FACADES
    assert not unknown, f"{sorted(unknown)}: put them into LAYERS here and into docs/design/architecture.md"


def test_imports_go_one_way():
    wrong = []
    for item in ALL:
        if item.module.split(".")[0] != "lamella":
            continue
        importer, imported = layer_of(module_name(item.path)), layer_of(item.module)
        if importer in FACADES or importer == imported:
            continue
        if imported in FACADES or LEVEL[imported] >= LEVEL[importer]:
            wrong.append(f"{item} ({importer} must not import {imported or 'the package itself'})")
    assert not wrong, "\n".join(wrong)


def test_no_import_inside_functions_but_optional_ones():
    wrong = [str(i) for i in ALL if i.inside and i.module.split(".")[0] not in LAZY]
    assert not wrong, "\n".join(wrong)


def test_optional_packages_are_imported_inside_functions_or_in_their_home():
    core = CORE | sys.stdlib_module_names | {"lamella"}
    wrong = []
    for item in ALL:
        top = item.module.split(".")[0]
        if top not in core and not item.inside and top not in HOMES:
            wrong.append(str(item))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", sorted(HOMES))
def test_home(package):
    wrong = []
    for item in ALL:
        if item.module.split(".")[0] == package:
            place = item.path.relative_to(PACKAGE).with_suffix("").as_posix()
            if not any(place == home or place.startswith(home + "/") for home in HOMES[package]):
                wrong.append(str(item))
    assert not wrong, f"{package} is imported only in {sorted(HOMES[package])}:\n" + "\n".join(wrong)


def test_no_star_and_no_dynamic_imports():
    wrong = []
    for path in python_files():
        if layer_of(module_name(path)) in FACADES:
            continue  # the public names are loaded on first use
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: import *")
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name in ("__import__", "importlib.import_module", "import_module"):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {name}")
    assert not wrong, "\n".join(wrong)


def test_the_contract_sees_what_it_should():
    source = """
import numpy
from lamella import ir
def f():
    import h5py
    from . import mnist
class A:
    import rich
"""
    found = imports_of(PACKAGE / "datasets" / "_idx.py", source)
    assert [(i.module, i.inside) for i in found] == [
        ("numpy", False),
        ("lamella.ir", False),
        ("h5py", True),
        ("lamella.datasets.mnist", True),
        ("rich", False),
    ]


def loaded_by(statement: str) -> list[str]:
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "statement",
    [
        "import lamella",
        "import lamella as tf; tf.keras.Sequential, tf.keras.layers.Dense, tf.GradientTape, tf.function, "
        "tf.keras.optimizers.Adam, tf.keras.losses, tf.keras.metrics, tf.keras.callbacks.TensorBoard, "
        "tf.keras.datasets.fashion_mnist, tf.keras.utils, tf.keras.ops",
    ],
    ids=["import", "all public modules used"],
)
def test_lamella_loads_nothing_heavy_and_little_in_all(statement):
    modules = loaded_by(statement)
    heavy = sorted({m.split(".")[0] for m in modules} & set(HEAVY))
    assert not heavy, f"{statement} loads {heavy}"
    # How many, not how long: a time would depend on the machine. numpy, ml_dtypes and llvmlite alone are about 270.
    base = set(loaded_by("import numpy, ml_dtypes, llvmlite.binding"))
    ours = [m for m in modules if m.split(".")[0] == "lamella"]
    others = [m for m in modules if m not in base and m.split(".")[0] != "lamella"]
    assert len(ours) < 400, f"{len(ours)} modules of our own"
    assert len(others) < 120, f"{len(others)} modules beyond numpy, ml_dtypes and llvmlite: {others}"


def test_a_model_needs_no_network():
    """The modules behind `urllib.request` take 4 MB and a tenth of the time of the import."""
    modules = loaded_by("import lamella as tf; tf.keras.Sequential, tf.keras.layers, tf.keras.losses, tf.keras.optimizers")
    assert not {"ssl", "http.client", "urllib.request"} & set(modules)
