"""The CPU compiler: a graph becomes one native program. Start reading at `pipeline.py`."""

from lamella.native.executable import RunningCall as RunningCall
from lamella.native.pipeline import compile as compile
