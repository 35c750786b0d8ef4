"""Write the generated parts of docs/how-a-fit-is-computed.md, so that the page shows what the code does today.

python tools/make_fit_page.py            # write them
python tools/make_fit_page.py --check    # exit 1 if the graph or a quoted line is out of date

A part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; everything else on the page is written by hand.
"""

from __future__ import annotations

import argparse
import ast
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/how-a-fit-is-computed.md"

# The network whose graph is printed: program 1, small enough to read.
PROGRAM = """\
import numpy as np
import lamella as tf

tf.keras.utils.set_random_seed(0)
x = np.random.default_rng(0).random((10, 6), dtype="float32")
y = np.eye(3, dtype="float32")[np.arange(10) % 3]

model = tf.keras.Sequential([
    tf.keras.layers.Dense(5, activation='relu', input_shape=(6,)),
    tf.keras.layers.Dense(3, activation='softmax'),
])
model.compile(optimizer='adam', loss='categorical_crossentropy', metrics=['accuracy'])
model.fit(x, y, epochs=2, batch_size=5, validation_data=(x, y))
"""

# The same program with the loss of every step printed.
STEP_LOSSES = PROGRAM.replace("model = ", """\
class StepLosses(tf.keras.callbacks.Callback):
    def on_train_progress(self, step, logs):
        self.losses = [float(loss) for loss in logs["loss"][:step]]

    def on_epoch_end(self, epoch, logs):
        mean = " + ".join(f"5 * {loss:.4f}" for loss in self.losses)
        print(f"epoch {epoch + 1}: ({mean}) / 10 = {sum(5 * loss for loss in self.losses) / 10:.4f}")

model = """, 1).replace("(x, y))", "(x, y), callbacks=[StepLosses()])")

# The real program 1, compiled for its schedule: a batch of 32, data of any length.
WORKLOAD = """
import numpy as np
import lamella as tf
from lamella.native import pipeline
from lamella.training.programs import EpochProgram

n = 60000
model = tf.keras.Sequential([
    tf.keras.layers.Dense(128, activation='relu', input_shape=(784,)),
    tf.keras.layers.Dense(10, activation='softmax'),
])
model.compile(optimizer='adam', loss='categorical_crossentropy', metrics=['accuracy'])
model.fit(np.zeros((n, 784), "float32"), np.eye(10, dtype="float32")[np.zeros(n, int)], batch_size=32, verbose=0)
(epoch,) = [p for p in model._programs._programs.values() if isinstance(p, EpochProgram)]
program = pipeline.emit(epoch.executable.graph, epoch.executable.donate)

def rows(plan):
    for number, phase in enumerate(plan.phases, 1):
        for cluster in phase:
            if cluster.kind == "control":
                yield from rows(plan.bodies[cluster])
                continue
            kernel = program.kernels[cluster]
            work = " ".join(e.primitive.name for e in cluster.members) or "copy"
            layers = " ".join(sorted({e.source.scope for e in cluster.members if e.source and e.source.scope}))
            yield number, program.names[cluster], "one" if kernel.serial else "all", kernel.schedule, work, layers

for row in rows(program.plan):
    print("\\t".join(map(str, row)))
print("memory", program.plan.arena, program.scratch, sep="\\t")
"""

# For each printed number: what it is, where, and a piece of the line that computes it.
LINES = [
    ("loss of a row: −Σ t ln p", "lamella/nn/losses/crossentropy.py", "categorical_crossentropy", "return -ops.sum"),
    ("p, from the softmax's output", "lamella/nn/losses/crossentropy.py", "log_probabilities", "return ops.log("),
    ("loss of a batch: mean over its rows", "lamella/nn/losses/reduction.py", "reduce_weighted", "return total / max"),
    ("**loss**: each batch's, weighted with its rows", "lamella/training/step.py", "_track_loss", "update_state(loss"),
    ("... divided by the rows so far", "lamella/nn/metrics/reduction.py", "Mean.result", "return"),
    ("a row is right", "lamella/nn/metrics/accuracy.py", "_right_class", "right = ops.equal"),
    ("**accuracy**: the mean of that", "lamella/nn/metrics/reduction.py", "MeanMetricWrapper.update_state", "super()"),
    ("**val_loss, val_accuracy**: the same metrics, reset, over the validation data with the weights after the epoch",
     "lamella/training/trainer.py", "Trainer._fit_loop", 'f"val_{name}"'),
    ("seconds: from the start of the epoch to its last step, validation not included",
     "lamella/callbacks/progbar_logger.py", "ProgbarLogger.on_train_progress", "self._done, self._seconds"),
    ("**ms/step**: seconds / steps done", "lamella/callbacks/progbar_logger.py", "ProgbarLogger._timing", "return"),
    ("learning rate in the update: α = lr √(1 − β₂ᵗ) / (1 − β₁ᵗ)",
     "lamella/nn/optimizers/adam.py", "Adam.update_step", "alpha ="),
    ("**learning rate** in the logs of TensorBoard, as it stands after the epoch",
     "lamella/callbacks/tensorboard.py", "TensorBoard.on_epoch_end", '"learning_rate"'),
    ("`evaluate`: **loss, accuracy**, the same metrics as a list",
     "lamella/training/trainer.py", "flattened", "values ="),
]



def definition(path: pathlib.Path, name: str) -> ast.AST:
    """The function, class, method (`Class.method`) or assigned name in a file.

    Raises:
        LookupError: there is none.
    """
    scope: ast.AST = ast.parse(path.read_text(encoding="utf-8"))
    for part in name.split("."):
        candidates = [node for node in getattr(scope, "body", []) if part in _names(node)]
        if not candidates and len(name.split(".")) == 1:  # a method may be named without its class
            candidates = [node for node in ast.walk(scope) if part in _names(node)]
        if not candidates:
            raise LookupError(f"{path.relative_to(ROOT)} defines no {name}.")
        scope = candidates[-1]
    return scope


def _names(node: ast.AST) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def line_of(file: str, name: str, piece: str) -> str:
    """The one statement of a function that holds a piece of text, on one line.

    Raises:
        LookupError: no statement holds it.
    """
    path = ROOT / file
    text = path.read_text(encoding="utf-8")
    found = [
        " ".join(ast.get_source_segment(text, node).split())  # type: ignore[union-attr]
        for node in ast.walk(definition(path, name))
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.Return, ast.Expr)) and not _is_docstring(node)
        and piece in " ".join((ast.get_source_segment(text, node) or "").split())
    ]
    if not found:
        raise LookupError(f"No statement of {name} in {file} holds {piece!r}.")
    return found[0]


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def run(text: str, log: str = "") -> tuple[str, str]:
    """Run a program in an empty folder; its stdout and stderr, without the names of folders."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "program.py")
        file.write_text(text, encoding="utf-8")
        env = dict(os.environ) | {"PYTHONPATH": str(ROOT), "LAMELLA_CACHE_DIR": "", "LAMELLA_LOG": log}
        env["COLUMNS"] = "200"
        done = subprocess.run([sys.executable, str(file)], cwd=folder, env=env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"The program failed:\n{done.stderr}")
        return tuple(s.replace(str(file), file.name).replace(folder + os.sep, "") for s in (done.stdout, done.stderr))


def stages(log: str) -> list[tuple[str, list[str]]]:
    """What `LAMELLA_LOG` printed: `(stage, lines)`, in order."""
    pieces = re.split(r"^--- (\w+)\n", log, flags=re.MULTILINE)
    return [(name, text.rstrip("\n").split("\n")) for name, text in zip(pieces[1::2], pieces[2::2], strict=True)]


class Body:
    """The printed body of an epoch's loop, cut where one part of the step ends and the next begins."""

    def __init__(self, lines: list[str]) -> None:
        self.head = lines[0]
        start = next(i for i, line in enumerate(lines) if "where body" in line)
        self.loop = lines[1 : start + 1]
        self.signature = lines[start + 1].strip()
        inside = [line.strip() for line in lines[start + 2 :]]
        end = next(i for i, line in enumerate(inside) if line.startswith("return"))
        self.equations, self.returned = inside[:end], inside[end]

    def cut(self) -> dict[str, list[str]]:
        """batch, forward, loss, backward, update (of the first weight), others (as many lines), metrics, buffer."""
        lines = self.equations
        scopes = [line.partition("  # ")[2].split(" ")[0] if "  # " in line else None for line in lines]
        first_layer = next(i for i, s in enumerate(scopes) if s)
        first_loss = next(i for i, s in enumerate(scopes) if s == "categorical_crossentropy")
        # The loss of the batch is what the last equations write to the buffer of losses.
        store = next(i for i in reversed(range(len(lines))) if "dynamic_update_slice" in lines[i])
        row = _operands(lines[store])[1]
        value = _operands(next(line for line in lines if line.startswith(row + ":")))[0]
        last_loss = next(i for i, line in enumerate(lines) if line.startswith(value + ":"))
        first_update = next(i for i, s in enumerate(scopes) if s == "adam")
        last_update = max(i for i, s in enumerate(scopes) if s == "adam")
        counter = re.sub(r"^v\d+", "", lines[first_update])
        second = next(i for i in range(first_update + 1, len(lines)) if re.sub(r"^v\d+", "", lines[i]) == counter)
        return {
            "batch": lines[:first_layer],
            "forward": lines[first_layer:first_loss],
            "loss": lines[first_loss : last_loss + 1],
            "backward": lines[last_loss + 1 : first_update],
            "update": lines[first_update:second],
            "others": lines[second : last_update + 1],
            "metrics": [line for i, line in enumerate(lines) if i > last_update and i < store - 1],
            "buffer": [*lines[store - 1 : store + 1], self.returned],
        }


def _operands(line: str) -> list[str]:
    return re.findall(r"\bv\d+\b", line.partition(" = ")[2])


def fenced(lines: list[str] | str, language: str = "") -> str:
    text = lines if isinstance(lines, str) else "\n".join(lines)
    return f"```{language}\n{text.rstrip()}\n```"


def parts(everything: bool = True) -> dict[str, str]:
    """The generated parts by name; those that change with machine or compiler if `everything` is wanted."""
    all_stages = stages(run(PROGRAM, "graph,fuse,schedule")[1])
    graph = Body(next(lines for name, lines in all_stages if name == "graph"))
    simple = Body(next(lines for name, lines in all_stages if name == "fuse"))
    cut = graph.cut()
    result = {"program": fenced(PROGRAM, "python")}
    for name in ("batch", "forward", "loss", "backward", "update", "metrics", "buffer"):
        result[f"graph-{name}"] = fenced([re.sub(r"(  #)? *program\.py:\d+$", "", line) for line in cut[name]])
    result["others"] = (f"The other three weights follow in {len(cut['others'])} lines of the same kind. "
                        "Each computes α anew: the compiler's first pass shares it.")
    result["loop"] = fenced([graph.head, *(line.rstrip() for line in graph.loop), f"    {graph.signature} ..."])
    if everything:
        result["simplified"] = f"{len(graph.equations)} equations of the body become {len(simple.equations)}."
        result["run"] = fenced(run(STEP_LOSSES)[0])
        result["schedule"], result["memory"] = schedule_table()
    rows = [
        f"| {what} | [{file}](../{file}): `{name}` | `{line_of(file, name, piece)}` |"
        for what, file, name, piece in LINES
    ]
    result["lines"] = "\n".join(["| number | file: function | the line |", "|---|---|---|", *rows])
    return result


def schedule_table() -> tuple[str, str]:
    printed, _ = run(WORKLOAD)
    rows = [line.split("\t") for line in printed.splitlines()]
    table = ["| phase | kernel | threads | schedule | computes | layers |", "|---|---|---|---|---|---|"]
    for phase, name, threads, schedule, work, layers in rows[:-1]:
        where = layers.replace("sequential/", "")
        table.append(f"| {phase} | {name} | {threads} | {schedule} | {shortened(work)} | {where} |")
    _, arena, scratch = rows[-1]
    words = f"All temporaries lie in one arena of {int(arena):,} bytes; a thread's scratch is {int(scratch):,} bytes."
    return "\n".join(table), words


def shortened(work: str) -> str:
    """Operations in a few words."""
    words = work.split()
    if words[-12:] == "sub mul add mul sub mul add mul sqrt add div sub".split():
        words = [*words[:-12], "+ Adam"]
    return " ".join(words) if len(words) <= 12 else f"{' '.join(words[:8])} ... ({len(words)} operations)"


def fill(page: str, generated: dict[str, str]) -> str:
    """The page with its generated parts replaced.

    Raises:
        LookupError: the page lacks the place of a part.
    """
    for name, text in generated.items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if not pattern.search(page):
            raise LookupError(f"The page has no place for {name!r}.")
        page = pattern.sub(lambda m, text=text: f"{m.group(1)}{text}\n{m.group(2)}", page)
    return page


def main(arguments: list[str] | None = None) -> int:
    """Write or check; the number of parts that are out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    page, generated = PAGE.read_text(encoding="utf-8"), parts(everything=not options.check)
    if not options.check:
        PAGE.write_text(fill(page, generated), encoding="utf-8")
        return 0
    stale = [name for name, text in generated.items() if fill(page, {name: text}) != page]
    for name in stale:
        print(f"{PAGE.relative_to(ROOT)}: the part {name!r} is out of date; run python tools/make_fit_page.py")
    return len(stale)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
