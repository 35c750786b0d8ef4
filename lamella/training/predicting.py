"""`predict`: outputs for whole arrays, with a short path for single batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamella import tree
from lamella.data import ArrayData, Stream, pack_batch, unpack_batch
from lamella.settings import settings
from lamella.training.preparation import chosen_batch_size, open_data
from lamella.training.programs import EagerStep, EpochProgram, StepProgram, data_leaves, signature, specs_of
from lamella.training.runners import ArrayBatches, ArrayRunner, Hooks, StreamRunner
from lamella.training.running import Running


class Predicting(Running):
    """The predicting half of `Model`."""

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for all rows of x, as numpy arrays.

        Args:
            x: arrays (also a list or dict of them), or an iterable of batches.
            batch_size: 32 by default.
            verbose: 0 nothing, 1 progress, 2 one line, "auto" progress if there is more than one batch.
            steps: number of batches; by default all.
            callbacks: list of callbacks with predict hooks.

        Returns:
            One array per output, in the structure of the model's outputs.

        Raises:
            ValueError: x is empty.
            ShapeError: x does not fit the model.

        Source: keras.Model.predict.
        """
        if type(x) is np.ndarray and callbacks is None and verbose in (0, "auto"):
            call = self._predict_calls.get((x.shape, x.dtype.char, batch_size, steps, settings.target))
            if call is not None:
                return call(x)
        return self._predict(x, batch_size, verbose, steps, callbacks)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as numpy arrays."""
        data = ArrayData(x, where="predict_on_batch", check=False)
        return self._predict_program(pack_batch(data.x))(data_leaves(data.x))

    def _predict(self, x: Any, batch_size: int | None, verbose: str | int, steps: int | None, callbacks: Any) -> Any:
        data = open_data(x, None, None, "predict", check=False)
        size = chosen_batch_size(data, batch_size, steps)
        if steps is not None and isinstance(data, ArrayData):
            data = data.slice(0, size * steps)
        single = isinstance(data, ArrayData) and data.n <= size
        if single and callbacks is None and verbose in (0, "auto"):
            return self._predict_at_once(data, x, (batch_size, steps))  # type: ignore[arg-type]
        callback_list = self._callback_list(callbacks, verbose, 1, history=False)
        try:
            return self._predict_run(data, size, steps, callback_list)
        finally:
            callback_list.close()

    def _predict_at_once(self, data: ArrayData, x: Any, arguments: tuple[Any, ...]) -> Any:
        """One batch; for a plain array the bound call is remembered, so that the next one finds it at once."""
        program = self._predict_program(pack_batch(data.x))
        if isinstance(program, StepProgram) and type(x) is np.ndarray and x.dtype == data.x.dtype:
            self._predict_calls[x.shape, x.dtype.char, *arguments, settings.target] = fast_call(program)
        return program(data_leaves(data.x))

    def _predict_program(self, batch: Any) -> Any:
        def make() -> Any:
            if self._compiled is not None and self._compiled.run_eagerly:
                return EagerStep(self.predict_step, specs_of(batch))
            return StepProgram(self.predict_step, specs_of(batch), "predict_step")

        return self._programs.get(("predict", signature(batch)), make)

    def _predict_run(self, data: ArrayData | Stream, size: int, steps: int | None, callbacks: Any) -> Any:
        self.stop_predicting = False
        eager = self._compiled is not None and self._compiled.run_eagerly
        by_batch = isinstance(data, Stream) or eager or callbacks.has_batch_hooks("predict")
        count = steps if isinstance(data, Stream) else data.steps(size)
        callbacks.params |= {"steps": count}
        callbacks.on_predict_begin({})
        outputs = self._predict_batches(data, size, steps, callbacks) if by_batch else self._predict_arrays(data, size)  # type: ignore[arg-type]
        callbacks.on_predict_end({})
        return outputs

    def _predict_arrays(self, data: ArrayData, size: int) -> Any:
        """One native call that writes each batch's outputs into their rows."""
        program = self._programs.get(
            ("predict", signature(pack_batch(data.x)), size),
            lambda: EpochProgram(
                lambda batch: {"outputs": self.predict_step(batch)},
                pack_batch(data.x),
                data.n,
                size,
                False,
                lambda name: True,
                True,
                "predict_step",
            ),
        )
        runner = ArrayRunner(lambda: program.bind(pack_batch(data.x)), data, size, False, 0, None)
        call = runner.prepare()
        runner.restart(0)
        runner.run(Hooks.none(lambda: self.stop_predicting), lambda step, buffers: self.stop_predicting)
        return tree.unflatten(program.structure["outputs"], [call.buffers[name] for name in program.names])

    def _predict_batches(self, data: ArrayData | Stream, size: int, steps: int | None, callbacks: Any) -> Any:
        stream = Stream(ArrayBatches(data, size), "predict") if isinstance(data, ArrayData) else data
        parts: list[Any] = []

        def step(batch: Any) -> dict[str, Any]:
            only_x = pack_batch(unpack_batch(batch)[0])
            parts.append(self._predict_program(only_x)(data_leaves(only_x)))
            return {}

        hooks = Hooks(callbacks, "predict", lambda results: {"outputs": parts[-1]}, lambda: self.stop_predicting)
        runner = StreamRunner(step, stream, steps)
        runner.restart(0)
        runner.run(hooks, lambda step, buffers: self.stop_predicting)
        return tree.map_structure(lambda *leaves: np.concatenate(leaves), *parts)


def fast_call(program: StepProgram) -> Callable[[np.ndarray], Any]:
    """The shortest way from an array of the right shape and dtype to the outputs."""
    if len(program.results) != 1 or isinstance(program.traced.structure, (dict, list, tuple)):
        return lambda x: program([x])
    (buffer,), run, lock, (result,) = program.inputs, program.run, program.lock, program.results
    copyto, array = np.copyto, np.array
    if program.traced.checks:
        return lambda x: program([x])

    def call(x: np.ndarray) -> Any:
        with lock:
            copyto(buffer, x)
            run()
            return array(result)

    return call
