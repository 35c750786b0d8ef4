"""Every public name of Keras' small modules is here, and takes what it takes there."""

from __future__ import annotations

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
