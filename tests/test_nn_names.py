"""Every public name of Keras' small modules is here, and takes what it takes there."""

from __future__ import annotations

import importlib
import inspect
import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")

import lamella as tf  # noqa: E402

MODULES = ["losses", "metrics", "optimizers", "optimizers.schedules", "initializers", "regularizers", "constraints",
           "mixed_precision"]
# `name` of a schedule is its class where it isn't given.
OTHER_DEFAULTS = {(name, "name") for name in ("CosineDecay", "ExponentialDecay", "InverseTimeDecay", "PolynomialDecay")}


def public(root, module):
    for part in module.split("."):
        root = getattr(root, part)
    return {name: thing for name, thing in vars(root).items() if name[0] != "_" and not inspect.ismodule(thing)}


def parameters(thing):
    """Arguments by name, those that are passed on to base classes included."""
    if not inspect.isclass(thing):
        return dict(inspect.signature(thing).parameters)
    found = {}
    for base in thing.__mro__[:-1]:
        if "__init__" in vars(base):
            own = dict(inspect.signature(base.__init__).parameters)
            found = {**own, **found}
            if not any(p.kind is p.VAR_KEYWORD for p in own.values()):
                break
    return found


@pytest.mark.parametrize("module", MODULES)
def test_names_arguments_and_defaults(module):
    theirs, ours = public(keras, module), public(tf.keras, module)
    assert [name for name in theirs if name not in ours] == []
    problems = []
    for name, thing in theirs.items():
        if name in ("serialize", "deserialize", "get"):
            continue
        mine = parameters(ours[name])
        order = [a for a in inspect.signature(thing).parameters if a in inspect.signature(ours[name]).parameters]
        if order != [a for a in inspect.signature(ours[name]).parameters if a in order]:
            problems.append(f"{name}: order {order}")
        for argument, p in inspect.signature(thing).parameters.items():
            if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
                continue
            if argument not in mine:
                problems.append(f"{name} lacks {argument}")
            elif p.default is not p.empty and mine[argument].default != p.default and (name, argument) not in OTHER_DEFAULTS:
                problems.append(f"{name}({argument}={mine[argument].default!r}), Keras {p.default!r}")
    assert problems == []


# Arguments of layers for what Lamella has not: quantization, sparse and ragged tensors, cuDNN, inputs that exist already.
LACKING = {"lora_rank", "lora_alpha", "quantization_config", "gptq_unpacked_column_size", "sparse", "ragged", "input_tensor",
           "optional", "use_cudnn"}
LAYERS = sorted({name for name, thing in public(keras, "layers").items() if inspect.isclass(thing)} & {*dir(tf.keras.layers)})


def plain(default):
    """One number for (n, n) and for ((n, n), (n, n))."""
    while isinstance(default, tuple) and len(set(default)) == 1:
        default = default[0]
    return default


@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"InputSpec"}))
def test_arguments_of_layers(name):
    theirs = inspect.signature(getattr(keras.layers, name)).parameters
    ours = getattr(tf.keras.layers, name)
    wanted = [a for a, p in theirs.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and a not in LACKING]
    mine, by_place = parameters(ours), [a for a in inspect.signature(ours).parameters if a in wanted]
    assert [a for a in wanted if a not in mine] == []
    assert by_place == [a for a in wanted if a in by_place]
    assert {a: plain(mine[a].default) for a in wanted} == {a: plain(theirs[a].default) for a in wanted}


# What Keras has at its top and Lamella does not: other libraries' devices and files, unfinished or experimental parts.
ABSENT = {"Function", "Operation", "Quantizer", "StatelessScope", "SymbolicScope", "applications", "device", "distillation",
          "distribution", "export", "legacy", "quantizers", "saving", "src", "visualization", "wrappers"}


def test_top_level_names():
    assert {name for name in dir(keras) if name[0] != "_" and not hasattr(tf.keras, name)} <= ABSENT
    assert tf.keras.version() == tf.keras.__version__ == tf.__version__
    bases = {"Layer": tf.keras.layers.Dense(1), "Loss": tf.keras.losses.MeanSquaredError(), "Metric": tf.keras.metrics.Mean(),
             "Optimizer": tf.keras.optimizers.Adam(), "Regularizer": tf.keras.regularizers.L2(),
             "Initializer": tf.keras.initializers.Zeros(), "KerasTensor": tf.keras.Input((2,))}
    for name, thing in bases.items():
        assert isinstance(thing, getattr(tf.keras, name)) and not isinstance(3, getattr(tf.keras, name))


def test_backend_module():
    K = tf.keras.backend
    assert [name for name in public(keras, "backend") if not hasattr(K, name)] == ["get_uid"]
    assert (K.backend(), K.epsilon(), K.floatx(), K.image_data_format()) == ("lamella", 1e-7, "float32", "channels_last")
    try:
        K.set_floatx("float64")
        assert tf.keras.config.floatx() == K.standardize_dtype(None) == "float64"
    finally:
        K.set_floatx("float32")
    for dtype in ("bool", "uint8", "int32", "float16", "bfloat16", "float64"):
        assert K.is_float_dtype(dtype) == keras.backend.is_float_dtype(dtype)
        assert K.is_int_dtype(dtype) == keras.backend.is_int_dtype(dtype)
        if dtype != "float64":  # JAX has it switched off
            assert K.result_type(dtype, "float32") == keras.backend.result_type(dtype, "float32")
    assert K.is_keras_tensor(tf.keras.Input((2,))) and not K.is_keras_tensor(tf.keras.ops.ones(2))


def test_clear_session_starts_names_and_random_numbers_again():
    tf.keras.layers.Dense(1)
    tf.keras.utils.set_random_seed(3)
    tf.keras.random.uniform((2,))
    before = tf.keras.random.global_seed_generator()
    tf.keras.utils.clear_session()
    assert tf.keras.layers.Dense(1).name == "dense" and tf.keras.layers.Dense(1).name == "dense_1"
    assert tf.keras.random.global_seed_generator() is not before
    tf.keras.utils.set_random_seed(3)
    one = tf.keras.random.uniform((2,)).numpy()
    tf.keras.utils.set_random_seed(3)
    assert (one == tf.keras.random.uniform((2,)).numpy()).all()


def test_preprocessing_module():
    assert tf.keras.preprocessing.sequence.pad_sequences is tf.keras.utils.pad_sequences
    assert importlib.import_module("lamella.keras.preprocessing.sequence").pad_sequences is tf.keras.utils.pad_sequences
