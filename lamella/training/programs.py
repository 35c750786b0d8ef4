"""Compiled steps and epochs, and the cache that keeps them on the model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from lamella import executor, tree
from lamella.errors import ShapeError
from lamella.frontend import Tensor, TensorSpec, Traced, Variable, trace
from lamella.ir import TensorType, dtype_name, numpy_dtype
from lamella.settings import settings
from lamella.training.epoch import Layout, Step, epoch_graph

LIMIT = 64  # programs per model; a stream of ever new shapes must not fill the memory


class ProgramCache:
    """Programs by key; the oldest is dropped when there are too many."""

    def __init__(self) -> None:
        self._programs: dict[tuple[Any, str], Any] = {}

    def get(self, key: tuple[Hashable, ...], make: Callable[[], Any]) -> Any:
        """The program of this key, which starts with the kind of step; made if it is not there."""
        full = key, settings.target
        if full not in self._programs:
            program = make()
            if len(self._programs) >= LIMIT:
                del self._programs[next(iter(self._programs))]
            self._programs[full] = program
        return self._programs[full]

    def of_kind(self, kind: str) -> list[Any]:
        """The programs of one kind of step."""
        return [program for (key, _), program in self._programs.items() if key[0] == kind]

    def __len__(self) -> int:
        return len(self._programs)


def signature(batch: Any) -> Hashable:
    """Shapes, dtypes and structure of a tree of arrays."""
    leaves = tree.flatten(batch)
    structure = repr(tree.map_structure(lambda leaf: 0 if leaf is not None else None, batch))
    return structure, tuple((leaf.shape, leaf.dtype.char) for leaf in leaves if leaf is not None)


def specs_of(batch: Any, rows: int | None = None) -> Any:
    """Specs of a tree of arrays, with another number of rows if given; None stays None."""

    def spec(leaf: Any) -> Any:
        if leaf is None:
            return None
        return TensorSpec(leaf.shape if rows is None else (rows, *leaf.shape[1:]), dtype_name(leaf.dtype))

    return tree.map_structure(spec, batch)


def data_leaves(batch: Any) -> list[np.ndarray]:
    """The arrays of a tree, contiguous and in the machine's byte order, as native code reads them."""
    return [
        np.ascontiguousarray(leaf, leaf.dtype.newbyteorder("=")) for leaf in tree.flatten(batch) if leaf is not None
    ]


class StepProgram:
    """One step without a loop, bound to its own input buffers: for single batches and streams.

    Args:
        function: function of one batch tree.
        specs: tree of the batch's specs.
        name: of the graph.
    """

    def __init__(self, function: Callable[[Any], Any], specs: Any, name: str) -> None:
        self.traced: Traced = trace(function, [specs], name)
        self.executable = executor.compile(self.traced.graph, self.traced.donate)
        self.inputs = [
            np.empty(v.type.shape, numpy_dtype(v.type.dtype)) for v in self.traced.graph.inputs[: self.traced.n_inputs]
        ]
        self._call = self.executable.bind(self.inputs + [buffer_of(v) for v in self.traced.variables])
        self.run = self._call.run
        self.lock = threading.Lock()  # the buffers serve one caller at a time
        self.results: list[np.ndarray] = self._call.outputs[: self.traced.n_results]

    def __call__(self, leaves: Sequence[np.ndarray]) -> Any:
        """Run on the leaves of a batch; the tree of results, as fresh arrays."""
        with self.lock:
            for buffer, leaf in zip(self.inputs, leaves, strict=True):
                np.copyto(buffer, leaf)
            self.traced.check_inputs(self.inputs)
            self.run()
            return self.traced.unflatten([np.array(result) for result in self.results])


class EagerStep:
    """The same interface without compiling: `run_eagerly=True`."""

    def __init__(self, function: Callable[[Any], Any], specs: Any) -> None:
        self._function, self._specs = function, specs

    def __call__(self, leaves: Sequence[np.ndarray]) -> Any:
        rest = iter(leaves)
        batch = tree.map_structure(lambda spec: None if spec is None else Tensor(np.array(next(rest))), self._specs)
        return tree.map_structure(lambda leaf: None if leaf is None else np.array(leaf), self._function(batch))


class EpochProgram:
    """A compiled epoch; `bind` gives it data.

    Args:
        function: function of one batch tree whose result is a dict.
        batch: tree of the whole arrays.
        n: rows.
        batch_size: rows of a full batch.
        shuffled: whether rows are read through a permutation.
        collect: names of the results that are kept for every step, None for all.
        by_row: the results fill the rows of their samples.
        name: of the graph.
        compile: what makes an executable of a graph.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        batch: Any,
        n: int,
        batch_size: int,
        shuffled: bool,
        collect: Callable[[str], bool],
        by_row: bool,
        name: str,
        compile: Callable[..., Any] = executor.compile,
    ) -> None:
        sizes = [s for s in (batch_size if n >= batch_size else 0, n % batch_size) if s]
        traces = [trace(function, [specs_of(batch, size)], name) for size in sizes]
        self.structure, self._checks = traces[0].structure, traces[0].checks
        keep = tuple(i for i, path in enumerate(_result_names(self.structure)) if collect(path))
        steps = [Step(size, traced, keep) for size, traced in zip(sizes, traces, strict=True)]
        self.n, self.batch_size, self.shuffled = n, batch_size, shuffled
        self.steps = -(-n // batch_size)
        self.seconds_per_step: float | None = None  # as last measured, to choose how the next epoch is run
        self.names = [_result_names(self.structure)[i] for i in keep]
        self.layout = Layout(
            tuple(TensorType(a.shape, dtype_name(a.dtype)) for a in tree.flatten(batch) if a is not None),
            n,
            batch_size,
            shuffled,
            tuple(self._buffer(t, by_row) for t in steps[0].result_types),
            by_row,
        )
        epoch = epoch_graph(steps, self.layout, f"{name}_epoch")
        self.variables = epoch.written + epoch.read  # the graph itself isn't kept: the executable has what is left of it
        self.executable = compile(epoch.graph, epoch.donate)

    def _buffer(self, result: TensorType, by_row: bool) -> TensorType:
        if by_row:
            if result.shape[:1] != (min(self.n, self.batch_size),):
                raise ShapeError(
                    f"predict needs outputs with one row per sample; for {min(self.n, self.batch_size)} rows the model "
                    f"returned shape {result.shape}. Use predict_on_batch or call the model."
                )
            return TensorType((self.n, *result.shape[1:]), result.dtype)
        return TensorType((self.steps, *result.shape), "float64" if result.dtype == "float64" else "float32")

    def check_inputs(self, arrays: Sequence[np.ndarray]) -> None:
        """Let the checks of the step look at the data."""
        for position, look in self._checks:
            look(arrays[position])

    def bind(self, batch: Any, copies: bool = False) -> EpochCall:
        """Fix the data arrays; with `copies`, the variables themselves stay as they are."""
        return EpochCall(self, batch, copies)


class EpochCall:
    """A compiled epoch with its data and buffers.

    Attributes:
        order: the permutation that is read, to be filled before each pass (None if rows are read in order).
        buffers: results by name: one row per step, or per sample.
        progress: `[step, stop flag]`, written and read by native code.
    """

    def __init__(self, program: EpochProgram, batch: Any, copies: bool = False) -> None:
        self.program = program
        self._lo, self._hi = np.zeros((), np.int64), np.zeros((), np.int64)
        self.order = np.arange(program.n) if program.shuffled else None
        arrays = [np.empty(t.shape, numpy_dtype(t.dtype)) for t in program.layout.buffers]
        for array in arrays:
            array.fill(0)  # touch the pages now, not in the middle of the epoch
        by_name = dict(zip(program.names, arrays, strict=True))
        self.buffers = {name: by_name[name] for name in _result_names(program.structure, list) if name in by_name}
        variables = [buffer_of(v) for v in program.variables]
        data = data_leaves(batch)
        program.check_inputs(data)  # once, on all rows: the epoch itself does not look
        inputs = [
            self._lo,
            self._hi,
            *data,
            *([self.order] if program.shuffled else []),
            *arrays,
            *(map(np.copy, variables) if copies else variables),
        ]
        self._call = program.executable.bind(inputs)
        self.progress: np.ndarray = self._call.progress

    def set_range(self, lo: int, hi: int) -> None:
        """Choose the steps that the next run does."""
        self._lo[...], self._hi[...] = lo, hi
        self.progress[0], self.progress[1] = lo, 0

    def run(self) -> None:
        self._call.run()

    def start(self) -> Any:
        return self._call.start()


def buffer_of(variable: Variable) -> np.ndarray:
    """The memory of a variable, which compiled programs read and write in place."""
    return variable._array


def _result_names(structure: Any, keys: Callable[[Any], list[Any]] = tree.keys_of) -> list[str]:
    """`"loss"`, `"logs/accuracy"`, ...: the path of each tensor in the tree of results, dicts in the order of `keys`."""
    names: list[str] = []

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for key in keys(node):
                walk(node[key], f"{path}/{key}" if path else str(key))
        elif isinstance(node, (list, tuple)):
            for i, value in enumerate(node):
                walk(value, f"{path}/{i}")
        elif isinstance(node, TensorSpec):
            names.append(path)

    walk(structure, "")
    return names
