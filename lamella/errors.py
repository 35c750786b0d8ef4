"""The exceptions that Lamella raises, and the wording that they share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LamellaError(Exception):
    """Base of every error that has no better standard type."""


class ShapeError(LamellaError, ValueError):
    """Shapes do not fit together."""


class DTypeError(LamellaError, TypeError):
    """Dtypes do not fit together."""


class GradientError(LamellaError, ValueError):
    """A gradient was asked for that does not exist."""


class CheckError(LamellaError):
    """A graph breaks the rules of the IR: a bug in Lamella, never in user code."""


class CompileError(LamellaError):
    """The native compiler could not build a program."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """A sentence that names the closest options, for misspelt names.

    Example:
        >>> did_you_mean("adamm", ["adam", "sgd"])
        "Did you mean 'adam'? Known: adam, sgd."
    """
    options = sorted(options)
    close = difflib.get_close_matches(name, options, n=3)
    known = "Known: " + ", ".join(options) + "."
    return f"Did you mean {' or '.join(map(repr, close))}? {known}" if close else known
