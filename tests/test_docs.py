"""What README and docs say is so: names exist, code runs, generated parts are up to date."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import lamella as tf

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SUFFIXES = "py|md|sh|toml|json|txt|png"

# `file`: `function`, as in docs/NUMBERS.md, or [file](../file): `function`, as on the page about a fit.
FUNCTION = re.compile(r"(?:`([\w/]+\.py)`|\[([\w/]+\.py)\]\([^)]*\)): `([\w.]+)`")
FILE = re.compile(rf"`((?:[\w.-]+/)*[\w-]+\.(?:{SUFFIXES}))`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=pages)
def test_links_lead_somewhere(page):
    missing = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "LOG.md"], ids=pages)
def test_files_exist(page):
    own = {"program.py"}  # stands for the reader's file
    names = {p.name for folder in ("lamella", "benchmarks", "tools", "tests") for p in (ROOT / folder).rglob("*.py")}
    missing = [
        file
        for file in FILE.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / file).exists() and not (ROOT / "lamella" / file).exists() and file not in names | own
    ]
    assert not missing


@pytest.mark.parametrize("page", [ROOT / "docs/NUMBERS.md", ROOT / "docs/how-a-fit-is-computed.md"], ids=pages)
def test_functions_exist(page):
    definition = tool("make_fit_page").definition
    found = {(file or linked, name) for file, linked, name in FUNCTION.findall(page.read_text(encoding="utf-8"))}
    assert len(found) > 10
    for file, name in sorted(found):
        definition(ROOT / file, name)


def test_every_row_of_the_numbers_names_code():
    text = (ROOT / "docs/NUMBERS.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    without = [row for row in rows if "file: function" not in row and not FUNCTION.search(row)]
    assert not without


@pytest.mark.parametrize("script", ["make_fit_page", "make_numbers"])
def test_generated_parts_are_up_to_date(script):
    done = subprocess.run(
        [sys.executable, str(ROOT / f"tools/{script}.py"), "--check"],
        capture_output=True,
        text=True,
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def few_pictures(*args, **kwargs):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (80, 28, 28)).astype("uint8"), np.arange(80, dtype="uint8") % 10
    return (x, y), (x[:40], y[:40])


def test_the_code_of_the_readme_runs(monkeypatch, tmp_path):
    """All blocks, one after the other, on 80 random pictures and for two epochs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tf.keras.datasets.fashion_mnist, "load_data", few_pictures)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    names: dict = {}
    for number, block in enumerate(blocks):
        exec(compile(block.replace("epochs=10", "epochs=2"), f"README.md, block {number + 1}", "exec"), names)
    assert 0 <= names["accuracy"] <= 1
    assert int(names["optimizer"].iterations) == 3
    assert list((tmp_path / "logs/train").iterdir())


def test_settings_of_the_readme_exist():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "lamella").rglob("*.py"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for variable in re.findall(r"^\| `(LAMELLA_\w+)`", readme, re.MULTILINE):
        assert variable in code, variable


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    mentioned = {t for page in PAGES for t in re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))}
    assert mentioned and mentioned <= targets
