"""`fit`, `evaluate` and `predict`: the only training loop of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella.callbacks import CallbackList, History
from lamella.data import ArrayData, Stream, check_positive_int
from lamella.settings import settings
from lamella.training.compile_arguments import CompileArguments
from lamella.training.preparation import chosen_batch_size, open_data, open_validation
from lamella.training.profiling import Profiling
from lamella.training.programs import ProgramCache
from lamella.training.runners import ArrayRunner
from lamella.training.running import Runner


class Trainer(Profiling):
    """The training half of `Model`.

    Attributes:
        stop_training: set it in a callback to end `fit` after the epoch (in a batch hook: after the batch).
        history: the `History` of the last fit.
        optimizer: as compiled.
    """

    name: str
    built: bool

    def _init_trainer(self) -> None:
        self._compiled: CompileArguments | None = None
        self._programs = ProgramCache()
        self._predict_calls: dict[Any, Any] = {}
        self.history: History | None = None
        self.optimizer: Any = None
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self._batch_loss: Any = None

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: str | bool = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Choose optimizer, loss and metrics. Everything is checked first; a bad argument leaves the model as it was.

        A second compile replaces all settings of the first: what is not given is gone.

        Args:
            optimizer: name, config or instance; an instance keeps its state.
            loss: name, function or `Loss`; a list or dict for several outputs.
            loss_weights: numbers in the same form.
            metrics: list of names, functions or metrics, which ignore sample weights.
            weighted_metrics: the same, with sample weights.
            run_eagerly: run every step in Python, for debugging.
            steps_per_execution, jit_compile: accepted for compatibility: an epoch is one call anyway.
            auto_scale_loss: whether a model with the policy "mixed_float16" gets its optimizer wrapped in a
                `LossScaleOptimizer`, so that small gradients do not become 0 in float16.

        Raises:
            ValueError: an unknown name (the message offers the closest ones) or a form that does not fit the outputs.

        Source: keras.Model.compile.
        """
        check_positive_int(steps_per_execution, "steps_per_execution")
        arguments = CompileArguments(optimizer, loss, loss_weights, metrics, weighted_metrics, run_eagerly)
        if self.has_graph:  # type: ignore[attr-defined]
            arguments.spread_losses(self.output_names)  # type: ignore[attr-defined]
        if auto_scale_loss and self.dtype_policy.name == "mixed_float16":  # type: ignore[attr-defined]
            arguments.scale_loss()
        self._compiled, self.optimizer = arguments, arguments.optimizer
        self._forget_programs()

    @property
    def compiled(self) -> bool:
        """Whether `compile` has been called."""
        return self._compiled is not None

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> History:
        """Train for the epochs `initial_epoch ... epochs - 1`; each is one native call.

        Args:
            x: arrays (also a list or dict of them), or an iterable of batches `(x, y)` or `(x, y, sample_weight)`.
            y: targets; None if x yields them.
            batch_size: 32 by default; for arrays only. The last batch may be smaller.
            epochs: index of the last epoch plus 1.
            verbose: 0 nothing, 1 or "auto" progress, 2 one line per epoch.
            callbacks: list of callbacks.
            validation_split: the last part of the arrays, as a fraction, is kept for validation.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or an iterable of batches.
            shuffle: permute the rows in each epoch; "batch" permutes only inside of batches.
            class_weight: class to weight; every class that occurs needs one.
            sample_weight: weight of each row.
            initial_epoch: index of the first epoch.
            steps_per_epoch: batches per epoch; by default one pass over the data.
            validation_steps: batches per validation.
            validation_batch_size: by default `batch_size`.
            validation_freq: validate every so many epochs, or a list of epochs (from 1).

        Returns:
            The history: `history.history["loss"]` and so on, loss first.

        Raises:
            RuntimeError: not compiled.
            ValueError, ShapeError, DTypeError: arguments that do not fit; the model is left as it was.

        Source: keras.Model.fit.
        """
        compiled = self._require_compiled("fit")
        epochs, initial_epoch = check_positive_int(epochs, "epochs", 0), check_positive_int(initial_epoch, "initial_epoch", 0)
        train, validation = self._fit_data(x, y, sample_weight, validation_split, validation_data, class_weight)
        due = validation_schedule(validation_freq)
        batch_size_of = chosen_batch_size(train, batch_size, steps_per_epoch)
        callbacks = self._callback_list(callbacks, verbose, epochs)
        runner = self._runner("train", train, batch_size_of, shuffle, steps_per_epoch, "fit", callbacks, class_weight)
        validator = None
        if validation is not None:
            validator = self._validator(validation, validation_batch_size, batch_size, validation_steps, callbacks)
        callbacks.params |= {"steps": runner.steps, "metrics": self._expected_logs(compiled, validator is not None)}
        for one in (runner, validator):
            if isinstance(one, ArrayRunner):
                one.prepare()  # bad values are found before the first epoch
        history = self._fit_loop(runner, validator, callbacks, range(initial_epoch, epochs), due)
        if "profile" in settings.log:
            self._print_profiles()
        return history

    def _validator(self, data: Any, batch_size: int | None, train_batch_size: int | None, steps: int | None,
                   callbacks: CallbackList) -> Runner:
        """What evaluates the validation data, in batches of the training's size if no other is given."""
        size = chosen_batch_size(data, batch_size, steps, "validation_batch_size")
        size = train_batch_size if batch_size is None and train_batch_size is not None else size
        return self._runner("test", data, size, False, steps, "fit: validation_data", callbacks)

    def _fit_loop(
        self,
        runner: Runner,
        validator: Runner | None,
        callbacks: CallbackList,
        epochs: range,
        due: Callable[[int], bool],
    ) -> Any:
        self.stop_training = False
        self.history = callbacks.history
        logs: dict[str, Any] = {}
        try:
            callbacks.on_train_begin({})
            for epoch in epochs:
                self.reset_metrics()
                callbacks.on_epoch_begin(epoch, {})
                logs = self._run_epoch("train", runner, callbacks, epoch)
                if validator is not None and due(epoch):
                    logs |= {
                        f"val_{name}": value for name, value in self._run_test(validator, callbacks, epoch).items()
                    }
                callbacks.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            callbacks.on_train_end(logs)
        finally:
            callbacks.close()
            finalize = getattr(self.optimizer, "finalize_variable_values", None)
            if finalize is not None:
                finalize(self.trainable_variables)
        return callbacks.history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on data, without training.

        Args:
            x, y, batch_size, verbose, sample_weight, callbacks: as in `fit`.
            steps: number of batches; by default all.
            return_dict: a dict by name instead of a list.

        Returns:
            The loss, or the list `[loss, metrics...]` in the order of the logs, or the dict.

        Raises:
            RuntimeError: not compiled.

        Source: keras.Model.evaluate.
        """
        self._require_compiled("evaluate")
        data = open_data(x, y, sample_weight, "evaluate")
        callbacks = self._callback_list(callbacks, verbose, 1, history=False)
        runner = self._runner(
            "test", data, chosen_batch_size(data, batch_size, steps), False, steps, "evaluate", callbacks
        )
        callbacks.params |= {"steps": runner.steps}
        try:
            logs = self._run_test(runner, callbacks, 0)
        finally:
            callbacks.close()
        return logs if return_dict else flattened(logs)

    def _fit_data(
        self, x: Any, y: Any, sample_weight: Any, validation_split: float, validation_data: Any, class_weight: Any
    ) -> tuple[ArrayData | Stream, ArrayData | Stream | None]:
        train: ArrayData | Stream = open_data(x, y, sample_weight, "fit")
        validation = None if validation_data is None else open_validation(validation_data)
        if validation is None and validation_split:
            if not isinstance(train, ArrayData):
                raise ValueError("validation_split needs arrays; for an iterable of batches pass validation_data.")
            train, validation = train.split(validation_split)
        if class_weight is not None and isinstance(train, ArrayData):
            train = train.with_class_weight(class_weight)
        return train, validation


def validation_schedule(validation_freq: Any) -> Callable[[int], bool]:
    """Whether to validate after an epoch (from 0).

    Raises:
        ValueError: neither a whole number of at least 1 nor a list of epochs.
    """
    if isinstance(validation_freq, (list, tuple, set, frozenset)):
        return lambda epoch: epoch + 1 in validation_freq
    every = check_positive_int(validation_freq, "validation_freq")
    return lambda epoch: (epoch + 1) % every == 0


def flattened(logs: dict[str, Any]) -> Any:
    """The values of the logs as a list; the value itself if there is only one."""
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
