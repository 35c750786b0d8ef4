"""The numpy interpreter: the meaning of the IR, and the eager mode."""

from lamella.reference.interpreter import apply as apply
from lamella.reference.interpreter import evaluate as evaluate
from lamella.reference.interpreter import widen as widen
