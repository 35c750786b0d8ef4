"""The CPU compiler: a graph becomes one native program. Start reading at `pipeline.py`."""

from lamella.native.pipeline import compile as compile
