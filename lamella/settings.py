"""All settings of Lamella: one small object; users reach it through `lamella.config`.

`LAMELLA_THREADS`, `LAMELLA_CACHE_DIR` and `LAMELLA_LOG` give the initial values.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

LOG_STAGES = ("graph", "fuse", "schedule", "llvm", "asm", "cache", "memory", "trace", "time", "profile")


def _default_cache_dir() -> str:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return os.path.join(base, "lamella", "kernels")


def _initial_threads() -> int:
    wanted = os.environ.get("LAMELLA_THREADS")
    if wanted:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _initial_log() -> frozenset[str]:
    names = frozenset(filter(None, os.environ.get("LAMELLA_LOG", "").split(",")))
    unknown = names - set(LOG_STAGES)
    if unknown:
        raise ValueError(f"LAMELLA_LOG names unknown stages {sorted(unknown)}; known: {', '.join(LOG_STAGES)}.")
    return names


@dataclass
class Settings:
    """The settings.

    Attributes:
        threads: size of the native team; results do not depend on it.
        cache_dir: folder of the compiled kernels; an empty string switches the disk cache off.
        log: stages that are printed to stderr while compiling, names of `LOG_STAGES`.
        floatx: default float dtype of layers and variables.
        epsilon: the small number that losses and metrics use against division by zero.
        image_data_format: `"channels_last"` or `"channels_first"`, for layers that are not told.
        target: `"native"` or `"reference"` (numpy).

    Example:
        >>> settings.floatx
        'float32'
    """

    threads: int = field(default_factory=_initial_threads)
    cache_dir: str = field(default_factory=lambda: os.environ.get("LAMELLA_CACHE_DIR", _default_cache_dir()))
    log: frozenset[str] = field(default_factory=_initial_log)
    floatx: str = "float32"
    epsilon: float = 1e-7
    image_data_format: str = "channels_last"
    target: str = "native"


settings = Settings()
