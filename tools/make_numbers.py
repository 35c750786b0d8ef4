"""Write the generated tables of docs/NUMBERS.md: every registered loss, metric and optimizer with its formula.

python tools/make_numbers.py            # write them
python tools/make_numbers.py --check    # exit 1 if one is missing or out of date

The formula is the first paragraph of the docstring, so it stands beside the code that it describes. The other tables
of the page are written by hand.
"""

from __future__ import annotations

import argparse
import inspect
import pathlib
import re
import sys

from make_fit_page import ROOT, fill

from lamella.nn import losses, metrics, optimizers
from lamella.nn.losses.loss import LOSSES
from lamella.nn.metrics.metric import METRICS
from lamella.nn.metrics.reduction import FUNCTIONS
from lamella.nn.optimizers.optimizer import OPTIMIZERS
from lamella.nn.optimizers.schedules import SCHEDULES

REGISTERED = (losses, metrics, optimizers)  # importing them fills the registries

PAGE = ROOT / "docs/NUMBERS.md"


def table(objects: dict[str, object], first: str) -> str:
    """One row per object, with its other names."""
    names: dict[int, list[str]] = {}
    things: dict[int, object] = {}
    for name, thing in objects.items():
        names.setdefault(id(thing), []).append(name)
        things[id(thing)] = thing
    rows = [(file_of(thing), *row(thing, names[key])) for key, thing in things.items()]
    rows.sort(key=lambda r: (r[0], r[4]))
    lines = [f"| {name} | {formula} | `{file}`: `{function}` |" for file, name, formula, function, _ in rows]
    return "\n".join([f"| {first} | formula | file: function |", "|---|---|---|", *lines])


def file_of(thing: object) -> str:
    return pathlib.Path(inspect.getsourcefile(thing)).resolve().relative_to(ROOT).as_posix()  # type: ignore[arg-type]


def row(thing: object, names: list[str]) -> tuple[str, str, str, int]:
    """Names, formula, function, line."""
    own = thing.__name__  # type: ignore[attr-defined]
    others = [name for name in names if name != own]
    shown = f"`{own}`" + (f" ({', '.join(f'`{n}`' for n in others)})" if others else "")
    return shown, first_paragraph(thing), own, inspect.getsourcelines(thing)[1]  # type: ignore[arg-type]


def first_paragraph(thing: object) -> str:
    """The first paragraph of a docstring on one line, fit for a table; one that ends in a comma goes on in the next."""
    first, *others = inspect.cleandoc(thing.__doc__ or "").split("\n\n")
    while first.endswith(",") and others:
        first += " " + others.pop(0)
    text = " ".join(first.split())
    return re.sub(r"(?<!\\)\|", "∣", text)


def parts() -> dict[str, str]:
    """The generated tables by name."""
    functions = {name: thing for name, thing in LOSSES.objects.items() if not inspect.isclass(thing)}
    only_classes = {name: thing for name, thing in LOSSES.objects.items()
                    if inspect.isclass(thing) and thing.__name__ == name and not _has_function(name, functions)}
    return {
        "losses": table({**functions, **only_classes}, "loss"),
        "metric-functions": table(FUNCTIONS.objects, "function"),
        "metrics": table(METRICS.objects, "metric"),
        "schedules": table(SCHEDULES.objects, "schedule"),
        "optimizers": table(OPTIMIZERS.objects, "optimizer"),
    }


def _has_function(name: str, functions: dict[str, object]) -> bool:
    plain = {function.replace("_", "") for function in functions}
    return name.lower() in plain


def main(arguments: list[str] | None = None) -> int:
    """Write or check; the number of tables that are out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    page, generated = PAGE.read_text(encoding="utf-8"), parts()
    if not options.check:
        PAGE.write_text(fill(page, generated), encoding="utf-8")
        return 0
    stale = [name for name, text in generated.items() if fill(page, {name: text}) != page]
    for name in stale:
        print(f"{PAGE.relative_to(ROOT)}: the table {name!r} is out of date; run python tools/make_numbers.py")
    return len(stale)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
