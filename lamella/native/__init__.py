"""The CPU compiler: a graph becomes one native program. Start reading at `pipeline.py`."""

from lamella.native.executable import RunningCall as RunningCall
from lamella.native.peak import fma_peak as fma_peak
from lamella.native.pipeline import compile as compile
