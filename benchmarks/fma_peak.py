"""Measure the floating point peak of this machine, which every FLOP limit in the tables is divided by."""

from __future__ import annotations

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from lamella.native.peak import fma_peak
from lamella.native.target import machine


def measure() -> dict[str, float]:
    """Return the peak of one core and of all cores that this process may use, in GFLOP/s."""
    cores = len(os.sched_getaffinity(0))
    return {"width": machine().lanes(), "cores": cores, "one_core": fma_peak(1), "all_cores": fma_peak(cores)}


if __name__ == "__main__":
    print(measure())
